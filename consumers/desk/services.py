"""What the desk's pages stand on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumers.desk.form_head import FormHead
from consumers.spool import Spool
from router.storage.transactions import in_thread
from schemas.duties import Terms
from schemas.working_calendar import WorkingCalendar

T = TypeVar("T")
_OLDEST = timedelta(days=366)
_PLAIN = FormHead()
MOST_FILE_BYTES = 256 * 1024**2
"""Of one file, when nothing else is set: over a line of 33.6 kbit/s that is 18 hours."""


@dataclass(frozen=True, slots=True)
class DeskServices:
    """The parts that pages call.

    Args:
        spool: of the gateway whose units are served; it runs in a process of its own, or not at all.
        terms: by which deadlines are counted.
        head: of printed forms.
        sends_mail: whether there is a mail server for notices.
        most_file_bytes: of one file that is sent from here.
    """

    spool: Spool
    terms: Terms
    head: FormHead = _PLAIN
    sends_mail: bool = False
    most_file_bytes: int = MOST_FILE_BYTES

    @property
    def calendar(self) -> WorkingCalendar:
        """Of the organisation's working days."""
        return self.terms.calendar

    @property
    def zone(self) -> ZoneInfo:
        """Of the office's clock."""
        return ZoneInfo(self.calendar.zone)

    @property
    def today(self) -> date:
        """The office's day."""
        return datetime.now(self.zone).date()

    def may_be_of(self, day: date) -> bool:
        """Whether something may have come on a day: a book of a mistyped year would stand for ever."""
        return self.today - _OLDEST <= day <= self.today

    async def look(self, query: Callable[[Connection], T]) -> T:
        """Run queries in one transaction that reads, in a thread."""
        return await in_thread(self.spool.reading, query)

    async def change(self, act: Callable[[Connection], T]) -> T:
        """Run changes in one transaction that writes, in a thread."""
        return await in_thread(self.spool.writing, act)
