"""What the console calls things: each state, urgency, line and act with its word, icon, tone and meaning.

A tone is a colour with a meaning: ``act`` (red) alone says that somebody has to do something.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from router.ledger.people.audit import Act
from router.ledger.people.persons import PersonRole
from router.ledger.people.views import Screen
from router.ledger.queries import Flag
from router.ledger.redrives.decisions import JobState, Outcome, Pace
from router.pages.language import N_
from router.rules.outages import LineState, ToldBy
from schemas.accounts import Role
from schemas.clock import to_ms
from schemas.dispatch import Kind
from schemas.states import Effect, RecallEffect, Status
from schemas.unit import Link


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is shown, with its meaning and what can be done."""

    label: str
    meaning: str = ""
    advice: str = ""
    icon: str = ""
    tone: str = ""


_WAIT = N_("Nothing: it goes by itself.")
_PEOPLE = N_("Nothing here: the unit's people act.")
_ENDED = N_("Nothing more is expected.")

STATES: dict[Status, Word] = {
    Status.PENDING: Word(
        N_("waiting to be sent"), N_("Accepted; the broker does not have it yet."), _WAIT, "clock", "wait"
    ),
    Status.QUEUED: Word(
        N_("queued"),
        N_("The broker keeps it for the unit; the unit's gateway has not taken it yet."),
        N_("If it stays so for long, see whether the unit's line and gateway are up."),
        "queue",
        "move",
    ),
    Status.TAKEN: Word(
        N_("taken"),
        N_("It is safe in the unit's gateway, which fetches the attachments."),
        N_("Nothing: a large file on a thin line takes its time."),
        "gateway",
        "move",
    ),
    Status.ARRIVED: Word(
        N_("arrived"),
        N_("Every byte is at the unit, verified; nobody has acted yet."),
        _PEOPLE,
        "arrived",
        "ok",
    ),
    Status.REFUSED: Word(N_("refused"), N_("The unit did not accept it and said why."), _ENDED, "refused", "warn"),
    Status.REGISTERED: Word(
        N_("registered"), N_("Accepted and entered in the unit's register."), _PEOPLE, "registered", "ok"
    ),
    Status.ASSIGNED: Word(N_("assigned"), N_("A leader has assigned it."), _PEOPLE, "registered", "ok"),
    Status.PROCESSING: Word(N_("in work"), N_("The unit works on it."), _PEOPLE, "registered", "ok"),
    Status.COMPLETED: Word(N_("completed"), N_("The unit is done with it."), _ENDED, "completed", "ok"),
    Status.TAKE_BACK_REQUESTED: Word(
        N_("asked back"), N_("The issuer asks this unit to give it back."), _PEOPLE, "recalled", "warn"
    ),
    Status.CHANGE_ACCEPTED: Word(
        N_("change accepted"), N_("The unit agreed to give it back or to update it."), _ENDED, "completed", "ok"
    ),
    Status.CHANGE_REFUSED: Word(
        N_("change refused"), N_("The unit did not agree to give it back or to update it."), _PEOPLE, "refused", "warn"
    ),
    Status.RECALLED: Word(N_("recalled"), N_("The issuer took it back."), _ENDED, "recalled", "wait"),
    Status.EXPIRED: Word(
        N_("expired"),
        N_("It did not arrive in the time the service allows and is no longer sent."),
        N_("Decide whether it is still needed; if so, redrive it."),
        "expired",
        "act",
    ),
    Status.PARKED: Word(
        N_("parked"),
        N_("The unit's own system refused it, or failed too often; it waits for somebody."),
        N_("Mend what the reason names, then redrive it."),
        "parked",
        "act",
    ),
    Status.REDRIVEN: Word(N_("redriven"), N_("Somebody has it sent again."), _WAIT, "redrive", "move"),
}

URGENCIES: tuple[Word, ...] = (
    Word(N_("normal")),
    Word(N_("urgent"), tone="warn"),
    Word(N_("very urgent"), tone="warn"),
    Word(N_("express"), tone="strong"),
    Word(N_("express at a set time"), tone="strong"),
)

LINKS: dict[Link, Word] = {
    Link.LAN: Word(N_("local network"), icon="line"),
    Link.WAN: Word(N_("wide-area network"), icon="line"),
    Link.DIALUP: Word(N_("dial-up line"), icon="line"),
    Link.NONE: Word(N_("no line"), N_("Documents wait, visibly, until the unit gets a line."), icon="noline"),
    Link.EXCLUDED: Word(N_("network of its own"), N_("Never an addressee."), icon="noline"),
}

