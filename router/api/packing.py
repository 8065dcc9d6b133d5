"""Compresses what the web API says, for whoever asks for it: a gateway behind a thin line does.

Contents are left alone: they are compressed before the line, never on it, so that they can be resumed at a byte. Nobody
else's page can have a browser ask here with somebody's token, so no length of an answer tells a secret.
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST_BYTES = 300
"""Smaller answers gain nothing."""
_LEVEL = 6
_SAID = "/api/v1/"


class Packing:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        said = scope["type"] == "http" and scope["path"].startswith(_SAID)
        await (self._packed if said else self._plain)(scope, receive, send)
