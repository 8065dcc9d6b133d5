"""Books that come back: equal to what they were, beside what came meanwhile, and never over what is there."""

import signal
import subprocess
import sys

import pytest
from sqlalchemy import select, update

from consumers.copies.registrations import OTHER_BOOK, Rewritten
from consumers.errors import BookError, CopyError
from consumers.reading.inbox import add_person_receipt, get_entry, receipts_of
from consumers.reporting.recounting import page
from consumers.spool import Spool, book_entries, books, journal, outbox, recount
from consumers.spool.book_entries import BookKey, EntryState, entry_of, next_number
from consumers.spool.models import inbox, receipt
from consumers.spool.scope import UnitScope
from consumers.spool.taking import take
from schemas.dispatch import Lane, Secrecy
from schemas.model import parse
from schemas.receipt import Ask
from schemas.recount import Kept, Recount
from schemas.register import SECRET_BOOK, BookKind
from schemas.states import Status
from support.books import (
    BY,
    book,
    fields,
    key,
    on_paper,
    register,
    rows_of,
    this_year,
    told_by,
)
from support.deliveries import ONE_MINUTE, UNIT, a_descriptor, arriving, came
from support.desks import NAMES
from support.restoring import confirm, copy_of, put

OTHER = "LCA.02.06"
SECRET_NAMES = (SECRET_BOOK, f"{SECRET_BOOK} {OTHER_BOOK}")


def named(name: str) -> BookKey:
    return BookKey(UNIT, BookKind.INCOMING, this_year(), name)


def test_what_comes_back_is_what_it_was(lost: Spool, spool: Spool) -> None:
    before = rows_of(lost, "book", "journal", "receipt")
    put(spool, copy_of(lost))
    assert rows_of(spool, "book", "journal", "receipt") == before
    assert book(spool) == book(lost)
    with spool.reading() as conn:
        acts = [entry.act for _, entry in journal.entries(conn, [UNIT])]
    with lost.reading() as conn:
        assert acts[1:] == [entry.act for _, entry in journal.entries(conn, [UNIT])]
    assert acts[0] is journal.JournalAct.RESTORED


def test_people_come_in_with_the_password_they_had(lost: Spool, spool: Spool) -> None:
    put(spool, copy_of(lost))
    people = {row["name"]: row["password_hash"] for row in rows_of(spool)["person"]}
    assert people == {row["name"]: row["password_hash"] for row in rows_of(lost)["person"]}
    assert set(NAMES) < set(people)


def test_the_spool_stays_the_new_one_and_counts_its_own_receipts(lost: Spool, spool: Spool) -> None:
    put(spool, copy_of(lost))
    assert spool.id != lost.id
    with spool.reading() as conn:
        unsent = [row for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=100)]
        numbers = sorted(row.seq for row in unsent)
        assert outbox.numbers_given(conn, [UNIT]) == [len(unsent)]
    assert numbers == list(range(1, len(unsent) + 1))


def test_receipts_that_the_ledger_has_are_not_said_again(lost: Spool, spool: Spool) -> None:
    with lost.reading() as conn:
        ids = conn.scalars(select(receipt.c.id).order_by(receipt.c.pos)).all()
    put(spool, copy_of(lost), list(told_by(lost, without=ids[-1:])))
    with spool.reading() as conn:
        unsent = [row for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=100)]
    assert [(row.id, row.seq) for row in unsent] == [(ids[-1], 1)]


def test_a_number_that_the_lost_spool_gave_is_asked_for_in_vain_and_another_is_given_before_it_is_said_again(
    lost: Spool, spool: Spool
) -> None:
    put(spool, copy_of(lost), list(told_by(lost)))
    ids = {row["id"] for row in rows_of(lost)["receipt"]}
    with spool.writing() as conn:
        assert outbox.repeat(conn, [[Ask(unit=UNIT, missing=((1, 2**53 - 1),))]]) == [0]
        outbox.send_again(conn, [row["pos"] for row in rows_of(spool)["inbox"]])
    with spool.reading() as conn:
        again = {row.id: row.seq for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=100)}
        assert outbox.numbers_given(conn, [UNIT]) == [len(ids)]
    assert set(again) == ids
    assert sorted(again.values()) == list(range(1, len(ids) + 1))


