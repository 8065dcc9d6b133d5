"""Many rows in one statement.

Measured on two cores: SQLAlchemy's executemany spends 12 µs a row on its parameters, and SQLite's driver lets go of the
interpreter once per row, so that a busy event loop makes it wait for every single one. One statement with many rows
costs 3 µs a row and lets go once. The statements are built from the tables, once per number of rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Select, Table, func, select

_SIZES = (256, 64, 16, 4, 1)
"""Rows in one statement; 256 rows of 20 columns are well below SQLite's 32,766 parameters."""

Row = tuple[Any, ...]


def rows_at_once(
    connection: Connection, statement: Select[Any], parameters: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """The rows of a query; their columns are texts, numbers and NULL. On SQLite they come as one JSON text."""
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, parameters).all()
    found: Sequence[Sequence[Any]] = orjson.loads(connection.scalar(_as_json(statement), parameters) or "[]")
    return found


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row], key: str = ""
) -> int:
    """Insert rows whose values stand in the order of ``columns``; how many were inserted.

    Args:
        connection: the open transaction.
        table: where to.
        columns: names of the table's columns.
        rows: the values.
        key: a unique column; a row whose key is there already is left out.
    """
    inserted = 0
    for part in _parts(rows):
        statement = _insert(table, columns, len(part), key, connection.dialect.paramstyle)
        inserted += connection.exec_driver_sql(statement, _flat(part)).rowcount
    return inserted


def update_rows(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Set columns of rows found by their key: the first of ``columns`` is the key, the others are set."""
    for part in _parts(rows):
        statement = _update(table, columns, len(part), connection.dialect.name, connection.dialect.paramstyle)
        connection.exec_driver_sql(statement, _flat(part))


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in runs of a few fixed lengths, so that the statements and their plans are few and stay cached."""
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _flat(rows: Sequence[Row]) -> Row:
    return tuple(value for row in rows for value in row)


@cache
def _as_json(statement: Select[Any]) -> Select[Any]:
    rows = statement.subquery()
    return select(func.json_group_array(func.json_array(*rows.c)))


@cache
def _insert(table: Table, columns: tuple[str, ...], count: int, key: str, paramstyle: str) -> str:
    values = _values(count, ", ".join([_mark(paramstyle)] * len(columns)))
    unless = f" ON CONFLICT ({key}) DO NOTHING" if key else ""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {values}{unless}"  # noqa: S608 - names of our own


@cache
def _update(table: Table, columns: tuple[str, ...], count: int, dialect: str, paramstyle: str) -> str:
    """PostgreSQL takes the types of VALUES from their first row, and calls the columns as SQLite does when told so."""
    mark = _mark(paramstyle)
    first = ", ".join(f"CAST({mark} AS {table.c[name].type.compile()})" for name in columns)
    others = ", ".join([mark] * len(columns))
    values = ", ".join([f"({first})", *[f"({others})"] * (count - 1)])
    names = [f"column{number}" for number in range(1, len(columns) + 1)]
    alias = f"v({', '.join(names)})" if dialect == "postgresql" else "v"
    settings = ", ".join(f"{name} = v.{source}" for name, source in zip(columns[1:], names[1:], strict=True))
    found = f"FROM (VALUES {values}) AS {alias} WHERE {table.name}.{columns[0]} = v.column1"
    return f"UPDATE {table.name} SET {settings} {found}"  # noqa: S608 - names of our own


def _values(count: int, row: str) -> str:
    return ", ".join([f"({row})"] * count)


def _mark(paramstyle: str) -> str:
    return "?" if paramstyle == "qmark" else "%s"
