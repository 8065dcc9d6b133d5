"""Fetches one content over HTTP, from the byte where it stopped, however often the line goes.

Line events (refused, reset, silent, ended early) cost nothing: the fetch waits for the line and goes on. A server that
is there and cannot serve, a stranger who answers in its place, and trouble on our own machine are tried again after
growing pauses, without end. Only the content's own faults are counted: one that the router says is gone, or that is
wrong, is tried a few times, then the delivery is parked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp.base_protocol import BaseProtocol
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from consumers.errors import (
    ContentGoneError,
    ForeignAnswerError,
    GatewayError,
    LineError,
    MachineTroubleError,
    ServerTroubleError,
    WindowOutgrownError,
    WrongContentError,
)
from consumers.fetching.content import ContentDir
from consumers.fetching.dictionaries import Dictionaries
from consumers.fetching.origin import Clients, encoding_of, place, request_headers, require_no_trouble, round_trip, take
from consumers.fetching.part import NO_DICTIONARY, Part, parts_of
from consumers.line.connection import LineConnection
from consumers.line.faults import separating_faults
from consumers.line.state import Line
from router.process.fate import Fate, fate_of
from schemas.encoding import Encoding
from schemas.events import Event

log = structlog.get_logger()
WRITE_BYTES = 256 * 1024
WRITE_SECONDS = 1.0
"""Bytes are written when so many are at hand, or when they are so old."""
FOREIGN_LONGEST = 10.0
"""Seconds at most between two tries while somebody else answers for the router."""
WORTH_RENEWING = 256 * 1024
"""A connection on a line that needs no window is made anew without one when so many bytes have yet to come."""
_WATCHED = aiohttp.ClientTimeout(total=None)


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """When a fetch is tried again: pauses in seconds after faults of the server; tries of what is gone or wrong."""

    first: float = 1.0
    longest: float = 60.0
    gone_tries: int = 5
    wrong_tries: int = 3


class Flow:
    """What one response still has to bring, to be held and let go; all of it may be at hand already."""

    def __init__(self, protocol: BaseProtocol | None, content: aiohttp.StreamReader) -> None:
        self._protocol = protocol
        self._content = content

    def pause(self) -> None:
        """Read no more from the kernel, so that its window closes and the server has to stop."""
        if self._protocol is not None and self._is_coming:
            self._protocol.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._protocol is not None and self._is_coming:
            self._protocol.resume_reading()

    @property
    def _is_coming(self) -> bool:
        """The library refuses to pause what has ended."""
        return not self._content.is_eof() and self._content.exception() is None


class Transfer:
    """One content on its way.

    Attributes:
        size: bytes on the line: of the form that comes, or is expected.
        plain_only: a smaller form came wrong; it is asked for as it is.
        doubted: other bytes came than its name says; the router is to hash its own before it sends them again.
        may_read: clear while more urgent work has the line; the connection is kept, unread. Set by :meth:`hold` and
            :meth:`release`.
        done: bytes that are on disk or about to be.
        waits_for: why it cannot be fetched now, for people; empty while it can.
    """

    def __init__(self, sha256: str, size: int, *, dictionary: str = "") -> None:
        self.sha256 = sha256
        self.plain_size = self.size = size
        self.dictionary = dictionary
        self.plain_only = False
        self.doubted = False
        self.done = 0
        self.may_read = asyncio.Event()
        self.waits_for = ""
        self._flow: Flow | None = None

    @property
    def left(self) -> int:
        """Bytes that have yet to come."""
        return self.size - self.done

    def hold(self) -> None:
        """Read no more, at once: the kernel's window closes and the server has to stop."""
        if self.may_read.is_set():
            self.may_read.clear()
            if self._flow is not None:
                self._flow.pause()

    def release(self) -> None:
        """Go on reading where it was."""
        if not self.may_read.is_set():
            self.may_read.set()
            if self._flow is not None:
                self._flow.resume()

    async def turn(self) -> None:
        """Return when it may read."""
        if not self.may_read.is_set():
            if self._flow is not None:
                self._flow.pause()  # again: what was at hand has been read since, and that resumes it
            await self.may_read.wait()

    @contextmanager
    def reading(self, flow: Flow) -> Iterator[None]:
        """Let :meth:`hold` and :meth:`release` act on a response."""
        self._flow = flow
        if not self.may_read.is_set():
            flow.pause()
        try:
            yield
        finally:
            self._flow = None


