"""What `congvan pki` makes, in the programs that it is for: RabbitMQ and PostgreSQL take one file for key and
certificate, and a gateway has a certificate of the router by which a broker lets it in."""

import asyncio
import os
import shutil
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest
from pika.exceptions import AMQPConnectionError

from consumers.certifying.keeping import OwnCertificate
from consumers.settings import GatewaySettings
from router.broker.node import NodeAddress
from router.tls.authority import Authority, Kept, begin
from router.tls.certificates import DAY_MS
from router.tls.peers import Opening, Peer, certificate_at
from schemas.accounts import Role
from schemas.clock import now_ms
from support.broker import PatientNode, empty_vhost
from support.installation import Installation, free_port, installation
from support.ledgers import unit
from support.postgres import PrivatePostgres

PATTERN = "LCA.#"
_CONF = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {root}
ssl_options.certfile = {file}
ssl_options.keyfile = {file}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """An authority, and a broker that asks its clients for a certificate of it on a port of its own."""

    authority: Authority
    broker: Kept
    node: PatientNode
    address: NodeAddress
    port: int


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    directory = tmp_path_factory.mktemp("in-use")
    authority = begin(directory / "pki", "UBND", now_ms=now_ms())
    file = authority.issue_server(["localhost"], now_ms=now_ms())
    node, port = PatientNode(directory / "node", name="congvan-tls"), free_port()
    extra = directory / "node" / "conf" / "conf.d"
    extra.mkdir(parents=True)
    (extra / "90-tls.conf").write_text(_CONF.format(port=port, root=authority.root_file, file=file.path))
    try:
        yield Ground(authority, file, node, node.start(), port)
    finally:
        node.kill()


def connect(ground: Ground, client: Path | None) -> None:
    """Log in at the broker's TLS port and leave."""
    trusted = ssl.create_default_context(cafile=str(ground.authority.root_file))
    if client is not None:
        trusted.load_cert_chain(client)
    parameters = pika.URLParameters(ground.address.amqp_url)
    parameters.host, parameters.port = "localhost", ground.port
    parameters.credentials = pika.PlainCredentials(ground.address.user, ground.address.password)
    parameters.ssl_options = pika.SSLOptions(trusted, "localhost")
    pika.BlockingConnection(parameters).close()


@pytest.fixture
def made(ground: Ground, tmp_path: Path) -> Iterator[Installation]:
    with empty_vhost(ground.node) as vhost, installation(tmp_path, vhost, [unit("LCA")]) as ready:
        ready.account(Role.GATEWAY, PATTERN)
        yield ready


def test_a_gateway_has_a_certificate_of_the_router_by_which_the_broker_lets_it_in(
    ground: Ground, made: Installation, tmp_path: Path
) -> None:
    made.router(pki_dir=ground.authority.directory).start()
    made.wait_until_ready()
    way = {"amqp_url": f"amqps://localhost:{ground.port}{urlsplit(made.vhost.amqp_url).path}"}
    made.gateway(PATTERN, client_certificate_from_router=True, ca_file=ground.authority.root_file, **way).start()
    settings = GatewaySettings(data_dir=made.directory / "gateway", units=PATTERN)
    own = OwnCertificate(settings.tls_dir, settings.login)
    made.wait(lambda: own.current() is not None, "the gateway has its certificate")
    current = own.current()
    assert current is not None
    assert current.subject == "gateway:LCA.#"
    made.wait_until_seen(["LCA"])  # by the broker, which lets nobody in without one
    connect(ground, own.path)
    with pytest.raises((AMQPConnectionError, ssl.SSLError, OSError)):
        connect(ground, None)
    another = begin(tmp_path / "other", "another", now_ms=now_ms()).issue_client("gateway:LCA.#", now_ms=now_ms())
    with pytest.raises((AMQPConnectionError, ssl.SSLError, OSError)):
        connect(ground, another.path)


async def test_the_days_of_a_brokers_certificate_are_seen_though_it_asks_for_one_itself(ground: Ground) -> None:
    seen = await certificate_at(Peer("127.0.0.1", ground.port))
    assert seen is not None
    assert (seen.serial, seen.names) == (ground.broker.certificate.serial, ("localhost",))


async def test_postgresql_takes_the_same_file_for_both_and_its_days_are_seen(ground: Ground) -> None:
    ended = ground.authority.issue_server(["127.0.0.1"], now_ms=now_ms() - 92 * DAY_MS)
    host = f"127.77.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"  # nobody else's, as its port is the usual one
    postgres = PrivatePostgres()
    file = postgres.directory / "server.pem"
    given = ("ssl=on", f"ssl_cert_file={file}", f"ssl_key_file={file}", f"listen_addresses={host}")
    postgres.settings += given
    try:
        shutil.copy(ended.path, file)
        if os.geteuid() == 0:
            shutil.chown(file, "postgres", "postgres")
        await asyncio.to_thread(postgres.start)
        seen = await certificate_at(Peer(host, 5432, Opening.POSTGRESQL))
    finally:
        postgres.remove()
    assert seen is not None
    assert round(seen.days_left(now_ms())) == -2
