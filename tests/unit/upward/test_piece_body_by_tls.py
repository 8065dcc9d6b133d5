"""By TLS, too, little is given ahead of the line: the library's own buffer would take 64 kB before the kernel."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumers.line.connection import LineConnection
from consumers.line.pace import FIRST_WINDOW
from consumers.sending.body import PieceBody
from rig.profiles import Profile
from rig.proxy import Proxy
from rig.wire import Wire
from support.certificates import certificates

SIZE, PIECE = 200_000, 2 * 1448
LINE = Profile("quick", 1_600_000, 1_600_000, rtt=0.01)


async def came(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def test_what_is_written_stays_near_to_what_the_other_side_has(tmp_path: Path) -> None:
    files = certificates(tmp_path, ["127.0.0.1"])
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(files.chain, files.key)
    trusting = ssl.create_default_context(cafile=str(files.authority))
    (tmp_path / "a").write_bytes(bytes(SIZE))
    application = web.Application(client_max_size=SIZE + 1)
    application.router.add_patch("/", came)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=serving)
    ahead: list[int] = []
    acknowledged = 0

    def on_acknowledged(count: int) -> None:
        nonlocal acknowledged
        acknowledged += count
        ahead.append(body.position - acknowledged)

    may_go = asyncio.Event()
    may_go.set()
    connection = LineConnection(asyncio.timeout(None), FIRST_WINDOW)
    with (tmp_path / "a").open("rb", buffering=0) as file:
        body = PieceBody(
            file,
            begin=0,
            end=SIZE,
            piece=PIECE,
            may_go=may_go,
            patience=lambda: 10.0,
            on_acknowledged=on_acknowledged,
            on_open=connection.take,
            ahead=FIRST_WINDOW,
        )
        async with (
            Proxy(str(server.make_url("/")), Wire(LINE, 1)) as proxy,
            aiohttp.ClientSession() as http,
            http.patch(proxy.url, data=body, ssl=trusting) as answer,
        ):
            assert await answer.text() == str(SIZE)
    await server.close()
    assert ahead
    assert max(ahead) <= FIRST_WINDOW + PIECE
