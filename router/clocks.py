"""What happens by time alone: dispatches expire, silent lines are down, the organisation is read again.

Sending again after silence needs no clock of its own: ``next_due_at`` already lies in the outbox.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date

import structlog
from sqlalchemy import Connection, Engine, func, select

from router.broker import SessionState
from router.directory import Directory
from router.ledger import presence, units
from router.ledger.engine import reading
from router.ledger.lines import Aligned, align
from router.ledger.models import account, delivery, unit
from router.ledger.presence import Listening
from router.ledger.receipts import Telling
from router.ledger.writer import Writer
from router.process.fate import may_pass
from router.recorder import Recorder
from router.uploads import UploadStore
from schemas.clock import iso, now_ms, today
from schemas.events import Event
from schemas.ids import new_id
from schemas.states import UNDELIVERED, Status

log = structlog.get_logger()
_EXPIRED_AT_ONCE = 500
_LATE_MS = 10_000
"""A look at the lines that took so long waited for the ledger, and with it all that was to be heard."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the directory and the accounts looked like when they were read: counts and the latest changes."""

    units: int
    unit_changed_at: int
    accounts: int
    account_changed_at: int


class Organisation:
    """Holds the present directory and reads it again when the ledger's has changed.

    Args:
        engine: the ledger.
        timezone: IANA name of the zone whose day decides which units exist.
    """

    def __init__(self, engine: Engine, timezone: str) -> None:
        self._engine = engine
        self._timezone = timezone
        self.on_change: Callable[[], None] = lambda: None
        """Called after a change of units or accounts, so that the broker is brought in line."""
        self._stamp: Stamp | None = None
        self.directory = Directory([])

    @property
    def today(self) -> date:
        """The organisation's day: in Vietnam it begins seven hours before that of UTC."""
        return today(self._timezone)

    def refresh(self) -> bool:
        """Read units and accounts again if they changed; whether they did. Blocks on the database."""
        with reading(self._engine) as connection:
            stamp = _stamp(connection)
            if stamp == self._stamp:
                return False
            self.directory = Directory(units.list_units(connection))
        self._stamp = stamp
        log.info(Event.DIRECTORY_READ, units=stamp.units, accounts=stamp.accounts)
        return True

    async def watch(self) -> None:
        """Read again if something changed, and tell it."""
        if await asyncio.to_thread(self.refresh):
            self.on_change()


def _stamp(connection: Connection) -> Stamp:
    of_units = connection.execute(select(func.count(), func.coalesce(func.max(unit.c.changed_at), 0))).one()
    of_accounts = connection.execute(select(func.count(), func.coalesce(func.max(account.c.changed_at), 0))).one()
    return Stamp(of_units[0], of_units[1], of_accounts[0], of_accounts[1])


async def periodically(act: Callable[[], Awaitable[None]], every: float) -> None:
    """Until cancelled, do something every so many seconds; while something is away, it is left for the next time."""
    while True:
        try:
            await act()
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning(Event.CLOCK_SKIPPED, clock=act.__qualname__, error=str(error))
        await asyncio.sleep(every)


class Expiry:
    """Ends what has not arrived ``after`` seconds from its acceptance, visibly and with the reason."""

    def __init__(self, engine: Engine, recorder: Recorder, *, after: float) -> None:
        self._engine = engine
        self._recorder = recorder
        self._after = after

    async def expire(self) -> None:
        """End all that is overdue now."""
        while overdue := await asyncio.to_thread(_overdue, self._engine, now_ms() - round(self._after * 1000)):
            await self._recorder.tell([_expired(key, self._after) for key in overdue])
            log.warning(Event.DELIVERIES_EXPIRED, count=len(overdue), after_s=self._after)


class Alignment:
    """Sends what waited for a line that its unit has now, and holds what lost its line."""

    def __init__(self, writer: Writer, knock: Callable[[], None]) -> None:
        self._writer = writer
        self._knock = knock

    async def align(self) -> None:
        """Compare deliveries with their units' links."""
        aligned = await self._writer.run(_align, None)
        if aligned.released or aligned.held:
            log.info(Event.DELIVERIES_ALIGNED, released=aligned.released, held=aligned.held)
            self._knock()


class UploadExpiry:
    """Removes unfinished uploads for which nothing came in too long."""

    def __init__(self, uploads: UploadStore) -> None:
        self._uploads = uploads

    async def sweep(self) -> None:
        """Remove all that have expired."""
        await asyncio.to_thread(self._uploads.sweep)


class LineWatch:
    """Takes the lines to be down of which nothing was heard for too long, while we were there to hear it.

    What a gateway says waits in the broker while this router or its ledger is away; so silence counts from when both
    were there.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._since: int | None = None

    def on_session(self, state: SessionState) -> None:
        """The router's session came up or went."""
        self._since = now_ms() if state is SessionState.UP else None

    async def look(self) -> None:
        """Take silent lines to be down."""
        began = now_ms()
        if self._since is None:
            return
        down = await self._writer.run(_note_silent, Listening(began, self._since))
        if down:
            log.warning(Event.LINES_SILENT, lines=len(down), unit=down[0])
        if now_ms() - began > _LATE_MS and self._since is not None:
            self._since = now_ms()


class OutageRetention:
    """Forgets when lines were down long ago: a line that drops every two minutes would fill the ledger.

    Args:
        writer: the ledger's.
        kept: seconds that an outage is remembered after its end.
    """

    def __init__(self, writer: Writer, *, kept: float) -> None:
        self._writer = writer
        self._kept = kept

    async def prune(self) -> None:
        """Forget what is too old now."""
        await self._writer.run(presence.forget_outages, now_ms() - round(self._kept * 1000))


def _note_silent(connection: Connection, looks: Sequence[Listening]) -> list[list[str]]:
    now = now_ms()
    return [presence.note_silent(connection, look) if now - look.now_ms <= _LATE_MS else [] for look in looks]


def _align(connection: Connection, wishes: Sequence[None]) -> list[Aligned]:
    aligned = align(connection, now_ms())
    return [aligned, *[Aligned(0, 0)] * (len(wishes) - 1)]


def _overdue(engine: Engine, before_ms: int) -> Sequence[str]:
    statement = (
        select(delivery.c.id)
        .where(delivery.c.state.in_([state.value for state in UNDELIVERED]), delivery.c.created_at < before_ms)
        .limit(_EXPIRED_AT_ONCE)
    )
    with reading(engine) as connection:
        return list(connection.scalars(statement))


def _expired(delivery_id: str, after: float) -> Telling:
    now = now_ms()
    reason = f"had not arrived {after / 86_400:.0f} days after its acceptance"
    return Telling(new_id(), delivery_id, Status.EXPIRED, iso(now), now, reason=reason)
