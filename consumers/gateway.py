"""A unit's gateway, or those of a whole subtree in one process: runs the parts, and stops them in good order.

Crash-only: everything that matters is in the spool before anybody is told of it, so a kill at any point costs a
repetition at most. Between the spool's commit and the ack, the broker sends again and the spool knows the delivery;
between the hand-over and the commit of ``arrived``, the sink is asked again and knows the delivery; between the
confirm of a receipt and its note, it is sent again and the ledger counts its id once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from consumers.assembly import assemble
from consumers.copies.daily import copy_daily
from consumers.errors import (
    GatewaySettingsError,
    ReceiptsHeldError,
    SpoolDamagedError,
    SpoolUnavailableError,
    UnitsUnknownError,
)
from consumers.last_run import remember
from consumers.line.hook import listening
from consumers.parts import Parts
from consumers.reporting.reporter import watch_commands
from consumers.settings import GatewaySettings
from consumers.spool import Spool, Writer, retention, sending
from consumers.spool.damage import put_aside
from consumers.spool.store import hosting_alone, open_or_begin_anew
from consumers.status import keep_status
from router.broker import SessionState
from router.broker.backoff import Backoff, sleep_unless
from router.process.fate import fate_of
from router.process.parts import FIRST_PAUSE, LONGEST_PAUSE, Start, Tended, end
from router.process.signals import stopped_by_signals
from schemas.clock import now_ms
from schemas.events import Event
from schemas.line import MISSED

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger()
PRUNE_EVERY = 3600.0
LAST_RECEIPTS = 5.0
"""Seconds that the last receipts get to go out when the gateway stops."""
SESSION_CLOSE = 5.0
DAMAGE_EVERY = 1.0


class Gateway:
    """One gateway process.

    Args:
        settings: see :mod:`consumers.settings`.
        on_stop: called when it begins to end, so that whoever made it can see to it that it does.

    Raises:
        GatewaySettingsError: a setting that every gateway needs is missing.
    """

    def __init__(self, settings: GatewaySettings, *, on_stop: Callable[[], None] = lambda: None) -> None:
        for name in ("units", "amqp_url"):
            if not getattr(settings, name):
                raise GatewaySettingsError(
                    f"a gateway needs {name}: CONGVAN_GATEWAY_{name.upper()}, or --{name.replace('_', '-')}"
                )
        self._settings = settings
        self._on_stop = on_stop
        self._stopping = asyncio.Event()
        self._tended = Tended(self.stop)
        self._consumed: set[str] = set()

    def stop(self) -> None:
        """End :meth:`run` in good order."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._tended.stopping()
            self._on_stop()

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or :meth:`stop`: finish commits and hand-overs, send the last receipts.

        A spool that its disk does not let us open is waited for.

        Raises:
            SpoolInUseError: another gateway works on the data directory.
            SpoolRevisionError: the spool belongs to a newer program.
            SpoolDamagedError: the spool was found to be damaged and put aside; the next start begins anew.
            SinkSettingsError: a setting that the sink needs is missing or wrong.
            PartFailedError: a part failed; everything is closed as after a stop.
        """
        with hosting_alone(self._settings.data_dir), stopped_by_signals(self.stop):
            await self._patiently(asyncio.to_thread, remember, self._settings)
            spool = await self._patiently(asyncio.to_thread, open_or_begin_anew, self._settings.data_dir)
            if spool is not None:
                await self._work_on(spool)
        self._tended.require_none_failed()
        log.info(Event.GATEWAY_STOPPED)

    async def _work_on(self, spool: Spool) -> None:
        writer = Writer(spool)
        try:
            parts = await self._patiently(self._assembled, spool, writer)
            if parts is not None:
                with listening(self._settings.data_dir, parts.line.told):
                    await self._run(parts)
        except Exception as error:
            if not spool.damage:
                raise
            log.warning(Event.GATEWAY_STOPPED, reason=repr(error))
        finally:
            await asyncio.to_thread(writer.close)
            spool.close()
        if spool.damage:
            aside = await asyncio.to_thread(put_aside, spool.path)
            log.warning(Event.SPOOL_PUT_ASIDE, reason=spool.damage[0], now=aside.name)
            raise SpoolDamagedError(
                f"the spool {spool.path} was found to be damaged: {spool.damage[0]}; it lies in {aside.name} now, "
                "and the next start begins anew"
            )

    async def _assembled(self, spool: Spool, writer: Writer) -> Parts:
        return assemble(self._settings, spool, writer)

    async def _patiently(self, act: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do what the start needs as soon as disk and spool allow; None when it has to stop before that."""
        pauses = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while not self._stopping.is_set():
            try:
                return await act(*args, **kwargs)
            except Exception as error:
                if not fate_of(error).passes:
                    raise
                pause = pauses.pause()
                log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error), retry_in=round(pause, 1))
                await sleep_unless(self._stopping, pause)
        return None

    async def _run(self, parts: Parts) -> None:
        try:
            await self._patiently(_release_unused, parts)
            await self._patiently(parts.writer.run, parts.dictionaries.forget_recalled, None)
            await parts.session.start()
            log.info(Event.GATEWAY_STARTED, units=self._settings.units, sink=self._settings.sink, spool=parts.spool.id)
            await self._supervise(parts)
            await self._send_last_receipts(parts)
        finally:
            await parts.session.close(SESSION_CLOSE)
            await parts.sink.close()
            await parts.clients.aclose()

    async def _supervise(self, parts: Parts) -> None:
        """Run the parts until it is time to stop; one that fails stops all, and the process with them."""
        courier = self._tended.start("courier", parts.courier.run)
        others = [self._tended.start(name, start) for name, start in self._jobs(parts).items()]
        try:
            await self._stopping.wait()
        finally:
            await parts.taking.stop()
            await end([courier])
            await end(others)

    def _jobs(self, parts: Parts) -> Mapping[str, Start]:
        """What runs beside the courier until the end, each by its name."""
        reporters = parts.reporters
        return {
            "hosting": partial(self._host, parts),
            **{f"{lane.value} reporter": reporter.run for lane, reporter in reporters.items()},
            "watch": partial(watch_commands, parts.spool, _woken_by_commands(parts)),
            "outages": parts.outages.run,
            "openings": parts.openings.run,
            "greetings": parts.presence.run_greetings,
            "gaps": parts.presence.run_gaps,
            "recounting": parts.recounting.run,
            "upward": parts.upward.run,
            "copies": parts.copies.run,
            "daily copy": partial(copy_daily, self._settings, parts.spool),
            "inquirer": parts.inquirer.run,
            "naming": parts.naming.run,
            "log watch": parts.log_watch.run,
            "certificate": parts.certificate.run,
            "room": parts.room.run,
            "damage": partial(self._watch_damage, parts),
            "pruning": partial(self._prune, parts),
            "status": partial(keep_status, parts.spool, parts.standing),
        }

    async def _host(self, parts: Parts) -> None:
        """Consume the queues of the units hosted, and of those that are added; never returns."""
        hosting = parts.hosting
        await hosting.begin()
        if not hosting.is_subtree and await asyncio.to_thread(parts.spool.is_new):
            await self._refresh(parts)  # before anything is taken: another gateway may work for the unit
        self._consume(parts, hosting.codes)
        is_known = hosting.is_subtree  # a subtree's list is new already
        while True:
            often = min(self._settings.units_refresh, self._settings.presence_interval)
            pause = often if hosting.elsewhere else self._settings.units_refresh
            await self._asked_again(parts, pause if is_known else 0.0)
            await parts.session.ready()
            self._consume(parts, await self._refresh(parts))
            is_known = True

    async def _refresh(self, parts: Parts) -> list[str]:
        """Ask the router for the units; those that are new."""
        try:
            return await parts.hosting.refresh()
        except (UnitsUnknownError, SpoolUnavailableError) as error:
            log.warning(Event.UNITS_REMEMBERED, units=len(parts.hosting.codes), reason=str(error))
            return []

    async def _asked_again(self, parts: Parts, pause: float) -> None:
        """Return after a pause, or when a line is back that was down so long that another may have taken our place."""
        patience = MISSED * self._settings.presence_interval
        end = asyncio.get_running_loop().time() + pause
        while (left := end - asyncio.get_running_loop().time()) > 0:
            down = parts.session.state is SessionState.DOWN
            began = asyncio.get_running_loop().time()
            await parts.session.up_anew(left)
            if down and asyncio.get_running_loop().time() - began >= patience:
                return

    async def _watch_damage(self, parts: Parts) -> None:
        """Stop when the spool is found to be damaged, by whatever part: nothing that it says can be relied on."""
        while not parts.spool.damage:  # noqa: ASYNC110 - it is set in threads, by whoever meets it
            await asyncio.sleep(DAMAGE_EVERY)
        self.stop()
        await asyncio.Event().wait()

    def _consume(self, parts: Parts, hosted: list[str]) -> None:
        codes = [code for code in hosted if code not in self._consumed]  # hosting may have been begun anew
        self._consumed.update(codes)
        if codes:
            parts.taking.begin(codes)
            parts.presence.greet()

    async def _prune(self, parts: Parts) -> None:
        """Forget what ended long ago, now and then; never returns."""
        while True:
            try:
                await self._prune_once(parts)
            except SpoolUnavailableError as error:
                log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error))
            await asyncio.sleep(PRUNE_EVERY)

    async def _prune_once(self, parts: Parts) -> None:
        before = now_ms() - round(self._settings.retention * 1000)
        while (forgotten := await parts.writer.run(retention.forget, before)).deliveries:
            files = await asyncio.to_thread(parts.directory.files_of, forgotten.contents)
            await parts.writer.run(parts.directory.release, files)
            log.info(Event.SPOOL_PRUNED, deliveries=forgotten.deliveries)
        while (gone := await parts.writer.run(sending.forget, before)).documents:
            files = await asyncio.to_thread(parts.directory.files_of, gone.contents)
            await parts.writer.run(parts.directory.release, files)
            log.info(Event.SPOOL_PRUNED, sent=gone.documents)

    async def _send_last_receipts(self, parts: Parts) -> None:
        try:
            async with asyncio.timeout(LAST_RECEIPTS):
                for reporter in parts.reporters.values():
                    await reporter.send_all()
        except (TimeoutError, ReceiptsHeldError, SpoolUnavailableError) as error:
            log.warning(Event.RECEIPTS_HELD, reason=str(error) or "no time was left", retry_in="next start")


def _woken_by_commands(parts: Parts) -> list[Callable[[], None]]:
    """The parts that find work which a person wrote: a receipt, a document to be sent, a question."""
    reporters = (partial(reporter.wake, 0) for reporter in parts.reporters.values())
    return [*reporters, parts.upward.courier.wake, parts.inquirer.wake]


async def _release_unused(parts: Parts) -> None:
    """Remove contents that no delivery uses any more."""
    await parts.writer.run(parts.directory.release, await asyncio.to_thread(parts.directory.at_start))
