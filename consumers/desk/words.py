"""What people read at the desk: states as the unit sees them, roles, steps, acts; English, translated where shown."""

from dataclasses import dataclass

from consumers.spool.handling import StepKind, TaskPart
from consumers.spool.journal import JournalAct
from consumers.spool.people import DeskRole
from router.pages.language import N_
from schemas.dispatch import Kind, Secrecy, Urgency
from schemas.stages import Stage
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class StateWord:
    """A state: what it is called, its icon, and how much it calls: ok, move, wait, warn or act."""

    label: str
    icon: str
    tone: str


STATES: dict[Status, StateWord] = {
    Status.TAKEN: StateWord(N_("On its way"), "queue", "move"),
    Status.PARKED: StateWord(N_("Cannot be delivered"), "parked", "act"),
    Status.ARRIVED: StateWord(N_("Not registered"), "arrived", "warn"),
    Status.REGISTERED: StateWord(N_("In the register"), "registered", "ok"),
    Status.ASSIGNED: StateWord(N_("Directed"), "person", "ok"),
    Status.PROCESSING: StateWord(N_("In work"), "clock", "move"),
    Status.COMPLETED: StateWord(N_("Done"), "completed", "ok"),
    Status.REFUSED: StateWord(N_("Sent back"), "refused", "wait"),
    Status.TAKE_BACK_REQUESTED: StateWord(N_("Recalled: to be answered"), "recalled", "act"),
    Status.CHANGE_ACCEPTED: StateWord(N_("Change accepted"), "completed", "wait"),
    Status.CHANGE_REFUSED: StateWord(N_("Kept after a recall"), "registered", "ok"),
    Status.RECALLED: StateWord(N_("Given back"), "recalled", "wait"),
    Status.EXPIRED: StateWord(N_("Given up"), "expired", "wait"),
}
STAGES: dict[Stage, StateWord] = {
    Stage.WAITING: StateWord(N_("On its way up"), "queue", "move"),
    Stage.ACCEPTED: StateWord(N_("Accepted"), "completed", "ok"),
    Stage.REJECTED: StateWord(N_("Rejected"), "refused", "act"),
}
"""How far a document is that goes out."""
TRACK: dict[Status, str] = {
    Status.PENDING: N_("Not on its way yet"),
    Status.QUEUED: N_("In the queue"),
    Status.TAKEN: N_("On its way"),
    Status.ARRIVED: N_("Arrived"),
    Status.REFUSED: N_("Refused"),
    Status.REGISTERED: N_("In the register"),
    Status.ASSIGNED: N_("Directed"),
    Status.PROCESSING: N_("In work"),
    Status.COMPLETED: N_("Done"),
    Status.TAKE_BACK_REQUESTED: N_("Asked to give it back"),
    Status.CHANGE_ACCEPTED: N_("Change accepted"),
    Status.CHANGE_REFUSED: N_("Kept after a recall"),
    Status.RECALLED: N_("Given back"),
    Status.EXPIRED: N_("Given up"),
    Status.PARKED: N_("Cannot be delivered"),
    Status.REDRIVEN: N_("Sent again"),
}
"""Where a document is at an addressee, as the router says."""
URGENCIES: dict[Urgency, str] = {
    Urgency.NORMAL: N_("normal"),
    Urgency.URGENT: N_("urgent"),
    Urgency.VERY_URGENT: N_("very urgent"),
    Urgency.EXPRESS: N_("express"),
    Urgency.EXPRESS_TIMED: N_("express at a set time"),
}
SECRECIES: dict[Secrecy, str] = {
    Secrecy.NONE: N_("none"),
    Secrecy.CONFIDENTIAL: N_("confidential"),
    Secrecy.SECRET: N_("secret"),
    Secrecy.TOP_SECRET: N_("top secret"),
}
REFERS: dict[Kind, str] = {
    Kind.NEW: N_("Answers, or refers to"),
    Kind.RECALL: N_("Recalls"),
    Kind.UPDATE: N_("Updates"),
    Kind.REPLACE: N_("Replaces"),
}
REFERRED: dict[Kind, str] = {
    Kind.NEW: N_("Answered, or referred to, by"),
    Kind.RECALL: N_("Recalled by"),
    Kind.UPDATE: N_("Updated by"),
    Kind.REPLACE: N_("Replaced by"),
}
ROLES: dict[DeskRole, str] = {
    DeskRole.CLERK: N_("clerk"),
    DeskRole.LEADER: N_("leader"),
    DeskRole.STAFF: N_("staff"),
    DeskRole.VIEWER: N_("viewer"),
    DeskRole.ADMIN: N_("administrator"),
    DeskRole.CLEARED: N_("sees state secrets"),
}
STEPS: dict[StepKind, str] = {
    StepKind.REGISTERED: N_("Entered in the register"),
    StepKind.REFUSED: N_("Sent back"),
    StepKind.SUBMITTED: N_("Submitted to a leader"),
    StepKind.DIRECTED: N_("Directed"),
    StepKind.PROCESSED: N_("Work begun"),
    StepKind.NOTED: N_("Note"),
    StepKind.COMPLETED: N_("Done"),
    StepKind.CHANGE_REFUSED: N_("Kept after a recall"),
    StepKind.GIVEN_BACK: N_("Given back, every copy destroyed"),
    StepKind.CORRECTED: N_("Entry put right"),
    StepKind.UNDONE: N_("Undone"),
}
PARTS: dict[TaskPart, str] = {
    TaskPart.DIRECT: N_("to direct"),
    TaskPart.LEAD: N_("to lead"),
    TaskPart.COORDINATE: N_("to coordinate"),
    TaskPart.KNOW: N_("to know"),
}
ACTS: dict[JournalAct, str] = {
    JournalAct.LOGGED_IN: N_("Logged in"),
    JournalAct.LOGIN_FAILED: N_("A login failed"),
    JournalAct.LOGGED_OUT: N_("Logged out"),
    JournalAct.PASSWORD_SET: N_("Password set"),
    JournalAct.SESSIONS_ENDED: N_("Other sessions ended"),
    JournalAct.INVITED: N_("Invited"),
    JournalAct.REVOKED: N_("Access ended"),
    JournalAct.WITHDRAWN: N_("Role withdrawn"),
    JournalAct.NAMED: N_("Name written"),
    JournalAct.REGISTERED: N_("Entered in the register"),
    JournalAct.REFUSED: N_("Sent back"),
    JournalAct.SUBMITTED: N_("Submitted to a leader"),
    JournalAct.DIRECTED: N_("Directed"),
    JournalAct.PROCESSED: N_("Work begun"),
    JournalAct.NOTED: N_("Note"),
    JournalAct.COMPLETED: N_("Done"),
    JournalAct.CHANGE_REFUSED: N_("Kept after a recall"),
    JournalAct.GIVEN_BACK: N_("Given back, every copy destroyed"),
    JournalAct.UNDONE: N_("Undone"),
    JournalAct.NUMBERS_RESERVED: N_("Numbers reserved"),
    JournalAct.ENTRY_WRITTEN: N_("Paper entered in the register"),
    JournalAct.ENTRY_CORRECTED: N_("Entry put right"),
    JournalAct.ENTRY_STRUCK: N_("Entry struck through"),
    JournalAct.BOOK_BEGUN: N_("Register begun"),
    JournalAct.BOOK_CLOSED: N_("Register closed"),
    JournalAct.NEXT_NUMBER_SAID: N_("Next number said after a loss"),
    JournalAct.RECOVERY_KEY_MADE: N_("Recovery key made"),
    JournalAct.RESTORED: N_("Registers restored"),
    JournalAct.EXPORTED: N_("Exported"),
    JournalAct.NUMBERS_ASKED: N_("Missing numbers asked for"),
    JournalAct.SENT: N_("Document sent"),
    JournalAct.SENT_RECALL: N_("Recall sent"),
    JournalAct.DRAFT_DROPPED: N_("Draft thrown away"),
    JournalAct.LETTER_FORM_WRITTEN: N_("Notation and place written"),
}
DUES: dict[str, str] = {"overdue": N_("overdue"), "today": N_("today"), "week": N_("within seven days")}
"""By when documents in work should be done, as filters name it."""
REASONS: tuple[str, ...] = (
    N_("Sent to the wrong unit"),
    N_("Not our responsibility"),
    N_("A file is missing or does not open"),
    N_("Not in due form"),
    N_("Not authentic as far as can be seen"),
)
"""Why a document is sent back; another reason is written."""
ERRORS: dict[str, str] = {
    "moved": N_("Somebody dealt with it meanwhile; look at it again."),
    "state": N_("Its state does not allow that."),
    "closed-book": N_("The register is closed; a document of this day belongs into another."),
    "unconfirmed-book": N_("The register was restored; say first on its page which number comes next."),
    "book": N_("The register does not allow that; look at it again."),
    "busy": N_("The disk is full or busy; try again in a moment."),
}
"""What pages say of the gateway's errors."""
ATTENTION = N_("Urgent documents that wait for you: {n}")
"""What a message on the screen says."""
