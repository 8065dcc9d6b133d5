"""What people put right: a step undone, an entry corrected, another number; register, receipts and tasks are one."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, select

from consumers.errors import BookError, DocumentMovedError
from consumers.reading import handling as acts
from consumers.reading import righting, undoing
from consumers.reading.handling import Acting, Direction, Looked, looked_at
from consumers.reading.inbox import add_person_receipt, get_entry, receipts_of
from consumers.spool import Spool, book_entries, books, course, handling, recalls
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState
from consumers.spool.handling import StepKind, TaskPart
from consumers.spool.people import Card
from schemas.errors import InvalidError, TransitionError
from schemas.register import BookKind, RegisterFields
from schemas.states import Effect, Status, follow, go_back
from support.deliveries import UNIT, came
from support.desks import let_in

S = Status
HOA, NAM, LAN = Card("hoa", "Nguyễn Thị Hoa"), Card("nam", "Trần Văn Nam"), Card("lan", "Lê Thị Lan", department="VP")
FIELDS = RegisterFields(day=date(2026, 11, 29), subject="Về việc phòng, chống rét")
KEY = BookKey(UNIT, BookKind.INCOMING, 2026)
WHY = "Ghi nhầm"


class Office:
    """A unit's people at one document; each act is a second later than the one before."""

    def __init__(self, spool: Spool) -> None:
        self.spool, self.delivery, self.now = spool, came(spool), 1_000_000
        let_in(spool, [UNIT])
        self.tried: list[str] = []

    def by(self, card: Card) -> Acting:
        self.now += 1000
        return Acting(card, self.now, {UNIT})

    def looked(self) -> Looked:
        with self.spool.reading() as conn:
            return looked_at(conn, self.delivery, {UNIT})[1]

    def register(self) -> None:
        acts.register(self.spool, self.looked(), self.by(HOA), FIELDS)

    def refuse(self) -> None:
        acts.refuse(self.spool, self.looked(), self.by(HOA), "Gửi sai nơi nhận")

    def submit(self) -> None:
        acts.submit(self.spool, self.looked(), self.by(HOA), NAM, "")

    def direct(self) -> None:
        acts.direct(self.spool, self.looked(), self.by(NAM), Direction("Làm ngay", "lan", know=("hoa",)))

    def process(self) -> None:
        acts.process(self.spool, self.looked(), self.by(LAN), "")

    def complete(self) -> None:
        acts.complete(self.spool, self.looked(), self.by(LAN), "")

    def undo(self) -> None:
        undoing.step_back(self.spool, self.looked(), self.by(LAN), WHY)

    def renumber(self) -> None:
        undoing.renumber(self.spool, self.looked(), self.by(HOA), WHY)

    def correct(self) -> None:
        entered = self.entry()
        version = entered.versions[-1].version if entered else 1
        fields = FIELDS.model_copy(update={"signer": "Lê Văn Sơn"})
        undoing.correct_entry(self.spool, self.looked(), self.by(HOA), fields, WHY, version=version)

    def entry(self) -> book_entries.Entry | None:
        with self.spool.reading() as conn:
            return book_entries.entry_of(conn, self.delivery)

    def tasks(self) -> set[tuple[str, TaskPart]]:
        with self.spool.reading() as conn:
            found = handling.tasks(conn, looked_at(conn, self.delivery, {UNIT})[2])
        return {(item.person, item.part) for item in found if item.ended_at is None}

    def said(self) -> list[str]:
        return [item.status.value for item in receipts_of(self.spool, self.delivery)]

    def state(self) -> Status:
        return get_entry(self.spool, self.delivery).state

    def entries(self) -> list[tuple[int, EntryState]]:
        with self.spool.reading() as conn:
            return [(item.number, item.state) for item in book_entries.entries(conn, KEY)]

    def set_clock_back(self) -> None:
        self.now -= 5_000_000

    def fared(self) -> Row[Any]:
        with self.spool.reading() as conn:
            return conn.execute(select(course.between({UNIT}, 0, 2**62))).one()

    def goes(self, *names: str) -> None:
        for name in names:
            getattr(self, name)()


