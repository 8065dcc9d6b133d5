"""The files of certificates: wrong ones are told at the start, changed ones are used by the next connection."""

import time
from pathlib import Path

import pytest

from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from support.issuer import DAY, Issuer, Pair, replace
from support.tls_server import echoing, say

NAME = "127.0.0.1"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"CONGVAN_CA_FILE: .*none\.pem cannot be read: No such file"):
        ClientContext(TlsFiles(tmp_path / "none.pem"))


def test_a_file_that_holds_no_certificate_is_told_with_the_form_it_should_have(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("certificate")
    with pytest.raises(ValueError, match="BEGIN CERTIFICATE"):
        ClientContext(TlsFiles(file))


def test_a_key_of_another_certificate_is_told_as_half_renewed(issuer: Issuer) -> None:
    one, other = issuer.issue("one"), issuer.issue("other")
    with pytest.raises(ValueError, match="one of the two was renewed without the other"):
        ClientContext(TlsFiles(None, one.certificate, other.key))


def test_a_key_alone_is_no_certificate(issuer: Issuer) -> None:
    with pytest.raises(ValueError, match="without CONGVAN_CLIENT_CERTIFICATE"):
        ClientContext(TlsFiles(None, None, issuer.issue("one").key))


def test_certificate_and_key_may_stand_in_one_file(issuer: Issuer, tmp_path: Path) -> None:
    pair = issuer.issue("one")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert ClientContext(TlsFiles(None, both)).spoilt == ""


async def test_a_certificate_that_is_awaited_is_shown_as_soon_as_it_is_there(issuer: Issuer, tmp_path: Path) -> None:
    ours = Pair(tmp_path / "own.pem", tmp_path / "own.key")
    context = ClientContext(TlsFiles(issuer.authority, ours.certificate, ours.key, awaited=True))
    async with echoing(issuer.issue(NAME)) as server:
        server.demand(issuer.authority)
        with pytest.raises(OSError, match="CERTIFICATE_REQUIRED"):
            await say(context, server.port)
        issuer.issue("gateway", into=ours)
        assert await say(context, server.port) == b"hello"


async def test_an_authority_that_was_renewed_is_trusted_without_a_restart_and_the_old_one_no_longer(
    issuer: Issuer, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    renewed = Issuer(tmp_path, "renewed")
    issuer.write_authority(trusted)
    context = ClientContext(TlsFiles(trusted))
    async with echoing(issuer.issue(NAME)) as before, echoing(renewed.issue(NAME)) as after:
        assert await say(context, before.port) == b"hello"
        renewed.write_authority(trusted)
        assert await say(context, after.port) == b"hello"
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await say(context, before.port)


async def test_half_renewed_files_are_not_used_and_those_of_before_are(issuer: Issuer, tmp_path: Path) -> None:
    ours = Pair(tmp_path / "own.pem", tmp_path / "own.key")
    issuer.issue("gateway", into=ours)
    context = ClientContext(TlsFiles(issuer.authority, ours.certificate, ours.key))
    async with echoing(issuer.issue(NAME)) as server:
        server.demand(issuer.authority)
        assert await say(context, server.port) == b"hello"
        fresh = issuer.issue("gateway")
        replace(ours.certificate, fresh.certificate.read_bytes())
        assert await say(context, server.port) == b"hello", "the pair of before is still good"
        assert "renewed without the other" in context.spoilt
        replace(ours.key, fresh.key.read_bytes())
        assert await say(context, server.port) == b"hello"
        assert context.spoilt == ""


async def test_a_connection_that_is_made_again_goes_on_with_its_session(issuer: Issuer) -> None:
    context = ClientContext(TlsFiles(issuer.authority))
    async with echoing(issuer.issue(NAME)) as server:
        for _ in range(3):
            await say(context, server.port)
        assert (server.accepted, server.resumed) == (3, 2)
        context.forget_sessions()
        await say(context, server.port)
        assert server.resumed == 2


async def test_no_session_is_taken_up_that_began_with_other_files(issuer: Issuer, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.pem"
    issuer.write_authority(trusted)
    context = ClientContext(TlsFiles(trusted))
    async with echoing(issuer.issue(NAME)) as server:
        await say(context, server.port)
        Issuer(tmp_path, "another").write_authority(trusted)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await say(context, server.port)
        assert server.resumed == 0


async def test_no_session_outlives_the_certificate_that_began_it(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ClientContext(TlsFiles(issuer.authority))
    async with echoing(issuer.issue(NAME)) as server:
        await say(context, server.port)
        later = time.time() + (3 * DAY).total_seconds()
        monkeypatch.setattr(time, "time", lambda: later)
        await say(context, server.port)
        assert server.resumed == 0
