"""Runs one router process: opens its ledger, connects to its broker, serves its API, and stops in good order.

Killed at any instruction it can be started again: what it holds in memory is only what it may do again.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from router.assembly import Parts
from router.broker import Session, Tuning
from router.errors import UnavailableError
from router.ledger.engine import default_url, open_engine, upgrade
from router.ledger.writer import Writer
from router.metrics import Metrics
from router.settings import RouterSettings
from router.wire_guard import ConnectionLimit, guarded
from schemas.events import Event

log = structlog.get_logger()
_CLOSE_WITHIN = 10.0
_HANDSHAKE_LONGEST = 600.0
"""Seconds that bringing up AMQP may take in the end, beside a broker that is busy with its queues."""


class RouterService:
    """One router process.

    Args:
        settings: where its state, its broker and its API are.
    """

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self.address: tuple[str, int] | None = None
        """Host and port of the web API, once it listens."""

    def stop(self) -> None:
        """Finish what is in work and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`stop`.

        Raises:
            RouterError: the ledger or the data directory cannot be used.
            OSError: the API's address is taken.
        """
        with _signals_to(self.stop), self._own_ledger():
            engine = open_engine(default_url(self._settings))
            await asyncio.to_thread(upgrade, engine)
            listener = _listen(self._settings.http_host, self._settings.http_port)
            self.address = listener.getsockname()[:2]
            try:
                await self._serve(engine, listener)
            finally:
                engine.dispose()
        log.info(Event.ROUTER_STOPPED)

    async def _serve(self, engine: Engine, listener: socket.socket) -> None:
        metrics = Metrics(engine)
        settings = self._settings
        writer = Writer(
            engine,
            max_rows=settings.group_commit_rows,
            linger=settings.group_commit_linger,
            on_commit=metrics.committed,
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
        )
        parts = Parts(settings, engine, writer, metrics, session, stopping=self._stopping)
        await session.start()
        try:
            await self._run_parts(parts, listener)
        finally:
            await session.close(_CLOSE_WITHIN)
            await asyncio.to_thread(parts.close)

    async def _run_parts(self, parts: Parts, listener: socket.socket) -> None:
        server = _Server(_web_config(parts.app, self._settings))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in parts.jobs()]
            serving = tasks.create_task(server.serve(sockets=[listener]))
            log.info(Event.ROUTER_READY, host=self.address and self.address[0], port=self.address and self.address[1])
            await self._stopping.wait()
            server.should_exit = True
            await serving
            for task in running:
                task.cancel()

    @contextlib.contextmanager
    def _own_ledger(self) -> Iterator[None]:
        """One router per SQLite ledger; on PostgreSQL any number may run."""
        directory = self._settings.data_dir
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._settings.ledger_url.startswith("postgresql"):
            yield
            return
        with _locked(directory / "router.lock"):
            yield


def _web_config(app: FastAPI, settings: RouterSettings) -> uvicorn.Config:
    """The server's settings: what an unknown caller costs is bounded; headers are believed of proxies alone."""
    proxies = settings.trusted_proxies
    return uvicorn.Config(
        app,
        http=guarded(ConnectionLimit(settings.connections_per_address, proxies)),
        forwarded_allow_ips=list(proxies),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the service stops it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=512)


@contextlib.contextmanager
def _signals_to(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process.

    Raises:
        UnavailableError: another process holds it.
    """
    with file.open("a+", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                f"another router works on {file.parent}",
                hint="stop it, give this one another CONGVAN_DATA_DIR, or use PostgreSQL for several routers",
            ) from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield
