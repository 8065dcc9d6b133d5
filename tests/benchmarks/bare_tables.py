"""The rows that every contender writes, as plain tables: a dispatch, its deliveries and receipts; spool and outbox.

They are the rows of the ledger and of the spool with their text lengths, without indexes beyond the primary keys.
"""

import sqlite3
from pathlib import Path

ORIGIN = """
CREATE TABLE dispatch (id TEXT PRIMARY KEY, issuer TEXT, subject TEXT, body BLOB, accepted_at INTEGER) WITHOUT ROWID;
CREATE TABLE delivery (id TEXT PRIMARY KEY, dispatch_id TEXT, unit TEXT, seq INTEGER, state TEXT, state_at INTEGER)
    WITHOUT ROWID;
CREATE TABLE receipt (id INTEGER PRIMARY KEY, delivery_id TEXT, status TEXT, recorded_at INTEGER, at TEXT);
"""
UNIT = """
CREATE TABLE inbox (delivery_id TEXT PRIMARY KEY, unit TEXT, body BLOB, state TEXT, taken_at INTEGER) WITHOUT ROWID;
CREATE TABLE outbox (id INTEGER PRIMARY KEY, delivery_id TEXT, status TEXT, payload BLOB, sent_at INTEGER);
"""


def open_tables(file: Path, schema: str) -> sqlite3.Connection:
    """A new database with the pragmas that congvan itself uses: WAL, synchronous=FULL."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(schema)
    return connection
