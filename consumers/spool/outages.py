"""The outages of the line that the router does not know yet; the last one is open while the line is down."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from consumers.spool.models import outage
from consumers.spool.sets import among, as_list

MAX_KEPT = 1000
"""Of more than so many the oldest are dropped: the router has noticed the silence itself."""


class Edge(NamedTuple):
    """The line went, or came back (``up``), at a time: UTC milliseconds by this machine's clock."""

    up: bool
    at: int


class Down(NamedTuple):
    """An outage that has ended; times as above."""

    pos: int
    down_at: int
    up_at: int


_OPEN = outage.c.up_at.is_(None)
_END = update(outage).where(_OPEN)
_UNTOLD = (
    select(outage.c.pos, outage.c.down_at, outage.c.up_at)
    .where(outage.c.up_at.is_not(None))
    .order_by(outage.c.pos)
    .limit(bindparam("limit"))
)
_OLDEST = select(outage.c.pos).order_by(outage.c.pos.desc()).offset(MAX_KEPT).limit(1).scalar_subquery()
_FORGET = delete(outage).where(among(outage.c.pos, "positions"))


def note_edge(conn: Connection, edges: Sequence[Edge]) -> list[None]:
    """Begin an outage unless one is open, or end the one that is; a clock set back makes none shorter than nothing."""
    for edge in edges:
        if edge.up:
            down_at = conn.scalar(select(outage.c.down_at).where(_OPEN))
            if down_at is not None:
                conn.execute(_END.values(up_at=max(edge.at, down_at)))
        elif not conn.scalar(select(exists().where(_OPEN))):
            conn.execute(insert(outage).values(down_at=edge.at))
            conn.execute(delete(outage).where(outage.c.pos <= _OLDEST))
    return [None] * len(edges)


def untold(conn: Connection, *, limit: int) -> list[Down]:
    """The oldest that have ended."""
    return [Down(*row) for row in conn.execute(_UNTOLD, {"limit": limit})]


def forget(conn: Connection, batches: Sequence[Sequence[int]]) -> list[None]:
    """Forget those at these positions: the router gets them."""
    conn.execute(_FORGET, {"positions": as_list(pos for batch in batches for pos in batch)})
    return [None] * len(batches)
