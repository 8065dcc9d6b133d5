"""What holds for every page: headers that let nothing foreign run, and no change that another site asked for."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.pages.errors import ForeignRequestError, FormTooLargeError

MAX_FORM_BYTES = 64 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self'; script-src 'self'; style-src 'self'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",  # within the site it stays; to others nothing goes, no one-time token either
    "x-frame-options": "DENY",
}


class Safety:
    """ASGI middleware around all pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, its answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_safely)


def require_own(method: str, headers: Headers, *, most: int = MAX_FORM_BYTES) -> None:
    """Refuse a change that did not come from a page of ours.

    Browsers say in ``Sec-Fetch-Site`` or at least in ``Origin`` where a request comes from; one that says neither is
    no form of ours. In addition, every form of a session carries the session's own token.

    Args:
        method: of the request.
        headers: of the request.
        most: bytes that the form may have.

    Raises:
        ForeignRequestError: it came from elsewhere.
        FormTooLargeError: it is no form of ours by its length.
    """
    if method in _SAFE:
        return
    if not _is_own(headers):
        raise ForeignRequestError("the request comes from another site")
    length = headers.get("content-length", "")
    if not length.isdecimal() or int(length) > most:
        raise FormTooLargeError(f"a form has at most {most} bytes, and says how many")


def _is_own(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")
