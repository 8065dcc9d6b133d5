"""The router serves TLS itself, takes a renewed certificate without a restart, and listens to nobody in clear."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from router.settings import RouterSettings
from router.tls.authority import Authority, begin
from router.tls.certificates import DAY_MS
from schemas.clock import now_ms
from support.broker import Vhost
from support.installation import Installation, installation
from support.ledgers import unit


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return begin(tmp_path / "pki", "UBND", now_ms=now_ms())


@pytest.fixture
def made(tmp_path: Path, vhost: Vhost) -> Iterator[Installation]:
    with installation(tmp_path, vhost, [unit("LCA")]) as ready:
        yield ready


def connected(made: Installation, authority: Authority) -> http.client.HTTPSConnection | None:
    trusted = ssl.create_default_context(cafile=str(authority.root_file))
    connection = http.client.HTTPSConnection("localhost", made.port, timeout=30, context=trusted)
    try:
        connection.connect()
    except (OSError, ssl.SSLError):  # not there yet, or too many at once of one that asks again and again
        return None
    return connection


def served(made: Installation, authority: Authority) -> str:
    """The serial number of what is served now; empty: nothing is."""
    connection = connected(made, authority)
    if connection is None:
        return ""
    try:
        shown = connection.sock.getpeercert()
        return str(shown["serialNumber"]).lower().lstrip("0") if shown else ""
    finally:
        connection.close()


def test_the_router_serves_tls_and_renews_its_own_certificate_before_it_ends(
    made: Installation, authority: Authority
) -> None:
    old = authority.issue_server(["localhost"], now_ms=now_ms() - 80 * DAY_MS)
    made.router(
        http_host="0.0.0.0",  # noqa: S104 - by TLS alone
        http_certificate=old.path,
        pki_dir=authority.directory,
    ).start()
    made.wait(lambda: bool(served(made, authority)), "the router listens")
    first = connected(made, authority)
    assert first is not None
    first.request("GET", "/console/login")
    answer = first.getresponse()
    assert (answer.status, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")
    assert answer.read()

    made.wait(lambda: served(made, authority) not in {"", old.certificate.serial}, "the renewed certificate is served")
    first.request("GET", "/livez")
    assert first.getresponse().status == 200, "the connection of before goes on"
    first.close()
    (kept,) = authority.kept()
    assert kept.certificate.days_left(now_ms()) > 89


def test_in_clear_it_listens_to_this_machine_alone() -> None:
    with pytest.raises(ValidationError, match="CONGVAN_HTTP_CERTIFICATE"):
        RouterSettings(http_host="0.0.0.0")  # noqa: S104 - is refused
    with pytest.raises(ValidationError, match="CONGVAN_HTTP_CERTIFICATE"):
        RouterSettings(http_certificate_key=Path("server.key"))
    assert RouterSettings(http_host="127.0.0.1")
    assert RouterSettings(http_host="0.0.0.0", allow_plaintext=True)  # noqa: S104 - the way is protected
    assert RouterSettings(http_host="0.0.0.0", http_certificate=Path("server.pem"))  # noqa: S104 - by TLS
