"""How long ago something was told, counted in days that this program has seen: no clock can make them pass at once.

Each day that the clock names is noted once, with the notices that there were then. So a clock that is ahead for a
moment, however far, makes everything older by one day.
"""

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, select

from router.mail.tables import MailTables
from router.storage.statements import insert_of


class Days:
    """The days that a program has seen.

    Args:
        tables: where it keeps its notices.
    """

    def __init__(self, tables: MailTables) -> None:
        self._table, self._notice = tables.day, tables.notice.c

    def note(self, conn: Connection, *, now_ms: int) -> None:
        """Note the day, in a transaction that writes."""
        newest = conn.scalar(select(func.max(self._notice.pos))) or 0
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
        conn.execute(insert_of(conn, self._table).values(day=day, newest=newest).on_conflict_do_nothing())

    def since(self, conn: Connection, days: int) -> int:
        """The place of the newest notice that was there so many days ago; 0: not so many were seen."""
        newest = self._table.c.newest
        return conn.scalar(select(newest).order_by(newest.desc()).offset(days).limit(1)) or 0

    def forget(self, conn: Connection, place: int) -> None:
        """Forget the days before a place of :meth:`since`."""
        conn.execute(delete(self._table).where(self._table.c.newest < place))
