"""Time as it is stored and shown: UTC milliseconds in storage, RFC 3339 with its offset where it travels."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")


def _written_as(pattern: re.Pattern[str], kind: type[date], example: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, str) and pattern.fullmatch(value):
            try:
                return kind.fromisoformat(value.upper())
            except ValueError:  # in words that change with Python's version
                raise ValueError("names a day or a time that there is not") from None
        if isinstance(value, kind):
            return value
        raise ValueError(f"has to be written as {example}")

    return read


Day = Annotated[date, BeforeValidator(_written_as(_DAY, date, "2025-07-01"))]
"""A calendar day. Text in this one form alone: pydantic by itself would also read a number of seconds as a day."""

Moment = Annotated[
    AwareDatetime,
    # Before our function: so pydantic's core holds the bounds against the time, and not a function of Python's.
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC)),
    BeforeValidator(_written_as(_MOMENT, datetime, "2026-11-22T05:04:03+07:00")),
    WithJsonSchema({"type": "string", "format": "date-time"}),  # JSON Schema has no bounds for times
]
"""An instant with its offset (RFC 3339), for the same reason in no other form; such that :func:`iso` can show it."""


Clock = Callable[[], int]
"""Tells the present, UTC milliseconds: :func:`now_ms`, or a test's."""


def now_ms() -> int:
    """The present as milliseconds since 1970-01-01T00:00Z."""
    return time.time_ns() // 1_000_000


def day_at(ms: int, timezone: str) -> date:
    """The calendar day that it is in a time zone (its IANA name) at a stored time."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone)).date()


def start_of_day(ms: int, timezone: str) -> int:
    """When the calendar day of a stored time began in a time zone (its IANA name), UTC milliseconds."""
    return to_ms(datetime.combine(day_at(ms, timezone), datetime.min.time(), ZoneInfo(timezone)))


def today(timezone: str) -> date:
    """The present day in a time zone (its IANA name)."""
    return day_at(now_ms(), timezone)


def iso(ms: int) -> str:
    """``2026-11-22T05:04:03.210Z`` for a stored time."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_ms(moment: datetime) -> int:
    """Milliseconds UTC of a time that carries its offset.

    Raises:
        ValueError: the time has no offset, so it names no instant.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, such as 2026-11-22T05:04:03+07:00")
    return round(moment.timestamp() * 1000)
