"""What the ledger has of each unit's receipts, by the numbers that its spool gave them; what is missing is asked for.

That the broker confirmed a receipt and lost it with its disk is noticed in one of two ways: a later one comes and
leaves a gap, or the gateway's next hello says how many it has given. Missing numbers get a grace, because the two lanes
overtake each other; then they are asked for, once until the next hello: a question stays in the unit's queue until it
is taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, case, exists, select, update

from router.ledger.bulk import Row, insert_rows, rows_at_once, update_rows
from router.ledger.models import unit as unit_table
from router.ledger.models import unit_receipts as table
from router.rules.number_ranges import Received, Run, read, write
from router.storage.statements import chunks
from schemas.deadlines import is_over


@dataclass(frozen=True, slots=True)
class QuestionsWanted:
    """A request for due questions: the present, until when they are claimed (both UTC ms), how many at most."""

    now_ms: int
    until_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class MissingNumbers:
    """Numbers of a unit that are missing, none above ``told``; claimed until ``until_ms``."""

    unit: str
    missing: tuple[Run, ...]
    told: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The row of a unit."""

    unit: str
    spool_id: str = ""
    received: Received = Received()  # noqa: RUF009 - a frozen value
    told: int = 0
    asked: int = 0
    ask_at: int | None = None

    def due_at(self, ask_at: int) -> "_Numbers":
        """The same, to be asked for what is missing at ``ask_at`` unless nothing is."""
        missing = self.received.missing(above=self.asked, told=self.told)
        return replace(self, ask_at=ask_at if missing else None)


_COLUMNS = ("unit", "spool_id", "through", "ahead", "told", "asked", "ask_at")
_ROWS = select(*(table.c[name] for name in _COLUMNS))
_OF_UNITS = _ROWS.where(table.c.unit.in_(bindparam("units", expanding=True)))
_THERE = select(unit_table.c.code).where(unit_table.c.code.in_(bindparam("units", expanding=True)))
FURTHEST_MS = 3_600_000
"""How far ahead a question is put off at most: by the grace for receipts that overtake each other, or by a claim."""


def _is_due(now: Any) -> Any:
    return is_over(table.c.ask_at, now=now, longest=FURTHEST_MS)


_DUE = _ROWS.where(_is_due(bindparam("now", type_=BigInteger))).order_by(table.c.unit).limit(bindparam("limit"))
_SETTLE = (
    update(table)
    .where(table.c.unit == bindparam("b_unit"), table.c.ask_at == bindparam("b_until"))
    .values(ask_at=case((table.c.told == bindparam("b_told"), None), else_=table.c.ask_at), asked=bindparam("b_told"))
)
"""What came since the claim may have left another gap: it stays due at the claim's end."""


def note(connection: Connection, numbers: Mapping[str, Sequence[int]], *, ask_at: int) -> list[str]:
    """Note that receipts with these numbers, by unit, are recorded; what is then missing is asked for at ``ask_at``.

    Returns:
        The units of which that is noted: a subtree's gateway may name others than there are, and they leave nothing.
    """
    before = _numbers(connection, numbers)
    after = []
    for unit, new in numbers.items():
        old = before.get(unit) or _Numbers(unit)
        noted = replace(old, received=old.received.and_also(new), told=max(old.told, *new))
        after.append(noted.due_at(old.ask_at or ask_at))
    return _store(connection, before, after)


def greet(connection: Connection, spool_id: str, given: Mapping[str, int], *, ask_at: int) -> None:
    """Note how many receipts a spool has given, by unit; numbers of another spool than before begin anew."""
    before = _numbers(connection, given)
    after = []
    for unit, last in given.items():
        old = before.get(unit)
        known = old if old is not None and old.spool_id in {"", spool_id} else _Numbers(unit)
        told = replace(known, spool_id=spool_id, told=max(known.told, last), asked=0)
        after.append(told.due_at(ask_at))
    _store(connection, before, after)


def is_due(connection: Connection, now_ms: int) -> bool:
    """Whether somebody is to be asked."""
    return bool(connection.scalar(select(exists().where(_is_due(now_ms)))))


def claim(connection: Connection, wishes: Sequence[QuestionsWanted]) -> list[list[MissingNumbers]]:
    """For each request the questions that are due; nobody else gets them before ``until_ms``."""
    return [list(_claim(connection, wish)) for wish in wishes]


def settle(connection: Connection, batches: Sequence[Sequence[MissingNumbers]]) -> list[None]:
    """Note questions that were put: the same numbers are not asked for again before the next hello."""
    asked = [item for batch in batches for item in batch]
    if asked:
        rows = [{"b_unit": item.unit, "b_until": item.until_ms, "b_told": item.told} for item in asked]
        connection.execute(_SETTLE, rows)
    return [None] * len(batches)


def _claim(connection: Connection, wish: QuestionsWanted) -> Iterator[MissingNumbers]:
    statement = _DUE.with_for_update(skip_locked=True) if connection.dialect.name == "postgresql" else _DUE
    rows = connection.execute(statement, {"now": wish.now_ms, "limit": wish.limit}).all()
    found = [_read_row(row) for row in rows]
    claimed = [item.due_at(wish.until_ms) for item in found]
    update_rows(connection, table, ("unit", "ask_at"), [(item.unit, item.ask_at) for item in claimed])
    for item in claimed:
        if item.ask_at is not None:
            yield MissingNumbers(
                item.unit, item.received.missing(above=item.asked, told=item.told), item.told, item.ask_at
            )


def _numbers(connection: Connection, units: Mapping[str, object]) -> dict[str, _Numbers]:
    statement = _OF_UNITS
    if connection.dialect.name == "postgresql":
        statement = statement.order_by(table.c.unit).with_for_update()
    some = chunks(sorted(units))
    rows = (row for codes in some for row in rows_at_once(connection, statement, {"units": codes}))
    return {row[0]: _read_row(row) for row in rows}


def _read_row(row: Sequence[object]) -> _Numbers:
    unit, spool_id, through, ahead, told, asked, ask_at = row
    return _Numbers(unit, spool_id, Received(through, read(ahead)), told, asked, ask_at)  # type: ignore[arg-type]


def _store(connection: Connection, before: Mapping[str, _Numbers], after: Sequence[_Numbers]) -> list[str]:
    """Write what has changed, and what is new of units that exist; the units whose rows there are."""
    unknown = [item.unit for item in after if item.unit not in before]
    there = {code for some in chunks(unknown) for code in connection.scalars(_THERE, {"units": some})}
    new = [_row(item) for item in after if item.unit in there]
    changed = [_row(item) for item in after if item.unit in before and item != before[item.unit]]
    insert_rows(connection, table, _COLUMNS, new, key="unit")
    update_rows(connection, table, _COLUMNS, changed)
    return [item.unit for item in after if item.unit in before or item.unit in there]


def _row(item: _Numbers) -> Row:
    return (
        item.unit,
        item.spool_id,
        item.received.through,
        write(item.received.ahead),
        item.told,
        item.asked,
        item.ask_at,
    )
