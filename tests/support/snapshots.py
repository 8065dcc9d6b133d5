"""A copy of a ledger's rows, and the ledger as it was when the copy was made: what a backup and its restore do."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Integer, delete, func, insert, select, text

from router.ledger.engine import reading, writing
from router.ledger.models import metadata

Snapshot = Mapping[str, Sequence[Mapping[str, Any]]]


def snapshot(engine: Engine) -> Snapshot:
    """All rows of all tables."""
    with reading(engine) as conn:
        return {table.name: [dict(row) for row in conn.execute(select(table)).mappings()] for table in _TABLES}


def restore(engine: Engine, rows: Snapshot) -> None:
    """Put the rows of then in the place of those of now; the counters of a PostgreSQL go back as well."""
    with writing(engine) as conn:
        for table in reversed(_TABLES):
            conn.execute(delete(table))
        for table in _TABLES:
            if rows[table.name]:
                conn.execute(insert(table), rows[table.name])
            for column in table.primary_key.columns if engine.dialect.name == "postgresql" else ():
                if isinstance(column.type, Integer) and column.autoincrement is True:
                    last = conn.scalar(select(func.coalesce(func.max(column), 0)))
                    values = {"table": table.name, "column": column.name, "next": (last or 0) + 1}
                    conn.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :next, false)"), values)


_TABLES = metadata.sorted_tables
