"""A private authority: whom it certifies, that it renews in time, and that nothing is ever half."""

import os
import shutil
import ssl
import stat
from pathlib import Path

import pytest

from router.tls.authority import Authority, Kind, begin
from router.tls.certificates import DAY_MS, read_certificate, read_pair
from router.tls.errors import AuthorityError, CertificateError, RequestError
from router.tls.requests import key_of_request, new_key, request_of
from schemas.clock import now_ms

NOW = now_ms()
SERVER = ["broker.tinh.vn", "10.1.2.3"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return begin(tmp_path / "pki", "UBND tỉnh Lào Cai", now_ms=NOW)


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()}


def test_what_is_private_is_its_owners_alone(authority: Authority) -> None:
    made = authority.issue_server(SERVER, now_ms=NOW)
    assert stat.S_IMODE(authority.directory.stat().st_mode) == 0o700
    found = modes(authority.directory)
    assert {found[name] for name in ("root.key", "issuing.pem", made.path.name)} == {0o600}


def test_a_server_is_known_by_its_names_and_ends_after_ninety_days(authority: Authority) -> None:
    made = authority.issue_server(SERVER, now_ms=NOW).certificate
    assert (made.names, made.is_ca) == (("broker.tinh.vn", "10.1.2.3"), False)
    assert round(made.days_left(NOW)) == 90
    assert (round(authority.root().days_left(NOW)), round(authority.issuing().days_left(NOW))) == (3652, 730)


def test_a_client_is_named_as_its_account(authority: Authority) -> None:
    made = authority.issue_client("gateway:LCA.02.#", now_ms=NOW)
    assert (made.certificate.subject, made.path.name) == ("gateway:LCA.02.#", "gateway_LCA.02.all.pem")


