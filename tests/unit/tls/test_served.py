"""A server's certificate over real connections: renewed without a restart, and never a pair that does not fit."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from starlette.responses import PlainTextResponse

from router.pages.serving import QuietServer, listen, serving
from router.tls.authority import Authority, begin
from router.tls.certificates import DAY_MS, read_pair
from router.tls.errors import CertificateError
from router.tls.served import ServedCertificate
from schemas.clock import now_ms

NOW = now_ms()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return begin(tmp_path_factory.mktemp("tls") / "pki", "UBND", now_ms=NOW)


@pytest.fixture
def file(authority: Authority, tmp_path: Path) -> Path:
    """A server's file, which a test may change."""
    for old in authority.kept():
        old.path.unlink()
    copy = tmp_path / "server.pem"
    shutil.copy(authority.issue_server(["localhost"], now_ms=NOW).path, copy)
    return copy


def renewed(authority: Authority, file: Path) -> str:
    """Put a new certificate in a file's place; its serial."""
    for old in authority.kept():
        old.path.unlink()
    made = authority.issue_server(["localhost"], now_ms=NOW)
    made.path.replace(file)
    return made.certificate.serial


@contextlib.asynccontextmanager
async def running(served: ServedCertificate) -> AsyncIterator[int]:
    app = PlainTextResponse("still here")
    server = QuietServer(serving(app, most_of_an_address=10, tls=served.context))
    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


class Client:
    """One connection that is kept."""

    def __init__(self, authority: Authority, port: int, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self._context = ssl.create_default_context(cafile=str(authority.root_file))
        self._context.maximum_version = version
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket = self._context.wrap_socket(plain, server_hostname="localhost")

    def ask(self) -> bytes:
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"still here"):
            answer += self.socket.recv(4096)
        return answer

    def resumed(self, port: int) -> bool:
        """Whether a second connection goes on with the first one's session."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        with self._context.wrap_socket(plain, server_hostname="localhost", session=self.socket.session) as again:
            return bool(again.session_reused)

    @property
    def serial(self) -> str:
        shown = self.socket.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"]).lower().lstrip("0")


async def test_a_renewed_certificate_is_taken_up_and_no_connection_is_dropped(authority: Authority, file: Path) -> None:
    served = ServedCertificate(file)
    async with running(served) as port:
        before = await asyncio.to_thread(Client, authority, port)
        assert before.serial == served.current.serial
        serial = renewed(authority, file)
        served.look()
        after = await asyncio.to_thread(Client, authority, port)
        assert (after.serial, served.current.serial) == (serial, serial)
        assert b"still here" in await asyncio.to_thread(before.ask)
        assert b"still here" in await asyncio.to_thread(after.ask)
        before.socket.close()
        after.socket.close()


async def test_a_pair_that_does_not_fit_is_said_once_and_the_old_one_is_served(
    authority: Authority, file: Path, tmp_path: Path
) -> None:
    key = tmp_path / "server.key"
    shutil.copy(file, key)
    served = ServedCertificate(file, key)
    good = served.current.serial
    with structlog.testing.capture_logs() as lines:
        renewed(authority, file)
        served.look()
        served.look()
    assert [line["event"] for line in lines] == ["certificate_not_taken"]
    assert "is not that of the first certificate" in lines[0]["reason"]
    async with running(served) as port:
        client = await asyncio.to_thread(Client, authority, port)
        assert client.serial == good
        client.socket.close()
        shutil.copy(file, key)  # the other half comes
        served.look()
        client = await asyncio.to_thread(Client, authority, port)
        assert client.serial == served.current.serial != good
        client.socket.close()


@pytest.mark.parametrize("trouble", ["gone", "half", "ended"])
def test_files_that_cannot_be_used_change_nothing(authority: Authority, file: Path, trouble: str) -> None:
    served = ServedCertificate(file)
    good, whole = served.current, file.read_bytes()
    if trouble == "gone":
        file.unlink()
    elif trouble == "half":
        file.write_bytes(whole[: len(whole) // 2])
    else:
        for old in authority.kept():
            old.path.unlink()
        authority.issue_server(["localhost"], now_ms=NOW - 9 * DAY_MS, days=1).path.replace(file)
    with structlog.testing.capture_logs() as lines:
        served.look()
    assert (served.current, [line["event"] for line in lines]) == (good, ["certificate_not_taken"])


async def test_a_session_is_resumed_and_the_root_is_not_sent_along(authority: Authority, file: Path) -> None:
    file.write_bytes(file.read_bytes() + authority.root_file.read_bytes())
    assert read_pair(file).pem().count(b"BEGIN CERTIFICATE") == 2
    async with running(ServedCertificate(file)) as port:
        client = await asyncio.to_thread(Client, authority, port)
        await asyncio.to_thread(client.ask)  # after it the ticket has come
        assert await asyncio.to_thread(client.resumed, port)
        client.socket.close()


async def test_what_is_older_than_tls_1_2_is_refused(authority: Authority, file: Path) -> None:
    served = ServedCertificate(file)
    assert served.context.minimum_version is ssl.TLSVersion.TLSv1_2
    async with running(served) as port:
        client = await asyncio.to_thread(Client, authority, port, ssl.TLSVersion.TLSv1_2)
        assert client.socket.version() == "TLSv1.2"
        client.socket.close()


@pytest.fixture
def wrong_files(file: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    other = tmp_path / "other.pem"
    other.write_bytes(file.read_bytes().replace(b"PRIVATE", b"PUBLIC"))
    return iter([(file, other), (tmp_path / "none.pem", file)])


def test_it_does_not_begin_with_files_that_cannot_be_used(wrong_files: Iterator[tuple[Path, Path]]) -> None:
    for certificate, key in wrong_files:
        with pytest.raises(CertificateError):
            ServedCertificate(certificate, key)
