"""What the ledger forgets of dispatches that ended long ago: receipts, failed publishes, the need for their contents.

A dispatch has ended when none of its deliveries is on the way, parked or asked back, and nothing has become of any of
them for so long.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, or_, select

from router.ledger.dialect import insert_of
from router.ledger.models import attempt, content_removed, delivery, dispatch_attachment, receipt
from schemas.clock import now_ms
from schemas.states import UNDELIVERED, WAITING_FOR_OPERATOR, Status

AT_ONCE = 500
"""Rows of one transaction."""
_OPEN = sorted(state.value for state in UNDELIVERED | WAITING_FOR_OPERATOR | {Status.TAKE_BACK_REQUESTED})


def forget_receipts(conn: Connection, before: Sequence[int]) -> list[int]:
    """Forget some receipts of dispatches that ended before each of these times (UTC ms); how many."""
    return [_forget_receipts(conn, at) for at in before]


def forget_attempts(conn: Connection, before: Sequence[int]) -> list[int]:
    """Forget some failed publishes of dispatches that ended before each of these times (UTC ms); how many."""
    return [_forget_attempts(conn, at) for at in before]


def let_go_of_contents(conn: Connection, before: Sequence[int]) -> list[int]:
    """Note some contents that only dispatches name which ended before each of these times (UTC ms); how many.

    Their files are removed by :mod:`router.content.collecting`, as those that nobody names.
    """
    return [_let_go(conn, at) for at in before]


def _forget_receipts(conn: Connection, at: int) -> int:
    old = (
        select(receipt.c.pos)
        .join(delivery, delivery.c.id == receipt.c.delivery_id)
        .where(receipt.c.recorded_at < at, ~_is_open(delivery.c.dispatch_id, at))
    )
    chosen = conn.scalars(old.order_by(receipt.c.pos).limit(AT_ONCE)).all()
    return conn.execute(delete(receipt).where(receipt.c.pos.in_(chosen))).rowcount if chosen else 0


def _forget_attempts(conn: Connection, at: int) -> int:
    old = (
        select(attempt.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(attempt.c.at < at, ~_is_open(delivery.c.dispatch_id, at))
    )
    chosen = conn.scalars(old.order_by(attempt.c.id).limit(AT_ONCE)).all()
    return conn.execute(delete(attempt).where(attempt.c.id.in_(chosen))).rowcount if chosen else 0


def _let_go(conn: Connection, at: int) -> int:
    chosen = conn.scalars(_needless(at).limit(AT_ONCE)).all()
    if chosen:
        values = [{"sha256": sha256, "at": now_ms()} for sha256 in chosen]
        conn.execute(insert_of(conn, content_removed).values(values).on_conflict_do_nothing())
    return len(chosen)


def _needless(at: int) -> Select[tuple[str]]:
    """Contents of which every dispatch that names them has ended; not those that are noted already."""
    naming = dispatch_attachment.alias("naming")
    wanted = exists().where(naming.c.sha256 == dispatch_attachment.c.sha256, _is_open(naming.c.dispatch_id, at))
    noted = exists().where(content_removed.c.sha256 == dispatch_attachment.c.sha256)
    return select(func.min(dispatch_attachment.c.sha256)).where(~wanted, ~noted).group_by(dispatch_attachment.c.sha256)


def _is_open(dispatch_id: ColumnElement[str], at: int) -> ColumnElement[bool]:
    """Whether something of a dispatch is still expected, or has happened since."""
    other = delivery.alias("other")
    return exists().where(other.c.dispatch_id == dispatch_id, or_(other.c.state.in_(_OPEN), other.c.state_at >= at))