@pytest.fixture
def office(spool: Spool) -> Office:
    return Office(spool)


def test_each_step_is_undone_from_the_last_one_on_and_what_it_ended_is_open_again(office: Office) -> None:
    office.goes("register", "submit")
    assert office.tasks() == {("nam", TaskPart.DIRECT)}
    office.goes("direct", "process")
    at_work = {("lan", TaskPart.LEAD), ("hoa", TaskPart.KNOW)}
    assert office.tasks() == at_work
    office.goes("complete")
    assert office.tasks() == set()
    office.goes("undo")
    assert (office.state(), office.tasks()) == (S.PROCESSING, at_work)
    office.goes("undo")
    assert (office.state(), office.tasks()) == (S.ASSIGNED, at_work)
    office.goes("undo")
    assert (office.state(), office.tasks()) == (S.REGISTERED, {("nam", TaskPart.DIRECT)})
    office.goes("undo")
    assert (office.state(), office.tasks()) == (S.ARRIVED, set())
    assert office.entries() == [(1, EntryState.STRUCK)]
    with pytest.raises(TransitionError, match="nothing of it can be undone"):
        office.undo()
    office.goes("register")
    assert office.entries() == [(1, EntryState.STRUCK), (2, EntryState.ENTERED)]
    assert office.said() == [
        *("arrived", "registered", "assigned", "processing", "completed"),
        *("processing", "assigned", "registered", "arrived", "registered"),
    ]
    told = receipts_of(office.spool, office.delivery)
    assert [item.undoes for item in told[5:9]] == [told[place].id for place in (4, 3, 2, 1)]
    assert [item.register_number for item in told[7:]] == ["1", "", "2"]
    with office.spool.reading() as conn:
        kinds = [step.detail.undone for step in handling.steps(conn, 1) if step.kind is StepKind.UNDONE]
    assert kinds == [StepKind.COMPLETED, StepKind.PROCESSED, StepKind.DIRECTED, StepKind.REGISTERED]


def test_a_document_that_was_sent_back_by_mistake_can_be_registered(office: Office) -> None:
    office.goes("refuse", "undo", "register")
    assert office.said() == ["arrived", "refused", "arrived", "registered"]


def test_another_number_strikes_the_old_one_and_is_told_in_whatever_state_the_document_is(office: Office) -> None:
    office.goes("register", "direct")
    office.goes("renumber")
    assert office.state() is S.ASSIGNED
    assert office.entries() == [(1, EntryState.STRUCK), (2, EntryState.ENTERED)]
    told = receipts_of(office.spool, office.delivery)
    assert (told[-1].corrects, told[-1].register_number, told[-1].reason) == (told[1].id, "2", WHY)
    office.goes("correct", "undo")
    told = receipts_of(office.spool, office.delivery)
    assert (told[-2].corrects, told[-2].register_number) == (told[-3].id, "2")
    assert (told[-1].undoes, told[-1].status, told[-1].register_number) == (told[2].id, S.REGISTERED, "2")


def test_a_reserved_number_may_be_the_other_one_and_one_that_was_given_may_not(office: Office) -> None:
    with office.spool.writing() as conn:
        assert books.reserve(conn, KEY, 1, EntryAuthor("Hoa", 1, reason="Chờ công điện")) == [1]
    office.goes("register")
    with pytest.raises(BookError, match="given meanwhile"):
        undoing.renumber(office.spool, office.looked(), office.by(HOA), WHY, number=2)
    assert undoing.renumber(office.spool, office.looked(), office.by(HOA), WHY, number=1) == 1
    assert office.entries() == [(1, EntryState.ENTERED), (2, EntryState.STRUCK)]


