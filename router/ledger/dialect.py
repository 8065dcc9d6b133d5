"""The few statements that SQLite and PostgreSQL spell differently from each other's SQLAlchemy constructs."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def insert_of(connection: Connection, table: Table) -> Any:
    """The dialect's INSERT, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def place_in(connection: Connection, text: ColumnElement[str], part: str) -> ColumnElement[int]:
    """Where a part first stands in a text, counted from 1; 0: nowhere."""
    find = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return find(text, part)
