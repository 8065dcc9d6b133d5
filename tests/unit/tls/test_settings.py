"""What the settings refuse: a ledger in clear, a broker in clear, files that cannot be used."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy import environment
from deploy.broker import door_of
from deploy.exits import ExitCode, ending_of
from router.broker import _node_config as config
from router.broker.node_door import NodeDoor
from router.settings import RouterSettings
from router.tls.contexts import ClientContext
from router.tls.files import TlsFilesError
from support.issuer import Issuer

IN_CLEAR = (
    "postgresql://congvan@db.tinh.vn/congvan",
    "postgresql://congvan:word@db1:5432,db2:5432/congvan",
    "postgresql://congvan@/congvan?host=10.1.2.3",
    "postgresql+psycopg://congvan@/congvan?hostaddr=10.1.2.3",
    "postgresql://congvan@localhost,db2/congvan",
    "postgresql://congvan@[2001:db8::1]:5432/congvan",
    "postgresql://congvan@db/congvan?sslmode=require",
    "postgresql://congvan@db/congvan?sslmode=disable",
)
PROTECTED = (
    "",
    "sqlite:////var/lib/congvan/ledger.sqlite3",
    "postgresql:///congvan",
    "postgresql://congvan@/congvan?host=/run/postgresql",
    "postgresql://congvan@localhost/congvan",
    "postgresql://congvan@127.0.0.1:5432/congvan",
    "postgresql://congvan@[::1]:5432/congvan",
    "postgresql://congvan@db/congvan?sslmode=verify-full",
    "postgresql://congvan@db1,db2/congvan?sslmode=verify-ca",
)


@pytest.mark.parametrize("url", IN_CLEAR)
def test_a_ledger_elsewhere_whose_certificate_nobody_looks_at_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"CONGVAN_LEDGER_URL .*\?sslmode=verify-full"):
        RouterSettings(ledger_url=url)
    assert RouterSettings(ledger_url=url, allow_plaintext=True).ledger_url == url


@pytest.mark.parametrize("url", PROTECTED)
def test_a_ledger_here_or_one_that_is_verified_is_taken(url: str) -> None:
    assert RouterSettings(ledger_url=url).ledger_url == url


def test_the_ledgers_url_says_whom_to_trust_unless_it_says_so_itself(tmp_path: Path) -> None:
    verified, ca = "postgresql://db/congvan?sslmode=verify-full", tmp_path / "ca.pem"
    given: dict[str, Any] = {"ca_file": ca, "client_certificate": tmp_path / "c.pem"}
    assert f"sslrootcert={str(ca).replace('/', '%2F')}" in RouterSettings(ledger_url=verified, **given).database_url
    assert "sslcert=" in RouterSettings(ledger_url=verified, **given).database_url
    own = f"{verified}&sslrootcert=%2Fetc%2Fown.pem"
    assert RouterSettings(ledger_url=own, ca_file=ca).database_url == own
    assert RouterSettings(data_dir=tmp_path, ca_file=ca).database_url.startswith("sqlite:///")


def test_a_file_that_cannot_be_used_ends_a_start_as_a_wrong_setting_does(tmp_path: Path) -> None:
    with pytest.raises(TlsFilesError) as caught:
        ClientContext(RouterSettings(ca_file=tmp_path / "none.pem").tls_files)
    assert ending_of(caught.value).code is ExitCode.USAGE


def test_the_private_broker_is_opened_by_tls_alone(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="by TLS alone"):
        RouterSettings(broker_host="0.0.0.0")  # noqa: S104 - what is refused
    assert door_of(RouterSettings()) is None
    pair = Issuer(tmp_path).issue("broker")
    files: dict[str, Any] = {"broker_certificate": pair.certificate, "broker_certificate_key": pair.key}
    made = door_of(RouterSettings(broker_host="10.0.0.1", **files))
    assert made == NodeDoor("10.0.0.1", 5671, pair.certificate, pair.key)
    other = Issuer(tmp_path, "other").issue("broker")
    with pytest.raises(TlsFilesError, match="CONGVAN_BROKER_CERTIFICATE_KEY"):
        door_of(RouterSettings(broker_host="10.0.0.1", **files | {"broker_certificate_key": other.key}))


def test_a_door_adds_no_listener_in_clear(tmp_path: Path) -> None:
    door = NodeDoor("0.0.0.0", 5671, tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "ca.pem")  # noqa: S104 - by TLS
    conf = config.render_conf(config.new_identity(), tmp_path, door)
    listeners = [line for line in conf.splitlines() if line.startswith("listeners.")]
    assert [line.startswith("listeners.tcp.1 = 127.0.0.1:") for line in listeners] == [True, False]
    assert listeners[1] == "listeners.ssl.1 = 0.0.0.0:5671"
    advanced = config.render_advanced(door)
    assert "{fail_if_no_peer_cert, true}" in advanced
    assert advanced.count("[") == advanced.count("]")
    assert config.render_advanced(None) == config.ADVANCED


def test_the_commands_beside_up_trust_whom_it_trusts(tmp_path: Path) -> None:
    settings = RouterSettings(ca_file=tmp_path / "ca.pem", allow_plaintext=True)
    written = tomllib.loads(environment.toml_of(environment.ways_of(settings)))
    assert written == {"ca_file": str(tmp_path / "ca.pem"), "allow_plaintext": True}
    assert environment.toml_of(environment.ways_of(RouterSettings())) == ""