def test_a_router_that_recovers_is_told_which_numbers_are_another_spool_s(lost: Spool, spool: Spool) -> None:
    put(spool, copy_of(lost), list(told_by(lost)))
    third = rows_of(spool)["inbox"][2]["delivery_id"]
    confirm(spool, 4)
    register(spool, third)
    with spool.reading() as conn:
        question = Recount(unit=UNIT, since=0, until=2**48 - 1)
        body, _ = page(question, recount.held(conn, question), spool_id=spool.id, highest=3)
    told = [one for item in parse(Kept, body, what="page").deliveries for one in item.receipts]
    assert {(one.seq, one.elsewhere) for one in told if one.register_number == "4"} == {(1, False)}
    before = {row["id"]: row["seq"] for row in rows_of(lost)["receipt"]}
    assert {one.id: one.seq for one in told if one.elsewhere} == before


def test_what_came_meanwhile_stays_and_what_was_dealt_with_before_is_where_it_was(lost: Spool, spool: Spool) -> None:
    known = [row["delivery_id"] for row in rows_of(lost)["inbox"]]
    new = came(spool, seq=7)
    again = arriving(a_descriptor(), complete=True, seq=2, id_=known[1])
    with spool.writing() as conn:
        take(conn, [([again], ONE_MINUTE)])
    put(spool, copy_of(lost), list(told_by(lost)))
    states = {row["delivery_id"]: row["state"] for row in rows_of(spool)["inbox"]}
    assert states == {new: "arrived", known[0]: "registered", known[1]: "registered", known[2]: "arrived"}
    assert [one.status for one in receipts_of(spool, known[1])].count(Status.REGISTERED) == 1
    confirm(spool, 4)
    with pytest.raises(Exception, match="registered"):
        register(spool, known[1])
    assert register(spool, new) == 4
    with spool.reading() as conn:
        found = entry_of(conn, known[1])
    assert found is not None
    assert found.number == 3


def test_registers_that_hold_entries_are_given_up_only_when_told(lost: Spool, spool: Spool) -> None:
    on_paper(spool, "mới")
    before = rows_of(spool)
    with pytest.raises(CopyError, match="hold 1 entries already"):
        put(spool, copy_of(lost))
    assert rows_of(spool) == before
    put(spool, copy_of(lost), replace=True)
    assert book(spool) == book(lost)


def test_a_copy_of_another_unit_is_refused(lost: Spool, spool: Spool) -> None:
    before = rows_of(spool)
    with pytest.raises(CopyError, match=r"is of LCA\.02\.05, and this gateway is of LCA\.02\.06"):
        put(spool, copy_of(lost), pattern=OTHER)
    assert rows_of(spool) == before


def test_the_ledger_knows_more_than_the_copy_and_no_document_is_registered_twice(lost: Spool, spool: Spool) -> None:
    older = copy_of(lost)
    late = came(lost, seq=4, notation="9-CV/VP")
    on_paper(lost)
    assert register(lost, late) == 5
    told = list(told_by(lost))
    made = put(spool, older, told)
    assert made.rewritten == {UNIT: Rewritten(1, 0, 0)}
    states = [entry.state for entry in book(spool)]
    assert states == [EntryState.ENTERED] * 3 + [EntryState.LOST, EntryState.ENTERED]
    entry = book(spool)[-1]
    assert (entry.number, entry.delivery_id) == (5, late)
    assert entry.fields is not None
    assert (entry.fields.notation, entry.fields.author) == ("9-CV/VP", "Văn phòng Tỉnh ủy")
    assert entry.versions[0].by.person == "Nguyễn Thị Hoa"
    assert "biên nhận" in entry.versions[0].by.reason
    with spool.writing() as conn:
        take(conn, [([arriving(a_descriptor(), complete=True, seq=4, id_=late)], ONE_MINUTE)])
    confirm(spool, 6)
    with pytest.raises(BookError, match="registered already, under number 5"):
        register(spool, late)


