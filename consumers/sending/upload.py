"""Brings one file up, from the byte that the router has, however often the line goes.

As when fetching, line events cost nothing, a server that cannot take it now is asked again without end, and only what
is wrong with the file itself is counted. After a drop the router is asked for its offset: that many bytes are on its
disk, whatever was on the way.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import BinaryIO, NamedTuple

import aiohttp
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from consumers.errors import LineError, OutgoingRejectedError, ServerTroubleError, UploadDamagedError
from consumers.fetching.fetch import FetchPolicy, Transfer, pauses, stop_after_faults
from consumers.fetching.origin import Clients
from consumers.line.connection import LineConnection
from consumers.line.faults import separating_faults
from consumers.line.pace import LinePace
from consumers.line.state import Line
from consumers.sending import tus
from consumers.sending.body import PieceBody
from consumers.sending.document import open_plain
from schemas.events import Event

log = structlog.get_logger()
PATCH_SECONDS = 30.0
LEAST_PATCH = 32 * 1024
MOST_PATCH = 8 * 1024**2
THIN_PIECE = 2 * 1448
FAST_PIECE = 64 * 1024
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors that say that a file is not there: removed, or a link in its place."""


def patch_bytes(rate: float) -> int:
    """The most bytes of one PATCH, at a rate in bytes/s.

    What goes in half a minute: a proxy that hands on whole requests only makes a drop cost that much. Each request
    costs a round trip and a header, on a thin line a third of a second: one percent.

    >>> patch_bytes(0), patch_bytes(4_000), patch_bytes(1e9)
    (32768, 120000, 8388608)
    """
    return min(max(round(rate * PATCH_SECONDS), LEAST_PATCH), MOST_PATCH)


class FolderFile(NamedTuple):
    """A file of a folder that is open: the folder's descriptor, and the name in it."""

    directory: int
    name: str


class Sources:
    """Where the files are whose hashes are brought up; several documents may have the same one."""

    def __init__(self) -> None:
        self._places: dict[str, list[FolderFile]] = {}

    def add(self, sha256: str, place: FolderFile) -> None:
        """A document has this file."""
        self._places.setdefault(sha256, []).append(place)

    def remove(self, sha256: str, place: FolderFile) -> None:
        """It no longer needs it."""
        self._places[sha256].remove(place)
        if not self._places[sha256]:
            del self._places[sha256]

    def open(self, sha256: str, size: int) -> BinaryIO:
        """Open the file; blocks.

        Raises:
            OutgoingRejectedError: it is not as it was when it was taken.
            OSError: it cannot be opened now.
        """
        places = list(self._places.get(sha256, ()))
        for place in places:
            with suppress(_GoneError), _opened(place) as file:
                if os.fstat(file.fileno()).st_size == size:
                    return os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
        names = ", ".join(sorted({place.name for place in places})) or sha256
        raise OutgoingRejectedError(
            f"{names} was changed or removed while it was being sent",
            vi=f"Tệp {names} đã bị sửa hoặc xóa trong khi đang gửi.",
        )


class _GoneError(Exception):
    """The file is known not to be where it was."""


def _opened(place: FolderFile) -> BinaryIO:
    try:
        return open_plain(place.directory, place.name)
    except OutgoingRejectedError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno in GONE:
            raise _GoneError from error
        raise error.__cause__ from None  # somebody took our rights to it, for instance: the file may be as it was
    except OSError as error:
        if error.errno in GONE:
            raise _GoneError from error
        raise


