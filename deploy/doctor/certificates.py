"""Checks of certificates: the router's own, its authority's, and those of the servers that it connects to."""

import asyncio
from dataclasses import dataclass

from deploy.doctor.findings import CheckAnswer, failed, note, ok
from deploy.exits import ExitCode
from router.delivery.certificate_watch import Which, servers_of
from router.settings import RouterSettings
from router.tls.authority import Authority
from router.tls.certificates import Certificate, read_pair
from router.tls.errors import TlsError
from router.tls.peers import Peer, first_to_end, peers_of
from schemas.clock import now_ms

_RENEW = "`congvan pki renew` renews those of congvan pki; others by who issued them"


@dataclass(frozen=True, slots=True)
class Seen:
    """A certificate, or why it was not seen."""

    name: str
    certificate: Certificate | None
    trouble: str = ""

    def told(self, now: int) -> str:
        """In a few words."""
        if self.certificate is None:
            return f"{self.name}: {self.trouble}"
        left = self.certificate.days_left(now)
        return f"{self.name} ended {-left:.0f} days ago" if left < 0 else f"{self.name} {left:.0f} days"


async def certificates(settings: RouterSettings) -> CheckAnswer:
    """How many days certificates have left, whether key and certificate fit, and what is in clear."""
    shown = await asyncio.gather(*(_shown(name, peers) for name, peers in _servers(settings).items()))
    seen = [*_own(settings), *(item for item in shown if item is not None)]
    if not seen:
        return ok("none: everything is within this machine, or in clear")
    now = now_ms()
    text = "; ".join(item.told(now) for item in seen)
    known = [item.certificate for item in seen if item.certificate is not None]
    if any(now >= item.not_after for item in known) or any(item.name == Which.WEB and item.trouble for item in seen):
        return failed(text, _RENEW)
    if any(item.ends_soon(now) for item in known):
        return note(text, _RENEW)
    if any(item.trouble for item in seen):
        return failed(text, "is the server reached, and does it speak TLS there?", ExitCode.UNAVAILABLE)
    return ok(f"days left: {text}")


def _own(settings: RouterSettings) -> list[Seen]:
    found: list[Seen] = []
    if settings.http_certificate is not None:
        try:
            pair = read_pair(settings.http_certificate, settings.http_certificate_key)
            found.append(Seen(Which.WEB, pair.certificate))
        except TlsError as error:
            found.append(Seen(Which.WEB, None, str(error)))
    if settings.pki_dir is not None:
        try:
            found.append(Seen(Which.AUTHORITY, Authority(settings.pki_dir).issuing()))
        except TlsError as error:
            found.append(Seen(Which.AUTHORITY, None, str(error)))
    return found


def _servers(settings: RouterSettings) -> dict[str, tuple[Peer, ...]]:
    """Where certificates are shown, with the API as the commands find it."""
    found = {which.value: peers for which, peers in servers_of(settings).items()}
    api = peers_of(settings.api_url)
    return found | ({"web API there": api} if api else {})


async def _shown(name: str, peers: tuple[Peer, ...]) -> Seen | None:
    """What ends first of what servers show; None: they are databases that speak no TLS."""
    try:
        shown = await first_to_end(peers)
    except (OSError, TlsError) as error:
        return Seen(name, None, str(error) or type(error).__name__)
    return None if shown is None else Seen(name, shown)
