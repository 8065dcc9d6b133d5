"""The ledger's tables: created, compared with the models, taken back and brought up again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, select

from router.errors import LedgerRevisionError, LedgerTroubleError, LedgerUnavailableError
from router.ledger.engine import BASE, downgrade, open_engine, reading, require_current, upgrade, writing
from router.ledger.models import account, content_holder, dispatch, metadata, unit
from router.ledger.people.accounts import create_account
from router.ledger.units.unit_list import import_units, list_units
from schemas.accounts import parse_account
from schemas.ids import new_id
from schemas.unit import OtherCode
from support.ledgers import START, Clerk, attachment
from support.ledgers import unit as make_unit


def test_the_revisions_make_exactly_the_tables_of_the_models(ledger: Engine) -> None:
    with reading(ledger) as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_defaults_of_the_tables_are_those_of_the_models(ledger: Engine) -> None:
    inspector = inspect(ledger)
    for table in metadata.sorted_tables:
        made = {column["name"]: column["default"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.server_default is not None:
                text = str(column.server_default.arg)  # type: ignore[attr-defined]
                assert str(made[column.name]).split("::")[0].strip("'") == text, f"{table.name}.{column.name}"


def test_tables_go_down_and_come_up_again_and_work(ledger_url: str) -> None:
    upgrade(ledger_url)
    engine = open_engine(ledger_url)
    units = [make_unit("LCA", codes=[OtherCode(scheme="old", code="H38")]), make_unit("LCA.01")]
    for _ in range(2):
        with writing(engine) as conn:
            import_units(conn, units, now_ms=START)
        downgrade(engine, BASE)
        assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
        upgrade(engine)
        with reading(engine) as conn:
            assert list_units(conn) == []
    engine.dispose()


def test_an_upgrade_of_current_tables_keeps_what_is_in_them(ledger: Engine) -> None:
    with writing(ledger) as conn:
        import_units(conn, [make_unit("LCA")], now_ms=START)
    upgrade(ledger)
    with reading(ledger) as conn:
        assert [item.code for item in list_units(conn)] == ["LCA"]


def test_a_key_of_the_time_before_accounts_stays_its_issuers(ledger_url: str) -> None:
    upgrade(ledger_url, "0001")
    engine = open_engine(ledger_url)
    row = {"id": new_id(), "issuer": "LCA.VP", "idempotency_key": "k", "submission_sha256": "0" * 64}
    row |= dict.fromkeys(("kind", "notation", "subject", "search", "lane", "content_sha256", "traceparent"), "x")
    fields = row | {"urgency": 0, "accepted_at": START, "submission": b"{}", "body": b"{}", "total": 1}
    with writing(engine) as conn:
        conn.execute(sa.insert(sa.table("dispatch", *(sa.column(name) for name in fields))), fields)
    for _ in range(2):
        upgrade(engine)
        with reading(engine) as conn:
            found = conn.execute(select(dispatch.c.account, dispatch.c.idempotency_key, dispatch.c.submission)).one()
            assert tuple(found) == ("LCA.VP", "k", b"{}")
        downgrade(engine, "0001")
    engine.dispose()


def test_routers_that_start_at_once_upgrade_one_after_the_other(ledger_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [ledger_url] * 4))
    engine = open_engine(ledger_url)
    require_current(engine)
    engine.dispose()


def test_tables_of_another_revision_are_refused_with_both_names(ledger_url: str) -> None:
    engine = open_engine(ledger_url)
    with pytest.raises(LedgerRevisionError, match=r"is at revision None, this program needs \d{4}"):
        require_current(engine)
    upgrade(engine)
    require_current(engine)
    with writing(engine) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerRevisionError, match="9999"):
        require_current(engine)
    engine.dispose()


def test_who_may_have_brought_what_is_there_is_derived_from_the_issuers(ledger_url: str) -> None:
    """Every account that sends for the issuer of a dispatch with a content; nobody wrote down which of them it was."""
    upgrade(ledger_url)
    engine = open_engine(ledger_url)
    units = [make_unit(code) for code in ("LCA", "LCA.02", "LCA.02.01", "LCA.021")]
    names = ("issuer:LCA.02", "issuer:LCA.02:erp", "gateway:LCA.02.#", "operator:LCA.#", "issuer:LCA.021", "issuer:LCA")
    with writing(engine) as conn:
        for name in names:
            create_account(conn, parse_account(name), now_ms=START)
        clerk = Clerk(conn)
        clerk.dispatch("LCA.02", units, attachments=[attachment(b"two")])
        clerk.dispatch("LCA.02.01", units, attachments=[attachment(b"two"), attachment(b"one", "b")])
        conn.execute(content_holder.delete())
    downgrade(engine, "0001")
    upgrade(engine)
    with reading(engine) as conn:
        found = {(row.sha256, row.account): row for row in conn.execute(content_holder.select())}
    two, one = attachment(b"two").sha256, attachment(b"one").sha256
    assert set(found) == {(two, name) for name in names[:4]} | {(one, name) for name in names[2:4]}
    assert {row.named for row in found.values()} == {1}
    assert found[two, names[2]].size == 3
    engine.dispose()


def test_a_failed_upgrade_leaves_nothing_behind(ledger_url: str) -> None:
    engine = open_engine(ledger_url)
    with writing(engine) as conn:
        unit.create(conn)
    with pytest.raises(Exception, match="already exists"):
        upgrade(engine)
    assert account.name not in inspect(engine).get_table_names()
    engine.dispose()


def test_a_transaction_that_fails_is_rolled_back(ledger: Engine) -> None:
    def fail() -> None:
        with writing(ledger) as conn:
            import_units(conn, [make_unit("LCA")], now_ms=START)
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    with reading(ledger) as conn:
        assert list_units(conn) == []


def test_a_reader_sees_one_moment_while_others_write(ledger: Engine) -> None:
    with reading(ledger) as before:
        assert before.scalars(select(unit.c.code)).all() == []
        with writing(ledger) as conn:
            import_units(conn, [make_unit("LCA")], now_ms=START)
        assert before.scalars(select(unit.c.code)).all() == []
    with reading(ledger) as after:
        assert after.scalars(select(unit.c.code)).all() == ["LCA"]


def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(ledger: Engine) -> None:
    def count_up(_: int) -> None:
        with writing(ledger) as conn:
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
            found = len(conn.scalars(select(unit.c.code)).all())
            import_units(conn, [make_unit(f"U{found}")], now_ms=START)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_up, range(40)))
    with reading(ledger) as conn:
        assert len(list_units(conn)) == 40


def test_a_server_that_is_not_there_is_called_unavailable() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nothing")

    def ask() -> None:
        with reading(engine) as conn:
            conn.exec_driver_sql("SELECT 1")

    with pytest.raises(LedgerUnavailableError, match="does not answer"):
        ask()


def test_a_wrong_statement_is_not_called_an_outage(ledger: Engine) -> None:
    def ask() -> None:
        with reading(ledger) as conn:
            conn.exec_driver_sql("SELECT nothing FROM nowhere")

    with pytest.raises(LedgerTroubleError, match=r"nothing|nowhere") as caught:
        ask()
    assert "does not answer" not in str(caught.value)


def test_sqlite_keeps_what_it_has_confirmed(ledger: Engine) -> None:
    if ledger.dialect.name != "sqlite":
        pytest.skip("a promise of our own settings on SQLite")
    with reading(ledger) as conn:
        settings = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