class Fetcher:
    """Fetches contents into a directory.

    Args:
        clients: see :class:`consumers.fetching.origin.Clients`.
        url: what stands before the content's name.
        directory: where contents are kept.
        dictionaries: what is at hand to unpack with.
        line: told what moves and what is lost, asked when another try is worth it.
        policy: pauses and tries.
        on_progress: told a transfer and the bytes that came.
        on_wait: told a transfer whose ``waits_for`` has changed.
    """

    def __init__(
        self,
        clients: Clients,
        url: str,
        directory: ContentDir,
        dictionaries: Dictionaries,
        line: Line,
        *,
        policy: FetchPolicy,
        on_progress: Callable[[Transfer, int], None],
        on_wait: Callable[[Transfer], None],
    ) -> None:
        self._clients = clients
        self._url = url
        self._directory = directory
        self._dictionaries = dictionaries
        self._unpacking = asyncio.Lock()  # one at a time: each takes up to 25 MB, measured at the largest dictionary
        self._line = line
        self._policy = policy
        self._on_progress = on_progress
        self._on_wait = on_wait

    async def fetch(self, transfer: Transfer) -> None:
        """Return when the content is on disk, whole, verified and durable.

        Raises:
            ContentGoneError: the server kept saying that there is no such content for us.
            WrongContentError: what it sent kept being something else.
        """
        passing = (ServerTroubleError, MachineTroubleError, ContentGoneError, WrongContentError)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(passing),
            wait=pauses(self._policy),
            stop=stop_after_faults(
                {ContentGoneError: self._policy.gone_tries, WrongContentError: self._policy.wrong_tries}
            ),
            before_sleep=lambda state: self._note_wait(transfer, state),
            reraise=True,
        )
        await retrying(self._fetch_through_drops, transfer)

    async def _fetch_through_drops(self, transfer: Transfer) -> None:
        self._set_wait(transfer, "")
        while True:
            try:
                await self._transfer(transfer)
            except WindowOutgrownError:
                continue
            except LineError as error:
                self._line.lost(error)
                await self._line.worth_a_try()
            except OSError as error:
                if fate_of(error) is Fate.SHORT:
                    raise MachineTroubleError(f"this machine is in trouble: {error}") from error
                raise
            else:
                return

    async def _transfer(self, transfer: Transfer) -> None:
        """One connection's worth of a content, from where it stopped to its end."""
        part = await asyncio.to_thread(self._open, transfer)
        if part is None:
            return
        try:
            transfer.done = part.position
            if part.position < part.size:
                self._directory.require_room(part.size - part.position)
                began = part.position
                await self._receive(transfer, part)
                _require_end(part, began)
            await self._finish(transfer, part)
        finally:
            await asyncio.to_thread(part.close)
            transfer.done = part.position

    def _open(self, transfer: Transfer) -> Part | None:
        """What has come so far, or None when all of it has."""
        whole = self._directory.path(transfer.sha256)
        if self._directory.has(transfer.sha256):
            return None
        if self._dictionaries.lend(whole, transfer.plain_size):
            for path in parts_of(whole):  # from before the dictionary came
                path.unlink(missing_ok=True)
            return None
        part = self._directory.part(transfer.sha256, transfer.plain_size)
        if part.form.encoding is Encoding.DCZ and self._dictionaries.read(transfer.dictionary) is None:
            part.restart()  # its dictionary had to make room meanwhile
        return part

    async def _finish(self, transfer: Transfer, part: Part) -> None:
        if part.form.is_plain:
            await asyncio.to_thread(part.finish)
            return
        async with self._unpacking:
            await self._unpack(transfer, part)

    async def _unpack(self, transfer: Transfer, part: Part) -> None:
        form = part.form
        dictionary = NO_DICTIONARY
        if form.encoding is Encoding.DCZ:
            data = await asyncio.to_thread(self._dictionaries.read, transfer.dictionary)
            dictionary = (transfer.dictionary, data or b"")
        try:
            await asyncio.to_thread(part.finish, dictionary)
        except WrongContentError:
            transfer.plain_only = True
            raise
        encoding, size = form.encoding.value, transfer.plain_size
        log.info(Event.CONTENT_DECODED, sha256=transfer.sha256, encoding=encoding, came=form.size, size=size)

    async def _headers(self, transfer: Transfer, part: Part) -> dict[str, str]:
        wanted = transfer.dictionary if not transfer.plain_only else ""
        held = wanted and await asyncio.to_thread(self._dictionaries.read, wanted) is not None
        doubted = transfer.doubted
        return request_headers(part, dictionary=wanted if held else "", plain_only=transfer.plain_only, doubted=doubted)

    async def _receive(self, transfer: Transfer, part: Part) -> None:
        headers = await self._headers(transfer, part)
        await transfer.may_read.wait()
        await self._line.broker_first()
        url = f"{self._url}/{transfer.sha256}"
        with separating_faults():
            async with (
                self._line.connection() as connection,
                self._clients.get(connection.window).get(
                    url, headers=headers, timeout=_WATCHED, allow_redirects=False
                ) as response,
            ):
                stream = take(connection, response)
                await require_no_trouble(response)
                self._place(transfer, part, response)
                connection.may_move = transfer.may_read
                self._line.pace.round_trip_is(round_trip(stream))
                with transfer.reading(Flow(stream, response.content)):
                    await self._read(transfer, part, response.content, connection)

    def _place(self, transfer: Transfer, part: Part, response: aiohttp.ClientResponse) -> None:
        try:
            place(response, part)
        except WrongContentError:
            transfer.plain_only = True
            raise
        except ForeignAnswerError:
            # A proxy that takes the name off what comes packed may leave it on what comes plain.
            transfer.plain_only = encoding_of(response.headers) != Encoding.IDENTITY
            raise
        transfer.size = part.size

    async def _read(
        self, transfer: Transfer, part: Part, stream: aiohttp.StreamReader, connection: LineConnection
    ) -> None:
        """Read to the end of the stream; what was read is written, whatever ends it.

        Raises:
            WindowOutgrownError: another connection would be faster.
        """
        clock = asyncio.get_running_loop().time
        buffer, written_at = bytearray(), clock()
        transfer.done = part.position
        try:
            while True:
                await transfer.turn()
                chunk = await stream.readany()
                if not chunk:
                    break
                buffer += chunk
                transfer.done += len(chunk)
                self._line.moved(len(chunk), connection)
                self._on_progress(transfer, len(chunk))
                if len(buffer) >= WRITE_BYTES or clock() - written_at >= WRITE_SECONDS:
                    await asyncio.to_thread(part.write, bytes(buffer), part.position)
                    buffer.clear()
                    written_at = clock()
                connection.widen(self._line.pace.window)
                if connection.window and not self._line.pace.window and transfer.left >= WORTH_RENEWING:
                    raise WindowOutgrownError(f"{self._line.pace.rate:.0f} bytes/s")
        finally:
            if buffer:
                await asyncio.to_thread(part.write, bytes(buffer), transfer.done - len(buffer))

    def _note_wait(self, transfer: Transfer, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        transfer.doubted = transfer.doubted or isinstance(error, WrongContentError)
        pause = round(state.upcoming_sleep, 1)
        log.warning(Event.CONTENT_WAITS, sha256=transfer.sha256, reason=str(error), retry_in=pause)
        self._set_wait(transfer, str(error))

    def _set_wait(self, transfer: Transfer, reason: str) -> None:
        if transfer.waits_for != reason:
            transfer.waits_for = reason
            self._on_wait(transfer)


def _require_end(part: Part, began: int) -> None:
    """Check that a stream that ended without an error has brought all.

    Raises:
        LineError: it has not: something in the line ended it, and it goes on at the byte.
        ServerTroubleError: it has brought nothing at all.
    """
    if part.position >= part.size:
        return
    ended = f"the answer ended at byte {part.position} of {part.size}"
    if part.position > began:
        raise LineError(ended)
    raise ServerTroubleError(ended)


def pauses(policy: FetchPolicy) -> Callable[[RetryCallState], float]:
    """The pauses between tries; a portal in the line is asked more often: people log in to it at any moment."""
    usual = wait_exponential_jitter(multiplier=policy.first, max=policy.longest, jitter=policy.first)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        longest = FOREIGN_LONGEST if isinstance(error, ForeignAnswerError) else policy.longest + policy.first
        return float(min(usual(state), longest))

    return pause


def stop_after_faults(limits: Mapping[type[GatewayError], int]) -> Callable[[RetryCallState], bool]:
    """Stop when an error of one of these kinds has come so often; others do not count."""
    tries: Counter[type[GatewayError]] = Counter()

    def enough(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GatewayError):
            tries[type(error)] += 1
        return any(tries[kind] >= limit for kind, limit in limits.items())

    return enough
