"""The checkpoints that were signed of the log, and whose key signs it."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from router.ledger.log.appending import HEAD
from router.ledger.models import log_checkpoint, log_head
from router.storage.statements import insert_of

_HOUR_MS = 3_600_000
ALL_KEPT_MS = 7 * 24 * _HOUR_MS
"""Older than that, the last of each hour stays."""


class KeptCheckpoint(NamedTuple):
    """A checkpoint: the log's size, when it was signed (UTC ms), the note."""

    size: int
    at: int
    note: str


_ALL = select(log_checkpoint.c.size, log_checkpoint.c.at, log_checkpoint.c.note)


def key_of(conn: Connection) -> str:
    """The key by which the log is signed, as :class:`schemas.trust.notes.NoteKey` is written; empty: none has."""
    return str(conn.scalar(select(log_head.c.key).where(log_head.c.name == HEAD)) or "")


def name_key(conn: Connection, key: str) -> str:
    """Have the log signed by this key, unless it is by another; the one that it is signed by."""
    conn.execute(update(log_head).where(log_head.c.name == HEAD, log_head.c.key == "").values(key=key))
    return key_of(conn)


def newest(conn: Connection) -> KeptCheckpoint | None:
    """The last that was signed."""
    row = conn.execute(_ALL.order_by(log_checkpoint.c.size.desc()).limit(1)).one_or_none()
    return None if row is None else KeptCheckpoint(*row)


def every(conn: Connection) -> Iterator[KeptCheckpoint]:
    """All that are kept, by their size."""
    return (KeptCheckpoint(*row) for row in conn.execute(_ALL.order_by(log_checkpoint.c.size)))


def add(conn: Connection, made: KeptCheckpoint) -> None:
    """Keep a checkpoint; of an hour that is long over the last stays alone."""
    values = made._asdict()
    conn.execute(insert_of(conn, log_checkpoint).values(values).on_conflict_do_nothing())
    last = select(func.max(log_checkpoint.c.size)).group_by(log_checkpoint.c.at // _HOUR_MS)
    old = log_checkpoint.c.at < made.at - ALL_KEPT_MS
    conn.execute(delete(log_checkpoint).where(old, log_checkpoint.c.size.not_in(last)))


def cosign(conn: Connection, size: int, lines: str) -> None:
    """Keep the signatures of a witness below a checkpoint."""
    there = log_checkpoint.c.size == size
    conn.execute(update(log_checkpoint).where(there).values(note=log_checkpoint.c.note + lines))
