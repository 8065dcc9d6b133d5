"""Compresses what a person at a thin line waits for: levels of the tree, plans, tracks, for whoever asks for it.

All else is left as it is. Contents are compressed before the line, never on it, so that they can be resumed at a byte.
And the clients of gateways say by default that they take gzip, and unpack nothing themselves: what they ask for since
their first version has to stay readable to them. Nobody else's page can have a browser ask here with somebody's token,
so no length of an answer tells a secret.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST_BYTES = 300
"""Smaller answers gain nothing."""
_LEVEL = 6
_DISPATCHES = "/api/v1/dispatches/"
_PACKED = frozenset({("GET", "/api/v1/directory"), ("POST", f"{_DISPATCHES}plan")})


class Packing:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        await (self._packed if _is_packed(scope) else self._plain)(scope, receive, send)


def _is_packed(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    method, path = scope["method"], scope["path"]
    return (method, path) in _PACKED or (method == "GET" and path.startswith(_DISPATCHES))
