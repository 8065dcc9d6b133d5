"""The few statements that SQLite and PostgreSQL spell differently, and the values that one statement takes."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 500
"""Values in one IN list."""

T = TypeVar("T")


def insert_of(connection: Connection, table: Table) -> Any:
    """The dialect's INSERT, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def place_in(connection: Connection, text: ColumnElement[str], part: str) -> ColumnElement[int]:
    """Where a part first stands in a text, counted from 1; 0: nowhere."""
    find = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return find(text, part)


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in lists that one statement's IN takes; sort them first where rows are locked."""
    listed = list(items)
    return (listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK))
