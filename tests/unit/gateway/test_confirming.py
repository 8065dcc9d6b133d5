"""After a loss no number is given before somebody has said which comes next; what lies between is lost, not free."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update

from consumers.errors import BookError, UnconfirmedBookError
from consumers.spool import Spool, books, confirming, open_spool
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState, get_entry, next_number
from consumers.spool.damage import put_aside
from consumers.spool.models import restored
from consumers.status import GatewayState, write_status
from schemas.ids import first_of, new_id
from schemas.register import BookKind
from support.books import BY, book, fields, key, on_paper, this_year
from support.deliveries import UNIT

OTHER = "LCA.02.06"
LATER = EntryAuthor("quan (command)", 5_000, reason="mất máy")


def restore(spool: Spool, *, at: int = 5_000) -> None:
    with spool.writing() as conn:
        confirming.mark_restored(conn, [UNIT], EntryAuthor("quan", at, reason="mất máy"), this_year())


def say(spool: Spool, following: int, of: BookKey | None = None) -> list[int]:
    with spool.writing() as conn:
        return confirming.confirm(conn, of or key(), following, LATER)


def test_no_number_is_given_or_reserved_before_the_next_one_is_said(spool: Spool) -> None:
    on_paper(spool)
    restore(spool)
    with pytest.raises(UnconfirmedBookError, match="say first which number comes next"):
        on_paper(spool)
    with pytest.raises(UnconfirmedBookError), spool.writing() as conn:
        books.reserve(conn, key(), 1, BY)
    assert say(spool, 5) == [2, 3, 4]
    assert on_paper(spool) == 5


def test_numbers_between_are_lost_and_given_to_nobody_again(spool: Spool) -> None:
    on_paper(spool)
    restore(spool)
    say(spool, 4)
    assert [entry.state for entry in book(spool)] == [EntryState.ENTERED, EntryState.LOST, EntryState.LOST]
    with pytest.raises(BookError, match="has been given meanwhile"), spool.writing() as conn:
        books.enter(conn, key(), fields(), BY, number=2)
    new_document = new_id()
    with pytest.raises(BookError, match="has been given meanwhile"), spool.writing() as conn:
        books.enter(conn, key(), fields(), BY, number=2, delivery_id=new_document)


def test_a_lost_number_is_filled_from_the_paper_it_is_on(spool: Spool) -> None:
    on_paper(spool)
    restore(spool)
    say(spool, 3)
    with spool.writing() as conn:
        books.correct(conn, key(), 2, fields("Đơn cũ"), BY, version=1)
        entry = get_entry(conn, key(), 2)
    assert (entry.state, entry.fields and entry.fields.subject) == (EntryState.ENTERED, "Đơn cũ")


def test_a_document_from_before_the_loss_takes_back_the_number_that_its_stamp_shows(spool: Spool) -> None:
    on_paper(spool)
    restore(spool, at=9_000)
    say(spool, 3)
    old, later = first_of(8_000), first_of(9_001)
    with pytest.raises(BookError), spool.writing() as conn:
        books.enter(conn, key(), fields(), BY, number=2, delivery_id=later)
    with spool.writing() as conn:
        assert books.enter(conn, key(), fields(), BY, number=2, delivery_id=old) == 2


def test_what_was_reserved_counts_as_given(spool: Spool) -> None:
    with spool.writing() as conn:
        books.reserve(conn, key(), 2, BY)
    restore(spool)
    assert {entry.state for entry in book(spool)} == {EntryState.LOST}
    say(spool, 3)
    with pytest.raises(BookError), spool.writing() as conn:
        books.enter(conn, key(), fields(), BY, number=1)


def test_a_book_that_no_copy_knows_may_have_begun_and_a_later_years_has_not(spool: Spool) -> None:
    restore(spool)
    with pytest.raises(UnconfirmedBookError):
        on_paper(spool)
    assert say(spool, 41) == []
    assert on_paper(spool) == 41
    following = BookKey(UNIT, BookKind.INCOMING, this_year() + 1)
    with spool.writing() as conn:
        assert books.enter(conn, following, fields().model_copy(update={"day": date(following.year, 1, 4)}), BY) == 1


@pytest.mark.parametrize("following", [1, 2, 2 + confirming.MOST_LOST + 2])
def test_a_number_that_cannot_come_next_is_refused(spool: Spool, following: int) -> None:
    on_paper(spool)
    on_paper(spool)
    restore(spool)
    with pytest.raises(BookError, match="cannot be the next number"):
        say(spool, following)
    with spool.reading() as conn:
        assert next_number(conn, key()) == 3


def test_nothing_is_said_of_a_book_that_was_not_lost_or_is_closed(spool: Spool) -> None:
    on_paper(spool)
    with pytest.raises(BookError, match="its next number is 2"):
        say(spool, 3)
    restore(spool)
    with pytest.raises(UnconfirmedBookError), spool.writing() as conn:
        books.close(conn, key(), BY)
    say(spool, 3)
    with pytest.raises(BookError, match=r"lost \(2\)"), spool.writing() as conn:
        books.close(conn, key(), BY)
    with spool.writing() as conn:
        books.correct(conn, key(), 2, fields("Giấy mời"), BY, version=1)
        books.close(conn, key(), BY)
    with pytest.raises(BookError, match="it is closed"):
        say(spool, 3)


def test_another_units_books_go_on(spool: Spool) -> None:
    restore(spool)
    assert on_paper(spool, unit=OTHER) == 1
    with spool.writing() as conn:
        conn.execute(update(restored).values(year=this_year() - 1))
    assert on_paper(spool) == 1


def test_a_spool_in_the_place_of_a_damaged_one_gives_no_number_that_was_given_in_it(tmp_path: Path) -> None:
    lost = open_spool(tmp_path)
    on_paper(lost)
    write_status(lost, GatewayState(1, "up", "", 0, 0, "up", "working", ""))
    lost.close()
    put_aside(lost.path)
    anew = open_spool(tmp_path)
    assert anew.replaces == lost.id
    with pytest.raises(UnconfirmedBookError):
        on_paper(anew)
    assert say(anew, 2) == []
    assert on_paper(anew) == 2
    anew.close()


def test_books_that_are_in_another_spool_wait_for_a_word_and_those_of_here_do_not(spool: Spool) -> None:
    on_paper(spool)
    with spool.writing() as conn:
        confirming.note_held_before(conn, [[UNIT], [OTHER, UNIT]])
    assert on_paper(spool) == 2
    with pytest.raises(UnconfirmedBookError):
        on_paper(spool, unit=OTHER)
    say(spool, 58, key(OTHER))
    assert on_paper(spool, unit=OTHER) == 58
