"""How pages and the web API are served: uvicorn with bounds on what an unknown caller costs, stopped by its service."""

import contextlib
import socket
import ssl
from collections.abc import Collection, Iterator

import uvicorn
from starlette.types import ASGIApp

from router.pages.wire_guard import ConnectionLimit, guarded

_CLOSES_WITHIN = 10
"""Seconds that answers in work get at a stop."""


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the service stops it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the service."""
        yield


def serving(
    app: ASGIApp, *, most_of_an_address: int, proxies: Collection[str] = (), tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """The server's settings: what an unknown caller costs is bounded; headers are believed of proxies alone.

    Args:
        app: what is served.
        most_of_an_address: connections at once.
        proxies: addresses or networks of proxies that say for whom they ask.
        tls: what a connection begins with; None: it is plain.
    """
    return uvicorn.Config(
        app,
        http=guarded(ConnectionLimit(most_of_an_address, proxies)),
        forwarded_allow_ips=list(proxies),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_CLOSES_WITHIN,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=512)
