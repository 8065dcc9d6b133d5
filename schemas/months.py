"""A calendar month, and when it begins and ends in a time zone."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from schemas.clock import day_at, to_ms

MONTH_REGEX = r"^(19[7-9]\d|[2-8]\d{3})-(0[1-9]|1[0-2])$"
_MONTHS = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of a year; as text ``2026-11``."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @classmethod
    def read(cls, text: str) -> "Month":
        """The month that a text names.

        Raises:
            ValueError: it is not written as ``2026-11``, or before 1970 or after 8999.
        """
        if not re.fullmatch(MONTH_REGEX, text):
            raise ValueError(f"{text!r} is no month; write it as 2026-11")
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def at(cls, ms: int, timezone: str) -> "Month":
        """The month that it is in a time zone (its IANA name) at a stored time (UTC ms)."""
        day = day_at(ms, timezone)
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        """The month so many months later; earlier, when negative."""
        years, month = divmod(self.month - 1 + months, _MONTHS)
        return Month(self.year + years, month + 1)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    def begins(self, timezone: str) -> int:
        """When it begins in a time zone (its IANA name), UTC milliseconds."""
        return to_ms(datetime(self.year, self.month, 1, tzinfo=ZoneInfo(timezone)))
