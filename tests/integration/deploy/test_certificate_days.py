"""How many days certificates have left, as the doctors and the metrics see it: files, servers, databases."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumers.certifying.keeping import OwnCertificate
from consumers.settings import GatewaySettings
from deploy.doctor.certificates import certificates
from deploy.doctor.findings import CheckOutcome
from deploy.doctor.unit_certificate import own_certificate
from router.delivery.certificate_watch import CertificateWatch, Which
from router.metrics import Metrics
from router.settings import RouterSettings
from router.tls.authority import Authority, begin
from router.tls.certificates import DAY_MS
from router.tls.peers import Opening, Peer, certificate_at, peers_of
from schemas.clock import now_ms

NOW = now_ms()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return begin(tmp_path_factory.mktemp("days") / "pki", "UBND", now_ms=NOW - 400 * DAY_MS)


def server(authority: Authority, name: str, *, left: int, days: int = 90) -> Path:
    """A certificate with so many days left."""
    return authority.issue_server([name], now_ms=NOW + (left - days) * DAY_MS, days=days).path


@contextlib.asynccontextmanager
async def serving(file: Path, *, as_postgresql: bool = False, refuses: bool = False) -> AsyncIterator[int]:
    """A server that only shows its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if as_postgresql:
                assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
                writer.write(b"N" if refuses else b"S")
                if not refuses:
                    await writer.start_tls(context)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=None if as_postgresql else context) as listener:
        yield listener.sockets[0].getsockname()[1]


async def test_a_server_is_asked_for_its_certificate_whether_it_is_trusted_or_not(authority: Authority) -> None:
    ended = server(authority, "a.vn", left=-3)
    async with serving(ended) as port:
        seen = await certificate_at(Peer("127.0.0.1", port))
    assert seen is not None
    assert (seen.names, round(seen.days_left(NOW))) == (("a.vn",), -3)
    async with serving(ended, as_postgresql=True) as port:
        seen = await certificate_at(Peer("127.0.0.1", port, Opening.POSTGRESQL))
        assert seen is not None
        assert seen.names == ("a.vn",)
    async with serving(ended, as_postgresql=True, refuses=True) as port:
        assert await certificate_at(Peer("127.0.0.1", port, Opening.POSTGRESQL)) is None


@pytest.mark.parametrize(
    ("url", "peers"),
    [
        ("amqps://router:a%40b@broker.tinh.vn/congvan", [Peer("broker.tinh.vn", 5671)]),
        ("https://broker.tinh.vn:15671/x", [Peer("broker.tinh.vn", 15671)]),
        ("https://[::1]:8470", [Peer("::1", 8470)]),
        ("postgresql+psycopg://congvan@db/congvan", [Peer("db", 5432, Opening.POSTGRESQL)]),
        (
            "postgresql://congvan:SECRET@/congvan?host=db1:5433&host=db2",
            [Peer("db1", 5433, Opening.POSTGRESQL), Peer("db2", 5432, Opening.POSTGRESQL)],
        ),
        (
            "postgresql://congvan@db1:5433,db2:5434/congvan",
            [Peer("db1", 5433, Opening.POSTGRESQL), Peer("db2", 5434, Opening.POSTGRESQL)],
        ),
        ("postgresql+psycopg://congvan@/congvan?host=/run/postgresql", []),
        ("amqp://broker", []),
        ("http://broker:15672", []),
        ("sqlite:////var/lib/ledger.sqlite3", []),
        ("", []),
    ],
)
def test_where_certificates_are_shown(url: str, peers: list[Peer]) -> None:
    assert list(peers_of(url)) == peers


@pytest.mark.parametrize(
    ("left", "days", "outcome"),
    [
        (60, 90, CheckOutcome.OK),
        (20, 90, CheckOutcome.NOTE),
        (-1, 90, CheckOutcome.FAILED),
        (5, 7, CheckOutcome.OK),  # of those that live a week nobody has to be told all their life
    ],
)
async def test_the_doctor_counts_the_days(authority: Authority, left: int, days: int, outcome: CheckOutcome) -> None:
    async with serving(server(authority, f"b{left}.vn", left=left, days=days)) as port:
        told = await certificates(RouterSettings(amqp_url=f"amqps://127.0.0.1:{port}/congvan", allow_plaintext=True))
    assert told.verdict is outcome, told.detail
    assert (f"broker {left} days" in told.detail) or ("ended 1 days ago" in told.detail)


async def test_the_doctor_tells_of_a_key_that_does_not_fit_and_of_a_server_that_is_away(
    authority: Authority, tmp_path: Path
) -> None:
    one, other = server(authority, "c.vn", left=60), server(authority, "d.vn", left=60)
    told = await certificates(RouterSettings(http_certificate=one, http_certificate_key=other))
    assert (told.verdict, "is not that of the first certificate" in told.detail) == (CheckOutcome.FAILED, True)
    told = await certificates(RouterSettings(management_url="https://127.0.0.1:1"))
    assert (told.verdict, "management: " in told.detail) == (CheckOutcome.FAILED, True)
    assert (await certificates(RouterSettings(data_dir=tmp_path))).verdict is CheckOutcome.OK


async def test_the_router_renews_what_is_due_and_tells_the_days_in_its_metrics(tmp_path: Path) -> None:
    authority, metrics = begin(tmp_path / "pki", "UBND", now_ms=NOW), Metrics()
    web, broker = server(authority, "congvan.vn", left=10), server(authority, "broker.vn", left=50)
    async with serving(broker) as port:
        settings = RouterSettings(
            http_certificate=web, pki_dir=authority.directory, amqp_url=f"amqps://127.0.0.1:{port}"
        )
        watch = CertificateWatch(settings, metrics.seen_certificates)
        await watch.look()
    families = {item.name: item for item in text_string_to_metric_families(metrics.exposition().decode())}
    left = {item.labels["which"]: item.value for item in families["congvan_certificate_days_left"].samples}
    assert {which: round(days) for which, days in left.items()} == {"web": 90, "broker": 50, "authority": 730}
    assert watch.ending_soon(NOW) == ()
    assert [item.which for item in watch.ending_soon(NOW + 75 * DAY_MS)] == [Which.BROKER, Which.WEB]


async def test_a_gateways_doctor_tells_of_the_certificate_that_it_has_of_the_router(
    authority: Authority, tmp_path: Path
) -> None:
    settings = GatewaySettings(data_dir=tmp_path, units="LCA.02", client_certificate_from_router=True)
    assert (await own_certificate(settings)).verdict is CheckOutcome.NOTE
    own = OwnCertificate(settings.tls_dir, settings.login)
    for left, outcome in ((60, CheckOutcome.OK), (20, CheckOutcome.NOTE), (-1, CheckOutcome.FAILED)):
        key = own.next_key()
        own.adopt(key, authority.sign_client(settings.login, key.public_key(), now_ms=NOW + (left - 90) * DAY_MS))
        told = await own_certificate(settings)
        assert (told.verdict, f"{left} days left" in told.detail) == (outcome, True)
