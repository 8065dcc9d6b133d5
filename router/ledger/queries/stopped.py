"""Deliveries that stopped lately and that nobody was told of yet: what notices are made of."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, String, cast, exists, select, text

from router.ledger.models import delivery, dispatch, mail_tables, unit
from router.ledger.queries.filters import Flag, flagged
from router.ledger.scope import Scope
from schemas.descriptor import is_classified
from schemas.states import Status

_STOPPED = text("delivery.state IN ('parked', 'expired')")
"""As the index of these says it."""
_UNIT: ColumnElement[str] = delivery.c.unit + ""
"""The column, by whose index no database is to look: it would read all that ever stopped."""


@dataclass(frozen=True, slots=True)
class StoppedDelivery:
    """A delivery that will not go by itself; ``subject`` names this time that it stopped."""

    subject: str
    id: str
    unit: str
    unit_name: str
    notation: str
    letter: str
    state: Status
    reason: str
    code: str
    is_classified: bool


def newly_stopped(
    conn: Connection, scope: Scope, *, person: str, kind: str, since: int, now_ms: int, limit: int
) -> list[StoppedDelivery]:
    """Deliveries that were parked or expired since a time, of which a person was not told, the oldest first.

    Args:
        conn: a transaction that reads.
        scope: what the person may act on.
        person: who.
        kind: of the notices.
        since: UTC milliseconds.
        now_ms: the present, by which units are muted.
        limit: at most so many.
    """
    row, told = delivery.c, mail_tables.notice.c
    subject: ColumnElement[str] = row.id + " " + cast(row.state_at, String)
    known = exists().where(told.person == person, told.kind == kind, told.subject == subject, told.day == "")
    wanted = _STOPPED, row.state_at >= since, scope.covers_unit(_UNIT), ~known
    letter = dispatch.c.notation, dispatch.c.subject.label("letter"), dispatch.c.body
    columns = subject.label("stopped"), row.id, row.unit, unit.c.name, row.state, row.reason, row.reason_code
    joined = delivery.join(dispatch).outerjoin(unit, unit.c.code == row.unit)
    rows = select(*columns, *letter).select_from(joined).where(*wanted, flagged(Flag.UNMUTED, now_ms))
    return [
        StoppedDelivery(
            subject=found.stopped,
            id=found.id,
            unit=found.unit,
            unit_name=found.name or "",
            notation=found.notation,
            letter=found.letter,
            state=Status(found.state),
            reason=found.reason,
            code=found.reason_code,
            is_classified=is_classified(found.body),
        )
        for found in conn.execute(rows.order_by(row.state_at, row.id).limit(limit))
    ]
