"""The states of a delivery and which receipt may follow which.

Codes 01 to 16 are those of Decision 28/2018; the states without a code are the service's own. Every change is a new
receipt; the state is what the receipts so far add up to. :func:`follow` is the one place that decides.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import TransitionError


class Status(StrEnum):
    """The state of a delivery, and the word a receipt carries to change it."""

    PENDING = "pending"
    """Accepted, not yet confirmed by the broker. No receipt carries this: it is how a delivery begins."""
    QUEUED = "queued"
    TAKEN = "taken"
    ARRIVED = "arrived"
    REFUSED = "refused"
    REGISTERED = "registered"
    ASSIGNED = "assigned"
    PROCESSING = "processing"
    COMPLETED = "completed"
    TAKE_BACK_REQUESTED = "take_back_requested"
    CHANGE_ACCEPTED = "change_accepted"
    CHANGE_REFUSED = "change_refused"
    RECALLED = "recalled"
    EXPIRED = "expired"
    PARKED = "parked"
    REDRIVEN = "redriven"


S = Status

NATIONAL_CODES: dict[Status, str] = {
    S.ARRIVED: "01",
    S.REFUSED: "02",
    S.REGISTERED: "03",
    S.ASSIGNED: "04",
    S.PROCESSING: "05",
    S.COMPLETED: "06",
    S.TAKE_BACK_REQUESTED: "13",
    S.CHANGE_ACCEPTED: "15",
    S.CHANGE_REFUSED: "16",
}
BY_GATEWAY = frozenset({S.TAKEN, S.ARRIVED, S.PARKED, S.RECALLED})
BY_PEOPLE = frozenset(
    {S.REFUSED, S.REGISTERED, S.ASSIGNED, S.PROCESSING, S.COMPLETED, S.CHANGE_ACCEPTED, S.CHANGE_REFUSED}
)
BY_UNIT = BY_GATEWAY | BY_PEOPLE
"""What a receipt from a unit may say; the rest is the service's, the issuer's or an operator's to say."""

UNDELIVERED = frozenset({S.PENDING, S.QUEUED, S.TAKEN, S.REDRIVEN})
"""On the way: the service still has to bring it to the unit."""
WAITING_FOR_OPERATOR = frozenset({S.PARKED})
ENDED = frozenset({S.REFUSED, S.COMPLETED, S.RECALLED, S.EXPIRED, S.CHANGE_ACCEPTED})
"""Nothing more is expected."""
IN_WORK = frozenset({S.REGISTERED, S.ASSIGNED, S.PROCESSING, S.CHANGE_REFUSED})
"""With the unit's people: registered and not done; kept after a recall, which may have come before the registration."""
GIVEN_BACK = frozenset({S.REFUSED, S.RECALLED, S.CHANGE_ACCEPTED})
"""The unit has nothing of it any more: whatever of its bytes still lies there is read no more."""
HELD = frozenset(
    {S.ARRIVED, S.REGISTERED, S.ASSIGNED, S.PROCESSING, S.COMPLETED, S.TAKE_BACK_REQUESTED, S.CHANGE_REFUSED}
)
"""The unit has it, whole and verified: the only states in which its files are read."""

_TOLD_LATE = frozenset({S.PENDING, S.QUEUED, S.TAKEN, S.ARRIVED, S.PARKED})
"""What the machines say by themselves."""
_NOT_AT_THE_UNIT = UNDELIVERED | {S.PARKED, S.EXPIRED}
_SERVICE_ENDS = frozenset({S.PARKED, S.RECALLED, S.EXPIRED})
_AFTER_REGISTRATION = frozenset({S.ASSIGNED, S.PROCESSING, S.COMPLETED})
_CROSSES_A_RECALL = frozenset({S.REGISTERED}) | _AFTER_REGISTRATION
"""What a unit's people may have said before they heard that a document is wanted back."""
_WITH_PEOPLE = frozenset({S.RECALLED, S.TAKE_BACK_REQUESTED, S.CHANGE_ACCEPTED, S.CHANGE_REFUSED})

_NEXT: dict[Status, frozenset[Status]] = {
    S.PENDING: frozenset({S.QUEUED, S.TAKEN, S.ARRIVED}) | _SERVICE_ENDS,
    S.REDRIVEN: frozenset({S.QUEUED, S.TAKEN, S.ARRIVED}) | _SERVICE_ENDS,
    S.QUEUED: frozenset({S.TAKEN, S.ARRIVED}) | _SERVICE_ENDS,
    S.TAKEN: frozenset({S.ARRIVED}) | _SERVICE_ENDS,
    S.PARKED: frozenset({S.REDRIVEN, S.ARRIVED, S.RECALLED, S.EXPIRED}),
    S.EXPIRED: frozenset({S.REDRIVEN, S.ARRIVED, S.RECALLED}),
    S.ARRIVED: frozenset({S.REFUSED, S.REGISTERED}) | _WITH_PEOPLE,
    S.REGISTERED: _AFTER_REGISTRATION | _WITH_PEOPLE,
    S.ASSIGNED: frozenset({S.PROCESSING, S.COMPLETED}) | _WITH_PEOPLE,
    S.PROCESSING: frozenset({S.COMPLETED}) | _WITH_PEOPLE,
    S.COMPLETED: _WITH_PEOPLE,
    # A refusal may have crossed the request on the line: the unit has nothing to give back then.
    S.TAKE_BACK_REQUESTED: frozenset({S.CHANGE_ACCEPTED, S.CHANGE_REFUSED, S.RECALLED, S.REFUSED}),
    S.CHANGE_ACCEPTED: frozenset({S.RECALLED}),
    S.CHANGE_REFUSED: frozenset({S.REGISTERED}) | _AFTER_REGISTRATION | _WITH_PEOPLE,
    S.RECALLED: frozenset(),
    S.REFUSED: frozenset(),
}


