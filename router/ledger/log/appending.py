"""Appends entries to the log in the transaction that records what they tell of, at its end.

Whoever appends holds the log's head until its commit, so the order of the log is that of the commits, without a hole.
It is taken last, so that nobody who waits for it holds what others wait for longer than a commit takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, update

from router.ledger.bulk import insert_rows
from router.ledger.log.entries import Entry
from router.ledger.models import log_entry, log_head

HEAD = "ledger"
_NOTED = "entries of the log"
_COLUMNS = ("number", "kind", "leaf_hash", "ids")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; what :func:`note` was told in it is in the log when it is committed."""
    with engine.begin() as conn:
        noted: list[Entry] = []
        kept = conn.info  # a connection that was lost has none any more
        kept[_NOTED] = noted
        try:
            yield conn
            append(conn, noted)
        finally:
            kept.pop(_NOTED, None)


def note(conn: Connection, entry: Entry) -> None:
    """Have an entry appended when the transaction is committed; at once, where it was begun in another way."""
    noted: list[Entry] | None = conn.info.get(_NOTED)
    if noted is None:
        append(conn, [entry])
    else:
        noted.append(entry)


def append(conn: Connection, entries: list[Entry]) -> None:
    """Append entries in their order."""
    if not entries:
        return
    grown = update(log_head).where(log_head.c.name == HEAD).values(size=log_head.c.size + len(entries))
    first = conn.execute(grown.returning(log_head.c.size)).scalar_one() - len(entries)
    rows = [(first + place, item.kind.value, item.leaf_hash, item.ids) for place, item in enumerate(entries)]
    insert_rows(conn, log_entry, _COLUMNS, rows)
