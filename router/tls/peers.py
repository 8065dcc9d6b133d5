"""Looks at the certificate that a server shows, whether it is trusted or not: until when it is good."""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from router.tls.certificates import Certificate, read_der
from router.tls.errors import CertificateError

ANSWERS_WITHIN = 15.0
_PORTS = {"amqps": 5671, "https": 443, "postgresql": 5432}
ASK_FOR_TLS = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL's SSLRequest: its length, and 80877103 (its manual, message formats)."""


class Opening(StrEnum):
    """How a connection becomes one of TLS."""

    DIRECT = "direct"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that shows a certificate."""

    host: str
    port: int
    opening: Opening = Opening.DIRECT


def peers_of(url: str) -> tuple[Peer, ...]:
    """The servers of an ``amqps://``, ``https://`` or PostgreSQL URL; none where no certificate is shown.

    A PostgreSQL URL may name several, as libpq does or with ``host=`` for each; what begins with a slash is a socket.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _PORTS:
        return ()
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if scheme == "postgresql":
        hosts += [host for named in parse_qs(parts.query).get("host", ()) for host in named.split(",")]
    opening = Opening.POSTGRESQL if scheme == "postgresql" else Opening.DIRECT
    placed = (_host_and_port(host, _PORTS[scheme]) for host in hosts if host and not host.startswith("/"))
    return tuple(Peer(host, port, opening) for host, port in placed)


def _host_and_port(text: str, usual: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = text, ""
    return host.strip("[]"), int(port or usual)


async def first_to_end(peers: Iterable[Peer]) -> Certificate | None:
    """Of what several servers show, the certificate that ends first; None: none shows one.

    Raises:
        OSError: one does not answer, or not so.
        CertificateError: what one shows is no certificate.
    """
    shown = await asyncio.gather(*map(certificate_at, peers))
    return min((item for item in shown if item is not None), key=lambda item: item.not_after, default=None)


async def certificate_at(peer: Peer, *, within: float = ANSWERS_WITHIN) -> Certificate | None:
    """What a server shows; None: its PostgreSQL speaks no TLS.

    Args:
        peer: where it is.
        within: seconds that it may take.

    Raises:
        OSError: it does not answer, or not so.
        CertificateError: what it shows is no certificate.
    """
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection(
            peer.host, peer.port, ssl=_context() if peer.opening is Opening.DIRECT else None
        )
        try:
            if peer.opening is Opening.POSTGRESQL:
                writer.write(ASK_FOR_TLS)
                if await reader.read(1) != b"S":
                    return None
                await writer.start_tls(_context(), server_hostname=peer.host)
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            if shown is None:
                raise CertificateError(f"{peer.host}:{peer.port} showed no certificate")
            return read_der(shown)
        finally:
            writer.close()


def _context() -> ssl.SSLContext:
    """Trusts everybody: nothing is sent, and what has ended or is another's is just what is looked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