def test_receipts_alone_bring_numbers_persons_and_dates(lost: Spool, spool: Spool) -> None:
    put(spool, {}, list(told_by(lost)))
    assert [(entry.number, entry.state) for entry in book(spool)] == [
        (1, EntryState.ENTERED),
        (2, EntryState.LOST),
        (3, EntryState.ENTERED),
    ]
    with pytest.raises(BookError, match="say first which number comes next"):
        on_paper(spool)
    confirm(spool, 9)
    assert on_paper(spool) == 9


def test_a_number_that_two_documents_bear_is_kept_in_a_book_beside(lost: Spool, spool: Spool) -> None:
    with lost.writing() as conn:
        secret = BookKey(UNIT, BookKind.INCOMING, this_year(), "mật")
        books.enter(conn, secret, fields(), BY)
    third = rows_of(lost)["inbox"][2]["delivery_id"]
    add_person_receipt(lost, third, Status.REGISTERED, register_number="1", person="Hoa")
    made = put(spool, {}, list(told_by(lost)))
    assert made.rewritten == {UNIT: Rewritten(3, 1, 0)}
    beside = book(spool, BookKey(UNIT, BookKind.INCOMING, this_year(), OTHER_BOOK))
    assert [(entry.number, entry.delivery_id) for entry in beside] == [(1, third)]


@pytest.mark.parametrize("number", ["57/CV", "không", "0", "99999999999"])
def test_a_number_that_is_none_of_a_book_is_counted_and_passed_over(lost: Spool, spool: Spool, number: str) -> None:
    third = rows_of(lost)["inbox"][2]["delivery_id"]
    add_person_receipt(lost, third, Status.REGISTERED, register_number=number, person="Hoa")
    made = put(spool, {}, list(told_by(lost)))
    assert made.rewritten == {UNIT: Rewritten(2, 0, 1)}


def test_a_state_secret_stands_in_the_books_of_secrets_alone_also_when_its_number_is_another_s(
    lost: Spool, spool: Spool
) -> None:
    secrets = [came(lost, seq=seq, secrecy=Secrecy.SECRET, subject="Phương án") for seq in (8, 9)]
    for one in secrets:
        add_person_receipt(lost, one, Status.REGISTERED, register_number="1", person="Hoa")
    made = put(spool, {}, list(told_by(lost)))
    assert made.rewritten == {UNIT: Rewritten(4, 1, 0)}
    names = {entry.delivery_id: name for name in SECRET_NAMES for entry in book(spool, named(name))}
    assert names == dict(zip(secrets, SECRET_NAMES, strict=True))
    with spool.reading() as conn:
        assert {one.key.name for one in book_entries.books(conn, UnitScope((UNIT,)))} == {""}
        assert {one.key.name for one in book_entries.books(conn, UnitScope((UNIT,), frozenset({UNIT})))} == {
            "",
            *SECRET_NAMES,
        }
    assert [entry.delivery_id for entry in book(spool) if entry.delivery_id in secrets] == []


def test_a_mistyped_number_does_not_use_up_the_book(lost: Spool, spool: Spool) -> None:
    third = rows_of(lost)["inbox"][2]["delivery_id"]
    add_person_receipt(lost, third, Status.REGISTERED, register_number="300000", person="Hoa")
    put(spool, {}, list(told_by(lost)))
    with spool.reading() as conn:
        assert next_number(conn, key()) == 4


