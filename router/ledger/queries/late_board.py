"""Who is late, with what and for how long: counted by duty and age, by the steps below a unit, and unit by unit.

All of it is read from the index of what has a deadline, of one unit and those below it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, true

from router.ledger.models import delivery, line, unit
from router.ledger.queries.counts import seen_from
from router.ledger.queries.deliveries import Rows
from router.ledger.queries.filters import Flag, flagged, late_with
from router.ledger.queries.statistics import step_of
from router.ledger.scope import Scope, within
from router.rules.outages import LineState
from schemas.duties import Duty

UNITS = 100
"""Units on one page."""
_DAY_MS = 86_400_000


class LateFor(StrEnum):
    """For how long something has been late, in days: from the first on, until before the second."""

    DAY = "0-1"
    DAYS = "1-3"
    WEEK = "3-7"
    MONTH = "7-30"
    LONGER = "30-"

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The least and the most milliseconds; None: any."""
        least, _, most = self.value.partition("-")
        return int(least) * _DAY_MS, int(most) * _DAY_MS if most else None


@dataclass(frozen=True, slots=True)
class WantedLate:
    """What of it is looked at.

    Args:
        head: the code of a unit, which stands for it and all below it; empty: all that the scope sees.
        duty: only what is late with this; None: with anything.
        age: only what has been late for so long.
    """

    head: str = ""
    duty: Duty | None = None
    age: LateFor | None = None

    @property
    def units(self) -> list[str]:
        """The patterns of its units; none: all."""
        return [f"{self.head}.#"] if self.head else []


@dataclass(frozen=True, slots=True)
class LateUnit:
    """A unit at which something is late, who can be asked for it, and how that one is reached.

    Args:
        code: the unit's.
        name: its name; empty: it is not in the directory any more.
        counts: how many deliveries are late with what.
        oldest_at: since when the oldest of them is late, UTC ms.
        silent_since: since when its line is down; None: it is up, or nothing is known of it.
        parent: the unit above it, which asks; empty: there is none.
        parent_name: what that is called.
        parent_note: what the directory notes of it.
        parent_link: how it is reached; empty: as its name.
        parent_silent_since: as ``silent_since``.
    """

    code: str
    name: str
    counts: Mapping[Duty, int]
    oldest_at: int
    silent_since: int | None
    parent: str
    parent_name: str
    parent_note: str
    parent_link: str
    parent_silent_since: int | None

    @property
    def total(self) -> int:
        """All that is late there."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class LateTotals:
    """How much is late with what and for how long."""

    cells: Mapping[tuple[Duty, LateFor], int]

    @property
    def total(self) -> int:
        """All that is late there."""
        return sum(self.cells.values())

    def of(self, duties: Iterable[Duty] = Duty, ages: Iterable[LateFor] = LateFor) -> int:
        """How many are late with one of these, for one of those times."""
        some = list(ages)
        return sum(self.cells.get((duty, age), 0) for duty in duties for age in some)


def count_late(conn: Connection, scope: Scope, *, now_ms: int) -> int:
    """How much of what the scope sees is late."""
    return conn.scalar(_late(select(func.count()), scope, WantedLate(), now_ms)) or 0


def late_totals(conn: Connection, scope: Scope, head: str, *, now_ms: int) -> LateTotals:
    """Count what is late at a unit and below it; empty: all that the scope sees."""
    duty, age = late_with(now_ms).label("late_with"), _age(now_ms).label("age")
    cells = _late(select(duty, age, func.count()), scope, WantedLate(head), now_ms)
    return LateTotals({(Duty(row[0]), LateFor(row[1])): row[2] for row in conn.execute(cells.group_by(duty, age))})


def late_steps(conn: Connection, scope: Scope, wanted: WantedLate, *, now_ms: int) -> Mapping[str, tuple[int, int]]:
    """What is late below a unit by the steps of :class:`router.ledger.queries.Breakdown`.

    Returns:
        What follows the head in the codes of its units → how many, and since when the oldest is late (UTC ms).
    """
    step = step_of(conn, wanted.head).label("step")
    steps = _late(select(step, func.count(), func.min(delivery.c.late_at)), scope, wanted, now_ms)
    return {row[0]: (row[1], row[2]) for row in conn.execute(steps.group_by(step))}


def late_units(
    conn: Connection, scope: Scope, wanted: WantedLate, *, now_ms: int, after: str = "", limit: int = UNITS
) -> list[LateUnit]:
    """The units at which something is late, by their codes.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        wanted: what of it.
        now_ms: the present, UTC ms.
        after: only units behind this one, the last of the page before.
        limit: the length of a page.
    """
    page = _late(select(delivery.c.unit).distinct(), scope, wanted, now_ms).where(delivery.c.unit > after)
    codes = conn.scalars(page.order_by(delivery.c.unit).limit(limit)).all()
    duty = late_with(now_ms).label("late_with")
    counted = _late(select(delivery.c.unit, duty, func.count(), func.min(delivery.c.late_at)), scope, wanted, now_ms)
    counts: defaultdict[str, dict[Duty, int]] = defaultdict(dict)
    oldest: dict[str, int] = {}
    for code, what, count, since in conn.execute(
        counted.where(delivery.c.unit.in_(codes)).group_by(delivery.c.unit, duty)
    ):
        counts[code][Duty(what)] = count
        oldest[code] = min(since, oldest.get(code, since))
    known = _known(conn, scope, codes)
    return [LateUnit(code, known[code][0], counts[code], oldest[code], *known[code][1:]) for code in codes]


def _known(conn: Connection, scope: Scope, codes: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Of each unit its name, since when it is silent, and the same of its parent, where the scope covers that one."""
    above, line_above = unit.alias("above"), line.alias("line_above")
    down = case((line.c.state == LineState.DOWN.value, line.c.since))
    down_above = case((line_above.c.state == LineState.DOWN.value, line_above.c.since))
    text = (func.coalesce(column, "") for column in (above.c.code, above.c.name, above.c.note, above.c.link))
    joined = unit.outerjoin(line, line.c.unit == unit.c.code)
    joined = joined.outerjoin(above, and_(above.c.code == unit.c.parent, scope.covers_unit(above.c.code)))
    joined = joined.outerjoin(line_above, line_above.c.unit == above.c.code)
    rows = conn.execute(
        select(unit.c.code, unit.c.name, down, *text, down_above).select_from(joined).where(unit.c.code.in_(codes))
    )
    found = {row[0]: tuple(row[1:]) for row in rows}
    return {code: found.get(code, ("", None, "", "", "", "", None)) for code in codes}


def _late(statement: Rows, scope: Scope, wanted: WantedLate, now_ms: int) -> Rows:
    """Of what is late that which is wanted; the dispatch is looked at only where the scope asks for its issuer."""
    units, row = wanted.units, delivery.c
    conditions = [flagged(Flag.LATE, now_ms), within(row.unit, units) if units else true()]
    if not scope.covers_all(units):
        statement = statement.select_from(seen_from(scope))
        conditions.append(scope.sees_delivery())
    if wanted.duty is not None:
        conditions.append(late_with(now_ms) == wanted.duty.value)
    if wanted.age is not None:
        least, most = wanted.age.bounds
        conditions.append(row.late_at < now_ms - least)
        conditions += [] if most is None else [row.late_at >= now_ms - most]
    return statement.where(*conditions)


def _age(now_ms: int) -> ColumnElement[str]:
    bands = ((age, age.bounds[1]) for age in LateFor)
    younger = [(delivery.c.late_at >= now_ms - most, age.value) for age, most in bands if most is not None]
    return case(*younger, else_=LateFor.LONGER.value)
