"""What the spool holds of a time, page by page, for a router whose ledger has forgotten it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, select

from consumers.spool.models import inbox, letter, recall, receipt, unit
from consumers.spool.outbox import RECEIPTS, Unsent
from consumers.spool.sets import among, as_list
from schemas.ids import first_of
from schemas.recount import MAX_KEPT, MAX_KEPT_RECEIPTS, Memory, Recount


class HeldDelivery(NamedTuple):
    """A delivery of the spool: its place, what it is, and what was said of it, oldest first."""

    pos: int
    delivery_id: str
    seq: int
    dispatch_id: str
    traceparent: str
    body: bytes
    recalled_by: str | None
    receipts: Sequence[Unsent] = ()


_NEWEST = select(inbox.c.delivery_id, inbox.c.unit).where(
    inbox.c.delivery_id == select(func.max(inbox.c.delivery_id)).scalar_subquery()
)
_HIGHEST = select(unit.c.code, unit.c.highest_seq).where(among(unit.c.code, "codes"))
_HELD = (
    select(
        inbox.c.pos,
        inbox.c.delivery_id,
        inbox.c.seq,
        letter.c.dispatch_id,
        letter.c.traceparent,
        letter.c.body,
        recall.c.by,
    )
    .join(letter, letter.c.pos == inbox.c.letter_pos)
    .outerjoin(recall, (recall.c.unit == inbox.c.unit) & (recall.c.dispatch_id == letter.c.dispatch_id))
    .where(
        inbox.c.unit == bindparam("unit"),
        inbox.c.pos > bindparam("after"),
        letter.c.dispatch_id >= bindparam("first"),
        letter.c.dispatch_id < bindparam("beyond"),
    )
    .order_by(inbox.c.pos)
    .limit(bindparam("limit"))
)
_SAID: Select[tuple[Any, ...]] = (
    RECEIPTS.add_columns(receipt.c.inbox_pos).where(among(receipt.c.inbox_pos, "positions")).order_by(receipt.c.pos)
)


def memory(conn: Connection, codes: Sequence[str]) -> Memory:
    """The newest delivery of the spool, and how far each of these units has come."""
    newest, code = conn.execute(_NEWEST).one_or_none() or ("", "")
    highest = {row[0]: row[1] for row in conn.execute(_HIGHEST, {"codes": as_list(codes)})}
    return Memory(newest, code, highest)


def held(conn: Connection, asked: Recount) -> list[HeldDelivery]:
    """The next deliveries of a unit that are asked for, at most one more than a page holds: then there is more."""
    values = {
        "unit": asked.unit,
        "after": asked.after,
        "first": first_of(asked.since),
        "beyond": first_of(asked.until + 1),
        "limit": MAX_KEPT + 1,
    }
    rows = [HeldDelivery(*row) for row in conn.execute(_HELD, values).all()]
    said: dict[int, list[Unsent]] = {row.pos: [] for row in rows}
    for *told, pos in conn.execute(_SAID, {"positions": as_list(said)}).all():
        if len(said[pos]) < MAX_KEPT_RECEIPTS:
            said[pos].append(Unsent._make(told))
    return [row._replace(receipts=said[row.pos]) for row in rows]
