"""Runs one desk: the pages of a gateway's spool, in a process of its own, until it is told to stop.

Killed at any instruction it can be started again: all that it keeps is in the spool.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from consumers.desk.app import create_desk
from consumers.desk.pages import ROOT
from consumers.desk.services import DeskServices
from consumers.errors import GatewaySettingsError
from consumers.settings import DeskSettings
from consumers.spool import open_spool
from router.pages.serving import QuietServer, listen, serving
from router.process.parts import Tended
from router.process.signals import stopped_by_signals
from schemas.encrypted import is_loopback
from schemas.events import Event
from schemas.working_calendar import WorkingCalendar

log = structlog.get_logger()


class Desk:
    """One desk process.

    Args:
        settings: where it listens.
        data_dir: of the gateway.
        calendar: of the organisation's working days.
        on_stop: called when it begins to end.
    """

    def __init__(
        self,
        settings: DeskSettings,
        data_dir: Path,
        calendar: WorkingCalendar,
        *,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._calendar = calendar
        self._on_stop = on_stop
        self._stopping = asyncio.Event()
        self._tended = Tended(self.stop)
        self.url = ""
        """Where its pages are, once it listens."""

    def stop(self) -> None:
        """Finish what is in work and end."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._tended.stopping()
            self._on_stop()

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`stop`.

        Raises:
            GatewaySettingsError: it would listen beyond this machine without TLS.
            SpoolError: the spool cannot be used.
            OSError: the address is taken.
        """
        require_private(self._settings)
        with (
            stopped_by_signals(self.stop),
            closing(open_spool(self._data_dir)) as spool,
            listen(self._settings.host, self._settings.port) as listener,
        ):
            self.url = _url(self._settings, listener)
            services = DeskServices(spool, self._calendar, self._settings.max_file_bytes)
            server = QuietServer(_web_config(create_desk(services), self._settings))
            running = self._tended.start("desk", lambda: server.serve(sockets=[listener]))
            log.info(Event.DESK_READY, url=self.url)
            await self._stopping.wait()
            server.should_exit = True
            await running
        self._tended.require_none_failed()
        log.info(Event.DESK_STOPPED)


def require_private(settings: DeskSettings) -> None:
    """Go on only when nobody reads passwords on the way.

    Raises:
        GatewaySettingsError: it would listen beyond this machine without TLS.
    """
    if (settings.certificate is None) is not (settings.certificate_key is None):
        raise GatewaySettingsError("a certificate needs its key: set both CONGVAN_DESK_CERTIFICATE and …_KEY")
    if settings.certificate is None and not is_loopback(settings.host) and not settings.allow_plaintext:
        raise GatewaySettingsError(
            f"{settings.host} is reached from other machines, and passwords would cross the network in clear; set "
            "CONGVAN_DESK_CERTIFICATE and CONGVAN_DESK_CERTIFICATE_KEY, or CONGVAN_DESK_ALLOW_PLAINTEXT=true where the "
            "way is protected otherwise"
        )


def _web_config(app: ASGIApp, settings: DeskSettings) -> uvicorn.Config:
    files: dict[str, Any] = {}
    if settings.certificate is not None:
        files = {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.certificate_key}
    return serving(app, most_of_an_address=settings.connections_per_address, proxies=settings.trusted_proxies, **files)


def _url(settings: DeskSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{ROOT}/"
