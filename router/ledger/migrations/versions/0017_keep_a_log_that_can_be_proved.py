"""Keep a log that can be proved: a hash for each entry; what the ledger holds already is entered first."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

AT_ONCE = 200
DISPATCHES = (
    "id, issuer, kind, notation, subject, urgency, lane, due_at, accepted_at, account, idempotency_key, "
    "submission_sha256, submission, body, content_sha256, traceparent"
)
RECEIPTS = (
    "id, delivery_id, status, effect, recorded_at, at, seq, content_sha256, reason, person, department, "
    "register_number, attempts, gateway_version, remark, code, corrects, undoes"
)


def upgrade() -> None:
    op.create_table(
        "log_head",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(300), nullable=False, server_default=""),
        sa.Column("sealed", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("name", name="pk_log_head"),
    )
    op.create_table(
        "log_entry",
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_log_entry"),
    )
    op.create_table(
        "log_node",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_log_node"),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_log_checkpoint"),
    )
    conn, size = op.get_bind(), 0
    for kind, rows in _entries(conn):
        told = b"\n".join([f"congvan/{kind}/1".encode(), *(orjson.dumps(tuple(row), default=_digest) for row in rows)])
        entry = {"number": size, "kind": kind, "hash": sha256(b"\0" + told).digest(), "ids": _packed(rows)}
        conn.execute(
            sa.text("INSERT INTO log_entry (number, kind, leaf_hash, ids) VALUES (:number, :kind, :hash, :ids)"), entry
        )
        size += 1
    conn.execute(sa.text("INSERT INTO log_head (name, size) VALUES ('ledger', :size)"), {"size": size})


def downgrade() -> None:
    for table in ("log_checkpoint", "log_node", "log_entry", "log_head"):
        op.drop_table(table)


def _entries(conn: sa.Connection) -> Iterator[tuple[str, Sequence[Any]]]:
    """Every dispatch alone, then deliveries and receipts a page at a time."""
    for page in _pages(conn, DISPATCHES, "dispatch", "id", ""):
        yield from (("dispatch", [row]) for row in page)
    yield from (("deliveries", page) for page in _pages(conn, "id, dispatch_id, unit, seq", "delivery", "id", ""))
    yield from (("receipts", page) for page in _pages(conn, RECEIPTS, "receipt", "pos", 0))


def _pages(conn: sa.Connection, columns: str, table: str, key: str, first: object) -> Iterator[Sequence[Any]]:
    page = f"SELECT {columns}, {key} AS place FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT {AT_ONCE}"  # noqa: S608 - of our own
    after = first
    while rows := conn.execute(sa.text(page), {"after": after}).all():
        yield [row[:-1] for row in rows]
        after = rows[-1][-1]


def _packed(rows: Sequence[Any]) -> bytes:
    return b"".join(UUID(row[0]).bytes for row in rows)


def _digest(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return sha256(value).hexdigest()
    raise TypeError(type(value).__name__)
