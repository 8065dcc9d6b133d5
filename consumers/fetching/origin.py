"""The router's web side as a gateway sees it: the client, and what an answer means for a content."""

import asyncio
import re
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from aiohttp.base_protocol import BaseProtocol

from consumers.errors import (
    ContentGoneError,
    FetchError,
    ForeignAnswerError,
    ServerTroubleError,
    WrongContentError,
)
from consumers.fetching.answers import GONE, Meaning, foreign, is_problem, meaning
from consumers.fetching.part import Form, Part
from consumers.line.connection import LineConnection, connection_of_this_task, limit_window
from consumers.line.names import Names
from router.broker.tcp import tcp_info
from router.process.bodies import read_within
from router.tls.contexts import ClientContext
from schemas.encoding import Encoding, as_available_dictionary

USER_TIMEOUT = 25_000
"""Milliseconds after which sent data without the other side's acknowledgement ends a connection."""
KEPT_SECONDS = 4.0
"""An idle connection is used again so long: less than a redial takes, and less than the router keeps it."""
_ETAG = re.compile(r'"[A-Za-z0-9_-]{1,64}"')
"""A strong validator that can be a part of a file's name."""
_PROBLEM_BYTES = 4096
_KEPT_ALIVE = (
    (socket.TCP_USER_TIMEOUT, USER_TIMEOUT),
    (socket.TCP_KEEPIDLE, 4),
    (socket.TCP_KEEPINTVL, 1),
    (socket.TCP_KEEPCNT, 100),
)
"""After four seconds of silence the kernel asks the other side, each second, and gives up when USER_TIMEOUT is over. It
costs 0.4 % of a line of 33.6 kbit/s, and that while nothing comes. So even a silent line shows whether it lives."""


class Clients:
    """The HTTP clients of a gateway: one whose connections have a window, one whose connections have none.

    Args:
        token: sent as a bearer token; empty for none.
        no_progress: seconds that a connection may take to be made, and what is not watched by a line without a byte.
        names: where the router's machine is.
        tls: whom to trust and what to show; None: whom the system trusts.

    Attributes:
        tls: knows what stands in the way.
    """

    def __init__(
        self, *, token: str, no_progress: float, names: Names | None = None, tls: ClientContext | None = None
    ) -> None:
        self._token = token
        self._no_progress = no_progress
        self._names = names
        self.tls = tls or ClientContext(to="router")
        self._open: dict[bool, aiohttp.ClientSession] = {}

    def get(self, window: int) -> aiohttp.ClientSession:
        """The client for this window; each connection has its own, see :mod:`consumers.line.connection`."""
        thin = window > 0
        if thin not in self._open:
            self._open[thin] = open_http(
                token=self._token, no_progress=self._no_progress, window=window, tls=self.tls, names=self._names
            )
        return self._open[thin]

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._open.values():
            await client.close()


def open_http(
    *, token: str, no_progress: float, window: int, tls: ClientContext | None = None, names: Names | None = None
) -> aiohttp.ClientSession:
    """An HTTP client without a limit on total time: it gives up a connection when nothing has come for a while.

    Args:
        token: sent as a bearer token; empty for none.
        no_progress: seconds without a byte.
        window: bytes that the kernel may take ahead of us per connection; 0 leaves it to the kernel. On a thin line
            8 kB: else a paused transfer goes on filling the line for half a minute. It has to be set before the
            connection is made, which aiohttp lets us do: the reason for this client.
        tls: whom to trust and what to show; None: whom the system trusts.
        names: where machines are; None: the library asks.
    """

    def make_socket(address: tuple[Any, ...]) -> socket.socket:
        made = socket.socket(*address[:3])
        for option, value in _KEPT_ALIVE:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = connection_of_this_task()
        if connection is not None:
            connection.socket = made
            if connection.segment:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, connection.segment)
        if window:
            limit_window(made, connection.window if connection is not None and connection.window else window)
        return made

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=make_socket,
            ssl=tls or ClientContext(),
            limit=0,
            keepalive_timeout=KEPT_SECONDS,
            resolver=names,
            use_dns_cache=names is None,
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=no_progress, sock_read=no_progress),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        auto_decompress=False,  # what comes packed is resumed packed, and unpacked within limits
    )


def take(connection: LineConnection, response: aiohttp.ClientResponse) -> BaseProtocol | None:
    """Take over the connection that an answer comes on, perhaps one of an earlier request; its protocol."""
    protocol = response.connection and response.connection.protocol
    if protocol is None or protocol.transport is None:
        return None
    connection.take(protocol.transport)
    return protocol


def round_trip(stream: BaseProtocol | None) -> float:
    """The shortest round trip that a connection has seen, in seconds; 0 when that is not known."""
    if stream is None or stream.transport is None:
        return 0.0
    told = tcp_info(stream.transport.get_extra_info("socket"))
    return 0.0 if told is None else told.round_trip


def acknowledged(transport: asyncio.BaseTransport) -> int:
    """The bytes that the other side has acknowledged since the connection was made; 0 when that is not known."""
    told = tcp_info(transport.get_extra_info("socket"))
    return 0 if told is None else told.sent


