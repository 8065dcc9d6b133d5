"""How a SQLite file is opened: what a commit promises, and transactions that begin where we say so.

A transaction takes the write lock when it begins (``BEGIN IMMEDIATE``): one that reads first and asks for the lock
later would fail at once when another process has written in between. Readers say so (:data:`READS`); they never wait,
because of the write-ahead log. ``synchronous=FULL``: a commit that returned survives a power cut.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

LOCK_TIMEOUT = 30
"""Seconds a writer waits for another process's commit."""
READS = "storage_reads"
"""The execution option of a connection whose transactions only read."""
_DURABLE = {"journal_mode": "WAL", "synchronous": "FULL"}


def open_sqlite(url: str | URL, pragmas: Mapping[str, str | int], **pool: Any) -> Engine:
    """An engine over a SQLite file; nothing is opened yet.

    Args:
        url: ``sqlite:///<path>``.
        pragmas: settings of each connection, in addition to those that make commits durable.
        pool: SQLAlchemy's arguments for the pool of connections.
    """
    # Parameters are hidden: an error that shows them would give hashes, sessions and letters to whoever reads the log.
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT}, hide_parameters=True, **pool)
    statements = [f"PRAGMA {name}={value}" for name, value in {**_DURABLE, **pragmas}.items()]

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 itself begins transactions too late for DDL
        for statement in statements:
            connection.execute(statement)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN" if conn.get_execution_options().get(READS) else "BEGIN IMMEDIATE")
