"""The broker's management API over HTTP: one place that knows its addresses, its login and its errors."""

import base64
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from router.broker.errors import ManagementError, ManagementForbiddenError, ManagementUnreachableError
from router.tls.contexts import ClientContext
from router.tls.troubles import trouble_of

Json = Any
_FORBIDDEN = frozenset({401, 403})
_NOT_FOUND = 404
_FAILED = 400
_LONGEST_ANSWER = 500


class Management:
    """A client of one broker's management API, in the running event loop; use as an asynchronous context manager.

    Paths are given in parts, which are quoted here: names hold slashes, colons and hashes.

    Args:
        url: where the API listens, without ``/api``.
        user: an account with the tag ``administrator``.
        password: its password.
        timeout: seconds that one request may take; importing hundreds of queues is one request.
        tls: whom to trust and what to show where the URL is ``https``; None: whom the system trusts.
    """

    def __init__(
        self, url: str, user: str, password: str, *, timeout: float = 120.0, tls: ClientContext | None = None
    ) -> None:
        self.user = user
        """The login."""
        self._root = url.rstrip("/") + "/api/"
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"},
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=10),
            connector=aiohttp.TCPConnector(limit=8, ssl=tls or ClientContext()),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def get(self, *path: str, **query: str) -> Json:
        """What stands at a path; None when nothing does.

        Raises:
            ManagementError: the broker is not reachable, does not know the login, or refuses.
        """
        return await self._call("GET", path, query=query)

    async def put(self, *path: str, body: Json) -> None:
        """Make or replace what stands at a path. Raises as :meth:`get`."""
        await self._call("PUT", path, body=body)

    async def delete(self, *path: str) -> None:
        """Delete what stands at a path; what is gone already is as good. Raises as :meth:`get`."""
        await self._call("DELETE", path)

    async def import_definitions(self, definitions: Json) -> None:
        """Make or replace all that is named, in one request; what is not named stays. Raises as :meth:`get`."""
        await self._call("POST", ("definitions",), body=definitions)

    async def holds_a_message(self, vhost: str, queue: str) -> bool:
        """Whether a message is ready in a queue right now.

        The totals of a quorum queue are up to 5 s old, so the queue itself is asked: one message is taken and put back.
        Raises as :meth:`get`.
        """
        return bool(await self.peek(vhost, queue, 1))

    async def peek(self, vhost: str, queue: str, count: int) -> list[dict[str, Any]]:
        """The first messages that are ready in a queue, without bodies; they stay there. Raises as :meth:`get`."""
        wish = {"count": count, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": 1}
        found: list[dict[str, Any]] | None = await self._call("POST", ("queues", vhost, queue, "get"), body=wish)
        return found or []

    async def _call(
        self, method: str, path: tuple[str, ...], *, query: dict[str, str] | None = None, body: Json = None
    ) -> Json:
        address = "/".join(quote(part, safe="") for part in path)
        url = URL(self._root + address, encoded=True).with_query(query or None)
        try:
            async with self._http.request(method, url, json=body) as answer:
                return await _read(answer, f"{method} {address}")
        except (TimeoutError, aiohttp.ClientError) as error:
            trouble = trouble_of(error)
            reason = trouble.text if trouble else str(error) or type(error).__name__
            unreachable = ManagementUnreachableError(f"{method} {url.with_query(None)}: {reason}")
            unreachable.hint = trouble.advice if trouble else ""
            raise unreachable from error


async def _read(answer: aiohttp.ClientResponse, request: str) -> Json:
    if answer.status == _NOT_FOUND:
        return None
    if answer.status in _FORBIDDEN:
        raise ManagementForbiddenError(f"{request}: {answer.status} {answer.reason}")
    if answer.status >= _FAILED:
        raise ManagementError(f"{request}: {answer.status} {(await answer.text())[:_LONGEST_ANSWER]}")
    body = await answer.read()
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise ManagementError(f"{request}: {answer.status}, but no JSON; is this the broker's own port?") from error
