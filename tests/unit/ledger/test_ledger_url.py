"""Which databases may be a ledger."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from router.errors import LedgerRevisionError
from router.ledger.engine import open_engine, require_current, upgrade
from router.settings import RouterSettings
from router.storage.postgres import connect_args


def test_without_a_setting_the_ledger_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    assert RouterSettings(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path}/ledger.sqlite3"


def test_a_setting_wins_over_the_file() -> None:
    assert RouterSettings(ledger_url="postgresql://db/congvan").database_url == "postgresql://db/congvan"


@pytest.mark.parametrize("url", ["postgres://db/x", "postgresql://db/x", "postgresql+psycopg://db/x"])
def test_postgresql_is_reached_through_psycopg_however_it_is_spelt(url: str) -> None:
    assert open_engine(url).url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://db/x", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://db/x"]
)
def test_another_database_is_refused_with_the_two_that_may_be(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///path or postgresql://host/name"):
        open_engine(url)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="no ledger") as caught:
        open_engine("mysql://user:hidden@db/x")
    assert "hidden" not in str(caught.value)


def test_looking_for_a_ledger_makes_no_file_and_an_upgrade_makes_it_with_its_directory(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/ledger.sqlite3"
    engine = open_engine(url)
    with pytest.raises(LedgerRevisionError, match="at revision None"):
        require_current(engine)
    assert not (tmp_path / "deep").exists()
    upgrade(url)
    require_current(engine)
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@a:5432,b:5433/congvan?sslmode=require",
        "postgresql://u:p@/congvan?sslmode=require&host=a:5432&host=b:5433",
    ],
)
def test_several_hosts_are_read_as_libpq_writes_them_and_the_one_that_takes_writes_is_wanted(url: str) -> None:
    engine = open_engine(url)
    _, said = engine.dialect.create_connect_args(engine.url)
    assert (said["host"], said["port"], said["user"], said["sslmode"]) == ("a,b", "5432,5433", "u", "require")
    assert connect_args(engine.url.query)["target_session_attrs"] == "read-write"


def test_what_the_url_says_of_the_connection_wins() -> None:
    said = connect_args(make_url("postgresql://a/x?connect_timeout=9&target_session_attrs=any&host=a&host=b").query)
    assert "connect_timeout" not in said
    assert "target_session_attrs" not in said
    assert "target_session_attrs" not in connect_args(make_url("postgresql://a/x").query)