LINE_STATES: dict[LineState, Word] = {
    LineState.UP: Word(N_("line up"), N_("Its gateway reports."), icon="line", tone="ok"),
    LineState.DOWN: Word(N_("line down"), N_("Nothing is heard from its gateway."), icon="noline", tone="warn"),
}

TOLD_BY: dict[ToldBy, str] = {
    ToldBy.GATEWAY: N_("told by the gateway"),
    ToldBy.SILENCE: N_("noticed by its silence"),
}

KINDS: dict[Kind, Word] = {
    Kind.NEW: Word(N_("new")),
    Kind.RECALL: Word(N_("recall")),
    Kind.UPDATE: Word(N_("update")),
    Kind.REPLACE: Word(N_("replacement")),
}

RECALL_EFFECTS: dict[RecallEffect, Word] = {
    RecallEffect.ENDS: Word(N_("End at once"), N_("nobody has it yet, or it is parked"), icon="recalled", tone="ok"),
    RecallEffect.FOLLOWS: Word(
        N_("End on the way"),
        N_("the recall follows it: it ends at the unit's gateway, or is asked back once it arrives"),
        icon="queue",
        tone="move",
    ),
    RecallEffect.ASKED: Word(
        N_("Asked back"), N_("the unit has it, and its people answer"), icon="arrived", tone="warn"
    ),
    RecallEffect.NOTHING: Word(N_("Nothing any more"), N_("there is nothing to recall"), icon="completed", tone="wait"),
}
NOTHING_TO_RECALL: dict[Status, str] = {
    Status.REFUSED: N_("the unit did not accept it and has sent it back"),
    Status.RECALLED: N_("it was recalled before"),
    Status.CHANGE_ACCEPTED: N_("it was recalled before, and the unit agreed"),
    Status.TAKE_BACK_REQUESTED: N_("the unit is asked already and has not answered yet"),
}
"""Why a recall changes nothing at a delivery, by its state."""

FLAGS: dict[Flag, Word] = {
    Flag.PARKED: Word(
        N_("Parked"),
        N_("The unit's own system refused it, or failed too often; it waits for somebody."),
        N_("Mend what the reason names, then redrive it."),
        "parked",
        "act",
    ),
    Flag.EXPIRED: Word(
        N_("Expired"),
        N_("It did not arrive in the time the service allows and is no longer sent."),
        N_("Decide whether it is still needed; if so, redrive it."),
        "expired",
        "act",
    ),
    Flag.LINE_DOWN: Word(
        N_("Line down"),
        N_("Nothing is heard from the unit's gateway; the documents wait and go by themselves when the line is back."),
        N_("If it lasts, ask the unit or its telephone company; nothing is lost meanwhile."),
        "noline",
        "warn",
    ),
    Flag.NOT_HANDED_OVER: Word(
        N_("Not handed over"),
        N_("The unit's gateway has them and cannot hand them over: its folder, its system or its disk fails."),
        N_("Mend what the reason names at the unit; what waits then goes by itself."),
        "gateway",
        "act",
    ),
    Flag.NOT_COLLECTED: Word(
        N_("Not collected"),
        N_("The broker keeps them and the line is not known to be down, but the gateway has taken nothing for long."),
        N_("See whether the gateway runs at the unit; nothing is lost meanwhile."),
        "noline",
        "warn",
    ),
    Flag.NOT_CONFIRMED: Word(
        N_("Not confirmed by the broker"),
        N_("The broker did not take them; they are tried again by themselves."),
        N_("On the router's machine, congvan doctor tells what is wrong."),
        "retry",
        "warn",
    ),
    Flag.OVERDUE: Word(
        N_("Overdue"),
        N_("The deadline for the answer has passed and the unit has not completed it."),
        N_("Ask the unit."),
        "overdue",
        "warn",
    ),
    Flag.NO_LINE: Word(
        N_("No line"),
        N_("No line leads to the unit; the documents wait and go by themselves as soon as it has one."),
        N_("Carry them, or enter the unit's line when it gets one."),
        "noline",
        "wait",
    ),
    Flag.PAUSED: Word(
        N_("Paused"),
        N_("Somebody paused the unit; the documents wait and go as soon as it is opened again."),
        N_("Open the unit on its page when it is ready."),
        "clock",
        "wait",
    ),
}

