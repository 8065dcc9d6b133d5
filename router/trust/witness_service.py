"""Serves a witness over HTTP (C2SP tlog-witness): one address, ``/add-checkpoint``."""

import asyncio

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from router.pages.serving import QuietServer, listen, serving
from router.process.signals import stopped_by_signals
from router.trust.witness import Witness
from schemas.events import Event
from schemas.trust.witnessing import MAX_REQUEST_BYTES

log = structlog.get_logger()
_MOST_OF_AN_ADDRESS = 20
_TOO_LARGE, _SEEN_OTHERWISE = 413, 409


async def serve(witness: Witness, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    listener = listen(host, port)
    server = QuietServer(serving(witness_app(witness), most_of_an_address=_MOST_OF_AN_ADDRESS))

    def stop() -> None:
        server.should_exit = True

    with stopped_by_signals(stop):
        address = listener.getsockname()
        log.info(Event.WITNESS_READY, host=address[0], port=address[1], key=str(witness.public_key))
        await server.serve(sockets=[listener])


def witness_app(witness: Witness) -> Starlette:
    """The app over a witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_REQUEST_BYTES:
                return PlainTextResponse(f"a request has at most {MAX_REQUEST_BYTES} bytes\n", _TOO_LARGE)
        answer = await asyncio.to_thread(witness.add_checkpoint, body.decode(errors="replace"))
        kind = "text/x.tlog.size" if answer.status == _SEEN_OTHERWISE else "text/plain"
        return Response(answer.text, answer.status, media_type=kind)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])
