"""Each way in which TLS fails has its state, told by real handshakes, with both sides' account and what to do."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from router.broker.errors import BrokerUnavailableError
from router.broker.session import Session
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from router.tls.troubles import TlsTrouble, trouble_of
from schemas.reasons import ReasonCode
from support.conditions import holds
from support.issuer import DAY, Issuer
from support.tls_server import TlsServer, echoing, say

FILES = TlsFiles
NAME = "127.0.0.1"


async def trouble_at(server: TlsServer, files: TlsFiles, name: str = NAME) -> TlsTrouble | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one it is, the state tells
        await say(ClientContext(files), server.port, name=name)
    return trouble_of(caught.value)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.mark.parametrize(
    ("shift", "code", "word"),
    [(-10 * DAY, ReasonCode.TLS_EXPIRED, "ended at"), (10 * DAY, ReasonCode.TLS_NOT_YET_VALID, "begins at")],
)
async def test_a_certificate_out_of_its_time_is_told_with_both_times(
    issuer: Issuer, shift: timedelta, code: ReasonCode, word: str
) -> None:
    async with echoing(issuer.issue(NAME, shift=shift)) as server:
        trouble = await trouble_at(server, FILES(issuer.authority))
    assert trouble is not None
    assert trouble.code is code
    assert word in trouble.text
    assert "this machine's clock says" in trouble.text
    assert "clock" in trouble.advice


async def test_of_a_certificate_for_another_name_both_names_are_told(issuer: Issuer) -> None:
    async with echoing(issuer.issue("broker.tinh.vn", "10.1.2.3")) as server:
        trouble = await trouble_at(server, FILES(issuer.authority))
    assert trouble is not None
    assert trouble.code is ReasonCode.TLS_OTHER_NAME
    assert trouble.text == f"{NAME} was asked for, the certificate shown is for broker.tinh.vn, 10.1.2.3"


async def test_of_an_unknown_authority_its_name_and_the_setting_are_told(issuer: Issuer, tmp_path: Path) -> None:
    other = Issuer(tmp_path, "another")
    setting = "CONGVAN_GATEWAY_CA_FILE"
    async with echoing(issuer.issue(NAME)) as server:
        without = await trouble_at(server, FILES(authorities_setting=setting))
        wrong = await trouble_at(server, FILES(other.authority, authorities_setting=setting))
    for trouble in (without, wrong):
        assert trouble is not None
        assert trouble.code is ReasonCode.TLS_UNKNOWN_CA
        assert "by tests" in trouble.text
        assert setting in trouble.advice
    assert wrong is not None
    assert str(other.authority) in wrong.advice, "the file that is set does not help: say so"


async def test_a_server_that_asks_for_a_certificate_is_told_from_one_that_refuses_ours(
    issuer: Issuer, tmp_path: Path
) -> None:
    stranger = Issuer(tmp_path, "stranger").issue("gateway:LCA.02")
    async with echoing(issuer.issue(NAME)) as server:
        server.demand(issuer.authority)
        wanted = await trouble_at(server, FILES(issuer.authority))
        refused = await trouble_at(server, FILES(issuer.authority, stranger.certificate, stranger.key))
        ours = issuer.issue("gateway:LCA.02")
        accepted = ClientContext(FILES(issuer.authority, ours.certificate, ours.key))
        assert await say(accepted, server.port) == b"hello"
    assert wanted is not None
    assert wanted.code is ReasonCode.TLS_CLIENT_WANTED
    assert "CONGVAN_CLIENT_CERTIFICATE_KEY" in wanted.advice
    assert refused is not None
    assert refused.code is ReasonCode.TLS_CLIENT_REFUSED
    assert str(stranger.certificate) in refused.advice


async def test_a_door_without_tls_is_told(issuer: Issuer) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"AMQP\x00\x00\x09\x01")
        writer.close()

    async with await asyncio.start_server(greet, NAME, 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        trouble = await trouble_at(TlsServer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), port), FILES(issuer.authority))
    assert trouble is not None
    assert trouble.code is ReasonCode.TLS_NONE


async def test_a_line_that_goes_in_a_handshake_is_no_trouble_of_tls(issuer: Issuer) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, NAME, 0) as gone:
        port = gone.sockets[0].getsockname()[1]
        server = TlsServer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), port)
        assert await trouble_at(server, FILES(issuer.authority)) is None


async def by_aiohttp(context: ClientContext, port: int) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.get(f"https://{NAME}:{port}/"),
    ):
        pass


async def test_aiohttp_hands_the_handshake_on(issuer: Issuer) -> None:
    async with echoing(issuer.issue(NAME, shift=-10 * DAY)) as server:
        with pytest.raises(aiohttp.ClientError) as caught:
            await by_aiohttp(ClientContext(FILES(issuer.authority)), server.port)
    trouble = trouble_of(caught.value)
    assert trouble is not None
    assert trouble.code is ReasonCode.TLS_EXPIRED
    assert f"the certificate of {NAME} ended at" in trouble.text


async def test_pika_hands_the_handshake_on_and_the_session_says_it(issuer: Issuer) -> None:
    async with echoing(issuer.issue(NAME, shift=-10 * DAY)) as server:
        tls = ClientContext(FILES(issuer.authority))
        session = Session(f"amqps://{NAME}:{server.port}/", user="u", password="p", name="test", tls=tls)
        await session.start()
        try:
            await holds(lambda: session.trouble is not None)
            with pytest.raises(
                BrokerUnavailableError, match=f"the certificate of {NAME}:{server.port} ended at"
            ) as told:
                await session.ready(0.01)
        finally:
            await session.close(1.0)
    assert session.trouble is not None
    assert session.trouble.code is ReasonCode.TLS_EXPIRED
    assert told.value.hint == session.trouble.advice


async def test_what_stands_in_the_way_is_known_until_something_comes(issuer: Issuer) -> None:
    context = ClientContext(FILES(issuer.authority), to="broker")
    async with echoing(issuer.issue(NAME, shift=-10 * DAY)) as server:
        for _ in range(2):
            with pytest.raises(OSError, match="expired"):
                await say(context, server.port)
        standing = context.standing
        assert standing is not None
        assert (standing.to, standing.code) == ("broker", ReasonCode.TLS_EXPIRED)
        server.show(issuer.issue(NAME))
        assert await say(context, server.port) == b"hello"
        assert context.standing is None


LIBPQ: tuple[tuple[str, ReasonCode], ...] = (
    ('server certificate for "db" does not match host name "127.0.0.1"', ReasonCode.TLS_OTHER_NAME),
    ("server does not support SSL, but SSL was required", ReasonCode.TLS_NONE),
    ("SSL error: certificate verify failed", ReasonCode.TLS_FAILED),
    ("FATAL:  connection requires a valid client certificate", ReasonCode.TLS_CLIENT_WANTED),
    ("SSL error: tlsv13 alert certificate required", ReasonCode.TLS_CLIENT_WANTED),
    ('could not load private key file "k": key values mismatch', ReasonCode.TLS_KEY_MISMATCH),
    ('root certificate file "/x" does not exist', ReasonCode.TLS_FILES),
)


@pytest.mark.parametrize(("said", "code"), LIBPQ)
def test_what_libpq_says_in_words_has_a_state(said: str, code: ReasonCode) -> None:
    import psycopg

    trouble = trouble_of(psycopg.OperationalError(f"connection failed: {said}"))
    assert trouble is not None
    assert trouble.code is code


def test_what_is_not_of_tls_has_none() -> None:
    import psycopg

    nothing: tuple[Callable[[], Exception], ...] = (
        lambda: psycopg.OperationalError("connection refused"),
        lambda: ConnectionResetError("reset"),
        aiohttp.ServerDisconnectedError,
        TimeoutError,
    )
    assert [trouble_of(make()) for make in nothing] == [None] * len(nothing)
