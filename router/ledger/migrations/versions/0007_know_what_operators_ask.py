"""Know what operators ask: since when a line is observed, what an act set, which redrive it is of."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
JOB = sa.text("job IS NOT NULL")
UNDER_WAY = sa.text("outcome = 'under_way'")


CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")
TEXT = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
PAGE = 1000


def upgrade() -> None:
    op.create_table(
        "dispatch_word",
        sa.Column("word", TEXT, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("dispatch_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name="fk_dispatch_word_dispatch_id_dispatch"),
        sa.PrimaryKeyConstraint("word", "unit", "dispatch_id", name="pk_dispatch_word"),
    )
    keep_words(op.get_bind())
    op.add_column("line", sa.Column("known_since", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        "UPDATE line SET known_since = CASE WHEN first.began < line.since THEN first.began ELSE line.since END FROM"
        " (SELECT line.unit, coalesce(min(outage.began_at), min(line.since)) AS began FROM line"
        " LEFT JOIN outage ON outage.unit = line.unit GROUP BY line.unit) AS first WHERE first.unit = line.unit"
    )
    op.add_column("audit", sa.Column("detail", sa.String(200), server_default="", nullable=False))
    op.add_column("audit", sa.Column("job", ID, nullable=True))
    op.execute("UPDATE audit SET job = subject WHERE act LIKE 'redrive\\_%' ESCAPE '\\'")
    # A delivery was sent again in the transaction of its audit entry, at the same time.
    op.execute(
        "UPDATE audit SET job = (SELECT min(item.redrive_id) FROM redrive_item AS item"
        " WHERE item.delivery_id = audit.subject AND item.sent_at = audit.at) WHERE act = 'redriven'"
    )
    op.create_index(
        "ix_redrive_item_under_way",
        "redrive_item",
        ["outcome", "delivery_id"],
        sqlite_where=UNDER_WAY,
        postgresql_where=UNDER_WAY,
    )
    op.create_index("ix_audit_job", "audit", ["job", "pos"], sqlite_where=JOB, postgresql_where=JOB)


def keep_words(conn: sa.Connection) -> None:
    """The words of what is in the ledger already: letters with their files and hashes, and what units said of them."""
    letters = (
        "SELECT id, notation, subject, content_sha256, submission FROM dispatch"
        " WHERE id > :after ORDER BY id LIMIT :page"
    )
    files = (
        "SELECT dispatch_id, name || ' ' || sha256 FROM dispatch_attachment WHERE dispatch_id BETWEEN :first AND :last"
    )
    said = (
        "SELECT receipt.pos, delivery.dispatch_id, delivery.unit, receipt.register_number || ' ' || receipt.person"
        " FROM receipt JOIN delivery ON delivery.id = receipt.delivery_id"
        " WHERE receipt.pos > :after AND (receipt.register_number <> '' OR receipt.person <> '')"
        " ORDER BY receipt.pos LIMIT :page"
    )
    for page in pages(conn, letters, ""):
        texts = {row[0]: " ".join((row[1], row[2], row[3], signer_of(row[4]))) for row in page}
        for key, text in conn.execute(sa.text(files), {"first": page[0][0], "last": page[-1][0]}):
            texts[key] = f"{texts.get(key, '')} {text}"
        keep(conn, {(word, "", key) for key, text in texts.items() for word in words_of(text)})
    for page in pages(conn, said, 0):
        keep(conn, {(word, row[2], row[1]) for row in page for word in words_of(row[3])})


def pages(conn: sa.Connection, statement: str, after: object) -> Iterator[list[Any]]:
    """The rows of a statement, a page at a time."""
    while page := list(conn.execute(sa.text(statement), {"after": after, "page": PAGE})):
        yield page
        after = page[-1][0]


def keep(conn: sa.Connection, rows: set[tuple[str, str, str]]) -> None:
    """Keep words; one that is there stays."""
    insert = "INSERT INTO dispatch_word (word, unit, dispatch_id) VALUES (:w, :u, :d) ON CONFLICT DO NOTHING"
    if rows:
        conn.execute(sa.text(insert), [{"w": word, "u": unit, "d": key} for word, unit, key in sorted(rows)])


def signer_of(submission: bytes) -> str:
    """Who signed, of a submission's JSON."""
    return str(orjson.loads(submission).get("signer") or "")


def words_of(text: str) -> list[str]:
    """Folded words as the program keeps them at this revision."""
    bare = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    plain = "".join(char for char in bare if unicodedata.category(char) != "Mn")
    return list(dict.fromkeys(word[:64] for word in re.findall(r"[^\W_]+", plain)))[:100]


def downgrade() -> None:
    op.drop_table("dispatch_word")
    op.execute("UPDATE redrive_item SET outcome = 'failed' WHERE outcome = 'failed_later'")
    op.drop_index("ix_redrive_item_under_way", table_name="redrive_item")
    op.drop_index("ix_audit_job", table_name="audit")
    with op.batch_alter_table("audit") as batch:
        batch.drop_column("job")
        batch.drop_column("detail")
    with op.batch_alter_table("line") as batch:
        batch.drop_column("known_since")