def refusal(status: int, reason: str | None, headers: Mapping[str, str]) -> FetchError:
    """What a status other than 200 and 206 means for a content."""
    answer = f"the server answered {status} {reason or ''}".rstrip()
    match meaning(status, ours=is_problem(headers), final={*GONE, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}):
        case Meaning.FOREIGN:
            return ForeignAnswerError(foreign(status, headers))
        case Meaning.FINAL if status in GONE:
            return ContentGoneError(answer)
        case Meaning.FINAL:
            return WrongContentError(f"{answer}: it has fewer bytes than the descriptor says")
        case _:
            return ServerTroubleError(answer)


async def require_no_trouble(response: aiohttp.ClientResponse) -> None:
    """Raise the trouble that a router reports of itself, in its own words: a damaged copy, a ledger that is away.

    Raises:
        ServerTroubleError: it said so.
    """
    if response.status != HTTPStatus.SERVICE_UNAVAILABLE or not is_problem(response.headers):
        return
    body = await read_within(response.content, _PROBLEM_BYTES) or b""
    try:
        title = str(orjson.loads(body)["title"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return
    raise ServerTroubleError(f"the server answered {response.status}: {title}")


def place(response: aiohttp.ClientResponse, part: Part) -> None:
    """Set the part to the byte where the answer begins, and to the form of the content that it brings.

    Raises:
        FetchError: the answer has no bytes of the content, or begins elsewhere.
    """
    if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        error = refusal(response.status, response.reason, response.headers)
        if isinstance(error, WrongContentError):
            part.restart()
        raise error
    _require_ours(response, part)
    _require_size(response, part)
    if response.status == HTTPStatus.OK:
        form = form_of(response.headers, part.plain)
        if part.position or form != part.form:
            part.begin(form)
        return
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if start != str(part.position) or encoding_of(response.headers) != part.form.encoding:
        raise ServerTroubleError(f"the server answered bytes from {start or '?'} on, not from {part.position}")


def _require_ours(response: aiohttp.ClientResponse, part: Part) -> None:
    """Check that bytes are the router's: named by their hash, or in a form that was asked for.

    Raises:
        ForeignAnswerError: they are somebody else's, as the page of a captive portal is.
    """
    etag, encoding = response.headers.get("ETag", ""), encoding_of(response.headers)
    if encoding == Encoding.IDENTITY:
        ours = etag.removeprefix("W/") == f'"{part.plain.etag}"'  # a proxy may weaken it; the hash decides at the end
    else:
        ours = encoding in set(Encoding) and _ETAG.fullmatch(etag) is not None
    if not ours:
        raise ForeignAnswerError(foreign(response.status, response.headers))


def _require_size(response: aiohttp.ClientResponse, part: Part) -> None:
    """Check that what the answer is a part of has the size that is known; an answer need not give it.

    Raises:
        WrongContentError: it has another; the part begins again from nothing.
    """
    whole = response.headers.get("Content-Length", "")
    known = part.plain.size
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        whole = response.headers.get("Content-Range", "").rpartition("/")[2]
        known = part.form.size
    elif encoding_of(response.headers) != Encoding.IDENTITY:
        return
    if whole.isdecimal() and int(whole) != known:
        part.restart()
        raise WrongContentError(f"the server has {whole} bytes of it, not {known}")


def form_of(headers: Mapping[str, str], plain: Form) -> Form:
    """What an answer with a whole content brings.

    Args:
        headers: of the answer.
        plain: the content as it is.

    Raises:
        WrongContentError: a form that cannot be resumed, or that has more bytes than the content itself.
    """
    encoding = encoding_of(headers)
    if encoding == Encoding.IDENTITY:
        return plain
    etag = headers.get("ETag", "")
    size = headers.get("Content-Length", "")
    if encoding not in set(Encoding) or not _ETAG.fullmatch(etag) or not size.isdecimal() or int(size) > plain.size:
        raise WrongContentError(
            f"the server sent a form that cannot be taken: {encoding}, ETag {etag or 'none'}, {size or '?'} bytes"
        )
    return Form(Encoding(encoding), etag.strip('"'), int(size))


def encoding_of(headers: Mapping[str, str]) -> str:
    """The content coding of an answer."""
    return headers.get("Content-Encoding", "").strip().lower() or Encoding.IDENTITY


def request_headers(part: Part, *, dictionary: str, plain_only: bool, doubted: bool = False) -> dict[str, str]:
    """The headers of a request for what is missing of a content, in the form that the part is of.

    Args:
        part: what has come.
        dictionary: the SHA-256 of the one that is at hand; empty: none.
        plain_only: a smaller form came wrong before.
        doubted: what came before was not what the name says.
    """
    headers = {"Accept-Encoding": Encoding.IDENTITY.value}
    if not plain_only and not (part.position and part.form.is_plain):
        headers = {"Accept-Encoding": Encoding.ZSTD.value}
        if dictionary and part.form.encoding is not Encoding.ZSTD:
            headers = {
                "Accept-Encoding": f"{Encoding.DCZ}, {Encoding.ZSTD}",
                "Available-Dictionary": as_available_dictionary(dictionary),
            }
    if doubted:
        headers |= {"Cache-Control": "no-cache"}
    if part.position:
        headers |= {"Range": f"bytes={part.position}-", "If-Range": f'"{part.form.etag}"'}
    return headers
