"""Which databases may be a ledger."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from router.errors import LedgerRevisionError, UnavailableError
from router.ledger.engine import file_of, open_engine, require_current, upgrade, writing
from router.service import RouterService
from router.settings import RouterSettings
from router.storage.postgres import connect_args


def test_without_a_setting_the_ledger_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    assert RouterSettings(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path}/ledger.sqlite3"


def test_a_setting_wins_over_the_file() -> None:
    verified = "postgresql://db/congvan?sslmode=verify-full"
    assert RouterSettings(ledger_url=verified).database_url == verified


@pytest.mark.parametrize("url", ["postgres://db/x", "postgresql://db/x", "postgresql+psycopg://db/x"])
def test_postgresql_is_reached_through_psycopg_however_it_is_spelt(url: str) -> None:
    assert open_engine(url).url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://db/x", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://db/x"]
)
def test_another_database_is_refused_with_the_two_that_may_be(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///path or postgresql://host/name"):
        open_engine(url)


def test_one_router_works_on_a_sqlite_ledger_wherever_it_lies_and_by_whatever_way(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    url = f"sqlite:///{tmp_path}/ledgers/one.sqlite3"
    with a_router(tmp_path / "a", url)._own_ledger():
        for other in (url, f"sqlite:///{tmp_path}/link/ledgers/one.sqlite3"):
            with (
                pytest.raises(UnavailableError, match=r"works on .*one\.sqlite3"),
                a_router(tmp_path / "b", other)._own_ledger(),
            ):
                pass
        two = f"sqlite:///{tmp_path}/ledgers/two.sqlite3"
        with pytest.raises(UnavailableError, match=r"works on .*/a"), a_router(tmp_path / "a", two)._own_ledger():
            pass
        with a_router(tmp_path / "b", two)._own_ledger():
            pass


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_several_routers_work_on_a_postgresql_ledger_however_it_is_spelt(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://localhost/x"
    with a_router(tmp_path, url)._own_ledger(), a_router(tmp_path, url)._own_ledger():
        assert file_of(url) is None


def a_router(data_dir: Path, ledger_url: str) -> RouterService:
    return RouterService(RouterSettings(data_dir=data_dir, ledger_url=ledger_url))


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


@pytest.mark.parametrize("mask", [0o077, 0o022, 0])
def test_a_ledger_in_a_file_is_its_users_alone_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    file, before = tmp_path / "ledger.sqlite3", os.umask(mask)
    try:
        file.touch(0o666)
        upgrade(f"sqlite:///{file}")
        engine = open_engine(f"sqlite:///{file}")
        with writing(engine) as conn:
            conn.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"), 0o600)


def test_what_the_url_says_of_the_connection_wins() -> None:
    said = connect_args(make_url("postgresql://a/x?connect_timeout=9&target_session_attrs=any&host=a&host=b").query)
    assert "connect_timeout" not in said
    assert "target_session_attrs" not in said
    assert "target_session_attrs" not in connect_args(make_url("postgresql://a/x").query)
