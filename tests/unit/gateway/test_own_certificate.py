"""A gateway's own certificate: of the router for its own key, in time, after documents, and never half."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from consumers.certifying import courier as module
from consumers.certifying.courier import CertificateCourier
from consumers.certifying.keeping import OwnCertificate
from consumers.fetching.answers import PROBLEM
from consumers.fetching.origin import Clients
from consumers.line.pace import LinePace
from consumers.line.precedence import NOTHING, Precedence, Side
from consumers.line.state import Line
from consumers.reporting.health import alike, days_of
from router.broker import SessionState
from router.tls import keeping
from router.tls.authority import Authority, begin
from router.tls.certificates import DAY_MS, read_pair
from router.tls.errors import CertificateError
from router.tls.requests import key_of_request, request_of
from schemas.clock import now_ms
from schemas.dispatch import Urgency
from schemas.health import Health, read_health
from support.conditions import holds

ACCOUNT = "gateway:LCA.02.#"
NOW = now_ms()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return begin(tmp_path_factory.mktemp("pki") / "pki", "UBND", now_ms=NOW)


@dataclass(slots=True)
class Router:
    """Certifies, unless it has something else to answer first."""

    authority: Authority
    account: str = ACCOUNT
    first: list[web.Response] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    made_at: int = NOW

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/api/v1/certificates"
        self.asked.append(await request.read())
        if self.first:
            return self.first.pop(0)
        chain = self.authority.sign_client(self.account, key_of_request(self.asked[-1]), now_ms=self.made_at)
        body = pkcs7.serialize_certificates(list(chain), Encoding.DER)
        return web.Response(status=201, body=body, content_type="application/pkcs7-mime")


@dataclass(slots=True)
class Ground:
    """A courier that runs, its files, and the side of its line that documents have."""

    router: Router
    own: OwnCertificate
    courier: CertificateCourier
    documents: Side

    def has(self, days: float) -> bool:
        found = self.own.current()
        return found is not None and round(found.days_left(NOW)) == days


@asynccontextmanager
async def ground(
    authority: Authority,
    directory: Path,
    *first: web.Response,
    clock: Callable[[], int] = lambda: NOW,
    busy: int | None = None,
    **router: object,
) -> AsyncIterator[Ground]:
    answering = Router(authority, first=list(first), **router)  # type: ignore[arg-type] # of its fields
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering.answer)
    precedence, line = Precedence(), Line(LinePace())
    line.broker_is(SessionState.UP)
    documents = precedence.side()
    if busy is not None:
        documents.say(busy)
    clients = Clients(token="secret", no_progress=20.0)
    own = OwnCertificate(directory / "tls", ACCOUNT)
    async with TestServer(app) as server:
        courier = CertificateCourier(
            own,
            clients,
            origin_url=str(server.make_url("")),
            line=line,
            pace=LinePace(),
            side=precedence.side(),
            lets=lambda _unit, _urgency: True,
            clock=clock,
        )
        task = asyncio.create_task(courier.run())
        try:
            yield Ground(answering, own, courier, documents)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await clients.aclose()


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*")}


async def test_a_gateway_gets_its_first_certificate_for_a_key_that_never_leaves_it(
    authority: Authority, tmp_path: Path
) -> None:
    async with ground(authority, tmp_path) as it:
        await holds(lambda: it.has(90))
        assert modes(tmp_path) == {"tls": 0o700, "client.pem": 0o600}
        (sent,) = it.router.asked
        assert (len(sent) < 300, b"PRIVATE" in sent) == (True, False)
        assert read_pair(it.own.path).certificate.subject == ACCOUNT


async def test_it_is_renewed_in_the_last_third_of_its_life_and_not_before(authority: Authority, tmp_path: Path) -> None:
    async with ground(authority, tmp_path) as it:
        await holds(lambda: it.has(90))
        before = it.own.path.read_bytes()
    async with ground(authority, tmp_path, clock=lambda: NOW + 59 * DAY_MS) as it:
        await holds(lambda: it.courier.current is not None)
        assert it.router.asked == []
    async with ground(authority, tmp_path, clock=lambda: NOW + 61 * DAY_MS, made_at=NOW + 61 * DAY_MS) as it:
        await holds(lambda: it.has(151))
        assert it.own.path.read_bytes().split(b"CERTIFICATE")[0] != before.split(b"CERTIFICATE")[0], "another key"


async def test_documents_go_first_while_there_is_time(authority: Authority, tmp_path: Path) -> None:
    async with ground(authority, tmp_path) as it:
        await holds(lambda: it.has(90))
    later = NOW + 61 * DAY_MS
    async with ground(authority, tmp_path, clock=lambda: later, busy=Urgency.NORMAL, made_at=later) as it:
        await holds(lambda: it.courier.waits)
        assert it.router.asked == []
        it.documents.say(NOTHING)
        await holds(lambda: it.has(151))


async def test_near_its_end_it_goes_beside_ordinary_documents_and_never_beside_urgent_ones(
    authority: Authority, tmp_path: Path
) -> None:
    async with ground(authority, tmp_path, busy=Urgency.VERY_URGENT) as it:
        await holds(lambda: it.courier.waits)
        assert it.router.asked == []
        it.documents.say(Urgency.NORMAL)
        await holds(lambda: it.has(90))


async def test_what_is_refused_or_not_the_routers_is_asked_again_with_the_same_key(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.02)
    refused = web.json_response({"title": "No"}, status=429, content_type=PROBLEM)
    portal = web.Response(text="<h1>Log in</h1>", content_type="text/html")
    broken = web.Response(status=201, body=b"\x30\x82", content_type="application/pkcs7-mime")
    endless = web.Response(status=201, body=b"\x30" * 100_000, content_type="application/pkcs7-mime")
    async with ground(authority, tmp_path, refused, portal, broken, endless) as it:
        await holds(lambda: it.has(90))
        keys = {bytes(request_key(data)) for data in it.router.asked}
        assert (len(it.router.asked), len(keys)) == (5, 1)


def request_key(data: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return key_of_request(data).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


async def test_a_certificate_for_somebody_else_is_not_taken(authority: Authority, tmp_path: Path) -> None:
    async with ground(authority, tmp_path, account="gateway:LCA.03.#") as it:
        await holds(lambda: len(it.router.asked) == 1)
        await holds(lambda: bool(it.courier.trouble))
        assert "LCA.03" in it.courier.trouble
        assert not it.own.path.exists()


def test_the_days_travel_in_few_bytes_and_only_now_and_then_say_something_new() -> None:
    ends = {"client": NOW + 61 * DAY_MS + 5, "broker": NOW + 80 * DAY_MS, "origin": NOW - DAY_MS}
    told = Health(certificates=days_of(ends, NOW))
    assert [(item.which, item.days) for item in told.certificates] == [("client", 61), ("broker", 80), ("origin", -1)]
    assert read_health(told.encode()) == told
    assert len(told.encode()) - len(Health().encode()) < 130

    def says(client: int) -> Health:
        return Health(certificates=days_of({"client": NOW + client * DAY_MS}, NOW))

    assert alike(says(61), says(60)), "in the same week"
    assert not alike(says(61), says(51))
    assert not alike(says(20), says(19)), "near the end each day counts"


class _Killed(BaseException):
    pass


def renew(own: OwnCertificate, authority: Authority) -> None:
    key = own.next_key()
    own.adopt(key, authority.sign_client(ACCOUNT, key_of_request(request_of(key)), now_ms=NOW))


def test_a_kill_anywhere_leaves_the_certificate_of_before_or_the_new_one(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OwnCertificate(tmp_path / "tls", ACCOUNT)
    chain = authority.sign_client(ACCOUNT, own.next_key().public_key(), now_ms=NOW)
    own.adopt(own.next_key(), chain)
    real = keeping.replace_file
    for name in ("next.key", "client.pem"):
        for before in (True, False):
            good = own.current()
            assert good is not None

            def dying(path: Path, data: bytes, at: str = name, first: bool = before) -> None:  # noqa: FBT001
                if path.name == at and first:
                    raise _Killed
                real(path, data)
                if path.name == at:
                    raise _Killed

            with monkeypatch.context() as patch:
                patch.setattr("consumers.certifying.keeping.replace_file", dying)
                with pytest.raises(_Killed):
                    renew(own, authority)
            found = own.current()
            assert found is not None
            assert (found == good) is (name == "next.key" or before)
            renew(own, authority)
            assert not (tmp_path / "tls" / "next.key").exists()


@pytest.mark.parametrize("trouble", ["damaged", "another's", "gone"])
def test_a_file_that_is_of_no_use_counts_as_none(authority: Authority, tmp_path: Path, trouble: str) -> None:
    own = OwnCertificate(tmp_path / "tls", ACCOUNT)
    key = own.next_key()
    own.adopt(key, authority.sign_client(ACCOUNT, key.public_key(), now_ms=NOW))
    if trouble == "damaged":
        own.path.write_bytes(own.path.read_bytes()[:200])
    elif trouble == "gone":
        own.path.unlink()
    found = OwnCertificate(tmp_path / "tls", "gateway:LCA.03" if trouble == "another's" else ACCOUNT).current()
    assert found is None
    with pytest.raises(CertificateError):
        own.adopt(own.next_key(), authority.sign_client(ACCOUNT, key.public_key(), now_ms=NOW))
