"""What tests ask of the columns of what is owed: that they are what :mod:`schemas.duties` says of the deliveries."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from router.ledger.models import delivery, receipt
from schemas.dispatch import Urgency
from schemas.duties import Course, Duty, Terms, late_from, owed
from schemas.office import office_terms
from schemas.states import ENDED, Effect, Status


def misjudged(conn: Connection, terms: Terms | None = None) -> list[str]:
    """Deliveries of which something else is owed, or by another term, than their state, or the log, says."""
    terms = terms or office_terms()
    first = select(receipt.c.delivery_id, func.min(receipt.c.recorded_at)).where(
        receipt.c.status == Status.ARRIVED.value, receipt.c.effect == Effect.ADVANCE.value
    )
    arrivals = {row[0]: row[1] for row in conn.execute(first.group_by(receipt.c.delivery_id))}
    rows = conn.execute(select(delivery)).all()
    return [row.id for row in rows if _columns(row) != _owed(row, terms, arrivals.get(row.id))]


def _columns(row: Row[Any]) -> tuple[Any, ...]:
    return row.duty, row.soon_at, row.latest_at, row.late_at, row.register_by


def _owed(row: Row[Any], terms: Terms, arrived_at: int | None) -> tuple[Any, ...]:
    state, urgency = Status(row.state), Urgency(row.urgency)
    registered = row.registered_at is not None
    items = owed(Course(state, row.state_at, urgency, row.due_at, registered=registered), terms)
    assert bool(items) is (state not in ENDED)
    if arrived_at is None:
        register_by = None
    else:
        (registering, *_) = owed(Course(Status.ARRIVED, arrived_at, urgency), terms)
        assert registering.duty is Duty.REGISTER
        register_by = registering.latest
    if not items:
        return None, None, None, None, register_by
    return items[0].duty.value, items[0].soon, items[0].latest, late_from(items), register_by
