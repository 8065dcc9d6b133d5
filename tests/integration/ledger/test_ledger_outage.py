"""A database that goes away is told as such, and is used again when it is back, by the same engine."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from router.errors import LedgerUnavailableError
from router.ledger.engine import open_engine, reading, upgrade, writing
from router.ledger.units.unit_list import import_units, list_units
from router.storage import sqlite
from support.ledgers import START, unit
from support.postgres import PrivatePostgres


def write(engine: Engine, code: str) -> None:
    with writing(engine) as conn:
        import_units(conn, [unit(code)], now_ms=START)


def codes(engine: Engine) -> list[str]:
    with reading(engine) as conn:
        return [item.code for item in list_units(conn)]


def test_a_postgresql_that_was_killed_keeps_what_it_confirmed_and_is_used_again(server: PrivatePostgres) -> None:
    upgrade(server.url)
    engine = open_engine(server.url)
    write(engine, "LCA")
    server.kill()
    for act in (lambda: write(engine, "LCB"), lambda: codes(engine)):
        with pytest.raises(LedgerUnavailableError, match="does not answer"):
            act()
    server.start()
    write(engine, "LCC")
    assert codes(engine) == ["LCA", "LCC"]
    engine.dispose()


def test_a_transaction_that_loses_its_server_is_told_as_an_outage(server: PrivatePostgres) -> None:
    upgrade(server.url)
    engine = open_engine(server.url)

    def lose_the_server() -> None:
        with writing(engine) as conn:
            import_units(conn, [unit("LCA")], now_ms=START)
            server.kill()
            import_units(conn, [unit("LCB")], now_ms=START)

    with pytest.raises(LedgerUnavailableError):
        lose_the_server()
    server.start()
    assert codes(engine) == []
    engine.dispose()


def test_a_sqlite_file_locked_for_too_long_is_told_as_an_outage_and_readers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    upgrade(url)
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT", 0.05)
    engine = open_engine(url)
    with writing(engine):
        with pytest.raises(LedgerUnavailableError, match="locked"):
            write(engine, "LCA")
        assert codes(engine) == []
    write(engine, "LCA")
    assert codes(engine) == ["LCA"]
    engine.dispose()
