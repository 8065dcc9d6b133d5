"""Registers: numbers in order, reserved, put right, struck through, closed; and a delivery that is registered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from consumers.errors import BookError, UnknownEntryError
from consumers.reading.handling import Acting, looked_at, register
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, books, open_spool, outbox, retention
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState
from consumers.spool.models import inbox
from consumers.spool.people import Card
from consumers.spool.scope import UnitScope
from schemas.clock import now_ms
from schemas.dispatch import Lane, Secrecy, Urgency
from schemas.errors import InvalidError, TransitionError
from schemas.register import BookKind, RegisterFields, from_letter
from schemas.states import Status
from support.deliveries import UNIT, a_descriptor, came

YEAR, HERE = 2026, "Asia/Ho_Chi_Minh"
INCOMING, OUTGOING = BookKey(UNIT, BookKind.INCOMING, YEAR), BookKey(UNIT, BookKind.OUTGOING, YEAR)
SECRET = BookKey(UNIT, BookKind.INCOMING, YEAR, "Mật")
HOA = EntryAuthor("Nguyễn Thị Hoa", 1_000, "Văn phòng")
HOA_ACTS = Acting(Card("hoa", "Nguyễn Thị Hoa", department="Văn phòng"), 1_000, {UNIT})
WHY = EntryAuthor("Nguyễn Thị Hoa", 2_000, "Văn phòng", "Ghi nhầm trích yếu")


def fields(subject: str = "Về việc phòng, chống rét", **changed: object) -> RegisterFields:
    given: dict[str, Any] = {"day": date(YEAR, 11, 29), "author": "Tỉnh ủy", "notation": "123-CV/TU"}
    return RegisterFields(subject=subject, **(given | changed))


def registered(spool: Spool, delivery: str, entered: RegisterFields, by: Acting = HOA_ACTS) -> int:
    with spool.reading() as conn:
        _, looked, _ = looked_at(conn, delivery, {UNIT})
    return register(spool, looked, by, entered)


def states(conn: Connection, key: BookKey = INCOMING) -> list[tuple[int, EntryState]]:
    return [(entry.number, entry.state) for entry in book_entries.entries(conn, key)]


def test_each_book_has_a_series_of_its_own_and_begins_with_one(spool: Spool) -> None:
    with spool.writing() as conn:
        for key in (INCOMING, INCOMING, OUTGOING, SECRET, BookKey(UNIT, BookKind.INCOMING, YEAR + 1), INCOMING):
            secrecy = Secrecy.SECRET if key == SECRET else Secrecy.NONE
            books.enter(conn, key, fields(secrecy=secrecy, day=date(key.year, 11, 29)), HOA)
        found = {str(item.key): item.last for item in book_entries.books(conn, UnitScope((UNIT,), frozenset({UNIT})))}
        open_ones = [item.key for item in book_entries.books(conn, {UNIT})]
    assert SECRET not in open_ones
    assert found == {
        f"incoming book of {UNIT} for 2027": 1,
        f"incoming book of {UNIT} for 2026": 3,
        f"incoming book 'Mật' of {UNIT} for 2026": 1,
        f"outgoing book of {UNIT} for 2026": 1,
    }
    with spool.reading() as conn:
        assert book_entries.books(conn, {"LCA.02.06"}) == []
        assert book_entries.next_number(conn, INCOMING) == 4
        assert book_entries.next_number(conn, BookKey("LCA.02.06", BookKind.INCOMING, YEAR)) == 1


def test_a_year_whose_first_numbers_stand_on_paper_goes_on_from_there(spool: Spool) -> None:
    with spool.writing() as conn:
        books.begin(conn, INCOMING, 512)
        assert books.enter(conn, INCOMING, fields(), HOA) == 512
        with pytest.raises(BookError, match="has begun already; its next number is 513"):
            books.begin(conn, INCOMING, 1)
        with pytest.raises(BookError, match="from 1 to"):
            books.begin(conn, OUTGOING, 0)


def test_a_person_who_was_shown_a_number_gets_that_one_or_is_told_the_next(spool: Spool) -> None:
    with spool.writing() as conn:
        assert books.enter(conn, INCOMING, fields(), HOA, number=1) == 1
    with spool.writing() as conn, pytest.raises(BookError, match=r"number 1 .* given meanwhile; the next number is 2"):
        books.enter(conn, INCOMING, fields(), HOA, number=1)
    with spool.writing() as conn, pytest.raises(BookError, match=r"number 9 .* is not the next one"):
        books.enter(conn, INCOMING, fields(), HOA, number=9)
    with spool.reading() as conn:
        assert states(conn) == [(1, EntryState.ENTERED)]


def test_reserved_numbers_are_used_later_or_struck_through_and_no_others_are_jumped_to(spool: Spool) -> None:
    with spool.writing() as conn:
        assert books.reserve(conn, OUTGOING, 3, WHY) == [1, 2, 3]
        assert books.enter(conn, OUTGOING, fields(), HOA) == 4
        assert books.enter(conn, OUTGOING, fields("Công văn đã ký"), HOA, number=2) == 2
        books.strike(conn, OUTGOING, 3, WHY, version=1)
        assert states(conn, OUTGOING) == [
            (1, EntryState.RESERVED),
            (2, EntryState.ENTERED),
            (3, EntryState.STRUCK),
            (4, EntryState.ENTERED),
        ]
        for number in (2, 3):
            with pytest.raises(BookError, match="given meanwhile"):
                books.enter(conn, OUTGOING, fields(), HOA, number=number)
        with pytest.raises(BookError, match="at most 100"):
            books.reserve(conn, OUTGOING, 101, WHY)
        with pytest.raises(BookError, match="say why"):
            books.reserve(conn, OUTGOING, 1, HOA)


def test_what_is_put_right_keeps_what_it_said_before(spool: Spool) -> None:
    with spool.writing() as conn:
        books.enter(conn, INCOMING, fields("Về việc chống rét"), HOA)
        books.correct(conn, INCOMING, 1, fields("Về việc phòng, chống rét"), WHY, version=1)
        (entry,) = book_entries.entries(conn, INCOMING)
    said = [
        (item.version, item.by.person, item.by.reason, item.fields and item.fields.subject) for item in entry.versions
    ]
    assert said == [
        (1, HOA.person, "", "Về việc chống rét"),
        (2, WHY.person, WHY.reason, "Về việc phòng, chống rét"),
    ]
    assert entry.fields == fields("Về việc phòng, chống rét")


def test_two_people_who_change_one_entry_do_not_undo_each_other(spool: Spool) -> None:
    with spool.writing() as conn:
        books.enter(conn, INCOMING, fields(), HOA)
        books.correct(conn, INCOMING, 1, fields("của Hoa"), WHY, version=1)
    with spool.writing() as conn:
        acts: tuple[Callable[[], object], ...] = (
            lambda: books.correct(conn, INCOMING, 1, fields("của Lan"), WHY, version=1),
            lambda: books.strike(conn, INCOMING, 1, WHY, version=1),
        )
        for act in acts:
            with pytest.raises(BookError, match="was changed meanwhile; look at it again"):
                act()


def test_nothing_is_changed_without_a_reason_or_where_there_is_nothing(spool: Spool) -> None:
    with spool.writing() as conn:
        books.enter(conn, INCOMING, fields(), HOA)
        books.strike(conn, INCOMING, 1, WHY, version=1)
        acts: tuple[tuple[Callable[[], object], type[Exception], str], ...] = (
            (lambda: books.correct(conn, INCOMING, 1, fields(), HOA, version=2), BookError, "say why"),
            (lambda: books.correct(conn, INCOMING, 1, fields(), WHY, version=2), BookError, "nothing to put right"),
            (lambda: books.strike(conn, INCOMING, 1, WHY, version=2), BookError, "struck through already"),
            (lambda: books.strike(conn, INCOMING, 2, WHY, version=1), UnknownEntryError, "has no number 2"),
        )
        for act, error, problem in acts:
            with pytest.raises(error, match=problem):
                act()


def test_a_closed_book_stays_as_it_is_and_none_is_closed_with_numbers_open(spool: Spool) -> None:
    with spool.writing() as conn:
        books.enter(conn, INCOMING, fields(), HOA)
        books.reserve(conn, INCOMING, 2, WHY)
        with pytest.raises(BookError, match=r"2 numbers .* only reserved or lost \(2, 3\)"):
            books.close(conn, INCOMING, HOA)
        books.strike(conn, INCOMING, 2, WHY, version=1)
        books.enter(conn, INCOMING, fields(), HOA, number=3)
        books.close(conn, INCOMING, HOA)
        before = book_entries.entries(conn, INCOMING)
        acts: tuple[Callable[[], object], ...] = (
            lambda: books.enter(conn, INCOMING, fields(), HOA),
            lambda: books.reserve(conn, INCOMING, 1, WHY),
            lambda: books.correct(conn, INCOMING, 1, fields(), WHY, version=1),
            lambda: books.strike(conn, INCOMING, 1, WHY, version=1),
            lambda: books.close(conn, INCOMING, HOA),
        )
        for act in acts:
            with pytest.raises(BookError, match="is closed"):
                act()
        assert book_entries.entries(conn, INCOMING) == before
        (closed,) = book_entries.books(conn, {UNIT})
    assert (closed.closed_at, closed.closed_by, closed.last) == (HOA.at, HOA.person, 3)


@pytest.mark.parametrize("key", [INCOMING, OUTGOING, SECRET])
@pytest.mark.parametrize("day", [date(YEAR - 1, 12, 31), date(YEAR + 1, 1, 1), date(1, 1, 1), date(9999, 12, 31)])
def test_no_entry_is_of_a_day_of_another_year_than_its_book(spool: Spool, key: BookKey, day: date) -> None:
    secrecy = Secrecy.SECRET if key.secret else Secrecy.NONE
    right = fields(secrecy=secrecy)
    wrong = right.model_copy(update={"day": day})
    with spool.writing() as conn:
        with pytest.raises(InvalidError, match="day"):
            books.enter(conn, key, wrong, HOA)
        assert books.enter(conn, key, right, HOA) == 1
        books.reserve(conn, key, 1, WHY)
        with pytest.raises(InvalidError, match="day"):
            books.correct(conn, key, 1, wrong, WHY, version=1)
        with pytest.raises(InvalidError, match="day"):
            books.enter(conn, key, wrong, HOA, number=2)
        (entry, _) = book_entries.entries(conn, key)
        assert entry.fields == right
        counted = book_entries.outgoing_types(conn, UnitScope.whole(UNIT), date(YEAR, 1, 1), date(YEAR + 1, 1, 1))
    assert sum(counted.values()) == (key is OUTGOING), "whatever has a number is counted in the year of its book"


def test_what_may_have_been_registered_already_is_found(spool: Spool) -> None:
    with spool.writing() as conn:
        for year in (YEAR, YEAR + 1):
            books.enter(conn, BookKey(UNIT, BookKind.INCOMING, year), fields(day=date(year, 11, 29)), HOA)
        books.enter(conn, INCOMING, fields(), HOA)
        books.strike(conn, INCOMING, 2, WHY, version=1)
        books.enter(conn, OUTGOING, fields(), HOA)
        same = book_entries.same_before(conn, {UNIT}, BookKind.INCOMING, "Tỉnh ủy", "123-CV/TU")
        assert same == [(YEAR + 1, 1), (YEAR, 1)]
        assert book_entries.same_before(conn, {UNIT}, BookKind.INCOMING, "Tỉnh ủy", "124-CV/TU") == []
        assert book_entries.same_before(conn, {"LCA.02.06"}, BookKind.INCOMING, "Tỉnh ủy", "123-CV/TU") == []


def test_clerks_who_click_at_once_get_different_numbers_without_a_gap(spool: Spool) -> None:
    def click(_: int) -> int:
        with spool.writing() as conn:
            return books.enter(conn, INCOMING, fields(), HOA)

    with ThreadPoolExecutor(4) as clerks:
        given = list(clerks.map(click, range(40)))
    assert sorted(given) == list(range(1, 41))


def test_an_entry_and_its_receipt_are_one(spool: Spool) -> None:
    delivery = came(spool, urgency=Urgency.URGENT, signer="Trần Văn A")
    letter = a_descriptor(urgency=Urgency.URGENT, signer="Trần Văn A")
    entered = from_letter(letter, day=date(YEAR, 11, 29), author="Văn phòng Tỉnh ủy", timezone=HERE, hour="08:30")
    assert registered(spool, delivery, entered) == 1
    assert get_entry(spool, delivery).state is Status.REGISTERED
    told = receipts_of(spool, delivery)[-1]
    assert (told.status, told.register_number, told.person, told.department) == (
        Status.REGISTERED,
        "1",
        HOA.person,
        HOA.department,
    )
    with spool.reading() as conn:
        (entry,) = book_entries.entries(conn, INCOMING)
    assert (entry.delivery_id, entry.fields) == (delivery, entered)
    assert entered.signer == "Trần Văn A"
    with pytest.raises(TransitionError, match="registered already"):
        registered(spool, delivery, entered)
    with spool.reading() as conn:
        assert states(conn) == [(1, EntryState.ENTERED)]


def test_a_document_that_was_kept_after_a_request_to_give_it_back_gets_no_second_number(spool: Spool) -> None:
    """From `change_refused` the states let it be registered; its entry stands."""
    delivery = came(spool)
    registered(spool, delivery, fields())
    with spool.writing() as conn:
        conn.execute(update(inbox).values(state=Status.CHANGE_REFUSED.value))
    with pytest.raises(BookError, match="is registered already, under number 1 of 2026"):
        registered(spool, delivery, fields())
    with spool.writing() as conn:
        assert book_entries.next_number(conn, INCOMING) == 2
        books.strike(conn, INCOMING, 1, WHY, version=1)
    assert registered(spool, delivery, fields()) == 2, "a struck entry leaves room for another"


def test_a_deadline_is_of_the_offices_day() -> None:
    due = datetime(2026, 12, 15, 20, tzinfo=UTC)
    entered = from_letter(a_descriptor(due=due), day=date(YEAR, 11, 29), author="", timezone=HERE)
    assert entered.due == date(2026, 12, 16)


def test_what_cannot_be_told_is_not_entered_and_costs_no_number(spool: Spool) -> None:
    delivery = came(spool)
    with pytest.raises(InvalidError, match="person"):
        registered(spool, delivery, fields(), Acting(Card("hoa", "Hoa\nLan"), 1_000, {UNIT}))
    with spool.reading() as conn:
        assert book_entries.next_number(conn, INCOMING) == 1
        assert [item.status for item in outbox.unsent(conn, Lane.NORMAL, after=0, limit=9)] == ["arrived"]


def test_a_receipt_that_cannot_be_written_takes_its_entry_back(spool: Spool) -> None:
    delivery = came(spool)
    with spool.writing() as conn:
        conn.exec_driver_sql("CREATE TRIGGER broken BEFORE INSERT ON receipt BEGIN SELECT RAISE(ABORT, 'broken'); END")
    with pytest.raises(IntegrityError, match="broken"):
        registered(spool, delivery, fields())
    with spool.writing() as conn:
        assert book_entries.books(conn, {UNIT}) == []
        conn.exec_driver_sql("DROP TRIGGER broken")
    assert registered(spool, delivery, fields()) == 1


def test_entries_outlive_the_documents_that_the_spool_forgets(spool: Spool, tmp_path: Path) -> None:
    delivery = came(spool)
    registered(spool, delivery, fields())
    with spool.writing() as conn:
        sent = outbox.unsent(conn, Lane.NORMAL, after=0, limit=9)
        outbox.mark_sent(conn, [[item.pos for item in sent]])
        assert retention.forget(conn, [now_ms() + 1])[0].deliveries == 1
    spool.close()
    again = open_spool(tmp_path)
    with again.reading() as conn:
        assert [entry.delivery_id for entry in book_entries.entries(conn, INCOMING)] == [delivery]
        assert book_entries.next_number(conn, INCOMING) == 2
    again.close()
