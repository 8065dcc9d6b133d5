"""When an office works: its days, those that the government moves, and its hours.

Deadlines that a decree gives in working days are counted by it. The public holidays of a country, and the days that it
moved in the past, are those of the library ``holidays``; what is announced later, and an office's own days, stand in a
file of exceptions.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schemas.clock import day_at, to_ms
from schemas.errors import FieldProblem, InvalidError, capped
from schemas.opening import Windows, parse_opening

if TYPE_CHECKING:
    from holidays import HolidayBase

OFFICE_HOURS = "07:30-11:30, 13:30-17:00"
MAX_EXCEPTIONS = 2000
"""Days that one file of exceptions may name: twenty a year for a century."""
_LONGEST_REST = 60
"""Days without work in a row that are believed; a calendar with more of them has none."""
_LINE = re.compile(r"(\d{4}-\d{2}-\d{2})\s+(off|work)(?:\s+(.*))?")
_MS = 1000


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Days that differ from the country's calendar: ``off`` are no working days, on ``work`` people work."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()


def parse_exceptions(text: str) -> Exceptions:
    """The days that a file names: ``2027-02-13 work Làm bù``, one in a line; ``#`` begins a remark.

    Raises:
        InvalidError: with the lines that are wrong, what is wrong with each, and how such a line is written.
    """
    days: dict[date, str] = {}
    problems: list[FieldProblem] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        told = line.partition("#")[0].strip()
        if not told:
            continue
        try:
            day, kind = _exception(told)
        except ValueError as error:
            problems.append(FieldProblem(f"line {number}", str(error), told[:60]))
            continue
        if days.setdefault(day, kind) != kind:
            both = f"{day} is named as a day off and as a working day; leave one out"
            problems.append(FieldProblem(f"line {number}", both))
    if len(days) > MAX_EXCEPTIONS:
        problems.append(FieldProblem("(whole)", f"it names {len(days)} days; at most {MAX_EXCEPTIONS} can be given"))
    if problems:
        raise InvalidError("file of working days", capped(problems))
    return Exceptions(*(frozenset(day for day, kind in days.items() if kind == wanted) for wanted in ("off", "work")))


def _exception(told: str) -> tuple[date, str]:
    found = _LINE.fullmatch(told)
    if found is None:
        raise ValueError(f"{told[:60]!r} is no day; write it as `2027-02-13 work` or `2027-02-03 off`, and a remark")
    try:
        return date.fromisoformat(found[1]), found[2]
    except ValueError:
        raise ValueError(f"there is no day {found[1]}") from None


def parse_office_hours(text: str) -> Windows:
    """The hours of a working day, in their order.

    Raises:
        ValueError: they are not written as ``07:30-11:30, 13:30-17:00``, there are none, they overlap or pass midnight.
    """
    hours = tuple(sorted(parse_opening(text), key=lambda item: item.begin))
    if not hours:
        raise ValueError("names no hours; write them as 07:30-11:30, 13:30-17:00")
    for item in hours:
        if item.end < item.begin:
            raise ValueError(f"{item} passes midnight; office hours are of one day")
    for earlier, later in pairwise(hours):
        if later.begin < earlier.end:
            raise ValueError(f"{earlier} and {later} overlap")
    return hours


_HOURS = parse_office_hours(OFFICE_HOURS)


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """The working time of an organisation. Instants are UTC milliseconds, days those of its zone.

    Args:
        zone: IANA name of the zone whose clock the hours are read on.
        hours: of a working day, see :func:`parse_office_hours`.
        country: whose public holidays and weekends count, its ISO 3166 code.
        exceptions: what differs.
    """

    zone: str
    hours: Windows = _HOURS
    country: str = "VN"
    exceptions: Exceptions = Exceptions()

    def works_on(self, day: date) -> bool:
        """Whether it is a working day."""
        if day in self.exceptions.work:
            return True
        return day not in self.exceptions.off and _holidays(self.country).is_working_day(day)

    def working_day(self, day: date) -> date:
        """The day itself when it is a working day, else the next one that is."""
        for ahead in range(_LONGEST_REST):
            if self.works_on(day + timedelta(days=ahead)):
                return day + timedelta(days=ahead)
        return day

    def next_working_day(self, day: date) -> date:
        """The first working day after a day."""
        return self.working_day(day + timedelta(days=1))

    def closing(self, day: date) -> int:
        """When the office hours of a day end, or would if it were a working day."""
        return self._at(day, self.hours[-1].end)

    def this_working_day(self, at: int) -> int:
        """The end of the working day that it is at an instant; out of office hours, of the next one."""
        day = day_at(at, self.zone)
        if self.works_on(day) and at < self.closing(day):
            return self.closing(day)
        return self.closing(self.next_working_day(day))

    def following_working_day(self, at: int) -> int:
        """The end of the first working day after the day that it is at an instant."""
        return self.closing(self.next_working_day(day_at(at, self.zone)))

    def after(self, at: int, seconds: float) -> int:
        """When so many seconds of office hours have passed since an instant."""
        left = round(seconds * _MS)
        for begin, end in self._spans(at):
            start = max(begin, at)
            if start + left <= end:
                return start + left
            left -= max(end - start, 0)
        return at + left

    def _spans(self, at: int) -> Iterator[tuple[int, int]]:
        """The office hours that end after an instant, in their order."""
        day = day_at(at, self.zone)
        for _ in range(_LONGEST_REST * 2):
            day = self.working_day(day)
            for item in self.hours:
                if (end := self._at(day, item.end)) > at:
                    yield self._at(day, item.begin), end
            day += timedelta(days=1)

    def _at(self, day: date, minute: int) -> int:
        midnight = datetime.combine(day, time(), ZoneInfo(self.zone))
        return to_ms(midnight + timedelta(minutes=minute))


@cache
def _holidays(country: str) -> "HolidayBase":
    import holidays  # noqa: PLC0415 - most programs count no working days

    # Its package of countries loads all 250 of them when one is asked for. Without it each comes alone.
    countries = ModuleType("holidays.countries")
    countries.__path__ = [f"{holidays.__path__[0]}/countries"]
    sys.modules.setdefault(countries.__name__, countries)
    return holidays.country_holidays(country)


def known_country(code: str) -> str:
    """A country whose holidays are known.

    Raises:
        ValueError: they are not.
    """
    try:
        _holidays(code)
    except NotImplementedError:
        raise ValueError(f"the public holidays of {code!r} are not known; write a country as VN") from None
    return code
