"""What follows when units are retired or lose their line: what waits for them, who connects, what hangs on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, or_, select

from router.ledger.models import delivery, unit
from router.ledger.people import accounts
from router.ledger.queries.filters import OPEN
from router.ledger.scope import Scope, within
from router.storage.statements import chunks
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class Retiring:
    """Counts of one unit: deliveries, and units below it or handing on to it that go on beyond the day."""

    undelivered: int
    """What it does not have yet, parked ones too."""
    queued: int
    """Of them, what lies in its queues at the broker."""
    not_registered: int
    """What has arrived and nobody has acted on."""
    below: int
    hands_on_to_it: Sequence[str]
    """Units whose successor it is."""
    accounts: Sequence[str]
    """The gateway accounts that are good for it."""


def retiring(conn: Connection, scope: Scope, code: str, *, today: date, now_ms: int) -> Retiring:
    """What hangs on a unit that the scope covers.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        code: the unit's.
        today: where the people are: units whose last day was before it are gone already.
        now_ms: the present, UTC ms.
    """
    row = delivery.c
    of_unit = select(row.state, func.count()).where(row.unit == code, scope.covers_unit(row.unit)).group_by(row.state)
    states = {row[0]: row[1] for row in conn.execute(of_unit)}
    exists = or_(unit.c.valid_to.is_(None), unit.c.valid_to >= today)
    below = select(func.count()).where(within(unit.c.code, [f"{code}.#"]), unit.c.code != code, exists)
    others = select(unit.c.code).where(unit.c.successor == code, scope.covers_unit(unit.c.code)).order_by(unit.c.code)
    return Retiring(
        undelivered=sum(states.get(state, 0) for state in OPEN),
        queued=states.get(Status.QUEUED.value, 0),
        not_registered=states.get(Status.ARRIVED.value, 0),
        below=conn.scalar(below) or 0,
        hands_on_to_it=conn.scalars(others).all(),
        accounts=[found.name for found in accounts.gateways_of(conn, code) if found.is_valid(now_ms)],
    )


def undelivered_of(conn: Connection, codes: Sequence[str]) -> Mapping[str, int]:
    """How much of what was sent to units they do not have yet, parked ones too; none of those that have everything."""
    row = delivery.c
    found: dict[str, int] = {}
    for some in chunks(codes):
        counted = select(row.unit, func.count()).where(row.unit.in_(some), row.state.in_(OPEN)).group_by(row.unit)
        found |= {item[0]: item[1] for item in conn.execute(counted)}
    return found