def test_the_chain_is_trusted_by_who_trusts_the_root_and_by_nobody_else(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue_server(["localhost"], now_ms=NOW).path
    assert handshake(server, authority.root_file, "localhost") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match=r"another\.tinh\.vn"):
        handshake(server, authority.root_file, "another.tinh.vn")
    other = begin(tmp_path / "other", "another", now_ms=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|issuer"):
        handshake(server, other.root_file, "localhost")
    client = authority.issue_client("issuer:LCA.VP", now_ms=NOW).path
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(client, authority.root_file, "localhost")


def handshake(server: Path, trusted: Path, name: str) -> str | None:
    """A handshake in memory; the version that both agreed on."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(server)
    theirs = ssl.create_default_context(cafile=str(trusted))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        theirs.wrap_bio(to_client, to_server, server_hostname=name),
        ours.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].version()


@pytest.mark.parametrize(
    "name",
    ["", "http://broker.tinh.vn", "broker.tinh.vn:5671", "-a.vn", "tỉnh.vn", "*.vn", "a..vn", "*", "1.2.3", "a_b.vn"],
)
def test_a_name_that_no_server_has_is_refused(authority: Authority, name: str) -> None:
    with pytest.raises(RequestError):
        authority.issue_server([name], now_ms=NOW)
    assert authority.kept() == []


@pytest.mark.parametrize("name", ["LCA.02", "people:LCA", "issuer:lca", f"issuer:{'A.' * 40}A"])
def test_a_client_that_is_no_account_is_refused(authority: Authority, name: str) -> None:
    with pytest.raises(RequestError):
        authority.issue_client(name, now_ms=NOW)


def test_nothing_is_overwritten(authority: Authority) -> None:
    before = {path: path.read_bytes() for path in authority.directory.rglob("*.*") if path.is_file()}
    with pytest.raises(AuthorityError, match="is not empty"):
        begin(authority.directory, "another", now_ms=NOW)
    authority.issue_server(SERVER, now_ms=NOW)
    kept = authority.kept()[0].path.read_bytes()
    with pytest.raises(AuthorityError, match="is there already"):
        authority.issue_server(SERVER, now_ms=NOW)
    assert authority.kept()[0].path.read_bytes() == kept
    assert {path: path.read_bytes() for path in before} == before


def test_what_has_more_than_a_third_of_its_life_left_is_not_touched(authority: Authority) -> None:
    made = authority.issue_server(SERVER, now_ms=NOW)
    assert authority.renew(now_ms=NOW + 59 * DAY_MS).renewed == ()
    (renewed,) = authority.renew(now_ms=NOW + 61 * DAY_MS).renewed
    assert (renewed.path, renewed.certificate.names) == (made.path, made.certificate.names)
    assert renewed.certificate.serial != made.certificate.serial
    assert round(renewed.certificate.days_left(NOW + 61 * DAY_MS)) == 90
    assert authority.renew(now_ms=NOW + 61 * DAY_MS).renewed == ()


def test_a_client_stays_the_same_client_when_it_is_renewed(authority: Authority) -> None:
    authority.issue_client("gateway:LCA.02.#", now_ms=NOW, days=9)
    (renewed,) = authority.renew(now_ms=NOW + 7 * DAY_MS).renewed
    assert (renewed.kind, renewed.certificate.subject) == (Kind.CLIENT, "gateway:LCA.02.#")
    assert round(renewed.certificate.days_left(NOW + 7 * DAY_MS)) == 9


def test_the_issuing_authority_is_renewed_by_the_root_that_may_be_away_until_then(
    authority: Authority, tmp_path: Path
) -> None:
    safe = (authority.directory / "root.key").rename(tmp_path / "root.key")
    authority.issue_server(SERVER, now_ms=NOW, days=397)
    later = NOW + 500 * DAY_MS
    told = authority.renew(now_ms=later)
    assert "root.key is not there" in str(told.failed[0].error)
    assert round(told.renewed[0].certificate.days_left(later)) == 230, "no longer than who signed it"
    safe.rename(authority.directory / "root.key")
    (renewed,) = authority.renew(now_ms=later).renewed
    assert (renewed.kind, round(renewed.certificate.days_left(later))) == (Kind.AUTHORITY, 730)


def test_a_lost_issuing_authority_is_made_anew_by_the_root(authority: Authority) -> None:
    before = authority.issue_server(SERVER, now_ms=NOW)
    (authority.directory / "issuing.pem").unlink()
    with pytest.raises(CertificateError, match="holds no certificate"):
        authority.issue_server(["another.vn"], now_ms=NOW)
    (renewed,) = authority.renew(now_ms=NOW).renewed
    assert renewed.kind is Kind.AUTHORITY
    assert handshake(before.path, authority.root_file, "broker.tinh.vn") == "TLSv1.3", "what was issued stays good"
    after = authority.issue_server(["another.vn"], now_ms=NOW)
    assert handshake(after.path, authority.root_file, "another.vn") == "TLSv1.3"


def test_a_root_key_with_a_passphrase_is_of_no_use_without(tmp_path: Path) -> None:
    authority = begin(tmp_path / "pki", "UBND", now_ms=NOW, passphrase=b"khong doan duoc")
    later = NOW + 700 * DAY_MS
    assert "encrypted" in str(authority.renew(now_ms=later).failed[0].error)
    assert "passphrase is another" in str(authority.renew(now_ms=later, passphrase=b"x").failed[0].error)
    assert authority.renew(now_ms=later, passphrase=b"khong doan duoc").failed == ()


def test_an_issuing_authority_that_has_ended_says_so(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match="ended on"):
        authority.issue_server(SERVER, now_ms=NOW + 731 * DAY_MS)


def test_what_was_issued_is_listed_until_it_has_ended_for_a_month(authority: Authority) -> None:
    key = key_of_request(request_of(new_key()))
    signed, by = authority.sign_client("gateway:LCA.02", key, now_ms=NOW, days=1)
    assert [item.serial for item in authority.issued()] == [f"{signed.serial_number:x}"]
    assert by.issuer != by.subject, "its root is not sent along"
    authority.renew(now_ms=NOW + 30 * DAY_MS)
    assert len(authority.issued()) == 1
    authority.renew(now_ms=NOW + 32 * DAY_MS)
    assert authority.issued() == []


def test_who_does_not_own_the_directory_leaves_no_file_that_its_owner_cannot_read(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: authority.directory.stat().st_uid + 1)
    with pytest.raises(AuthorityError, match="belongs to another user"):
        authority.issue_server(SERVER, now_ms=NOW)
    assert authority.kept() == []


class _Killed(BaseException):
    pass


STEPS = ("open", "fsync", "fchmod")


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> list[int]:
    """Have the process die at the n-th call of what writes."""
    count = [0]

    def dying(real: object) -> object:
        def call(*args: object, **kwargs: object) -> object:
            count[0] += 1
            if count[0] == at:
                raise _Killed
            return real(*args, **kwargs)  # type: ignore[operator]

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    for name in ("replace", "rename", "mkdir"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    return count


def test_a_renewal_that_is_killed_anywhere_leaves_a_pair_that_fits_and_the_next_one_goes_on(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, later = authority.issue_server(SERVER, now_ms=NOW), NOW + 61 * DAY_MS
    at, killed = 1, True
    while killed:
        before = made.path.read_bytes()
        with monkeypatch.context() as patch:
            killing(patch, at)
            try:
                authority.renew(now_ms=later)
                killed = False
            except _Killed:
                at += 1
        read_pair(made.path)
        if made.path.read_bytes() != before:  # begin the next try where this one began
            made.path.write_bytes(before)
    assert at > 8
    assert len(authority.renew(now_ms=later).renewed) == 1
    assert not list(authority.directory.rglob("*.new"))


def test_a_beginning_that_is_killed_anywhere_leaves_nothing_or_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, killed = 1, True
    while killed:
        with monkeypatch.context() as patch:
            killing(patch, at)
            try:
                begin(tmp_path / "pki", "UBND", now_ms=NOW)
                killed = False
            except _Killed:
                at += 1
        if (tmp_path / "pki").exists():
            Authority(tmp_path / "pki").issue_server(SERVER, now_ms=NOW)
            shutil.rmtree(tmp_path / "pki")
    assert at > 12


def test_two_that_do_not_fit_are_told_with_both_names(authority: Authority, tmp_path: Path) -> None:
    one, other = (authority.issue_server([name], now_ms=NOW).path for name in ("a.vn", "b.vn"))
    with pytest.raises(CertificateError, match=r"b\.vn\.pem is not that of the first certificate in .*a\.vn\.pem"):
        read_pair(one, other)
    with pytest.raises(CertificateError, match="begins with the certificate of the authority"):
        read_pair(authority.directory / "issuing.pem")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(CertificateError, match="holds no certificate"):
        read_certificate(tmp_path / "empty.pem")
    with pytest.raises(CertificateError, match=r"none\.pem cannot be read"):
        read_certificate(tmp_path / "none.pem")
    with pytest.raises(CertificateError, match="holds no private key"):
        read_pair(authority.root_file)
