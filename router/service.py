"""Runs one router process: opens its ledger, connects to its broker, serves its API, and stops in good order.

Killed at any instruction it can be started again: what it holds in memory is only what it may do again.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from sqlalchemy import Engine
from starlette.types import ASGIApp

from router.assembly import Parts
from router.broker import Session, Tuning
from router.broker.backoff import Backoff, sleep_unless
from router.errors import LedgerRevisionError, UnavailableError
from router.ledger.engine import bring_up_to_date, file_of, open_engine
from router.ledger.writer import Writer
from router.metrics import Metrics
from router.pages.serving import QuietServer, listen, serving
from router.process.fate import code_of, may_pass
from router.process.parts import Tended, end
from router.process.signals import stopped_by_signals
from router.process.threads import widen
from router.settings import RouterSettings
from router.storage.lock import alone
from router.tls.contexts import ClientContext
from router.tls.served import ServedCertificate
from router.web import waiting
from schemas.clock import today
from schemas.events import Event
from schemas.office import office_terms

log = structlog.get_logger()
_CLOSE_WITHIN = 10.0
_HANDSHAKE_LONGEST = 600.0
"""Seconds that bringing up AMQP may take in the end, with a broker that is busy with its queues."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two looks at a ledger that is away at the start."""


class RouterService:
    """One router process.

    Args:
        settings: where its state, its broker and its API are.
        on_stop: called when it begins to end, so that whoever made it can see to it that it does.
    """

    def __init__(self, settings: RouterSettings, *, on_stop: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_stop = on_stop
        self._stopping = asyncio.Event()
        self._tended = Tended(self.stop)
        self._served: ServedCertificate | None = None
        self.address: tuple[str, int] | None = None
        """Host and port of the web API, once it listens."""

    def stop(self) -> None:
        """Finish what is in work and end."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._tended.stopping()
            self._on_stop()

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`stop`; a ledger that is away at the start is waited for.

        Raises:
            RouterError: the ledger or the data directory cannot be used.
            CertificateError: the web API's certificate or its key cannot be used.
            PartFailedError: a part failed; everything is closed as after a stop.
            OSError: the API's address is taken, or the file of days cannot be opened.
            InvalidError: the file of days cannot be read.
            ValidationError: a setting of the office's is wrong.
        """
        calendar = office_terms().calendar
        calendar.works_on(today(calendar.zone))  # so the holidays are loaded before anything waits for them
        with stopped_by_signals(self.stop), self._own_ledger():
            widen()
            self._served = served_certificate(self._settings)
            engine = open_engine(self._settings.database_url, answers_within=self._settings.ledger_timeout)
            listener = listen(self._settings.http_host, self._settings.http_port)
            self.address = listener.getsockname()[:2]
            try:
                if await self._ledger_came(engine, listener):
                    await self._serve(engine, listener)
            finally:
                listener.close()
                engine.dispose()
        self._tended.require_none_failed()
        log.info(Event.ROUTER_STOPPED)

    async def _ledger_came(self, engine: Engine, listener: socket.socket) -> bool:
        """Bring the ledger up to date; False when it was away until the stop. Meanwhile the API says why it waits."""
        pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        async with contextlib.AsyncExitStack() as stack:
            app: waiting.WaitingApp | None = None
            while not self._stopping.is_set():
                try:
                    await asyncio.to_thread(bring_up_to_date, engine)
                except Exception as error:
                    if isinstance(error, LedgerRevisionError) or not may_pass(error):
                        raise
                    pause = pauses.pause()
                    if app is None:
                        app = await stack.enter_async_context(waiting.served(listener, self._web_config))
                    app.state = f"takes no changes ({code_of(error.__cause__ or error)})"
                    log.warning(Event.ROUTER_WAITS, error=str(error), retry_in=round(pause, 1))
                    await sleep_unless(self._stopping, pause)
                else:
                    return True
        return False

    async def _serve(self, engine: Engine, listener: socket.socket) -> None:
        metrics = Metrics(engine)
        settings = self._settings
        writer = Writer(
            engine,
            max_rows=settings.group_commit_rows,
            linger=settings.group_commit_linger,
            on_commit=metrics.committed,
            on_failure=metrics.ledger_failed,
        )
        try:
            await self._with_broker(engine, writer, metrics, listener)
        finally:
            await asyncio.to_thread(writer.close)

    async def _with_broker(self, engine: Engine, writer: Writer, metrics: Metrics, listener: socket.socket) -> None:
        settings = self._settings
        session = Session(
            settings.amqp_url,
            user=settings.amqp_user,
            password=settings.amqp_password.get_secret_value(),
            name="congvan-router",
            tuning=Tuning(stack_timeout_longest=_HANDSHAKE_LONGEST),
            tls=ClientContext(settings.tls_files, to="broker"),
        )
        parts = Parts(settings, engine, writer, metrics, session, stopping=self._stopping)
        await session.start()
        try:
            await self._run_parts(parts, listener)
        finally:
            await session.close(_CLOSE_WITHIN)
            await asyncio.to_thread(parts.close)

    async def _run_parts(self, parts: Parts, listener: socket.socket) -> None:
        server = QuietServer(self._web_config(parts.app))
        serving = self._tended.start("web API", lambda: server.serve(sockets=[listener]))
        running = [self._tended.start(name, job) for name, job in parts.jobs().items()]
        running += [] if self._served is None else [self._tended.start("certificate", self._served.watch)]
        log.info(Event.ROUTER_READY, host=self.address and self.address[0], port=self.address and self.address[1])
        try:
            await self._stopping.wait()
        finally:
            server.should_exit = True
            await asyncio.wait([serving])
            await end(running)

    def _web_config(self, app: ASGIApp) -> uvicorn.Config:
        return serving(
            app,
            most_of_an_address=self._settings.connections_per_address,
            proxies=self._settings.trusted_proxies,
            tls=None if self._served is None else self._served.context,
        )

    @contextlib.contextmanager
    def _own_ledger(self) -> Iterator[None]:
        """One router per SQLite ledger, and per data directory then; on PostgreSQL any number may run."""
        directory = self._settings.data_dir
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = file_of(self._settings.database_url)
        if file is None:
            yield
            return
        lock = file.with_name(f"{file.name}.lock")
        with alone(directory / "router.lock", partial(_in_use, directory)), alone(lock, partial(_in_use, file)):
            yield


def served_certificate(settings: RouterSettings) -> ServedCertificate | None:
    """What the web API is served with; None: it is plain.

    Raises:
        CertificateError: a file cannot be read, or certificate and key do not fit.
    """
    if settings.http_certificate is None:
        return None
    return ServedCertificate(settings.http_certificate, settings.http_certificate_key)


def _in_use(place: Path, holder: str) -> UnavailableError:
    return UnavailableError(
        f"another router (process {holder}) works on {place}",
        hint="stop it, give this one another CONGVAN_DATA_DIR and CONGVAN_LEDGER_URL, or use PostgreSQL for several",
    )