class Effect(StrEnum):
    """What a receipt does to its delivery."""

    ADVANCE = "advance"
    """The state becomes the receipt's status."""
    STALE = "stale"
    """Kept, but the delivery is further already: said late, or again."""
    REFUSED = "refused"
    """Not allowed from this state: kept as refused, the state stays."""
    CORRECT = "correct"
    """Puts the fields of an earlier receipt right; the state stays."""
    BACK = "back"
    """Undoes an earlier receipt: the state is again the one before it."""


@dataclass(frozen=True, slots=True)
class Step:
    """The decision on one receipt: its effect, and the reason when it is refused."""

    effect: Effect
    reason: str = ""


_ADVANCE, _STALE, _BACK = Step(Effect.ADVANCE), Step(Effect.STALE), Step(Effect.BACK)
_IN_ORDER = (S.ARRIVED, S.REGISTERED, S.ASSIGNED, S.PROCESSING, S.COMPLETED)
"""How far a unit's people have come with a document."""
_BY_STEPS = frozenset({*_IN_ORDER, S.REFUSED})
"""The states among which a unit's people alone move a document."""


def follow(current: Status, status: Status) -> Step:
    """Decide what a receipt with ``status`` does to a delivery in ``current``.

    A repeated status is stale. What the machines say (queued, taken, arrived, parked) may be said late, after people
    have acted: also stale, never refused, because at-least-once delivery repeats and reorders. So is what a unit's
    people did before the wish to have the document back reached them: its number in their register is given.
    """
    if status == current:
        return _STALE
    if status in _NEXT[current]:
        return _ADVANCE
    if status in _TOLD_LATE or (current is S.TAKE_BACK_REQUESTED and status in _CROSSES_A_RECALL):
        return _STALE
    return Step(Effect.REFUSED, _not_allowed(current, status))


def _not_allowed(current: Status, status: Status) -> str:
    allowed = ", ".join(sorted(_NEXT[current] - {current})) or "nothing"
    return f"{status} cannot follow {current}; allowed: {allowed}"


def steps_back(current: Status) -> frozenset[Status]:
    """The states to which a person's step by mistake may be undone; none from where nothing is to be had back."""
    if current is S.REFUSED:
        return frozenset({S.ARRIVED})
    return frozenset(_IN_ORDER[: _IN_ORDER.index(current)]) if current in _IN_ORDER else frozenset()


def go_back(current: Status, status: Status) -> Step:
    """Decide what a receipt does that undoes an earlier one, after which the delivery is in ``status`` again.

    Whoever has not heard of the step that is undone is where it leads already, or not yet that far.
    """
    return _BACK if status in steps_back(current) else follow(current, status)


def may_have_followed(current: Status, status: Status) -> bool:
    """Whether a unit's people may have come from one state to another by steps that nobody has heard of yet.

    To be asked only where some of what the unit said is missing: :func:`follow` and :func:`go_back` decide else.
    """
    return status in _BY_STEPS and (current in _BY_STEPS or S.ARRIVED in _NEXT[current])


def on_recall(current: Status, *, gone: bool) -> Status | None:
    """Decide what a recall of its dispatch makes of a delivery at once; None: nothing, or whoever has it will say.

    The ledger and the unit's gateway ask, each for its own knowledge of the delivery.

    Args:
        current: the delivery's state.
        gone: it may be out of the asker's hands: with the broker, or with the unit's sink.
    """
    if current in _NOT_AT_THE_UNIT:
        return None if gone else S.RECALLED
    return S.TAKE_BACK_REQUESTED if follow(current, S.TAKE_BACK_REQUESTED).effect is Effect.ADVANCE else None


class RecallEffect(StrEnum):
    """What a recall does to a delivery, as the ledger knows it at that moment."""

    ENDS = "ends"
    """It ends at once: nobody has it yet, or it lies parked."""
    FOLLOWS = "follows"
    """It is on its way: the recall follows it, and it ends at the unit's gateway, or is asked back once it arrives."""
    ASKED = "asked"
    """The unit has it and is asked to give it back."""
    NOTHING = "nothing"
    """It was given back, has ended, or is asked for already."""


def recall_effect(current: Status, *, gone: bool) -> RecallEffect:
    """What :func:`on_recall` comes to, for whoever wants to know before; the arguments are the same."""
    outcome = on_recall(current, gone=gone)
    if outcome is not None:
        return RecallEffect.ENDS if outcome is S.RECALLED else RecallEffect.ASKED
    return RecallEffect.FOLLOWS if current in _NOT_AT_THE_UNIT else RecallEffect.NOTHING


def require(current: Status, status: Status) -> None:
    """Refuse a change that a person asks for when the state does not allow it.

    Raises:
        TransitionError: with the states that would be allowed.
    """
    if follow(current, status).effect is not Effect.ADVANCE:
        raise TransitionError(f"it is {current} already" if status is current else _not_allowed(current, status))
