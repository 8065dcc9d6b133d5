"""Puts a made-up country into an empty ledger: by COPY on PostgreSQL, by one long transaction on SQLite."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select

from benchmarks.nation import Nation, receipts
from router.ledger.engine import writing
from router.ledger.models import delivery, dispatch, receipt, unit, unit_receipts, unit_sequence

_AT_ONCE = 5000
Rows = Iterable[Mapping[str, Any]]


def load(engine: Engine, nation: Nation, seed: int) -> dict[str, int]:
    """Fill the ledger's tables; how many rows each has got."""
    numbers: Counter[str] = Counter()
    sequences = ({"unit": code, "last": last} for code, last in nation.sequences.items())
    with writing(engine) as conn:
        found = {
            table.name: _fill(conn, table, rows)
            for table, rows in (
                (unit, nation.units),
                (unit_sequence, sequences),
                (dispatch, nation.dispatches),
                (delivery, nation.deliveries),
                (receipt, _counted(receipts(nation, seed), nation, numbers)),
                (unit_receipts, _spans(numbers)),
            )
        }
        if conn.dialect.name == "postgresql":
            highest = select(func.max(receipt.c.pos)).scalar_subquery()
            conn.execute(select(func.setval(func.pg_get_serial_sequence("receipt", "pos"), highest)))
    _settle(engine)
    return found


def _counted(rows: Rows, nation: Nation, numbers: Counter[str]) -> Iterator[Mapping[str, Any]]:
    """The rows as they come, and how many receipts each unit has numbered."""
    for row, (_, index, _) in zip(rows, nation.told, strict=True):
        if row["seq"] is not None:
            numbers[nation.deliveries[index]["unit"]] = row["seq"]
        yield row


def _spans(numbers: Mapping[str, int]) -> Iterator[Mapping[str, Any]]:
    for code, last in numbers.items():
        yield {"unit": code, "spool_id": "", "through": last, "ahead": "", "told": last, "asked": last}


def _fill(conn: Connection, table: Table, rows: Rows) -> int:
    return _copy(conn, table, rows) if conn.dialect.name == "postgresql" else _insert(conn, table, rows)


def _copy(conn: Connection, table: Table, rows: Rows) -> int:
    count, first = 0, next(iter_rows := iter(rows))
    names = ", ".join(f'"{name}"' for name in first)
    cursor: Any = conn.connection.cursor()
    with cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for count, row in enumerate(_chain(first, iter_rows), 1):  # noqa: B007 - the last number is the count
            copy.write_row(tuple(row.values()))
    return count


def _insert(conn: Connection, table: Table, rows: Rows) -> int:
    count, remaining = 0, iter(rows)
    while part := [dict(row) for row in islice(remaining, _AT_ONCE)]:
        conn.execute(insert(table), part)
        count += len(part)
    return count


def _chain(first: Mapping[str, Any], rest: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield first
    yield from rest


def _settle(engine: Engine) -> None:
    """What a database does by itself after so much was written: PostgreSQL its autovacuum, SQLite a checkpoint."""
    with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            conn.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
        else:
            conn.execution_options(ledger_reads=True).exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
