"""What is laid before the first start: units of an example, tokens in private files, environments of the children."""

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from deploy import environment, groundwork
from deploy.errors import StartError
from router.broker.node import NodeAddress
from router.ledger.engine import open_engine, reading, upgrade
from router.ledger.people.accounts import authenticate, revoke
from router.ledger.people.persons import PEOPLE, Right
from router.ledger.units.unit_list import record_seen
from router.pages.errors import LinkEndedError
from router.settings import RouterSettings
from schemas.accounts import Account, Role
from schemas.clock import now_ms

BROKER = NodeAddress("amqp://router:secret@127.0.0.1:5000/congvan", "http://127.0.0.1:5001", "router", "secret")
GATEWAY = Account(Role.GATEWAY, "LCA.#")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def holder(engine: Engine, token: str) -> Account | None:
    with reading(engine) as conn:
        return authenticate(conn, token, now_ms=now_ms())


def test_an_example_is_imported_once_however_often(ledger: Engine) -> None:
    groundwork.import_example(ledger, "lao-cai")
    groundwork.import_example(ledger, "lao-cai")
    assert groundwork.root_codes(ledger) == ["LCA"]


def test_an_unknown_example_is_refused_with_those_there_are(ledger: Engine) -> None:
    with pytest.raises(StartError) as caught:
        groundwork.import_example(ledger, "ha-giang")
    assert "lao-cai" in caught.value.hint


def test_tokens_are_made_once_and_only_their_owner_can_read_them(ledger: Engine, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    accounts = groundwork.accounts_for(["LCA"], ["LCA.02.#", "LCA.VP"])
    first = groundwork.ensure_tokens(ledger, accounts, secrets)
    assert groundwork.ensure_tokens(ledger, accounts, secrets) == first
    assert set(first) == {"operator:LCA.#", "issuer:LCA.#", "gateway:LCA.02.#", "gateway:LCA.VP"}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o600}
    assert holder(ledger, first["gateway:LCA.VP"]) == Account(Role.GATEWAY, "LCA.VP")


def test_a_lost_token_file_costs_the_old_token(ledger: Engine, tmp_path: Path) -> None:
    old = groundwork.ensure_tokens(ledger, [GATEWAY], tmp_path)[GATEWAY.name]
    groundwork.token_file(tmp_path, GATEWAY).unlink()
    new = groundwork.ensure_tokens(ledger, [GATEWAY], tmp_path)[GATEWAY.name]
    assert holder(ledger, old) is None
    assert holder(ledger, new) == GATEWAY


def test_a_revoked_or_foreign_token_in_the_file_is_replaced(ledger: Engine, tmp_path: Path) -> None:
    old = groundwork.ensure_tokens(ledger, [GATEWAY], tmp_path)[GATEWAY.name]
    with ledger.begin() as conn:
        revoke(conn, GATEWAY.name, now_ms=now_ms())
    new = groundwork.ensure_tokens(ledger, [GATEWAY], tmp_path)[GATEWAY.name]
    assert new != old
    assert holder(ledger, new) == GATEWAY


def test_a_gateway_was_heard_of_when_one_of_its_units_was(ledger: Engine) -> None:
    groundwork.import_example(ledger, "lao-cai")
    assert not groundwork.heard_of(ledger, "LCA.02.#", 1000)
    with ledger.begin() as conn:
        record_seen(conn, ["LCA.02.05"], 1000, "spool", "0.1.0")
    assert groundwork.heard_of(ledger, "LCA.02.#", 1000)
    assert not groundwork.heard_of(ledger, "LCA.02.#", 1001)
    assert not groundwork.heard_of(ledger, "LCA.03.#", 1000)


def test_a_private_file_replaces_an_older_one_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a" / "token"
    groundwork.write_private(file, "one")
    groundwork.write_private(file, "two")
    assert file.read_text() == "two"
    assert [path.name for path in file.parent.iterdir()] == ["token"]


def test_a_gateways_environment_holds_nothing_of_the_routers(tmp_path: Path) -> None:
    caller = {
        "PATH": "/bin",
        "CONGVAN_AMQP_PASSWORD": "secret",
        "CONGVAN_LEDGER_URL": "postgresql://u:secret@db/x?sslmode=verify-full",
        "CONGVAN_LOG_LEVEL": "debug",
        "CONGVAN_GATEWAY_SINK": "none",
        "CONGVAN_GATEWAY_UNITS": "OTHER",
    }
    env = environment.for_gateway(
        caller,
        units="LCA.02.#",
        token="cv1.x",
        amqp_url=BROKER.amqp_url,
        origin_url="http://127.0.0.1:8470",
        data_dir=tmp_path,
        inbox=tmp_path / "inbox",
    )
    assert not any("secret" in value for value in env.values())
    assert env["CONGVAN_GATEWAY_AMQP_URL"] == "amqp://127.0.0.1:5000/congvan"
    assert env["CONGVAN_GATEWAY_UNITS"] == "LCA.02.#"
    assert env["CONGVAN_GATEWAY_ACCOUNT"] == GATEWAY.name.replace("LCA.#", "LCA.02.#")
    assert env["CONGVAN_GATEWAY_SINK"] == "none"
    assert env["CONGVAN_LOG_LEVEL"] == "debug"
    assert env["PATH"] == "/bin"


def test_the_routers_environment_names_the_broker_that_was_started(tmp_path: Path) -> None:
    settings = RouterSettings(data_dir=tmp_path)
    env = environment.for_router({"PATH": "/bin", "CONGVAN_RELAY_BATCH": "7"}, settings, BROKER, 9000)
    assert env["CONGVAN_AMQP_URL"] == BROKER.amqp_url
    assert env["CONGVAN_HTTP_PORT"] == "9000"
    assert env["CONGVAN_RELAY_BATCH"] == "7"


def test_the_commands_settings_file_is_toml_whatever_stands_in_it() -> None:
    values = {"token": 'a"b\\c', "data_dir": "/srv/công văn", "ledger_url": ""}
    assert tomllib.loads(environment.toml_of(values)) == {"token": 'a"b\\c', "data_dir": "/srv/công văn"}


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("amqp://u:p@host:5672/v", "amqp://host:5672/v"),
        ("amqp://host/v", "amqp://host/v"),
        ("amqps://u%40x:p%3A@host/%2F", "amqps://host/%2F"),
    ],
)
def test_a_url_loses_its_login_and_nothing_else(url: str, bare: str) -> None:
    assert environment.without_login(url) == bare


def test_the_first_administrator_is_invited_until_somebody_can_log_in(ledger: Engine) -> None:
    assert groundwork.invite_first(ledger, []) == ""
    lost = groundwork.invite_first(ledger, ["LCA", "LCB"])
    token = groundwork.invite_first(ledger, ["LCA", "LCB"])
    with ledger.begin() as conn:
        with pytest.raises(LinkEndedError):
            PEOPLE.invited(conn, lost, now_ms=now_ms())
        person = PEOPLE.set_password(conn, token, "hash", now_ms=now_ms())
    assert (person.name, person.patterns(Right.ACT)) == ("admin", ("LCA.#", "LCB.#"))
    assert groundwork.invite_first(ledger, ["LCA"]) == ""
