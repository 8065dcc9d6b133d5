"""What has yet to come to units, over which lines, and which of them hold what: for the router's own planning.

It looks at whatever there is, in no account's scope: what a caller is told of it is the planner's to decide.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from router.ledger.models import delivery, dispatch, dispatch_attachment, line
from router.rules.outages import LineState
from router.storage.statements import chunks
from schemas.states import UNDELIVERED, Status

_COMING = [state.value for state in UNDELIVERED]
HERE = [
    state.value
    for state in Status
    if state
    not in UNDELIVERED | {Status.PARKED, Status.EXPIRED, Status.RECALLED, Status.REFUSED, Status.CHANGE_ACCEPTED}
]
"""The states of a delivery of which the unit has the document and has not given it back."""
MOST_ROWS = 100_000
"""Deliveries that are looked at; of more, the rest is left out and said to be."""
_SMALL = 3000
"""Attachments that are smaller ride inside the descriptor, or cost about as much."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A delivery on its way: its unit, its urgency, the bytes that have yet to come."""

    unit: str
    urgency: int
    size: int


@dataclass(frozen=True, slots=True)
class KnownLine:
    """What is known of a unit's line; the rate in bytes/s, None when it was never measured."""

    is_up: bool
    rate_down: int | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has yet to come, by unit; ``whole``: nothing was left out."""

    by_unit: Mapping[str, Sequence[Coming]]
    whole: bool = True


def backlog(conn: Connection, units: Sequence[str]) -> Backlog:
    """What has yet to come to these units, in the forms that travel."""
    rows: list[tuple[str, int, str, int | None, int | None]] = []
    for codes in chunks(units):
        statement = (
            select(
                delivery.c.unit,
                delivery.c.urgency,
                delivery.c.dispatch_id,
                delivery.c.bytes_held,
                delivery.c.bytes_total,
            )
            .where(delivery.c.state.in_(_COMING), delivery.c.unit.in_(codes))
            .limit(MOST_ROWS - len(rows))
        )
        rows += [(row[0], row[1], row[2], row[3], row[4]) for row in conn.execute(statement)]
    sizes = _sizes(conn, sorted({row[2] for row in rows}))
    found: defaultdict[str, list[Coming]] = defaultdict(list)
    for unit, urgency, dispatch_id, held, total in rows:
        found[unit].append(Coming(unit, urgency, _left(sizes[dispatch_id], held, total)))
    return Backlog(found, whole=len(rows) < MOST_ROWS)


def holders(conn: Connection, sha256: str, units: Sequence[str]) -> set[str]:
    """Those of the units that have an attachment and have not given it back."""
    files = select(dispatch_attachment.c.dispatch_id).where(dispatch_attachment.c.sha256 == sha256)
    found: set[str] = set()
    for codes in chunks(units):
        here = delivery.c.unit.in_(codes), delivery.c.state.in_(HERE)
        found.update(conn.scalars(select(delivery.c.unit).where(delivery.c.dispatch_id.in_(files), *here)))
    return found


def lines_of(conn: Connection, units: Sequence[str]) -> dict[str, KnownLine]:
    """What is known of the units' lines; units whose gateways never told are left out."""
    found: dict[str, KnownLine] = {}
    for codes in chunks(units):
        rows = conn.execute(select(line.c.unit, line.c.state, line.c.rate_down).where(line.c.unit.in_(codes)))
        found.update({row[0]: KnownLine(row[1] == LineState.UP.value, row[2]) for row in rows})
    return found


def _sizes(conn: Connection, dispatch_ids: Sequence[str]) -> dict[str, int]:
    """What travels for each dispatch: the message, and of each file the smallest form."""
    sizes: dict[str, int] = {}
    file = dispatch_attachment.c
    for ids in chunks(dispatch_ids):
        bodies = select(dispatch.c.id, func.length(dispatch.c.body)).where(dispatch.c.id.in_(ids))
        sizes.update({row[0]: row[1] for row in conn.execute(bodies)})
        files = select(file.dispatch_id, file.size, file.zstd_size, file.dcz_size)
        for row in conn.execute(files.where(file.dispatch_id.in_(ids), file.size >= _SMALL)):
            sizes[row[0]] += min(size for size in row[1:] if size is not None)
    return sizes


def _left(size: int, held: int | None, total: int | None) -> int:
    """Of what travels, the share that has not come."""
    return size if not total else size - size * min(held or 0, total) // total