def test_a_document_that_the_ledger_has_further_is_brought_there(lost: Spool, spool: Spool) -> None:
    older = copy_of(lost)
    second = rows_of(lost)["inbox"][1]["delivery_id"]
    add_person_receipt(lost, second, Status.COMPLETED, person="Lan")
    put(spool, older, list(told_by(lost)))
    assert get_entry(spool, second).state is Status.COMPLETED
    assert [row["ended_at"] is None for row in rows_of(spool)["task"]] == [False]


KILLED = """
import os, signal, sys
from pathlib import Path
from consumers.copies import restoring
from consumers.copies.gathering import from_file, put_back
from consumers.spool import open_spool
step, copy, data_dir = sys.argv[1:]
def dying(real):
    def call(*args, **kwargs):
        real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return call
where = {"_require_empty": restoring, "_put_back": restoring, "mark_restored": restoring}
if step in where:
    setattr(where[step], step, dying(getattr(where[step], step)))
spool = open_spool(Path(data_dir))
with spool.writing() as conn:
    put_back(conn, from_file(Path(copy), "LCA.02.#"), "LCA.02.#", "quan", 4_000_000_000_000, replace=True)
    if step == "before the commit":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("step", ["_require_empty", "_put_back", "mark_restored", "before the commit", "after it"])
def test_a_kill_leaves_all_of_the_books_or_none(lost: Spool, spool: Spool, step: str) -> None:
    on_paper(spool, "mới")
    before = rows_of(spool)
    lost.close()
    command = [sys.executable, "-c", KILLED, step, str(lost.path), str(spool.path.parent)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    if step == "after it":
        assert len(book(spool)) == 3
        assert len(rows_of(spool)["inbox"]) == 3
    else:
        assert rows_of(spool) == before


def test_what_is_still_to_be_said_of_other_documents_is_said(lost: Spool, spool: Spool) -> None:
    put(spool, copy_of(lost), list(told_by(lost)))
    third = rows_of(spool)["inbox"][2]["delivery_id"]
    confirm(spool, 4)
    register(spool, third)
    with spool.reading() as conn:
        unsent = [row for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=100)]
        assert conn.scalar(select(inbox.c.state).where(inbox.c.delivery_id == third)) == Status.REGISTERED
    assert [(row.status, row.register_number, row.seq) for row in unsent] == [("registered", "4", 1)]


def test_another_copy_put_back_afterwards_doubles_nothing(lost: Spool, spool: Spool) -> None:
    older = copy_of(lost)
    third = rows_of(lost)["inbox"][2]["delivery_id"]
    register(lost, third)
    put(spool, older)
    put(spool, copy_of(lost), replace=True)
    same = ("letter", "inbox", "book_entry", "step", "task", "person", "person_role")
    assert {name: len(rows_of(spool)[name]) for name in same} == {name: len(rows_of(lost)[name]) for name in same}
    assert sorted(row["id"] for row in rows_of(spool)["receipt"]) == sorted(
        row["id"] for row in rows_of(lost)["receipt"]
    )
    assert len(rows_of(spool)["journal"]) == len(rows_of(lost)["journal"]) + 2
    assert get_entry(spool, third).state is Status.REGISTERED


def test_documents_that_came_after_the_copy_are_counted(lost: Spool, spool: Spool) -> None:
    older = copy_of(lost)
    came(lost, seq=9)
    assert put(spool, older, list(told_by(lost))).missing == 1


def test_a_step_of_a_document_that_the_copy_does_not_hold_is_passed_over(lost: Spool, spool: Spool) -> None:
    second = rows_of(lost)["inbox"][1]["delivery_id"]
    with lost.writing() as conn:
        conn.execute(update(inbox).where(inbox.c.delivery_id == second).values(state="taken"))
    put(spool, copy_of(lost))
    assert (len(rows_of(spool)["step"]), len(rows_of(spool)["task"])) == (1, 0)
    assert len(book(spool)) == 3