class Uploader:
    """Brings files up.

    Args:
        clients: see :class:`consumers.fetching.origin.Clients`.
        origin_url: where the router is.
        sources: where the files are.
        line: told what moves and what is lost, asked when another try is worth it.
        pace: what the line gives upward.
        patience: seconds that an answer may take once all bytes are out.
        policy: pauses and tries.
        on_progress: told a transfer and the bytes that went.
        on_wait: told a transfer whose ``waits_for`` has changed.
    """

    def __init__(
        self,
        clients: Clients,
        origin_url: str,
        sources: Sources,
        line: Line,
        pace: LinePace,
        *,
        patience: float,
        policy: FetchPolicy,
        on_progress: Callable[[Transfer, int], None],
        on_wait: Callable[[Transfer], None],
    ) -> None:
        self._clients = clients
        self._url = f"{origin_url.rstrip('/')}/api/v1/uploads"
        self._sources = sources
        self._line = line
        self._pace = pace
        self._patience = patience
        self._policy = policy
        self._on_progress = on_progress
        self._on_wait = on_wait

    async def upload(self, transfer: Transfer) -> None:
        """Return when the router has the whole file, verified and durable.

        Raises:
            OutgoingRejectedError: the router refused it, or the file was changed.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((ServerTroubleError, UploadDamagedError)),
            wait=pauses(self._policy),
            stop=stop_after_faults({UploadDamagedError: self._policy.wrong_tries}),
            before_sleep=lambda state: self._note_wait(transfer, state),
            reraise=True,
        )
        try:
            await retrying(self._upload_through_drops, transfer)
        except UploadDamagedError as error:
            raise OutgoingRejectedError(
                f"a file was changed while it was being sent, or arrives damaged: {error}"
            ) from error

    async def _upload_through_drops(self, transfer: Transfer) -> None:
        self._set_wait(transfer, "")
        begun = False
        while True:
            try:
                await self._bring(transfer, begun=begun)
            except LineError as error:
                begun = True
                self._line.lost(error)
                await self._line.worth_a_try()
            else:
                return

    async def _bring(self, transfer: Transfer, *, begun: bool) -> None:
        """Bring up what the router does not have, as long as the line stands.

        Raises:
            GatewayError: see :mod:`consumers.errors`.
        """
        file = await asyncio.to_thread(self._sources.open, transfer.sha256, transfer.size)
        try:
            await transfer.turn()
            await self._line.broker_first()
            offset = await self._ask(transfer, begun=begun)
            while offset < transfer.size:
                transfer.done = offset
                await transfer.turn()
                offset = await self._patch(transfer, file, offset)
            transfer.done = offset
        finally:
            file.close()

    async def _ask(self, transfer: Transfer, *, begun: bool) -> int:
        """How far it has come: by HEAD after a drop; else by announcing it, which also finds it where it was."""
        async with self._line.connection(self._pace) as connection:
            if begun:
                head = self._request("HEAD", f"/{transfer.sha256}", headers=tus.VERSION)
                async with head as response:
                    if response.status == HTTPStatus.OK and tus.is_ours(response.headers):
                        self._line.alive(connection)
                        return tus.offset_of(response, size=transfer.size)
            post = self._request("POST", "", headers=tus.announcement(transfer.sha256, transfer.size))
            async with post as response:
                await tus.require(response, HTTPStatus.CREATED)
                self._line.alive(connection)
                return tus.offset_of(response, size=transfer.size)

    async def _patch(self, transfer: Transfer, file: BinaryIO, offset: int) -> int:
        """Send bytes until the request is full or the line is needed for others; how far the upload is then."""
        headers = tus.VERSION | {"Upload-Offset": str(offset)}
        async with self._line.connection(self._pace) as connection:
            body = PieceBody(
                file,
                begin=offset,
                end=min(offset + patch_bytes(self._pace.rate), transfer.size),
                piece=FAST_PIECE if self._pace.fast else THIN_PIECE,
                may_go=transfer.may_read,
                patience=lambda: self._line.no_progress,
                on_open=connection.take,
                ahead=connection.window,
                on_acknowledged=lambda count: self._moved(transfer, count, connection, body.position),
            )
            clock = asyncio.get_running_loop().time
            began = clock()
            patch = self._request("PATCH", f"/{transfer.sha256}", headers=headers, data=body, patience=self._patience)
            async with patch as response:
                await tus.require(response, HTTPStatus.NO_CONTENT)
                self._line.alive(connection)
                self._measure(body, body.position - offset, clock() - began)
                return tus.offset_of(response, size=transfer.size)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, headers: dict[str, str], data: PieceBody | None = None, patience: float = 0.0
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request.

        Raises:
            LineError: the line went.
            ServerTroubleError: the server's certificate is not trusted, or it does not speak HTTP.
        """
        usual = self._line.no_progress
        silence = aiohttp.ClientTimeout(total=None, sock_read=patience or usual)
        url, client = f"{self._url}{path}", self._clients.get(self._pace.window)
        with separating_faults():
            async with client.request(
                method, url, headers=headers, data=data, timeout=silence, allow_redirects=False
            ) as response:
                yield response

    def _measure(self, body: PieceBody, count: int, seconds: float) -> None:
        self._pace.round_trip_is(body.round_trip)
        self._pace.passed(count, seconds)
        if self._pace.rate:
            self._line.pace.rate_up = self._pace.rate  # measured on more bytes than a burst of receipts has

    def _moved(self, transfer: Transfer, count: int, connection: LineConnection, position: int) -> None:
        self._line.alive(connection)
        connection.widen(self._pace.window)
        transfer.done = position
        self._on_progress(transfer, count)

    def _note_wait(self, transfer: Transfer, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = round(state.upcoming_sleep, 1)
        log.warning(Event.UPLOAD_WAITS, sha256=transfer.sha256, reason=str(error), retry_in=pause)
        self._set_wait(transfer, str(error))

    def _set_wait(self, transfer: Transfer, reason: str) -> None:
        if transfer.waits_for != reason:
            transfer.waits_for = reason
            self._on_wait(transfer)