def test_an_entry_that_was_put_right_keeps_both_and_the_issuer_is_told(office: Office) -> None:
    office.goes("register", "correct")
    entered = office.entry()
    assert entered is not None
    assert [version.fields and version.fields.signer for version in entered.versions] == ["", "Lê Văn Sơn"]
    assert office.said() == ["arrived", "registered", "registered"]
    assert office.state() is S.REGISTERED


def test_nothing_is_put_right_without_a_reason(office: Office) -> None:
    office.goes("register")
    before = office.said(), office.entries()
    with pytest.raises(InvalidError, match="reason"):
        undoing.step_back(office.spool, office.looked(), office.by(HOA), "")
    with pytest.raises(BookError, match="reason"):
        undoing.renumber(office.spool, office.looked(), office.by(HOA), "")
    assert (office.said(), office.entries()) == before


def test_a_closed_book_is_not_changed_by_undoing(office: Office) -> None:
    office.goes("register")
    with office.spool.writing() as conn:
        books.close(conn, KEY, EntryAuthor("Hoa", 2))
    with pytest.raises(BookError, match="closed"):
        office.undo()
    assert (office.state(), office.said()) == (S.REGISTERED, ["arrived", "registered"])


def test_a_registration_is_struck_only_while_nobody_has_gone_on(office: Office) -> None:
    office.goes("register", "direct")
    with pytest.raises(BookError, match="undo that first"):
        undoing.unregister(office.spool, office.looked(), office.by(HOA), WHY)
    office.goes("undo")
    undoing.unregister(office.spool, office.looked(), office.by(HOA), WHY)
    assert office.entries() == [(1, EntryState.STRUCK)]


def test_what_its_issuer_wants_back_is_not_undone(office: Office) -> None:
    office.goes("refuse")
    dispatch = get_entry(office.spool, office.delivery).dispatch_id
    with office.spool.writing() as conn:
        recalls.note(conn, [recalls.Noted(unit=UNIT, by="0" * 32, notation="9-CV/TU", dispatch_ids=(dispatch,))])
        recalls.carry_out(conn, {(UNIT, dispatch)})
    with pytest.raises(TransitionError, match="recalled by its issuer"):
        office.undo()


def test_the_slower_of_two_does_not_undo_what_was_done_meanwhile(office: Office) -> None:
    office.goes("register")
    at = office.looked()
    office.goes("direct")
    with pytest.raises(DocumentMovedError):
        undoing.step_back(office.spool, at, office.by(HOA), WHY)


def test_a_unit_without_books_undoes_and_puts_right_by_the_commands_functions(office: Office) -> None:
    spool, key = office.spool, office.delivery
    add_person_receipt(spool, key, S.REGISTERED, register_number="57", person="Hoa")
    said = {"register_number": "58", "reason": WHY, "person": "Hoa", "department": ""}
    assert righting.correct_receipt(spool, key, S.REGISTERED, said).state is S.REGISTERED
    with pytest.raises(TransitionError, match="nobody has said completed"):
        righting.correct_receipt(spool, key, S.COMPLETED, said)
    assert righting.undo_last(spool, key, reason=WHY).state is S.ARRIVED
    assert office.said() == ["arrived", "registered", "registered", "arrived"]
    office.goes("register")
    with pytest.raises(TransitionError, match="stands in a register"):
        righting.undo_last(spool, key, reason=WHY)
    with pytest.raises(TransitionError, match="stands in a register"):
        righting.correct_receipt(spool, key, S.REGISTERED, said)


@pytest.mark.parametrize("names", [("register", "direct"), ("refuse",), ("register", "direct", "complete")])
def test_what_people_dealt_with_at_the_desk_nobody_undoes_without_a_name(
    office: Office, names: tuple[str, ...]
) -> None:
    office.goes(*names)
    before = office.said(), office.tasks()
    with pytest.raises(TransitionError, match="dealt with at the desk"):
        righting.undo_last(office.spool, office.delivery, reason=WHY)
    assert (office.said(), office.tasks()) == before


