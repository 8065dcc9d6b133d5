"""The registers as a state machine: any order of acts, two clerks, crashes and refusals, against books in memory."""

import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consumers.errors import BookError, UnknownEntryError
from consumers.spool import book_entries, books, open_spool
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState
from consumers.spool.store import FILE_NAME
from schemas.register import BookKind, RegisterFields
from support.books import IN_MEMORY, an_empty_spool
from support.deliveries import UNIT

KEYS = [BookKey(UNIT, kind, year) for kind in BookKind for year in (2026, 2027)]
BY = EntryAuthor("Hoa", 1, reason="vì")
NUMBERS = st.integers(1, 12)


def says(key: BookKey, text: str) -> RegisterFields:
    return RegisterFields(day=date(key.year, 11, 29), subject=text)


class BooksMachine(RuleBasedStateMachine):
    """Numbers are consecutive, none is given twice, what was written stays, a closed book changes no more."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        (self.directory / FILE_NAME).write_bytes(an_empty_spool())
        self.spool = open_spool(self.directory)
        self.written: dict[BookKey, list[list[tuple[EntryState, str]]]] = {key: [] for key in KEYS}
        self.closed: set[BookKey] = set()

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.directory)

    @rule(key=st.sampled_from(KEYS), number=st.none() | NUMBERS, text=st.sampled_from("abc"))
    def a_clerk_enters_a_document(self, key: BookKey, number: int | None, text: str) -> None:
        numbers, expected = self.written[key], len(self.written[key]) + 1
        reserved = number is not None and number < expected and numbers[number - 1][-1][0] is EntryState.RESERVED
        may = key not in self.closed and (number in {None, expected} or reserved)
        if not may:
            with pytest.raises(BookError), self.spool.writing() as conn:
                books.enter(conn, key, says(key, text), BY, number=number)
            return
        with self.spool.writing() as conn:
            given = books.enter(conn, key, says(key, text), BY, number=number)
        assert given == (number or expected)
        if given == expected:
            numbers.append([])
        numbers[given - 1].append((EntryState.ENTERED, text))

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 3))
    def numbers_are_reserved(self, key: BookKey, count: int) -> None:
        if key in self.closed:
            with pytest.raises(BookError), self.spool.writing() as conn:
                books.reserve(conn, key, count, BY)
            return
        with self.spool.writing() as conn:
            given = books.reserve(conn, key, count, BY)
        first = len(self.written[key]) + 1
        assert given == list(range(first, first + count))
        self.written[key] += [[(EntryState.RESERVED, "")] for _ in given]

    @rule(key=st.sampled_from(KEYS), number=NUMBERS, text=st.sampled_from("xyz"), stale=st.booleans())
    def an_entry_is_put_right(self, key: BookKey, number: int, text: str, *, stale: bool) -> None:
        if self._refused(key, number, stale=stale, when={EntryState.RESERVED, EntryState.STRUCK}):
            with pytest.raises((BookError, UnknownEntryError)), self.spool.writing() as conn:
                books.correct(conn, key, number, says(key, text), BY, version=self._version(key, number) - stale)
            return
        with self.spool.writing() as conn:
            books.correct(conn, key, number, says(key, text), BY, version=self._version(key, number))
        self.written[key][number - 1].append((EntryState.ENTERED, text))

    @rule(key=st.sampled_from(KEYS), number=NUMBERS, stale=st.booleans())
    def an_entry_is_struck_through(self, key: BookKey, number: int, *, stale: bool) -> None:
        if self._refused(key, number, stale=stale, when={EntryState.STRUCK}):
            with pytest.raises((BookError, UnknownEntryError)), self.spool.writing() as conn:
                books.strike(conn, key, number, BY, version=self._version(key, number) - stale)
            return
        with self.spool.writing() as conn:
            books.strike(conn, key, number, BY, version=self._version(key, number))
        history = self.written[key][number - 1]
        history.append((EntryState.STRUCK, history[-1][1]))

    @rule(key=st.sampled_from(KEYS))
    def a_book_is_closed(self, key: BookKey) -> None:
        waits = any(history[-1][0] is EntryState.RESERVED for history in self.written[key])
        if waits or key in self.closed:
            with pytest.raises(BookError), self.spool.writing() as conn:
                books.close(conn, key, BY)
            return
        with self.spool.writing() as conn:
            books.close(conn, key, BY)
        self.closed.add(key)

    @rule(key=st.sampled_from(KEYS))
    def the_machine_goes_down_inside_an_act(self, key: BookKey) -> None:
        if key in self.closed:
            return
        with self.spool.engine.connect() as conn:
            transaction = conn.begin()
            books.enter(conn, key, says(key, "lost"), BY)
            transaction.rollback()
        self.spool.close()
        self.spool = open_spool(self.directory)

    @invariant()
    def the_books_say_what_was_written(self) -> None:
        if not hasattr(self, "spool"):
            return
        with self.spool.reading() as conn:
            for key, numbers in self.written.items():
                found = book_entries.entries(conn, key)
                assert [entry.number for entry in found] == list(range(1, len(numbers) + 1))
                said = [
                    [(item.state, "" if item.fields is None else item.fields.subject) for item in entry.versions]
                    for entry in found
                ]
                assert said == numbers
                assert book_entries.next_number(conn, key) == len(numbers) + 1

    def _version(self, key: BookKey, number: int) -> int:
        numbers = self.written[key]
        return len(numbers[number - 1]) if number <= len(numbers) else 1

    def _refused(self, key: BookKey, number: int, *, stale: bool, when: set[EntryState]) -> bool:
        numbers = self.written[key]
        return key in self.closed or number > len(numbers) or stale or numbers[number - 1][-1][0] in when


TestBooks = BooksMachine.TestCase
TestBooks.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
