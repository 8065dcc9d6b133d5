"""A server's certificate on its live TLS context: renewed files are taken up while connections go on.

OpenSSL gives each connection what the context had when it began, so a change concerns later ones alone. Files that do
not fit are never put on the context: what was read is tried on another first, in memory, so that they cannot change in
between either.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from router.tls.certificates import Certificate, Pair, read_pair, require_current
from router.tls.errors import CertificateError
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
LOOK_EVERY = 5.0
"""Seconds between two looks at the files."""
_TICKETS = 1
"""Session tickets for each connection, by which the next one costs less; each has 250 bytes on a thin line."""
_Identity = tuple[tuple[int, int, int, int], ...]


class ServedCertificate:
    """A server's certificate, and the context that serves it.

    Args:
        certificate: a PEM file, the certificate before its chain.
        key: its key's; None: in the same file.

    Raises:
        CertificateError: a file cannot be read, or the two do not fit.
    """

    def __init__(self, certificate: Path, key: Path | None = None) -> None:
        self._certificate, self._key = certificate, key
        self._seen = self._identity()
        pair = read_pair(certificate, key)
        self.context = _context()
        _put_on(self.context, pair)
        self.current: Certificate = pair.certificate
        """What is served now."""

    async def watch(self) -> None:
        """Take up what is renewed, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()  # here, where connections are begun: none gets a certificate whose key is not on yet

    def look(self) -> None:
        """Take up the files if they are others than at the last look; what does not fit is said once."""
        now = self._identity()
        if now == self._seen:
            return
        self._seen = now
        try:
            pair = read_pair(self._certificate, self._key)
            require_current(pair.certificate, now_ms())
            _put_on(self.context, pair)
        except (CertificateError, ssl.SSLError, OSError) as error:
            log.warning(Event.CERTIFICATE_NOT_TAKEN, file=str(self._certificate), reason=str(error))
            return
        self.current = pair.certificate
        log.info(Event.CERTIFICATE_TAKEN, file=str(self._certificate), days_left=self._days_left())

    def _days_left(self) -> float:
        return round(self.current.days_left(now_ms()), 1)

    def _identity(self) -> _Identity:
        return tuple(_identity_of(path) for path in (self._certificate, self._key or self._certificate))


def _identity_of(path: Path) -> tuple[int, int, int, int]:
    try:
        seen = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = _TICKETS
    return context


def _put_on(context: ssl.SSLContext, pair: Pair) -> None:
    with _in_memory(pair.pem()) as path:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
        context.load_cert_chain(path)


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path at which what was read can be read again, though the files are others by now."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
