"""Names a piece at the router once its bytes are up: once in effect, however often the answer is lost."""

from functools import partial
from http import HTTPStatus

import aiohttp
import orjson

from consumers.copies.chain import SentPiece
from consumers.fetching.answers import is_problem
from consumers.fetching.origin import Clients, take
from consumers.line.faults import separating_faults
from consumers.line.pace import LinePace
from consumers.line.state import Line
from consumers.sending import tus

_ADDED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})


class ChainBrokenError(Exception):
    """The router does not have the pieces before: a new chain begins."""


class CopyHandover:
    """Names pieces.

    Args:
        clients: see :class:`consumers.fetching.origin.Clients`.
        origin_url: where the router is.
        line: told of what is lost, asked when another try is worth it.
        pace: what the line gives upward.
        patience: seconds that the answer may take.
    """

    def __init__(self, clients: Clients, origin_url: str, line: Line, pace: LinePace, *, patience: float) -> None:
        self._clients = clients
        self._url = copies_url(origin_url)
        self._line = line
        self._pace = pace
        self._patience = patience

    async def name(self, piece: SentPiece) -> None:
        """Return when the router has the piece in its chain.

        Raises:
            ChainBrokenError: it does not have the pieces before.
            GatewayError: it refused it, lacks its bytes, or cannot take it now; see :mod:`consumers.sending.tus`.
        """
        await self._line.through_drops(partial(self._name, piece))

    async def _name(self, piece: SentPiece) -> None:
        body = orjson.dumps({"sha256": piece.sha256, "size": piece.size, "spool_id": piece.spool_id})
        url, headers = f"{self._url}/{piece.chain}/{piece.number}", {"Content-Type": "application/json"}
        silence = aiohttp.ClientTimeout(total=None, sock_read=self._patience)
        async with self._line.connection(self._pace) as connection:
            client = self._clients.get(connection.window)
            with separating_faults():
                async with client.put(
                    url, data=body, headers=headers, timeout=silence, allow_redirects=False
                ) as answer:
                    take(connection, answer)
                    if answer.status == HTTPStatus.CONFLICT and is_problem(answer.headers):
                        raise ChainBrokenError
                    ours = answer.status in _ADDED or is_problem(answer.headers)
                    if answer.status not in _ADDED:
                        await tus.require(answer, HTTPStatus.CREATED, ours=ours)
                    self._line.alive(connection)


def copies_url(origin_url: str) -> str:
    """Where the router keeps copies of books."""
    return f"{origin_url.rstrip('/')}/api/v1/copies"
