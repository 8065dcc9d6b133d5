"""Whatever was registered, undone and put right before a copy, after it and between losses: the books come back so."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from consumers.copies.restoring import Restoring, restore
from consumers.copies.tables import Tables, read_tables
from consumers.errors import BookError
from consumers.reading.inbox import get_entry
from consumers.spool import Spool, confirming, open_spool
from consumers.spool.book_entries import EntryAuthor, EntryState
from consumers.spool.models import receipt
from consumers.spool.store import FILE_NAME
from schemas.errors import TransitionError
from schemas.states import Status
from support.books import (
    IN_MEMORY,
    ToldLedger,
    an_empty_spool,
    book,
    key,
    register,
    renumber,
    this_year,
    undo,
)
from support.deliveries import UNIT, came

ACTS: dict[str, Callable[[Spool, str], object]] = {"register": register, "undo": undo, "renumber": renumber}
Acts = Sequence[tuple[str, int]]
some_acts = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 1)), max_size=5)
BY = EntryAuthor("quan", 4_000_000_000_000, reason="mất máy")


def _anew(root: Path) -> Spool:
    directory = Path(tempfile.mkdtemp(dir=root))
    (directory / FILE_NAME).write_bytes(an_empty_spool())
    return open_spool(directory)


def _act(spool: Spool, documents: Sequence[str], acts: Acts) -> None:
    for name, which in acts:
        try:
            ACTS[name](spool, documents[which])
        except (BookError, TransitionError):
            continue


def _in_books(spool: Spool) -> dict[tuple[str, int], EntryState]:
    return {(entry.delivery_id, entry.number): entry.state for entry in book(spool) if entry.delivery_id}


def _told(spool: Spool) -> None:
    with spool.writing() as conn:
        conn.execute(update(receipt).where(receipt.c.sent_at.is_(None)).values(sent_at=1))


def _copy(spool: Spool) -> Tables:
    with spool.reading() as conn:
        return read_tables(conn)


def _put_back(root: Path, copy: Tables, ledger: ToldLedger) -> Spool:
    spool = _anew(root)
    with spool.writing() as conn:
        told = {UNIT: list(ledger.deliveries.values())}
        restore(conn, Restoring(copy, told, [UNIT], "LCA.02.#", BY, this_year(), "a copy"))
    return spool


@given(rounds=st.lists(st.tuples(some_acts, some_acts), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_what_the_ledger_has_comes_back_as_people_had_left_it(rounds: Sequence[tuple[Acts, Acts]]) -> None:
    root, ledger = Path(tempfile.mkdtemp(dir=IN_MEMORY)), ToldLedger()
    spool = _anew(root)
    documents = [came(spool, seq=1), came(spool, seq=2)]
    try:
        for before, after in rounds:
            _act(spool, documents, before)
            copy = _copy(spool)
            _act(spool, documents, after)
            ledger.record(spool)
            left, entries = [get_entry(spool, one).state for one in documents], _in_books(spool)
            last = max((entry.number for entry in book(spool)), default=0)
            spool.close()
            spool = _put_back(root, copy, ledger)
            assert _in_books(spool) == entries
            assert [get_entry(spool, one).state for one in documents] == left
            with spool.writing() as conn:
                assert confirming.confirm(conn, key(), last + 1, BY) == []
    finally:
        spool.close()
        shutil.rmtree(root)


@given(before=some_acts, after=some_acts, heard=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=30, deadline=None)
def test_no_number_that_the_ledger_heard_of_is_free_whatever_it_did_not_hear(
    before: Acts, after: Acts, heard: Sequence[bool]
) -> None:
    root, ledger = Path(tempfile.mkdtemp(dir=IN_MEMORY)), ToldLedger()
    spool = _anew(root)
    documents = [came(spool, seq=1), came(spool, seq=2)]
    try:
        _act(spool, documents, before)
        copy = _copy(spool)
        entries = _in_books(spool)
        _act(spool, documents, after)
        with spool.reading() as conn:
            ids = conn.scalars(select(receipt.c.id).order_by(receipt.c.pos)).all()
        ledger.record(spool, without={one for one, hears in zip(ids, heard, strict=False) if not hears})
        _told(spool)
        spool.close()
        spool = _put_back(root, copy, ledger)
        here = _in_books(spool)
        known = {(key_, int(number)) for key_, one in ledger.deliveries.items() for number in one.registrations}
        assert known | set(entries) == set(here)
        for one in documents:
            entered = [number for (of, number), state in here.items() if of == one and state is EntryState.ENTERED]
            assert len(entered) == (get_entry(spool, one).state is Status.REGISTERED)
    finally:
        spool.close()
        shutil.rmtree(root)
