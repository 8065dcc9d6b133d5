"""Compresses pages, lists and exports by gzip, where nobody else can have a browser ask for them.

BREACH reads a secret of a page by its compressed length: somebody else's site makes a browser ask for the page with
guesses in the address, which the page repeats next to the secret, and the length is watched on the wire. A browser says
in ``Sec-Fetch-Site`` who asks; what another site asks for, or a browser that does not say, goes uncompressed. So no
page has to give up its forms' tokens or repeating a search. Static files hold no secret and are always compressed.

Only the console is wrapped: attachments and their ranges are compressed before the line, never on it.
"""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST_BYTES, LEVEL = 1000, 6
"""Below, a packet is one packet anyway; the level takes a third of the time of the highest and 3% more bytes."""
_ASKED_BY_ITSELF = frozenset({"same-origin", "none"})
"""By a page of ours, or by its person in the browser's own field of addresses."""


class Compression:
    """ASGI middleware around the console."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, its answer compressed where that reveals nothing to anybody."""
        inner = self._compressed if scope["type"] == "http" and _may_compress(scope) else self._plain
        await inner(scope, receive, send)


def _may_compress(scope: Scope) -> bool:
    is_static = "/static/" in scope["path"]
    return is_static or Headers(scope=scope).get("sec-fetch-site") in _ASKED_BY_ITSELF
