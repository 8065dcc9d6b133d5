"""Renews the certificates of our own authority before they end, and knows how many days all others have left."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from router.settings import RouterSettings
from router.tls.authority import Authority
from router.tls.certificates import Certificate, read_certificate
from router.tls.errors import TlsError
from router.tls.peers import Peer, first_to_end, peers_of
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()


class Which(StrEnum):
    """A certificate that the service stands on."""

    WEB = "web"
    """The web API's own."""
    BROKER = "broker"
    MANAGEMENT = "management"
    LEDGER = "ledger"
    AUTHORITY = "authority"
    """The issuing authority's of CONGVAN_PKI_DIR."""


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """A certificate that was seen, and what it is for."""

    which: Which
    certificate: Certificate

    @property
    def not_after(self) -> int:
        """Its end, UTC milliseconds."""
        return self.certificate.not_after


class CertificateWatch:
    """Looks now and then.

    Args:
        settings: the router's.
        on_seen: told when each ends, UTC ms.

    Raises:
        AuthorityError: CONGVAN_PKI_DIR names no authority.
    """

    def __init__(self, settings: RouterSettings, on_seen: Callable[[Mapping[str, int]], None]) -> None:
        self._settings = settings
        self._on_seen = on_seen
        self.authority = None if settings.pki_dir is None else Authority(settings.pki_dir)
        """Certifies accounts; None: nobody does here."""
        self.ends: tuple[CertificateEnd, ...] = ()
        """What was seen at the last look, what ends first first."""

    def ending_soon(self, now: int) -> tuple[CertificateEnd, ...]:
        """What is due and ends within a month."""
        return tuple(item for item in self.ends if item.certificate.ends_soon(now))

    async def look(self) -> None:
        """Renew what is due, then see how long all have left."""
        await asyncio.to_thread(self._renew)
        seen = {**await asyncio.to_thread(self._own), **await self._of_others()}
        ends = (CertificateEnd(which, item) for which, item in seen.items())
        self.ends = tuple(sorted(ends, key=lambda item: item.not_after))
        self._on_seen({item.which.value: item.not_after for item in self.ends})
        for item in self.ending_soon(now_ms()):
            log.warning(
                Event.CERTIFICATE_ENDS, which=item.which.value, days_left=round(item.certificate.days_left(now_ms()), 1)
            )

    def _renew(self) -> None:
        if self.authority is None:
            return
        try:
            told = self.authority.renew(now_ms=now_ms())
        except (TlsError, OSError) as error:
            log.warning(Event.CERTIFICATE_NOT_RENEWED, file=str(self.authority.directory), reason=str(error))
            return
        for item in told.renewed:
            log.info(Event.CERTIFICATE_RENEWED, file=str(item.path), subject=item.certificate.subject)
        for failure in told.failed:
            log.warning(Event.CERTIFICATE_NOT_RENEWED, file=str(failure.path), reason=str(failure.error))

    def _own(self) -> dict[Which, Certificate]:
        found: dict[Which, Certificate] = {}
        try:
            if self._settings.http_certificate is not None:
                found[Which.WEB] = read_certificate(self._settings.http_certificate)
            if self.authority is not None:
                found[Which.AUTHORITY] = self.authority.issuing()
        except TlsError as error:
            log.warning(Event.CERTIFICATE_NOT_SEEN, reason=str(error))
        return found

    async def _of_others(self) -> dict[Which, Certificate]:
        peers = servers_of(self._settings)
        seen = await asyncio.gather(*(self._at(which, some) for which, some in peers.items()))
        return {which: shown for which, shown in zip(peers, seen, strict=True) if shown is not None}

    async def _at(self, which: Which, peers: Sequence[Peer]) -> Certificate | None:
        try:
            return await first_to_end(peers)
        except (OSError, TlsError) as error:
            log.info(Event.CERTIFICATE_NOT_SEEN, which=which.value, reason=str(error) or type(error).__name__)
            return None


def servers_of(settings: RouterSettings) -> dict[Which, tuple[Peer, ...]]:
    """The servers whose certificates the router depends on."""
    urls = {
        Which.BROKER: settings.amqp_url,
        Which.MANAGEMENT: settings.management_url,
        Which.LEDGER: settings.database_url,
    }
    return {which: found for which, url in urls.items() if (found := peers_of(url))}
