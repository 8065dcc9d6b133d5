"""The spool's file: its revisions, its one writer, what happens when it cannot be used."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, insert, select

from consumers.errors import SpoolInUseError, SpoolRevisionError, SpoolUnavailableError
from consumers.spool import Spool, Writer, open_spool, retention, store
from consumers.spool.models import inbox, letter, meta, metadata, receipt
from consumers.spool.outbox import mark_sent
from consumers.spool.sets import insert_rows
from consumers.spool.store import HEAD, hosting_alone
from consumers.spool.taking import take
from consumers.spool.units import Hosted, hosted, keep_hosted
from router.storage import sqlite
from schemas.clock import now_ms
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference
from support.small_disk import small_disk


def test_the_revisions_make_the_tables_that_the_program_uses(spool: Spool) -> None:
    with spool.reading() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_the_revision_that_needs_no_alembic_is_the_newest() -> None:
    script = ScriptDirectory(str(Path(store.__file__).with_name("migrations")))
    assert script.get_heads() == [HEAD]


def test_a_spool_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    with sqlite3.connect(tmp_path / store.FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SpoolRevisionError, match="9999"):
        open_spool(tmp_path)


def test_a_spool_keeps_its_id_and_a_new_one_has_another(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        spool = open_spool(tmp_path / name)
        ids.append(spool.id)
        spool.close()
    assert ids[0] == ids[1] != ids[2]


def test_a_commit_that_returned_is_on_the_disk(spool: Spool) -> None:
    with spool.reading() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_two_gateways_cannot_share_a_directory(tmp_path: Path) -> None:
    with hosting_alone(tmp_path), pytest.raises(SpoolInUseError, match=r"process \d+"), hosting_alone(tmp_path):
        pass
    with hosting_alone(tmp_path):
        pass


async def test_changes_that_wait_together_share_a_transaction(writer: Writer) -> None:
    sizes = []

    def note(_conn: Connection, items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * 2 for item in items]

    assert await asyncio.gather(*(writer.run(note, number) for number in range(100))) == list(range(0, 200, 2))
    assert len(sizes) < 100


async def test_one_bad_change_harms_no_other(spool: Spool, writer: Writer) -> None:
    def add(conn: Connection, items: Sequence[str]) -> list[None]:
        for item in items:
            conn.execute(insert(meta).values(key=item, value=""))
        return [None] * len(items)

    names = ["a", "b", "a", "c"]
    answers = await asyncio.gather(*(writer.run(add, name) for name in names), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
    with spool.reading() as conn:
        assert set(conn.scalars(select(meta.c.key))) == {"spool_id", "a", "b", "c"}


async def test_an_answer_of_an_item_alone_may_be_an_error(writer: Writer) -> None:
    def refuse(_conn: Connection, items: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    answers = await asyncio.gather(*(writer.run(refuse, number) for number in range(4)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, ValueError, int, ValueError]


async def fill(writer: Writer) -> None:
    for seq in range(1, 10_000):
        letters = [arriving(a_descriptor(flash_text="x" * 2000), seq=seq, complete=True)]
        await writer.run(take, (letters, ONE_MINUTE))


async def test_a_full_disk_is_told_to_the_caller_and_leaves_the_spool_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=2 * 1024 * 1024) as disk:
        spool = open_spool(disk / "data")
        writer = Writer(spool)
        with pytest.raises(SpoolUnavailableError, match="full"):
            await fill(writer)
        with spool.reading() as conn:
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            kept = conn.scalars(select(func.count()).select_from(inbox)).one()
            assert conn.scalars(select(func.count()).select_from(receipt)).one() == kept > 0
        writer.close()
        spool.close()


def test_a_locked_spool_is_told_to_the_caller(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT", 0.05)
    impatient = open_spool(spool.path.parent)
    with spool.writing(), pytest.raises(SpoolUnavailableError, match="locked"), impatient.writing():
        pass
    impatient.close()


def test_columns_out_of_order_are_a_programming_error(spool: Spool) -> None:
    with spool.writing() as conn, pytest.raises(ValueError, match="in their order"):
        insert_rows(conn, meta, ("value", "key"), [("v", "k")])


def test_the_list_of_units_hosted_is_replaced_whole(spool: Spool) -> None:
    evening = Hosted("LCA.02.05", "18:00-21:00", "Asia/Ho_Chi_Minh")
    for units in ([Hosted("LCA.02"), evening], [Hosted("LCA.02.05"), Hosted("LCA.02.06")]):
        with spool.writing() as conn:
            keep_hosted(conn, [units])
        with spool.reading() as conn:
            assert hosted(conn) == units


def test_what_ended_long_ago_is_forgotten_with_all_that_belongs_to_it(spool: Spool) -> None:
    shared = a_descriptor(attachments=(by_reference("a", b"bytes"),))
    old = [arriving(shared, complete=True), arriving(a_descriptor(), seq=2, complete=True)]
    waiting = arriving(shared, unit="LCA.02.06")
    with spool.writing() as conn:
        take(conn, [([*old, waiting], ONE_MINUTE)])
        assert retention.forget(conn, [now_ms() + 1000])[0].deliveries == 0, "their receipts are not confirmed"
        mark_sent(conn, [list(conn.scalars(select(receipt.c.pos)))])
        forgotten = retention.forget(conn, [now_ms() + 1000])[0]
    assert (forgotten.deliveries, len(forgotten.contents)) == (2, 1)
    with spool.reading() as conn:
        assert list(conn.scalars(select(inbox.c.delivery_id))) == [waiting.delivery_id]
        assert list(conn.scalars(select(receipt.c.status))) == ["taken"]
        assert list(conn.scalars(select(letter.c.dispatch_id))) == [shared.id]


def test_a_change_by_another_process_is_noticed(spool: Spool) -> None:
    other = open_spool(spool.path.parent)
    with spool.watching() as version:
        before = version()
        assert version() == before
        with other.writing() as conn:
            keep_hosted(conn, [[Hosted("LCA.02")]])
        assert version() != before
    other.close()
