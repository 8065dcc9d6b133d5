"""What a reconnect costs the line in bytes: a first one, one that goes on with its session, and one without TLS.

``python -m tests.benchmarks.reconnect``: a real RabbitMQ and a router's stand-in behind TLS with P-256 certificates by
an authority of their own, each reached through a proxy that counts; bytes both ways, without TCP's and PPP's headers,
from nothing to a session that is up, or to the answer to one small request.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from consumers.fetching.origin import Clients
from rig.proxy import Proxy
from router.broker import Session
from router.broker.node import NodeAddress
from router.broker.node_door import NodeDoor
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from support.broker import PatientNode
from support.commit import commit
from support.content_server import content_server
from support.installation import free_port
from support.issuer import Issuer
from support.tls_server import serving

NAME = "127.0.0.1"
_BYTE_SECONDS = 8 / 33_600
Connect = Callable[[str, ClientContext], Awaitable[None]]


def by_amqp(address: NodeAddress) -> Connect:
    """A session from nothing to up."""

    async def connect(url: str, tls: ClientContext) -> None:
        session = Session(url, user=address.user, password=address.password, name="reconnect", tls=tls)
        await session.start()
        try:
            await session.ready(60)
        finally:
            await session.close(5)

    return connect


async def by_http(url: str, tls: ClientContext) -> None:
    """One request on a connection of its own, as the gateway's client makes it."""
    async with (
        aclosing(Clients(token="t", no_progress=20, tls=tls)) as clients,
        clients.get(8192).get(f"{url}/api/v1/units") as answer,
    ):
        await answer.read()


async def costs(connect: Connect, encrypted: str, plain: str, tls: ClientContext) -> dict[str, int]:
    """Bytes of a first connection, of the second, and of one in clear."""
    found: dict[str, int] = {}
    for name, url in (("first", encrypted), ("again", encrypted), ("plain", plain)):
        async with Proxy(url) as proxy:
            await connect(proxy.url, tls)
            found[name] = proxy.carried
    return found


async def measure(directory: Path) -> dict[str, dict[str, int]]:
    """Both protocols."""
    issuer = Issuer(directory / "issuer")
    pair, port = issuer.issue(NAME), free_port()
    node = PatientNode(directory / "node", name="reconnect", door=NodeDoor(NAME, port, pair.certificate, pair.key))
    try:
        address = await asyncio.to_thread(node.start)
        async with AsyncExitStack() as stack:
            encrypted = await stack.enter_async_context(content_server(serving(pair)))
            plain = await stack.enter_async_context(content_server())
            tls = [ClientContext(TlsFiles(issuer.authority)) for _ in range(2)]
            amqps = f"amqps://{NAME}:{port}/congvan"
            return {
                "AMQP": await costs(by_amqp(address), amqps, address.amqp_url, tls[0]),
                "HTTP": await costs(by_http, encrypted.url, plain.url, tls[1]),
            }
    finally:
        await asyncio.to_thread(node.kill)


def main() -> None:
    """Print a table and a line of JSON."""
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measure(Path(directory)))
    print(f"{'':6}{'first':>8}{'again':>8}{'plain':>8}{'TLS again / first':>20}{'s saved at 33.6 kbit/s':>25}")
    for name, bytes_of in found.items():
        first, again, plain = (bytes_of[key] for key in ("first", "again", "plain"))
        share, saved = (again - plain) / (first - plain), (first - again) * _BYTE_SECONDS
        print(f"{name:6}{first:8}{again:8}{plain:8}{share:20.2f}{saved:25.2f}")
    print(json.dumps({"commit": commit(), "bytes": found}))


if __name__ == "__main__":
    main()
