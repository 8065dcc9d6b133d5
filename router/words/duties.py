"""What is owed, by whom, and for how long it has been late, in words."""

from router.ledger.queries import LateFor
from router.pages.language import N_
from router.words.terms import Word
from schemas.duties import WHOSE, Duty, Party

DUTIES: dict[Duty, Word] = {
    Duty.DELIVER: Word(N_("bring it to the unit"), N_("On its way; late when a set time has passed.")),
    Duty.SEND_AGAIN: Word(N_("see to what is parked"), N_("Parked: an operator has it sent again, or gives it up.")),
    Duty.REGISTER: Word(N_("enter in the register"), N_("Arrived: entered in the arrival book, or refused.")),
    Duty.ASSIGN: Word(N_("submit and direct"), N_("Registered: submitted to the leader, who says who deals with it.")),
    Duty.PROCESS: Word(N_("deal with it"), N_("Assigned: dealt with and completed by the day that the letter names.")),
    Duty.GIVE_BACK: Word(N_("answer the recall"), N_("Asked back: given back, or kept with a reason.")),
    Duty.ANSWER: Word(N_("answer"), N_("Answered by the day that the letter names, whatever has to be done before.")),
}
"""What is owed."""

PARTIES: dict[Party, str] = {
    Party.SERVICE: N_("the service"),
    Party.OPERATOR: N_("the operator"),
    Party.CLERK: N_("the unit's clerk"),
    Party.LEADER: N_("the unit's leader"),
    Party.STAFF: N_("the unit's staff"),
}
"""Whose turn it is."""

LATE_FOR: dict[LateFor, str] = {
    LateFor.DAY: N_("under 1 day"),
    LateFor.DAYS: N_("1 to 3 days"),
    LateFor.WEEK: N_("3 to 7 days"),
    LateFor.MONTH: N_("7 to 30 days"),
    LateFor.LONGER: N_("30 days and more"),
}

WHO: dict[Duty, str] = {duty: PARTIES[party] for duty, party in WHOSE.items()} | {
    Duty.ANSWER: N_("whoever has the letter")
}
"""Whose turn it is while something is owed."""
