"""Forgets deliveries that ended long ago, with their receipts and contents; what reports need of them is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, select

from consumers.spool import course, recalls
from consumers.spool.models import content_use, inbox, letter, letter_reference, receipt, step, task
from consumers.spool.sets import among, as_list
from schemas.states import Status

BATCH = 500
"""Deliveries forgotten in one transaction, so that no commit waits long for this."""
_KEPT = [Status.TAKEN.value, Status.PARKED.value]
_OLD = (
    select(inbox.c.pos)
    .where(
        inbox.c.state_at < bindparam("before"),
        inbox.c.state.not_in(_KEPT),
        ~exists().where(receipt.c.inbox_pos == inbox.c.pos, receipt.c.sent_at.is_(None)),
        ~exists().where(task.c.inbox_pos == inbox.c.pos, task.c.ended_at.is_(None)),
    )
    .order_by(inbox.c.pos)
    .limit(BATCH)
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was forgotten: how many deliveries, and the names of the contents that they used."""

    deliveries: int
    contents: list[str]


def forget(conn: Connection, times: Sequence[int]) -> list[Pruned]:
    """Forget up to a batch of deliveries per time: at rest since before it (UTC ms), all told, and nobody's task."""
    return [_forget(conn, before) for before in times]


def _forget(conn: Connection, before: int) -> Pruned:
    found = conn.scalars(_OLD, {"before": before}).all()
    values = {"positions": as_list(found)}
    names = conn.scalars(select(content_use.c.sha256).where(among(content_use.c.inbox_pos, "positions")), values).all()
    course.keep(conn, values, before)
    letters = as_list(conn.scalars(select(inbox.c.letter_pos).where(among(inbox.c.pos, "positions")), values))
    for column in (*(table.c.inbox_pos for table in (content_use, receipt, step, task)), inbox.c.pos):
        conn.execute(delete(column.table).where(among(column, "positions")), values)
    for column in (letter_reference.c.letter_pos, letter.c.pos):
        orphan = ~exists().where(inbox.c.letter_pos == column)
        conn.execute(delete(column.table).where(among(column, "letters"), orphan), {"letters": letters})
    recalls.forget(conn)
    return Pruned(len(found), list(names))
