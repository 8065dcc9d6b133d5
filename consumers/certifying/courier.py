"""Asks the router for a certificate in the last third of the life of the one in use, when no document has the line.

It costs 2 kB with all headers. Only in the last tenth it goes beside ordinary documents; beside what is urgent never.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus

import aiohttp
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

from consumers.certifying.keeping import OwnCertificate
from consumers.errors import ForeignAnswerError, ServerTroubleError
from consumers.fetching.answers import foreign, is_problem
from consumers.fetching.origin import Clients, take
from consumers.line.faults import separating_faults
from consumers.line.pace import LinePace
from consumers.line.precedence import NOTHING, Side
from consumers.line.state import Line
from router.broker.backoff import Backoff, sleep_unless
from router.process.bodies import read_within
from router.tls.certificates import Certificate
from router.tls.errors import TlsError
from router.tls.requests import request_of
from schemas.clock import Clock, now_ms
from schemas.dispatch import Urgency
from schemas.events import Event

log = structlog.get_logger()
LOOK_EVERY = 600.0
"""Seconds between two looks whether it is due."""
WAIT_FOR_LINE = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 6 * 3600.0
_PRESSING = 10
"""In the last tenth of its life a certificate does not wait for the line to be idle."""
_KIND = "application/pkcs7-mime"
_HEADERS = {"Content-Type": "application/pkcs10", "Accept": _KIND}
_MOST_BYTES = 16 * 1024
_SHOWN = 300


class CertificateCourier:
    """Keeps the gateway's certificate.

    Args:
        own: its files.
        clients: see :class:`consumers.fetching.origin.Clients`.
        origin_url: where the router is.
        line: told of what is lost, asked when another try is worth it.
        pace: what the line gives upward.
        side: of the line that documents have too.
        lets: whether work of an urgency, for no unit in particular, may use the line now.
        clock: the present.
    """

    def __init__(
        self,
        own: OwnCertificate,
        clients: Clients,
        *,
        origin_url: str,
        line: Line,
        pace: LinePace,
        side: Side,
        lets: Callable[[str, int], bool],
        clock: Clock = now_ms,
    ) -> None:
        self._own = own
        self._clients = clients
        self._url = f"{origin_url.rstrip('/')}/api/v1/certificates"
        self._line = line
        self._pace = pace
        self._side = side
        self._lets = lets
        self._clock = clock
        self._pauses = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._freed = asyncio.Event()
        self.current: Certificate | None = None
        """What is in use, as far as it was looked at."""
        self.waits = False
        """Whether it is due and the line has something else to carry."""
        self.trouble = ""
        """Why there is no new one; empty: nothing is wrong."""
        side.on_change = self._freed.set

    @property
    def ends(self) -> int | None:
        """When the certificate in use ends, UTC ms; None: there is none."""
        return None if self.current is None else self.current.not_after

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self.current = await asyncio.to_thread(self._own.current)
            pause = await self._renewed() if self._is_due() else LOOK_EVERY
            await asyncio.sleep(pause)

    async def _renewed(self) -> float:
        """Renew, when the line is free; the pause until the next look, in seconds."""
        try:
            await self._until_the_line_is_free()
            await self._renew()
        except (ServerTroubleError, TlsError, OSError) as error:
            pause = self._pauses.pause()
            self.trouble = str(error)
            log.warning(Event.CERTIFICATE_NOT_RENEWED, reason=self.trouble, retry_in=round(pause, 1))
            return pause
        finally:
            self._side.say(NOTHING)
        return LOOK_EVERY

    def _is_due(self) -> bool:
        return self.current is None or self.current.is_due(self._clock())

    def _is_pressing(self) -> bool:
        if self.current is None:
            return True
        left, life = self.current.not_after - self._clock(), self.current.not_after - self.current.not_before
        return left * _PRESSING < life

    async def _until_the_line_is_free(self) -> None:
        self._freed.clear()
        while not self._may_go():
            self.waits = True
            await sleep_unless(self._freed, WAIT_FOR_LINE)
            self._freed.clear()
        self.waits = False

    def _may_go(self) -> bool:
        own = Urgency.NORMAL if self._is_pressing() else NOTHING
        return self._side.say(own) <= own and self._lets("", Urgency.NORMAL)

    async def _renew(self) -> None:
        key = await asyncio.to_thread(self._own.next_key)
        found = await self._line.through_drops(partial(self._ask, request_of(key)))
        self.current = await asyncio.to_thread(self._own.adopt, key, found)
        self._pauses.reset()
        self.trouble = ""
        days = round(self.current.days_left(self._clock()), 1)
        log.info(Event.CERTIFICATE_RENEWED, file=str(self._own.path), subject=self.current.subject, days_left=days)

    async def _ask(self, request: bytes) -> Sequence[x509.Certificate]:
        """Ask once.

        Raises:
            LineError: the line went meanwhile.
            ServerTroubleError: the router does not certify, or not now, or something else answered.
        """
        silence = aiohttp.ClientTimeout(total=None, sock_read=self._line.no_progress)
        async with self._line.connection(self._pace) as connection:
            client = self._clients.get(connection.window)
            with separating_faults():
                async with client.post(
                    self._url, data=request, headers=_HEADERS, timeout=silence, allow_redirects=False
                ) as answer:
                    take(connection, answer)
                    body = await read_within(answer.content, _MOST_BYTES)
                    if body is None:
                        raise ForeignAnswerError(foreign(answer.status, answer.headers))
                    found = _certificates_in(answer, body)
                    self._line.alive(connection)
                    return found


def _certificates_in(answer: aiohttp.ClientResponse, body: bytes) -> Sequence[x509.Certificate]:
    if answer.status != HTTPStatus.CREATED or answer.content_type != _KIND:
        if not is_problem(answer.headers):
            raise ForeignAnswerError(foreign(answer.status, answer.headers))
        raise ServerTroubleError(f"the router answered {answer.status}: {body[:_SHOWN].decode(errors='replace')}")
    try:
        return pkcs7.load_der_pkcs7_certificates(body)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ServerTroubleError(f"what the router answered holds no certificates: {error}") from error
