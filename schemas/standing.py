"""Which receipts of a delivery say how it stands: what was corrected or undone since says so no more.

What a unit's people told counts in the order in which they did it, whenever it came into the log.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas.states import BY_PEOPLE, Effect, Status, steps_back

_MOVED = frozenset({Effect.ADVANCE, Effect.BACK})


class NumberedWords(Protocol):
    """What the order of receipts comes from: ``seq`` is the unit's number of one, None: it is no unit's."""

    @property
    def effect(self) -> Effect: ...  # noqa: D102 - as above
    @property
    def seq(self) -> int | None: ...  # noqa: D102


class RecordedWords(NumberedWords, Protocol):
    """What is looked at of a receipt; ``recorded_at`` is when it came into its log (UTC ms)."""

    @property
    def id(self) -> str: ...  # noqa: D102 - as above
    @property
    def status(self) -> Status: ...  # noqa: D102
    @property
    def recorded_at(self) -> int: ...  # noqa: D102
    @property
    def corrects(self) -> str | None: ...  # noqa: D102
    @property
    def undoes(self) -> str | None: ...  # noqa: D102


N = TypeVar("N", bound=NumberedWords)
T = TypeVar("T", bound=RecordedWords)


@dataclass(frozen=True, slots=True)
class Standing(Generic[T]):
    """What stands: when each state was reached first (UTC ms), and of each the receipt whose fields count.

    Both mappings are in the order in which the states were reached. ``last`` is the receipt that the state comes from,
    None: there is none.
    """

    times: Mapping[Status, int]
    told: Mapping[Status, T]
    last: T | None


def standing(receipts: Iterable[T]) -> Standing[T]:
    """How a delivery stands by its receipts, given in the order of its log.

    A state is reached by a step alone; a correction counts if the receipt that it names does.
    """
    steps: dict[Status, T] = {}
    times: dict[Status, int] = {}
    corrections: dict[str, T] = {}
    last: T | None = None
    for row in in_order(receipts):
        if row.corrects is not None:
            corrections[row.corrects] = row
        elif row.undoes is not None:
            _take_back(row, steps, times)
            last = row
        elif _counts(row, last, steps):
            steps.pop(row.status, None)
            steps[row.status] = row
            times.setdefault(row.status, row.recorded_at)
            last = row
    return Standing(times, {status: _corrected(row, corrections) for status, row in steps.items()}, last)


def in_order(receipts: Iterable[N]) -> Iterator[N]:
    """What was not refused, as it was done: a spool numbers it so, and what no unit said stands where the log has it.

    A receipt moves its delivery though its number is lower than that of the one before, if it is a new spool's.
    """
    placed: list[tuple[int, int, N]] = []
    spool = number = 0
    for row in receipts:
        if row.effect is Effect.REFUSED:
            continue
        if row.seq is not None and row.effect in _MOVED:
            spool, number = spool + (row.seq < number), row.seq
        placed.append((spool, number if row.seq is None else row.seq, row))
    placed.sort(key=lambda place: place[:2])
    return (row for _, _, row in placed)


def _take_back(row: T, steps: dict[Status, T], times: dict[Status, int]) -> None:
    """Leave out what was reached after the state that a row goes back to; until that one's receipt comes it is its."""
    for status in [it for it in steps if row.status in steps_back(it)]:
        del steps[status], times[status]
    if row.status not in steps:  # the receipt of that state has not come yet
        steps[row.status], times[row.status] = row, row.recorded_at


def _counts(row: T, last: T | None, steps: Mapping[Status, T]) -> bool:
    """Whether a receipt reaches its state: what people did before does, though it came late; a repetition does not."""
    if row.effect in _MOVED:
        return True
    if row.status in BY_PEOPLE:
        return last is None or last.status is not row.status
    return row.status is Status.ARRIVED and row.status not in steps


def _corrected(row: T, corrections: Mapping[str, T]) -> T:
    """The last correction of a receipt; the receipt when there is none."""
    seen = {row.id}
    while (following := corrections.get(row.id)) is not None and following.id not in seen:
        row = following
        seen.add(row.id)
    return row
