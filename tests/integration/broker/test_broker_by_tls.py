"""A real RabbitMQ by TLS: a private authority, client certificates, and what a reconnect costs the line."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.proxy import Proxy
from router.broker import Session
from router.broker.errors import BrokerUnavailableError
from router.broker.management import Management
from router.broker.node import NodeAddress
from router.broker.node_door import NodeDoor
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from schemas.reasons import ReasonCode
from support.broker import PatientNode
from support.conditions import holds
from support.installation import free_port
from support.issuer import Issuer
from support.sessions import QUICK

NAME = "127.0.0.1"


@dataclass(frozen=True)
class Encrypted:
    """A node with doors by TLS, and who vouches for it."""

    issuer: Issuer
    address: NodeAddress
    amqps: str
    management: str


def node_at(directory: Path, issuer: Issuer, *, asks: bool) -> tuple[PatientNode, str, str]:
    pair, port, management = issuer.issue(NAME), free_port(), free_port()
    door = NodeDoor(NAME, port, pair.certificate, pair.key, issuer.authority if asks else None)
    extra = directory / "conf" / "conf.d"
    extra.mkdir(parents=True)
    (extra / "90-management.conf").write_text(
        f"management.ssl.ip = {NAME}\nmanagement.ssl.port = {management}\n"
        f"management.ssl.certfile = {pair.certificate}\nmanagement.ssl.keyfile = {pair.key}\n"
    )
    node = PatientNode(directory, name="congvan-tls", door=door)
    return node, f"amqps://{NAME}:{port}/congvan", f"https://{NAME}:{management}"


@pytest.fixture(scope="module", params=[False, True], ids=["open", "mutual"])
def encrypted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    node, amqps, management = node_at(tmp_path_factory.mktemp("node"), issuer, asks=request.param)
    try:
        yield Encrypted(issuer, node.start(), amqps, management)
    finally:
        node.kill()


@asynccontextmanager
async def session_by(made: Encrypted, tls: ClientContext, url: str = "") -> AsyncIterator[Session]:
    address = made.address
    session = Session(
        url or made.amqps, user=address.user, password=address.password, name="test", tuning=QUICK, tls=tls
    )
    await session.start()
    try:
        yield session
    finally:
        await session.close(5)


async def test_a_login_goes_by_tls_with_a_certificate_where_one_is_asked_for(encrypted: Encrypted) -> None:
    ours = encrypted.issuer.issue("router")
    async with session_by(
        encrypted, ClientContext(TlsFiles(encrypted.issuer.authority, ours.certificate, ours.key))
    ) as session:
        await session.ready(60)


@pytest.mark.parametrize("encrypted", [True], indirect=True, ids=["mutual"])
async def test_who_shows_no_certificate_or_a_strangers_is_told_which(encrypted: Encrypted, tmp_path: Path) -> None:
    stranger = Issuer(tmp_path, "stranger").issue("router")
    authority = encrypted.issuer.authority
    for files, code in (
        (TlsFiles(authority), ReasonCode.TLS_CLIENT_WANTED),
        (TlsFiles(authority, stranger.certificate, stranger.key), ReasonCode.TLS_CLIENT_REFUSED),
    ):
        async with session_by(encrypted, ClientContext(files)) as session:
            await holds(lambda session=session: session.trouble is not None)  # type: ignore[misc]
            with pytest.raises(BrokerUnavailableError):
                await session.ready(0.01)
            assert session.trouble is not None
            assert session.trouble.code is code


async def test_the_management_api_is_asked_by_tls(encrypted: Encrypted) -> None:
    tls = ClientContext(TlsFiles(encrypted.issuer.authority))
    login = encrypted.address.user, encrypted.address.password
    async with Management(encrypted.management, *login, tls=tls) as api:
        assert (await api.get("overview"))["node"] == "congvan-tls@localhost"


async def costs(made: Encrypted, tls: ClientContext, proxy: Proxy) -> int:
    """Bytes, both ways, from nothing to a session that is up."""
    before = proxy.carried
    async with session_by(made, tls, proxy.url) as session:
        await session.ready(60)
        return proxy.carried - before


@pytest.mark.parametrize("encrypted", [False], indirect=True, ids=["open"])
async def test_a_connection_that_is_made_again_costs_clearly_less_than_a_first(encrypted: Encrypted) -> None:
    tls = ClientContext(TlsFiles(encrypted.issuer.authority))
    async with Proxy(encrypted.amqps) as proxy, Proxy(encrypted.address.amqp_url) as plain:
        first, again = [await costs(encrypted, tls, proxy) for _ in range(2)]
        bare = await costs(encrypted, tls, plain)
    print(f"amqps: first {first} bytes, again {again} bytes, plain {bare} bytes")
    assert again - bare < 0.8 * (first - bare)
