"""When a digest is due: once on a working day, from its hour on until the office closes."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from schemas.working_calendar import WorkingCalendar


def digest_day(calendar: WorkingCalendar, minute: int, now_ms: int) -> date | None:
    """The working day whose digest is due; None: none is.

    Args:
        calendar: of the organisation's working days.
        minute: when it is made, minutes after midnight by the office's clock.
        now_ms: the present, UTC milliseconds.
    """
    now = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(calendar.zone))
    day, since_midnight = now.date(), now.hour * 60 + now.minute
    is_due = since_midnight >= minute and now_ms < calendar.closing(day)
    return day if is_due and calendar.works_on(day) else None