def test_a_step_is_undone_to_the_one_before_it_though_an_earlier_one_was_put_right_meanwhile(office: Office) -> None:
    office.goes("register", "direct", "correct", "process", "undo")
    assert office.state() is S.ASSIGNED


def test_a_clock_that_was_set_back_leaves_each_task_to_the_step_that_gave_and_ended_it(office: Office) -> None:
    office.goes("register", "submit", "set_clock_back", "direct")
    assert office.tasks() == {("lan", TaskPart.LEAD), ("hoa", TaskPart.KNOW)}
    office.goes("undo")
    assert office.tasks() == {("nam", TaskPart.DIRECT)}


def test_how_a_document_fared_says_nothing_of_what_was_undone(office: Office) -> None:
    def direct(lead: str, until_ms: int) -> None:
        said = Direction("Làm ngay", lead, until=date(2026, 12, 1), until_ms=until_ms)
        acts.direct(office.spool, office.looked(), office.by(NAM), said)

    office.goes("register")
    direct("lan", 900)
    direct("hoa", 300)
    assert (office.fared().lead, office.fared().until) == (HOA.full_name, 300)
    acts.complete(office.spool, office.looked(), office.by(LAN), "", answer="15/BC-UBND")
    assert office.fared().answer == "15/BC-UBND"
    office.goes("undo")
    assert (office.fared().answer, office.fared().lead) == ("", HOA.full_name)
    office.goes("undo")
    fared = office.fared()
    assert (fared.lead, fared.directed_at, fared.until) == ("", None, None)
    with office.spool.reading() as conn:
        stands = [step.kind for step in handling.steps(conn, 1) if not step.undone]
    assert stands == [StepKind.REGISTERED, StepKind.UNDONE, StepKind.UNDONE]


ACTS = ["register", "refuse", "submit", "direct", "process", "complete", "undo", "undo", "renumber", "correct"]


@given(names=st.lists(st.sampled_from([*ACTS, "set_clock_back"]), max_size=14))
@settings(deadline=None, max_examples=60)
def test_whatever_was_done_undoing_a_step_leaves_state_and_tasks_as_they_were_before_it(
    spool_factory: Callable[[], Spool], names: list[str]
) -> None:
    spool = spool_factory()
    office = Office(spool)
    steps: list[tuple[Status, set[tuple[str, TaskPart]]]] = []
    for name in names:
        before = office.state(), office.tasks()
        try:
            office.goes(name)
        except (TransitionError, BookError):
            continue
        if name == "undo":
            assert (office.state(), office.tasks()) == steps.pop()
        elif office.state() is not before[0]:
            steps.append(before)
    spool.close()


@given(names=st.lists(st.sampled_from(ACTS), max_size=14))
@settings(deadline=None, max_examples=80)
def test_whatever_is_done_and_undone_the_ledger_comes_to_the_same_state_and_no_number_is_given_twice(
    spool_factory: Callable[[], Spool], names: list[str]
) -> None:
    spool = spool_factory()
    office = Office(spool)
    for name in names:
        before = office.said(), office.entries(), office.tasks()
        try:
            office.goes(name)
        except (TransitionError, BookError):
            assert (office.said(), office.entries(), office.tasks()) == before
    state = S.ARRIVED
    for item in receipts_of(spool, office.delivery)[1:]:
        if item.corrects is not None:
            continue
        step = follow(state, item.status) if item.undoes is None else go_back(state, item.status)
        assert step.effect is (Effect.ADVANCE if item.undoes is None else Effect.BACK)
        state = item.status
    assert state is office.state()
    numbers = [number for number, _ in office.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    is_entered = state not in {S.ARRIVED, S.REFUSED}
    assert sum(kept is EntryState.ENTERED for _, kept in office.entries()) == int(is_entered)
    spool.close()