JOBS: dict[JobState, Word] = {
    JobState.RUNNING: Word(N_("running"), N_("It goes on by itself."), icon="redrive", tone="move"),
    JobState.WAITING: Word(N_("waits for you"), N_("The step is done; somebody says what is next."), icon="clock"),
    JobState.PAUSED: Word(N_("paused"), N_("Nothing more is sent until somebody lets it go on."), icon="clock"),
    JobState.STOPPED: Word(
        N_("stopped"), N_("One came back, or who let it go may act no more."), icon="parked", tone="act"
    ),
    JobState.DONE: Word(N_("done"), N_("Nothing is left to send."), icon="completed", tone="ok"),
    JobState.CANCELLED: Word(
        N_("cancelled"), N_("What was not sent yet stays as it is."), icon="recalled", tone="wait"
    ),
}

OUTCOMES_OF_ITEMS: dict[Outcome, Word] = {
    Outcome.WAITING: Word(N_("not sent yet"), icon="clock", tone="wait"),
    Outcome.WATCHED: Word(N_("watched"), N_("Sent again; nothing is known yet."), icon="queue", tone="move"),
    Outcome.ARRIVED: Word(N_("arrived"), icon="arrived", tone="ok"),
    Outcome.UNDER_WAY: Word(
        N_("under way"), N_("The time of watching is over without bad news."), icon="gateway", tone="move"
    ),
    Outcome.RECALLED: Word(N_("recalled"), icon="recalled", tone="wait"),
    Outcome.FAILED: Word(N_("failed"), N_("It came back, or the broker did not take it."), icon="parked", tone="act"),
    Outcome.FAILED_LATER: Word(
        N_("failed later"), N_("It came back after the time of watching was over."), icon="parked", tone="act"
    ),
    Outcome.SKIPPED: Word(N_("skipped"), icon="refused", tone="wait"),
}

PACES: dict[Pace, str] = {
    Pace.HAND: N_("one, then as you say"),
    Pace.CANARY: N_("one, then ten, then the rest"),
    Pace.RATE: N_("so many per minute"),
    Pace.ALL: N_("all at once"),
}


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a unit, since when (UTC ms) and why."""

    who: str
    since: int
    why: str


_PAUSE = re.compile(r"paused by (\S+) since (\S+): (.*)")


def pause_of(reason: str) -> Pause | None:
    """The pause that a delivery's reason describes: :func:`router.ledger.queries.deliveries.pause_reason`, read."""
    match = _PAUSE.fullmatch(reason)
    try:
        return match and Pause(match[1], to_ms(datetime.fromisoformat(match[2])), match[3])
    except ValueError:  # somebody's own words that only look so
        return None


_RECALLED = re.compile(r"recalled by dispatch ([0-9a-f-]{36})")


def recall_of(reason: str) -> str | None:
    """The id of the dispatch that recalls, as :func:`router.ledger.way.new_receipt.take_back` wrote it."""
    match = _RECALLED.fullmatch(reason)
    return match and match[1]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import of a list did: how many units, and the beginning of the list's hash."""

    added: int
    changed: int
    retired: int
    digest: str


_IMPORTED = re.compile(r"\+(\d+) ~(\d+) -(\d+) ([0-9a-f]{16})")


def import_of(detail: str) -> Imported | None:
    """What an import did, as :func:`router.ledger.units.unit_import.import_list` wrote it."""
    match = _IMPORTED.fullmatch(detail)
    return match and Imported(int(match[1]), int(match[2]), int(match[3]), match[4])


