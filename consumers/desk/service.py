"""Runs one desk: the pages of a gateway's spool, in a process of its own, until it is told to stop.

Killed at any instruction it can be started again: all that it keeps is in the spool.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import structlog
import uvicorn
from starlette.types import ASGIApp

from consumers.copies.daily import copy_daily
from consumers.desk.app import create_desk
from consumers.desk.form_head import FormHead, HeadStyle
from consumers.desk.mailing import MAILING
from consumers.desk.noticing import DeskNotices
from consumers.desk.pages import ROOT
from consumers.desk.services import DeskServices
from consumers.errors import GatewaySettingsError
from consumers.settings import DeskSettings, GatewaySettings
from consumers.spool import Spool, open_spool
from router.mail.sender import MailSender
from router.mail.settings import MailSettings
from router.pages.serving import QuietServer, listen, serving
from router.process.parts import Start, Tended, end
from router.process.signals import stopped_by_signals
from schemas.duties import Terms
from schemas.encrypted import is_loopback
from schemas.events import Event

if TYPE_CHECKING:
    from router.tls.served import ServedCertificate

log = structlog.get_logger()
_LOOK_FOR_NOTICES = 2.0
"""Seconds between two looks for what is to be told by e-mail."""


class Desk:
    """One desk process.

    Args:
        settings: where it listens.
        copies: the gateway's settings: whose spool, and where its daily copy goes.
        terms: of the organisation, by which deadlines are counted.
        mail: how notices are sent.
        on_stop: called when it begins to end.
    """

    def __init__(
        self,
        settings: DeskSettings,
        copies: GatewaySettings,
        terms: Terms,
        *,
        mail: MailSettings | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._copies = copies
        self._terms = terms
        self._mail = mail or MailSettings()
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
            GatewaySettingsError: it would listen beyond this machine without TLS, or its certificate cannot be used.
            SpoolError: the spool cannot be used.
            OSError: the address is taken.
        """
        require_private(self._settings)
        served = _certificate(self._settings)
        with (
            stopped_by_signals(self.stop),
            closing(open_spool(self._copies.data_dir)) as spool,
            listen(self._settings.host, self._settings.port) as listener,
        ):
            self.url = _url(self._settings, listener)
            services = DeskServices(
                spool,
                self._terms,
                _head(self._settings),
                sends_mail=self._mail.is_on,
                most_file_bytes=self._settings.max_file_bytes,
            )
            server = QuietServer(_web_config(create_desk(services), self._settings, served))
            running = self._tended.start("desk", lambda: server.serve(sockets=[listener]))
            beside = [self._tended.start("notices", start) for start in self._senders(spool)]
            beside.append(self._tended.start("daily copy", partial(copy_daily, self._copies, spool)))
            if served is not None:
                beside.append(self._tended.start("certificate", served.watch))
            log.info(Event.DESK_READY, url=self.url)
            await self._stopping.wait()
            server.should_exit = True
            await running
            await end(beside)
        self._tended.require_none_failed()
        log.info(Event.DESK_STOPPED)

    def _senders(self, spool: Spool) -> list[Start]:
        """What sends notices, where there is a mail server."""
        if not self._mail.is_on:
            return []
        pages = f"{self._settings.public_url}{ROOT}" if self._settings.public_url else ""
        source = DeskNotices(self._terms, self._mail.digest_minute, pages)
        sender = MailSender(self._mail, MAILING, source, reading=spool.reading, writing=spool.writing, pages=pages)
        return [partial(sender.run, _LOOK_FOR_NOTICES)]


def require_private(settings: DeskSettings) -> None:
    """Go on only when nobody reads passwords on the way.

    Raises:
        GatewaySettingsError: it would listen beyond this machine without TLS.
    """
    if settings.certificate is None and settings.certificate_key is not None:
        raise GatewaySettingsError("a key is of no use without its certificate: set CONGVAN_DESK_CERTIFICATE, too")
    if settings.certificate is None and not is_loopback(settings.host) and not settings.allow_plaintext:
        raise GatewaySettingsError(
            f"{settings.host} is reached from other machines, and passwords would cross the network in clear; set "
            "CONGVAN_DESK_CERTIFICATE and CONGVAN_DESK_CERTIFICATE_KEY, or CONGVAN_DESK_ALLOW_PLAINTEXT=true where the "
            "way is protected otherwise"
        )


def _head(settings: DeskSettings) -> FormHead:
    return FormHead(HeadStyle(settings.form_style), settings.form_above, settings.form_body)


def _certificate(settings: DeskSettings) -> "ServedCertificate | None":
    if settings.certificate is None:
        return None
    # Only here: the library takes 9 MB, and most desks are on the PC itself.
    from router.tls.errors import CertificateError  # noqa: PLC0415 - as said
    from router.tls.served import ServedCertificate  # noqa: PLC0415 - as above

    try:
        return ServedCertificate(settings.certificate, settings.certificate_key)
    except CertificateError as error:
        raise GatewaySettingsError(f"CONGVAN_DESK_CERTIFICATE cannot be used: {error}; {error.hint}") from error


def _web_config(app: ASGIApp, settings: DeskSettings, served: "ServedCertificate | None") -> uvicorn.Config:
    return serving(
        app,
        most_of_an_address=settings.connections_per_address,
        proxies=settings.trusted_proxies,
        tls=None if served is None else served.context,
    )


def _url(settings: DeskSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{ROOT}/"
