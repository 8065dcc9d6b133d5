"""Which receipts of a delivery say how it stands: what was corrected or undone since says so no more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas.states import Effect, Status, steps_back

_COUNTS = frozenset({Effect.ADVANCE, Effect.CORRECT})


class RecordedWords(Protocol):
    """What is looked at of a receipt; ``pos`` is its place in its log, ``recorded_at`` when it got there (UTC ms)."""

    @property
    def pos(self) -> int: ...  # noqa: D102 - as above
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> Status: ...  # noqa: D102
    @property
    def effect(self) -> Effect: ...  # noqa: D102
    @property
    def recorded_at(self) -> int: ...  # noqa: D102
    @property
    def corrects(self) -> str | None: ...  # noqa: D102
    @property
    def undoes(self) -> str | None: ...  # noqa: D102


T = TypeVar("T", bound=RecordedWords)


@dataclass(frozen=True, slots=True)
class Standing(Generic[T]):
    """What stands: when each state was reached first (UTC ms), and of each the receipt whose fields count."""

    times: Mapping[Status, int]
    told: Mapping[Status, T]


def standing(receipts: Iterable[T]) -> Standing[T]:
    """How a delivery stands by its receipts, in the order of the log; both mappings are in that order, too."""
    rows = [row for row in receipts if row.effect is not Effect.REFUSED]
    corrected = {row.corrects for row in rows if row.corrects is not None}
    kept = _not_undone(rows)
    times: dict[Status, int] = {}
    for row in kept:
        times.setdefault(row.status, row.recorded_at)
    return Standing(times, {row.status: row for row in kept if row.id not in corrected})


def _not_undone(rows: Sequence[T]) -> list[T]:
    undone = [row for row in rows if row.effect is Effect.BACK]
    return [row for row in rows if row.effect in _COUNTS and not any(_takes_back(later, row) for later in undone)]


def _takes_back(later: RecordedWords, row: RecordedWords) -> bool:
    return later.pos > row.pos and (row.id == later.undoes or later.status in steps_back(row.status))
