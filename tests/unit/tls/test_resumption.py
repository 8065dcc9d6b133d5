"""What a reconnect of the gateway's HTTP client costs the line: one that goes on with its session, clearly less."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import uvloop

from consumers.fetching.origin import Clients
from rig.proxy import Proxy
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from support.content_server import ContentServer, content_server
from support.issuer import Issuer
from support.tls_server import serving

NAME = "127.0.0.1"


async def costs(clients: Clients, proxy: Proxy, window: int) -> int:
    """Bytes, both ways, of one small request on a connection of its own."""
    before = proxy.carried
    async with clients.get(window).get(f"{proxy.url}/api/v1/units") as answer:
        await answer.read()
    cost = proxy.carried - before
    proxy.cut()
    return cost


async def compared(server: ContentServer, plain: ContentServer, authority: Path) -> tuple[int, int, int]:
    clients = Clients(token="t", no_progress=20, tls=ClientContext(TlsFiles(authority)))
    async with aclosing(clients), Proxy(server.url) as encrypted, Proxy(plain.url) as bare:
        first = await costs(clients, encrypted, 0)
        again = await costs(clients, encrypted, 8192)
        return first, again, await costs(clients, bare, 0)


@pytest.fixture
async def plain() -> AsyncIterator[ContentServer]:
    async with content_server() as made:
        yield made


async def test_a_connection_that_is_made_again_costs_clearly_less_than_a_first(
    plain: ContentServer, tmp_path: Path
) -> None:
    issuer = Issuer(tmp_path)
    async with content_server(serving(issuer.issue(NAME))) as server:
        first, again, bare = await compared(server, plain, issuer.authority)
    print(f"https: first {first} bytes, again {again} bytes, plain {bare} bytes")
    assert again - bare < 0.8 * (first - bare)


def test_the_loop_that_gateways_run_in_resumes_too(tmp_path: Path) -> None:
    async def run() -> tuple[int, int, int]:
        issuer = Issuer(tmp_path)
        async with content_server(serving(issuer.issue(NAME))) as server, content_server() as plain:
            return await compared(server, plain, issuer.authority)

    first, again, bare = uvloop.run(run())
    assert again - bare < 0.8 * (first - bare)
