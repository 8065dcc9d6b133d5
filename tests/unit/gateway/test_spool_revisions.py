"""A spool that an earlier version wrote gets what later revisions keep, from what it has."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select, update

from consumers.reading.handling import Acting, Direction, Looked, direct, looked_at, register, submit
from consumers.spool import Spool, models, open_spool, sending
from consumers.spool.people import Card
from consumers.spool.scope import UnitScope
from consumers.spool.sending import TakenDocument
from schemas.dispatch import Secrecy
from schemas.ids import new_id
from schemas.register import RegisterFields
from support.deliveries import UNIT, came
from support.desks import let_in
from support.spool_revisions import take_back


def kept(spool: Spool, table: Table, *names: str) -> list[tuple[Any, ...]]:
    with spool.reading() as conn:
        return [tuple(row) for row in conn.execute(select(*(table.c[name] for name in names)))]


def test_what_the_desk_finds_by_is_filled_from_letters_receipts_and_entries(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    due = datetime(2026, 12, 15, 10, tzinfo=UTC)
    came(spool, type="báo cáo", due=due, refers_to=(new_id(), new_id()))
    delivery = came(spool, seq=2, secrecy=Secrecy.TOP_SECRET)
    letters = [
        TakenDocument(new_id(), "thư", UNIT, "1/BC", "Báo cáo", body=b'{"notation":"1/BC"}'),
        TakenDocument(new_id(), "mật", UNIT, "2/KH", "Kế hoạch", body=b'{"secrecy":"secret"}', secret=True),
        TakenDocument(new_id(), "hỏng", reason="letter.json is not JSON"),
    ]
    with spool.writing() as conn:
        sending.take(conn, letters)
    by = Acting(Card("hoa", "Hoa"), 1_000, UnitScope((UNIT,), frozenset({UNIT})))
    with spool.reading() as conn:
        _, looked, _ = looked_at(conn, delivery, by.units)
    said = RegisterFields(day=date(2026, 11, 29), subject="Về việc", notation="7-KH/TU", secrecy=Secrecy.TOP_SECRET)
    register(spool, looked, by, said)
    columns: list[tuple[Table, tuple[str, ...]]] = [
        (models.letter, ("type", "due")),
        (models.letter_reference, ("letter_pos", "dispatch_id")),
        (models.inbox, ("secret",)),
        (models.book_entry, ("notation",)),
        (models.outgoing, ("folded", "secret")),
    ]
    before = [kept(spool, table, *names) for table, names in columns]
    registered = kept(spool, models.inbox, "registered_at")
    with spool.writing() as conn:
        take_back(conn, "0005")
    spool.close()
    spool = open_spool(tmp_path)
    assert [kept(spool, table, *names) for table, names in columns] == before
    assert before[0] == [("báo cáo", int(due.timestamp() * 1000)), ("công văn", None)]
    assert before[2] == [(False,), (True,)]
    assert [secret for _, secret in before[4]] == [False, True, False]
    (nothing,), (at,) = kept(spool, models.inbox, "registered_at")
    assert nothing is None
    assert at // 1000 == registered[1][0] // 1000
    spool.close()


def test_tasks_know_by_their_times_which_steps_gave_and_ended_them(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    let_in(spool)
    delivery, cards = came(spool), {"lan": Card("lan", "Lê Thị Lan")}

    def looked(at: int) -> tuple[Looked, Acting]:
        by = Acting(Card("nam", "Trần Văn Nam"), at, UnitScope((UNIT,)))
        with spool.reading() as conn:
            return looked_at(conn, delivery, by.units)[1], by

    register(spool, *looked(1_000), RegisterFields(day=date(2026, 11, 29), subject="Về việc"))
    submit(spool, *looked(2_000), cards["lan"], "")
    direct(spool, *looked(3_000), Direction("Làm ngay", "lan", until=date(2026, 12, 1), until_ms=9_000))
    columns = [(models.task, ("given_by", "ended_by")), (models.step, ("detail",))]
    before = [kept(spool, table, *names) for table, names in columns]
    assert before[0] == [(2, 3), (3, None)]
    with spool.writing() as conn:
        conn.execute(update(models.step).values(detail=func.json_remove(models.step.c.detail, "$.until_ms")))
        take_back(conn, "0005")
    spool.close()
    spool = open_spool(tmp_path)
    tasks, details = (kept(spool, table, *names) for table, names in columns)
    assert tasks == before[0]
    assert [json.loads(row[0]) for row in details] == [json.loads(row[0]) for row in before[1]]
    spool.close()
