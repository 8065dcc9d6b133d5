"""Percentiles by the nearest rank, exact, as an aggregate of either database.

PostgreSQL has ``percentile_disc``. SQLite has none: there the aggregate gives the values themselves as JSON, which is
cheaper than an aggregate in Python, and the rank is taken here, from the same product of floating-point numbers as
PostgreSQL takes it from.
"""

import math
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, func
from sqlalchemy.dialects.postgresql import array

SHARES = (0.5, 0.95, 0.99)


def ranked(values: Sequence[int]) -> list[int]:
    """For each of :data:`SHARES` the smallest value that this share does not exceed; none where there are no values."""
    ordered = sorted(values)
    return [ordered[math.ceil(share * len(ordered)) - 1] for share in SHARES] if ordered else []


def percentiles_of(conn: Connection, column: ColumnElement[int]) -> ColumnElement[Any]:
    """The aggregate over a column, NULL left out; :func:`read` reads what it gives."""
    if conn.dialect.name == "postgresql":
        return func.percentile_disc(array(SHARES)).within_group(column)
    return func.json_group_array(column).filter(column.is_not(None))


def read(found: Any) -> tuple[int, ...]:
    """The percentiles that the aggregate gave, in the order of :data:`SHARES`; none when there was nothing."""
    return tuple(ranked(orjson.loads(found)) if isinstance(found, str) else found or ())
