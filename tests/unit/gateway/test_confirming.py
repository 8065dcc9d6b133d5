"""After a loss no number is given before somebody has said which comes next; what lies between is lost, not free."""

import contextlib
import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from consumers.errors import BookError, UnconfirmedBookError
from consumers.spool import Spool, books, confirming, open_spool
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState, get_entry, next_number, reserved_numbers
from consumers.spool.confirming import OtherSpool, TheOthers
from consumers.spool.damage import put_aside
from consumers.spool.models import restored
from consumers.spool.store import FILE_NAME
from consumers.status import GatewayState, write_status
from schemas.ids import first_of, new_id
from schemas.register import BookKind
from support.books import BY, IN_MEMORY, an_empty_spool, book, fields, key, on_paper, this_year
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


def tell(spool: Spool, *, living: tuple[str, ...] = (), before: tuple[str, ...] = ()) -> None:
    """The router says for which units another spool works, or worked last."""
    with spool.writing() as conn:
        confirming.note_others(conn, [TheOthers([UNIT, OTHER], living, before)])


def test_every_book_of_a_unit_that_another_spool_had_waits_for_a_word_and_no_other_unit_s(spool: Spool) -> None:
    on_paper(spool)
    on_paper(spool, unit=OTHER)
    outgoing = BookKey(UNIT, BookKind.OUTGOING, this_year())
    tell(spool, before=(UNIT,))
    assert on_paper(spool, unit=OTHER) == 2
    for of in (key(), outgoing):
        with pytest.raises(UnconfirmedBookError), spool.writing() as conn:
            books.enter(conn, of, fields(), BY)
        say(spool, 58, of)
    tell(spool, before=(UNIT,))
    assert on_paper(spool) == 58, "it is asked for once"
    tell(spool)
    assert on_paper(spool) == 59


def test_what_was_noted_in_an_earlier_year_holds_for_the_books_of_this_one(spool: Spool) -> None:
    with spool.writing() as conn:
        confirming.mark_restored(conn, [UNIT], BY, this_year() - 1, OtherSpool.OVER)
    tell(spool, before=(UNIT,))
    with pytest.raises(UnconfirmedBookError):
        on_paper(spool)


def test_a_spool_that_nobody_has_told_of_another_waits_and_goes_on_when_there_is_none(spool: Spool) -> None:
    with spool.writing() as conn:
        confirming.suspect(conn, [UNIT])
    with pytest.raises(UnconfirmedBookError):
        on_paper(spool)
    tell(spool)
    assert on_paper(spool) == 1
    with spool.writing() as conn:
        confirming.suspect(conn, [UNIT])
    assert on_paper(spool) == 2


@given(
    turns=st.lists(
        st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.sampled_from(["enter", "reserve", "use"]), max_size=4)),
        max_size=6,
    )
)
@settings(max_examples=30, deadline=None)
def test_two_spools_that_work_for_a_unit_in_turn_give_no_number_twice(
    turns: list[tuple[int, bool, list[str]]],
) -> None:
    """Each hears from the router that the other lives, or is gone, before it works; the clerk looks at the stamps."""
    root = Path(tempfile.mkdtemp(dir=IN_MEMORY))
    both = [_anew(root), _anew(root)]
    stamps: list[int] = []
    works: int | None = None
    try:
        for who, lives, acts in turns:
            spool = both[who]
            if works not in {None, who}:
                if lives:
                    tell(spool, living=(UNIT,), before=(UNIT,))
                    _say_next(spool, stamps)  # too early: the other goes on
                    stamps += _numbers(both[1 - who], "enter")
                tell(spool, before=(UNIT,))
                with pytest.raises(UnconfirmedBookError):
                    on_paper(spool)
                _say_next(spool, stamps)
                tell(spool, before=(UNIT,))
            works = who
            tell(spool)
            for act in acts:
                stamps += _numbers(spool, act)
        assert len(stamps) == len(set(stamps))
    finally:
        for spool in both:
            spool.close()
        shutil.rmtree(root)


def _anew(root: Path) -> Spool:
    directory = Path(tempfile.mkdtemp(dir=root))
    (directory / FILE_NAME).write_bytes(an_empty_spool())
    return open_spool(directory)


def _say_next(spool: Spool, stamps: list[int]) -> None:
    with contextlib.suppress(BookError):
        say(spool, max(stamps, default=0) + 1)


def _numbers(spool: Spool, act: str) -> list[int]:
    """The new stamps of an act: what is only reserved is stamped when it is used."""
    with spool.writing() as conn:
        free = reserved_numbers(conn, key())[:1]
        if act == "reserve":
            books.reserve(conn, key(), 1, BY)
            return []
        return [books.enter(conn, key(), fields(), BY, number=free[0] if act == "use" and free else None)]
