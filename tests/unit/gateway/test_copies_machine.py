"""Any acts, copies at any moment, receipts lost on their way, a loss, a restore from any source: no number twice."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from consumers.copies.restoring import Restoring, restore
from consumers.copies.tables import Tables, read_tables
from consumers.errors import BookError, UnconfirmedBookError
from consumers.reading.inbox import receipts_of
from consumers.spool import Spool, books, confirming, open_spool
from consumers.spool.book_entries import EntryAuthor, EntryState
from consumers.spool.models import inbox, receipt
from consumers.spool.store import FILE_NAME
from consumers.spool.taking import take
from schemas.clock import now_ms
from schemas.errors import TransitionError
from schemas.states import Status
from support.books import (
    BY,
    IN_MEMORY,
    ToldLedger,
    an_empty_spool,
    book,
    fields,
    key,
    on_paper,
    register,
    renumber,
    this_year,
    undo,
)
from support.deliveries import ONE_MINUTE, UNIT, a_descriptor, arriving

_ENTERED = {EntryState.ENTERED}


class CopiesMachine(RuleBasedStateMachine):
    """The world keeps a stamp for each number that was ever given; no stamp may be made twice.

    The clerk has all paper at hand: after a loss the next number that is said is above every stamp.
    """

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self.spools = 0
        self.spool = self._anew()
        self.stamps: list[int] = []
        self.registered: dict[str, int] = {}
        self.borne: dict[str, set[int]] = {}
        self.said: dict[str, set[str]] = {}
        self.asked = True
        self.muddled: set[str] = set()
        self.deliveries: list[str] = []
        self.used: set[int] = set()
        self.copies: list[Tables] = []
        self.lost_receipts: set[str] = set()
        self.ledger = ToldLedger()

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.root)

    def _anew(self) -> Spool:
        self.spools += 1
        directory = self.root / str(self.spools)
        directory.mkdir()
        (directory / FILE_NAME).write_bytes(an_empty_spool())
        return open_spool(directory)

    @rule()
    def a_document_comes(self) -> None:
        item = arriving(a_descriptor(), complete=True, seq=len(self.deliveries) + 1)
        with self.spool.writing() as conn:
            take(conn, [([item], ONE_MINUTE)])
        self.deliveries.append(item.delivery_id)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def a_document_is_registered(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.deliveries))
        if not self._is_here(delivery):
            return
        try:
            number = register(self.spool, delivery)
        except (BookError, TransitionError):
            return
        self._bears(delivery, number)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def the_last_step_of_a_document_is_undone(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.deliveries))
        if not self._is_here(delivery):
            return
        try:
            undo(self.spool, delivery)
        except (BookError, TransitionError):
            return
        self.registered.pop(delivery, None)
        self._note_act(delivery)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def a_document_gets_another_number(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.deliveries))
        if not self._is_here(delivery):
            return
        try:
            number = renumber(self.spool, delivery)
        except (BookError, TransitionError):
            return
        self._bears(delivery, number)

    @rule()
    def paper_is_registered(self) -> None:
        try:
            self._stamp(on_paper(self.spool))
        except UnconfirmedBookError:
            return

    @rule(count=st.integers(1, 3))
    def numbers_are_reserved(self, count: int) -> None:
        try:
            with self.spool.writing() as conn:
                given = books.reserve(conn, key(), count, BY)
        except UnconfirmedBookError:
            return
        for number in given:
            self._stamp(number)

    @precondition(lambda self: self.stamps)
    @rule(data=st.data())
    def somebody_types_a_number_that_was_given(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.stamps))
        states = {entry.number: entry.state for entry in book(self.spool)}
        try:
            with self.spool.writing() as conn:
                books.enter(conn, key(), fields("mới"), BY, number=number)
        except BookError:
            return
        assert states[number] is EntryState.RESERVED  # taken before, and used now: the stamp is its own
        assert number not in self.used
        self.used.add(number)

    @rule()
    def a_copy_is_made(self) -> None:
        with self.spool.reading() as conn:
            self.copies = [*self.copies[-2:], read_tables(conn)]

    @rule(reaches=st.booleans())
    def receipts_go_out(self, reaches: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        """To the ledger, or into a broker whose disk is lost."""
        with self.spool.writing() as conn:
            ids = list(conn.scalars(select(receipt.c.id).where(receipt.c.sent_at.is_(None))))
            conn.execute(receipt.update().where(receipt.c.sent_at.is_(None)).values(sent_at=now_ms()))
        if not reaches:
            self.lost_receipts.update(ids)
        self.ledger.record(self.spool, without=self.lost_receipts)

    @rule(source=st.sampled_from(["nothing", "the newest copy", "an older copy"]), asked=st.booleans())
    def the_disk_is_lost_and_the_books_come_back(self, source: str, asked: bool) -> None:  # noqa: FBT001 - as above
        self._note_said()
        self.spool.close()
        self.spool = self._anew()
        tables: Tables = {}
        if source != "nothing" and self.copies:
            tables = self.copies[-1 if source == "the newest copy" else 0]
        self.asked = asked = asked or not tables
        told = {UNIT: list(self.ledger.deliveries.values())} if asked else None
        by = EntryAuthor("quan", now_ms(), reason="mất máy")
        with self.spool.writing() as conn:
            restore(conn, Restoring(tables, told, [UNIT], "LCA.02.#", by, this_year(), source))
        if asked:
            self._require_what_the_ledger_knows()

    @rule(beyond=st.integers(0, 2))
    def the_clerk_looks_at_the_last_stamp(self, beyond: int) -> None:
        following = max(self.stamps, default=0) + 1 + beyond
        try:
            with self.spool.writing() as conn:
                confirming.confirm(conn, key(), following, BY)
        except BookError:
            return

    @invariant()
    def every_number_of_the_book_has_one_entry_and_none_is_missing(self) -> None:
        if hasattr(self, "spool"):
            numbers = [entry.number for entry in book(self.spool)]
            assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True

    @invariant()
    def a_document_has_one_number(self) -> None:
        if hasattr(self, "spool"):
            of_documents = [entry for entry in book(self.spool) if entry.delivery_id]
            entered = [entry.delivery_id for entry in of_documents if entry.state is EntryState.ENTERED]
            assert len(entered) == len(set(entered))
            assert all(entry.number in self.borne[entry.delivery_id or ""] for entry in of_documents)

    def _require_what_the_ledger_knows(self) -> None:
        """Every number that it was told is there; and how a document stands of which it was told everything."""
        in_books = {(entry.delivery_id, entry.number): entry.state for entry in book(self.spool)}
        for delivery, one in self.ledger.deliveries.items():
            assert {(delivery, int(number)) for number in one.registrations} <= set(in_books)
            if delivery not in self.muddled and self.said[delivery] <= {said.id for said in one.receipts}:
                entered = [number for (of, number), state in in_books.items() if of == delivery and state in _ENTERED]
                assert entered == ([self.registered[delivery]] if delivery in self.registered else [])
                assert self._state(delivery) in {None, Status.REGISTERED if entered else Status.ARRIVED}

    def _bears(self, delivery: str, number: int) -> None:
        self._stamp(number)
        self.registered[delivery] = number
        self.borne.setdefault(delivery, set()).add(number)
        self._note_act(delivery)

    def _note_act(self, delivery: str) -> None:
        """Whoever put books back without asking the router acts on what may be old."""
        if not self.asked:
            self.muddled.add(delivery)

    def _note_said(self) -> None:
        """What is said in a spool that will be lost: the ledger may hear all of it, or not."""
        for delivery in self.deliveries:
            if self._is_here(delivery):
                said = {one.id for one in receipts_of(self.spool, delivery)}
                self.said.setdefault(delivery, set()).update(said)

    def _stamp(self, number: int) -> None:
        assert number not in self.stamps
        self.stamps.append(number)

    def _is_here(self, delivery: str) -> bool:
        return self._state(delivery) is not None

    def _state(self, delivery: str) -> Status | None:
        with self.spool.reading() as conn:
            found = conn.scalar(select(inbox.c.state).where(inbox.c.delivery_id == delivery))
        return None if found is None else Status(found)


TestCopies = CopiesMachine.TestCase
TestCopies.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
