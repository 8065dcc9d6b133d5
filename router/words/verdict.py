"""What comes next for a delivery by itself, and what can be done: a pure function of where it stands."""

from dataclasses import dataclass, replace

from router.ledger.queries import REDRIVABLE, DeliveryRow, Flag
from router.pages.language import N_
from router.rules.schedule import is_reachable
from router.words.terms import FLAGS, STATES
from schemas.reasons import ReasonCode
from schemas.states import ENDED, UNDELIVERED, WAITING_FOR_OPERATOR, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes next, with its time (UTC ms) where there is one, and what can be done; both are translated."""

    next: str
    at: int | None
    advice: str


_PEOPLE = N_("The unit's people act; the service sends nothing more.")
_ENDED = N_("Nothing more happens by itself.")
_STOPPED = N_("Nothing by itself: it waits for somebody.")
_NO_LINE = N_("It goes by itself as soon as the unit has a line.")
_LINE_DOWN = N_("It goes on by itself when the line is back, which is down since:")
_NOT_HANDED_OVER = N_("It goes by itself when the unit's gateway can hand it over, which fails since:")
_AGAIN = N_("It is sent again by itself if nobody confirms it by then:")
_PAUSED = N_("It goes by itself as soon as the unit is opened again.")
_HELD = N_("It is not sent again while its unit is paused; what the broker has already may still arrive.")
_DAMAGED = N_(
    "The router's own copy of an attachment is damaged or lost; nothing is wrong at the unit. Whoever has the file "
    "sends it once more."
)
_RETRIED = N_("The broker did not take it; it is tried again by itself:")


def verdict_of(row: DeliveryRow, *, damaged: bool = False) -> Verdict:
    """Decide what to say of a delivery as it stands; ``damaged``: the router has lost a content of it."""
    if damaged and row.state in UNDELIVERED | WAITING_FOR_OPERATOR:
        return replace(verdict_of(row), advice=_DAMAGED)
    if row.state in UNDELIVERED:
        return _on_the_way(row)
    ended = row.state in ENDED or row.state is Status.RECALLED
    following = _STOPPED if row.state in REDRIVABLE else _ENDED if ended else _PEOPLE
    return Verdict(following, None, STATES[row.state].advice)


def _on_the_way(row: DeliveryRow) -> Verdict:
    if not is_reachable(row.link):
        return Verdict(_NO_LINE, None, FLAGS[Flag.NO_LINE].advice)
    if row.reason_code == ReasonCode.PAUSED and row.next_due_at is None:
        return Verdict(_PAUSED, None, FLAGS[Flag.PAUSED].advice)
    if row.line_down_since is not None:
        return Verdict(_LINE_DOWN, row.line_down_since, FLAGS[Flag.LINE_DOWN].advice)
    if row.waits_for_sink:
        return Verdict(_NOT_HANDED_OVER, row.trouble_since, FLAGS[Flag.NOT_HANDED_OVER].advice)
    return _by_itself(row)


def _by_itself(row: DeliveryRow) -> Verdict:
    if row.next_due_at is None:
        return Verdict(_HELD, None, STATES[row.state].advice)
    if row.failures:
        return Verdict(_RETRIED, row.next_due_at, FLAGS[Flag.NOT_CONFIRMED].advice)
    return Verdict(_AGAIN, row.next_due_at, STATES[row.state].advice)
