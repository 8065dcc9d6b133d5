"""What holds for every request: safe headers, one log line, one observation, and no error's inside in an answer."""

import time
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_plus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.api import problems
from router.metrics import Metrics
from router.problem import problem
from router.process.fate import may_pass
from schemas.events import Event
from schemas.hidden import hide

log = structlog.get_logger()
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
_CLIENT_GONE = 499
"""As nginx counts it: the caller went before it had its answer."""
_NUL = problem(400, "malformed", "The request cannot be read", detail="the address holds a NUL character")
_LONG = 16
"""Characters from which a cookie is more than somebody's choice of language."""
_SECRET_PARAMETERS = frozenset({"token", "code", "state"})
"""Of a one-time link, and of the way back from an identity provider."""
_FOREIGN = problem(
    421,
    "unknown-host",
    "The request is for another host",
    detail="its Host is none that this router answers to",
    hint="use the service's own name; an administrator lists it in CONGVAN_ALLOWED_HOSTS",
)
_HEADERS = {
    # Few and short: on a thin line a hundred bytes are 25 ms.
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Guard:
    """The outermost ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._hosts = hosts
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Response(scope, send)
        hide(_secrets_of(scope))
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL keeps no text that holds one
            await problems.answer(_NUL)(scope, receive, exchange.send)
            self._note(scope, exchange)
            return
        if (
            self._hosts
            and scope["path"] not in _QUIET
            and not _is_ours(Headers(scope=scope).get("host", ""), self._hosts)
        ):
            await problems.answer(_FOREIGN)(scope, receive, exchange.send)
            self._note(scope, exchange)
            return
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = exchange.status or _CLIENT_GONE
        except Exception as error:
            log.exception(Event.REQUEST_FAILED, method=scope["method"], path=scope["path"])
            if exchange.status:  # the answer has begun: break the connection, or half of it would pass for the whole
                raise
            told = problems.unavailable() if may_pass(error) else problems.internal()
            await told(scope, receive, exchange.send)
        finally:
            self._note(scope, exchange)

    def _note(self, scope: Scope, exchange: "_Response") -> None:
        seconds = time.monotonic() - exchange.started
        route = getattr(scope.get("route"), "path", None)
        place = "(none)" if route is None else f"{scope.get('root_path', '')}{route}"  # the console's has its mount's
        self._metrics.answered(scope["method"], place, exchange.status, seconds)
        write = log.debug if scope["path"] in _QUIET else log.info
        write(
            Event.REQUEST_ANSWERED,
            method=scope["method"],
            path=scope["path"],
            status=exchange.status,
            seconds=round(seconds, 4),
            account=scope.get("state", {}).get("account", ""),
        )


def _is_ours(host: str, known: Sequence[str]) -> bool:
    """Whether a Host header names one of our names; ``*.tinh.vn`` names all below it."""
    name = (host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]).lower().rstrip(".")
    return any(name == item.lower() or (item.startswith("*.") and name.endswith(item[1:].lower())) for item in known)


def _secrets_of(scope: Scope) -> Iterator[str]:
    """What a request brings to prove who calls: no line that is logged for it may hold that."""
    headers = Headers(scope=scope)
    yield headers.get("authorization", "").partition(" ")[2].strip()
    cookies = (pair.partition("=")[2].strip() for text in headers.getlist("cookie") for pair in text.split(";"))
    yield from (value for value in cookies if len(value) >= _LONG)
    pairs = (pair.partition("=") for pair in scope["query_string"].decode("latin-1").split("&"))
    for value in (value for name, _, value in pairs if name in _SECRET_PARAMETERS):
        yield from (value, unquote_plus(value))


class _Response:
    """One request's answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.started = time.monotonic()
        self.status = 0
        self._scope = scope
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)
