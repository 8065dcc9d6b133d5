"""The present directory: read again when units or accounts have changed, when an account ends, and at midnight."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import structlog
from sqlalchemy import Connection, Engine, func, select

from router.directory import Directory
from router.ledger.engine import reading
from router.ledger.models import account, unit
from router.ledger.units import unit_list
from schemas.clock import Clock, day_at, now_ms
from schemas.events import Event

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What directory and accounts looked like when they were read: counts, the latest changes, and what time changes.

    A unit begins and ends with a day, an account at a moment; nothing is written down when it comes.
    """

    units: int
    unit_changed_at: int
    accounts: int
    account_changed_at: int
    ended_accounts: int
    day: date


class Organisation:
    """Holds the present directory and reads it again when the ledger's has changed.

    Args:
        engine: the ledger.
        timezone: IANA name of the zone whose day decides which units exist.
        clock: the present.
    """

    def __init__(self, engine: Engine, timezone: str, *, clock: Clock = now_ms) -> None:
        self._engine = engine
        self._timezone = timezone
        self._clock = clock
        self.on_change: Callable[[], None] = lambda: None
        """Called after a change of units or accounts, so that the broker is brought in line."""
        self._stamp: Stamp | None = None
        self.directory = Directory([])

    @property
    def today(self) -> date:
        """The organisation's day: in Vietnam it begins seven hours before that of UTC."""
        return day_at(self._clock(), self._timezone)

    def refresh(self) -> bool:
        """Read units and accounts again if they changed, or a day or an account has ended; whether that was so.

        Blocks on the database.
        """
        with reading(self._engine) as connection:
            stamp = _stamp(connection, self._clock(), self.today)
            if stamp == self._stamp:
                return False
            self.directory = Directory(unit_list.list_units(connection))
        self._stamp = stamp
        log.info(Event.DIRECTORY_READ, units=stamp.units, accounts=stamp.accounts, day=stamp.day.isoformat())
        return True

    async def watch(self) -> None:
        """Read again if something changed, and announce it."""
        if await asyncio.to_thread(self.refresh):
            self.on_change()


def _stamp(connection: Connection, now: int, day: date) -> Stamp:
    of_units = connection.execute(select(func.count(), func.coalesce(func.max(unit.c.changed_at), 0))).one()
    of_accounts = connection.execute(select(func.count(), func.coalesce(func.max(account.c.changed_at), 0))).one()
    ended_accounts = connection.scalar(select(func.count()).where(account.c.expires_at <= now)) or 0
    return Stamp(of_units[0], of_units[1], of_accounts[0], of_accounts[1], ended_accounts, day)
