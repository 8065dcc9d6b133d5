"""nginx before the router, with the file that is shipped: TLS, unbuffered ways, ranges, and whose word is believed."""

import asyncio
import contextlib
import io
import json
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from starlette.types import Receive, Scope, Send

from router.pages.safety import Safety
from router.pages.serving import QuietServer, listen, serving
from router.tls.authority import Authority, begin
from schemas.clock import now_ms
from support.conditions import holds
from support.installation import free_port

SHIPPED = Path(__file__).parents[3] / "deploy" / "nginx" / "congvan.conf"
MAIN = """daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; include {home}/congvan.conf; }}
"""


@dataclass(slots=True)
class Behind:
    """What stands where the router would: says what it was asked, and holds an answer until it is let go."""

    came: list[bytes] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/live":
            await self._live(send)
            return
        more = True
        while more:
            message = await receive()
            more = bool(message.get("more_body"))
            if message.get("body"):
                self.came.append(message["body"])
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        told = {"scheme": scope["scheme"], "client": scope["client"][0], "headers": headers}
        status = 206 if "range" in headers else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/json")]})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    async def _live(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})


@dataclass(slots=True)
class Ground:
    """nginx, running."""

    url: str
    http: ClientSession
    behind: Behind


@pytest.fixture
def nginx() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    return found or pytest.skip("nginx is not installed: deploy/test.sh does it")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return begin(tmp_path / "pki", "UBND", now_ms=now_ms())


def configured(home: Path, certificate: Path, port: int, behind: int) -> None:
    """The shipped file, with this test's ports and certificate in the place of its own."""
    text = SHIPPED.read_text("utf-8")
    for pattern, here in (
        (r"127\.0\.0\.1:8470", f"127.0.0.1:{behind}"),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (r"    listen \[::\]:443 ssl;\n", ""),
        (r"/etc/congvan/tls/congvan\.tinh\.vn\.pem", str(certificate)),
    ):
        text, count = re.subn(pattern, here, text)
        assert count, pattern
    (home / "congvan.conf").write_text(text)
    (home / "nginx.conf").write_text(MAIN.format(home=home))


@contextlib.asynccontextmanager
async def running(nginx: str, home: Path) -> AsyncIterator[None]:
    command = [nginx, "-p", str(home), "-c", str(home / "nginx.conf")]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def ground(nginx: str, authority: Authority, tmp_path: Path) -> AsyncIterator[Ground]:
    home, behind, port = tmp_path / "nginx", Behind(), free_port()
    home.mkdir()
    certificate = authority.issue_server(["localhost"], now_ms=now_ms()).path
    server = QuietServer(serving(Safety(behind), most_of_an_address=50, proxies=["127.0.0.1"]))
    trusted = ssl.create_default_context(cafile=str(authority.root_file))
    with listen("127.0.0.1", 0) as listener:
        configured(home, certificate, port, listener.getsockname()[1])
        serving_it = asyncio.create_task(server.serve(sockets=[listener]))
        async with running(nginx, home), ClientSession(connector=TCPConnector(ssl=trusted)) as http:

            async def answers() -> bool:
                try:
                    async with http.get(f"https://localhost:{port}/"):
                        return True
                except OSError:
                    return False

            await holds(answers, what="nginx answers")
            yield Ground(f"https://localhost:{port}", http, behind)
            behind.go_on.set()
        server.should_exit = True
        await serving_it


async def test_what_a_caller_says_of_itself_is_not_passed_on(ground: Ground) -> None:
    lies = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "http"}
    async with ground.http.get(f"{ground.url}/", headers=lies) as answer:
        told = await answer.json(content_type=None)
        assert (told["scheme"], told["client"]) == ("https", "127.0.0.1")
        assert told["headers"]["host"] == "localhost"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_range_goes_through(ground: Ground) -> None:
    async with ground.http.get(f"{ground.url}/content/x", headers={"Range": "bytes=5-"}) as answer:
        told = await answer.json(content_type=None)
        assert (answer.status, told["headers"]["range"]) == (206, "bytes=5-")


async def test_an_upload_reaches_the_router_as_it_comes(ground: Ground) -> None:
    let_go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"the first piece"
        await let_go.wait()
        yield b"the second"

    async def upload() -> int:
        async with ground.http.patch(f"{ground.url}/api/v1/uploads/x", data=body()) as answer:
            return answer.status

    sending = asyncio.create_task(upload())
    await holds(lambda: b"".join(ground.behind.came) == b"the first piece", what="it came before the rest was sent")
    let_go.set()
    assert await sending == 200


async def test_an_upload_may_be_larger_than_nginx_would_take_by_itself(ground: Ground) -> None:
    async with ground.http.put(f"{ground.url}/content/x", data=io.BytesIO(b"x" * 3_000_000)) as answer:
        assert answer.status == 200
    assert sum(map(len, ground.behind.came)) == 3_000_000


async def test_what_happens_live_is_shown_at_once(ground: Ground) -> None:
    async with ground.http.get(f"{ground.url}/live") as answer:
        assert await answer.content.readline() == b"data: 1\n"
        ground.behind.go_on.set()
        assert (await answer.read()).endswith(b"data: 2\n\n")


def test_records_are_small_enough_for_a_thin_line() -> None:
    assert "ssl_buffer_size 4k;" in SHIPPED.read_text("utf-8")
