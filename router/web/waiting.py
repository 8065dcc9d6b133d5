"""What the web API answers while the router waits for its ledger: that it lives, that it is not ready, and why."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from router.api import problems
from router.errors import LedgerUnavailableError
from router.pages.serving import QuietServer
from router.problem import problem_of


class WaitingApp:
    """An ASGI application; ``state`` is told to everyone, so it names a code at most."""

    def __init__(self) -> None:
        self.state = "is not there yet"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            return
        retry = {"Retry-After": str(LedgerUnavailableError.retry_after)}
        if scope["path"] == "/livez":
            await JSONResponse({"status": "ok"})(scope, receive, send)
        elif scope["path"] == "/readyz":
            parts = {"database": {"up": False, "state": self.state}}
            await JSONResponse({"status": "unavailable", "parts": parts}, 503, retry)(scope, receive, send)
        else:
            error = LedgerUnavailableError(f"the router waits for its ledger, which {self.state}")
            await problems.answer(problem_of(error, path=scope["path"]), retry)(scope, receive, send)


@contextlib.asynccontextmanager
async def served(listener: socket.socket, config: Callable[[ASGIApp], uvicorn.Config]) -> AsyncIterator[WaitingApp]:
    """Serve on a socket that others will serve on afterwards, with the bounds that they have too."""
    app = WaitingApp()
    server = QuietServer(config(app))
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    try:
        yield app
    finally:
        server.should_exit = True
        await serving