PART = N_("Only your part: %(seen)s of %(whole)s recipients."), N_("Only your part of the organisation.")
"""What papers say in both languages, Vietnamese first, that show a part only."""
UNIT_FIELDS: dict[str, str] = {
    "parent": N_("unit above"),
    "name": N_("name"),
    "kind": N_("kind"),
    "link": N_("line"),
    "note": N_("remark"),
    "opening": N_("opening hours"),
    "valid_from": N_("first day"),
    "valid_to": N_("last day"),
    "successor": N_("successor"),
    "codes": N_("codes elsewhere"),
}
"""What a list of units says of each, by the names of its columns."""
EFFECTS: dict[Effect, str] = {
    Effect.ADVANCE: N_("taken into account"),
    Effect.STALE: N_("too late"),
    Effect.REFUSED: N_("not allowed"),
    Effect.CORRECT: N_("put right"),
    Effect.BACK: N_("undone"),
}
ACTS: dict[Act, str] = {
    Act.LOGGED_IN: N_("logged in"),
    Act.LOGIN_FAILED: N_("login failed"),
    Act.LOGGED_OUT: N_("logged out"),
    Act.PASSWORD_SET: N_("set a password"),
    Act.INVITED: N_("invited"),
    Act.REVOKED: N_("ended the access of"),
    Act.WITHDRAWN: N_("took a role from"),
    Act.REDRIVEN: N_("redrove"),
    Act.REDRIVE_MADE: N_("began a redrive"),
    Act.REDRIVE_LET_GO: N_("let a redrive go on"),
    Act.REDRIVE_PAUSED: N_("paused a redrive"),
    Act.REDRIVE_CANCELLED: N_("cancelled a redrive"),
    Act.UNIT_PAUSED: N_("paused a unit"),
    Act.UNIT_MUTED: N_("muted a unit"),
    Act.UNIT_OPENED: N_("opened a unit"),
    Act.UNIT_RETIRED: N_("retired a unit"),
    Act.UNITS_IMPORTED: N_("imported a list of units"),
    Act.UNIT_ADDED: N_("added a unit"),
    Act.UNIT_CHANGED: N_("changed a unit"),
    Act.HANDED_ON: N_("handed on what waited for a unit"),
    Act.WAITING_ENDED: N_("gave up what waited for a unit"),
    Act.UNIT_KEPT: N_("took a unit's retirement back"),
    Act.GATEWAY_CHANGED: N_("let another gateway work for"),
    Act.EXPORTED: N_("exported a list"),
    Act.RECOVERY_BEGUN: N_("began to recover"),
    Act.RECOVERY_ENDED: N_("ended the recovery of"),
    Act.CARE_TAKEN: N_("takes care of what is stuck"),
    Act.CARE_LEFT: N_("takes care of it no more"),
    Act.CARE_ENDED: N_("nothing is left to take care of"),
    Act.TOKEN_MADE: N_("made a token"),
    Act.TOKEN_REPLACED: N_("replaced a token"),
    Act.TOKEN_ENDS: N_("set the end of a token"),
    Act.TOKEN_REVOKED: N_("withdrew a token"),
    Act.CERTIFIED: N_("was given a certificate"),
    Act.DISPATCH_SENT: N_("sent a document"),
    Act.DISPATCH_RECALLED: N_("recalled a document"),
    Act.SESSIONS_ENDED: N_("ended the other sessions"),
}

SCREENS: dict[Screen, Word] = {
    Screen.LOG: Word(N_("Log")),
    Screen.DELIVERIES: Word(N_("Deliveries")),
    Screen.STUCK: Word(N_("Stuck")),
    Screen.UNITS: Word(N_("Units")),
}

ACCOUNT_ROLES: dict[Role, Word] = {
    Role.GATEWAY: Word(N_("gateway"), N_("takes what is addressed to its units, reports, and sends for them")),
    Role.ISSUER: Word(N_("system that sends"), N_("sends for its units and reads what became of that")),
    Role.OPERATOR: Word(N_("program that operates"), N_("reads everything of its units and redrives")),
    Role.WATCHER: Word(N_("program that measures"), N_("reads the metrics, and nothing else")),
}
ROLES: dict[PersonRole, str] = {
    PersonRole.VIEWER: N_("viewer"),
    PersonRole.OPERATOR: N_("operator"),
    PersonRole.ISSUER: N_("issuer"),
    PersonRole.AUDITOR: N_("auditor"),
    PersonRole.ADMIN: N_("administrator"),
}

GLOSSARY: tuple[tuple[str, str], ...] = (
    (N_("dispatch"), N_("An official document on its way from one issuer to its addressees.")),
    (N_("unit"), N_("A node of the organisation that documents are addressed to.")),
    (N_("delivery"), N_("One dispatch on its way to one unit; it has one id for ever.")),
    (N_("receipt"), N_("A statement of what became of a delivery; receipts are never changed.")),
    (N_("gateway"), N_("The small computer at a unit that takes what is addressed to it.")),
    (N_("retrying"), N_("On the way and sent more than once, because nobody confirmed it in time.")),
    (N_("stuck"), N_("It will not get there unless somebody acts: parked or expired, or its unit exists no more.")),
    (N_("redrive"), N_("Have a stuck delivery sent again: same content, same id, with a reason.")),
    (N_("overdue"), N_("The deadline for the answer has passed and the unit has not completed it.")),
    (N_("late"), N_("What has to be done next, or the answer, is past its term: the decree's, or the letter's own.")),
    (N_("no line"), N_("No line leads to the unit; the documents wait and go by themselves as soon as it has one.")),
)
