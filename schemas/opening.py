"""When a line is open for everything: hours of the day by the clock on the wall, as ``18:00-21:00, 05:30-07:00``.

Outside of them only what travels express is fetched (:func:`schemas.dispatch.lane_of`), and receipts go. Hours may pass
midnight (``21:00-06:00``); none at all means that the line is always open. They are read in the installation's zone:
an hour that the change to summer time leaves out opens with what follows it, one that comes twice is open twice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

MAX_HOURS = 12
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|(24:00))")
_DAY = 24 * 60
_AHEAD = 3
"""Days to look ahead: hours recur every day, but one day's may lie wholly in an hour that is left out."""
_EXACT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day until before another, both counted from midnight; past midnight when it is less."""

    begin: int
    end: int

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day is among them."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.begin, self.end))


Windows = tuple[Hours, ...]


def parse_opening(text: str) -> Windows:
    """The hours that a text names; none for an empty one.

    Raises:
        ValueError: it is not written as ``18:00-21:00`` or several such, with commas between them.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > MAX_HOURS:
        raise ValueError(f"names {len(parts)} spans of hours; at most {MAX_HOURS} can be given")
    return tuple(_hours(part) for part in parts)


def _canonical(text: str) -> str:
    return ", ".join(map(str, parse_opening(text)))


Opening = Annotated[str, Field(max_length=200), AfterValidator(_canonical)]
"""The text of :func:`parse_opening`, as it is stored and travels."""


def is_open(windows: Sequence[Hours], instant: datetime, zone: str) -> bool:
    """Whether a line with these hours is open for everything.

    Args:
        windows: the hours; none: always open.
        instant: when, with its offset.
        zone: IANA name of the zone whose clock the hours are read on.
    """
    local = instant.astimezone(ZoneInfo(zone))
    return not windows or any(hours.hold(local.hour * 60 + local.minute) for hours in windows)


def next_opening(windows: Sequence[Hours], instant: datetime, zone: str) -> datetime:
    """The first instant, from the given one on, at which the line is open; that one itself when it is open then.

    Args:
        windows: the hours; none: always open.
        instant: when, with its offset.
        zone: IANA name of the zone whose clock the hours are read on.

    Returns:
        The instant, in UTC: in the zone itself, an hour that comes twice would not compare.
    """
    now, place = instant.astimezone(UTC), ZoneInfo(zone)
    if is_open(windows, instant, zone):
        return now
    moments = (*_changes(now, place), *(at for hours in windows for at in _beginnings(hours, now, place)))
    return min(at for at in moments if at > now and is_open(windows, at, zone))


def next_closing(windows: Sequence[Hours], instant: datetime, zone: str) -> datetime | None:
    """When a line that is open at an instant is open no longer; None: it never closes.

    Args:
        windows: the hours; none: always open.
        instant: when it is open, with its offset.
        zone: IANA name of the zone whose clock the hours are read on.

    Returns:
        The instant, in UTC.
    """
    now, place = instant.astimezone(UTC), ZoneInfo(zone)
    moments = (*_changes(now, place), *(at for hours in windows for at in _endings(hours, now, place)))
    return min((at for at in moments if at > now and not is_open(windows, at, zone)), default=None)


def _hours(text: str) -> Hours:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no span of hours; write it as 18:00-21:00, several with commas between them")
    hour, minute, last_hour, last_minute, midnight = found.groups()
    begin = int(hour) * 60 + int(minute)
    end = _DAY if midnight else int(last_hour) * 60 + int(last_minute)
    if begin == end:
        raise ValueError(f"{text!r} ends when it begins; for a line that is always open leave the hours out")
    return Hours(begin, end)


def _beginnings(hours: Hours, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    """When the clock on the wall shows the beginning of hours, on the next days; twice where it is set back."""
    return _shown(hours.begin, now, place)


def _endings(hours: Hours, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    """The same of their end."""
    return _shown(hours.end % _DAY, now, place)


def _shown(minute: int, now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    first_day = now.astimezone(place).date()
    for day in range(_AHEAD):
        wall = datetime.combine(first_day + timedelta(days=day), time(minute // 60, minute % 60), place)
        yield wall.astimezone(UTC)
        yield wall.replace(fold=1).astimezone(UTC)


def _changes(now: datetime, place: ZoneInfo) -> Iterator[datetime]:
    """When the clock on the wall is set forward or back, on the next days: it may jump into the hours."""
    for day in range(_AHEAD):
        before, after = now + timedelta(days=day), now + timedelta(days=day + 1)
        offset = before.astimezone(place).utcoffset()
        if offset == after.astimezone(place).utcoffset():
            continue
        while after - before > _EXACT:
            middle = before + (after - before) / 2
            if middle.astimezone(place).utcoffset() == offset:
                before = middle
            else:
                after = middle
        yield after.replace(microsecond=0)
