"""Recalls in the spool: whichever comes first, a document that was recalled in time never reaches the sink."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select, update

from consumers.fetching.content import DIRECTORY_NAME, ContentDir
from consumers.reading.inbox import add_person_receipt, get_entry, receipts_of
from consumers.spool import Spool, open_spool, outbox, retention, work
from consumers.spool.models import inbox, recall
from consumers.spool.recalls import Recalled
from consumers.spool.taking import Arriving, TakenBatch, take
from consumers.spool.work import Arrived, Parked, Postponed, Waiting
from schemas.attachment import TravellingAttachment
from schemas.descriptor import Descriptor, encode, fits, full_descriptor, stub
from schemas.dispatch import Kind, Lane, Submission, Urgency
from schemas.errors import TransitionError
from schemas.ids import new_id
from schemas.states import Status
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference
from support.letters import widest_submission

FILE = by_reference("a.pdf", b"bytes")
RECALL_OF = {"kind": Kind.RECALL, "urgency": Urgency.EXPRESS, "notation": "2-CV/TU"}


def put(spool: Spool, *items: Arriving) -> TakenBatch:
    with spool.writing() as conn:
        return take(conn, [(items, ONE_MINUTE)])[0]


def recall_of(*originals: Descriptor) -> Descriptor:
    return a_descriptor(**RECALL_OF, refers_to=tuple(item.id for item in originals))


def waiting(spool: Spool) -> list[Waiting]:
    with spool.reading() as conn:
        return [item for lane in Lane for item in work.outlook(conn, lane, limit=100, without=[]).ready]


def the_waiting(spool: Spool, item: Arriving) -> Waiting:
    (found,) = [other for other in waiting(spool) if other.delivery_id == item.delivery_id]
    return found


def hand_over(spool: Spool, item: Waiting) -> bool:
    with spool.writing() as conn:
        return work.hand_over(conn, [item])[0]


def arrive(spool: Spool, item: Waiting, *, keep: bool = False) -> bool:
    with spool.writing() as conn:
        return work.arrive(conn, [Arrived(item, 1, keep=keep)])[0]


def said(spool: Spool, item: Arriving) -> list[str]:
    return [told.status.value for told in receipts_of(spool, item.delivery_id)]


def state(spool: Spool, item: Arriving) -> Status:
    return get_entry(spool, item.delivery_id).state


def test_a_recall_ends_what_the_sink_has_not_and_releases_its_files(spool: Spool) -> None:
    original = a_descriptor(attachments=(FILE,))
    item = arriving(original)
    put(spool, item)
    pos = the_waiting(spool, item).pos
    recall = recall_of(original)
    taken = put(spool, arriving(recall, seq=2))
    assert taken.recalled == Recalled(frozenset({pos}), frozenset({FILE.sha256}))
    assert said(spool, item) == ["taken", "recalled"]
    entry = get_entry(spool, item.delivery_id)
    assert (entry.state, entry.reason) == (Status.RECALLED, f"recalled by 2-CV/TU, dispatch {recall.id}")
    assert [other.seq for other in waiting(spool)] == [2], "the recall itself goes its way"
    with spool.reading() as conn:
        assert work.unused(conn, [FILE.sha256]) == {FILE.sha256}


def test_a_recall_that_overtook_its_original_ends_it_when_it_comes(spool: Spool) -> None:
    original = a_descriptor(attachments=(FILE,))
    put(spool, arriving(recall_of(original), seq=2))
    item = arriving(original)
    taken = put(spool, item)
    assert (taken.new, len(taken.recalled.positions), taken.recalled.contents) == (1, 1, frozenset({FILE.sha256}))
    assert said(spool, item) == ["taken", "recalled"]
    assert put(spool, item) == TakenBatch(new=0, waiting=0, known=1)
    assert state(spool, item) is Status.RECALLED


@pytest.mark.parametrize("recall_first", [True, False])
def test_in_one_batch_the_order_does_not_matter_even_for_what_arrives_by_being_stored(
    spool: Spool, *, recall_first: bool
) -> None:
    original = a_descriptor()
    item, recall = arriving(original, complete=True), arriving(recall_of(original), seq=2, complete=True)
    put(spool, *((recall, item) if recall_first else (item, recall)))
    assert (state(spool, item), state(spool, recall)) == (Status.RECALLED, Status.ARRIVED)
    assert said(spool, item) == ["taken", "recalled"]
    assert waiting(spool) == []


def test_a_recall_concerns_the_units_it_is_addressed_to_and_no_others(spool: Spool) -> None:
    original = a_descriptor()
    here, there = arriving(original), arriving(original, unit="LCA.02.06")
    put(spool, here, there)
    put(spool, arriving(recall_of(original), seq=2))
    assert (state(spool, here), state(spool, there)) == (Status.RECALLED, Status.TAKEN)


def test_one_recall_may_call_several_dispatches_back(spool: Spool) -> None:
    originals = [a_descriptor() for _ in range(3)]
    items = [arriving(original, seq=seq) for seq, original in enumerate(originals, 1)]
    put(spool, *items[:2])
    put(spool, arriving(recall_of(*originals), seq=4))
    put(spool, items[2])
    assert {state(spool, item) for item in items} == {Status.RECALLED}


def test_what_is_parked_ends_and_is_not_opened_again_by_a_copy_in_the_same_batch(spool: Spool) -> None:
    original = a_descriptor()
    item = arriving(original)
    put(spool, item)
    with spool.writing() as conn:
        work.park(conn, [Parked(the_waiting_in(conn, item), 3, "refused", back=True)])
        rows = outbox.unsent(conn, Lane.NORMAL, after=0, limit=99)
        outbox.mark_sent(conn, [[row.pos for row in rows]])
    put(spool, item, arriving(recall_of(original), seq=2))
    assert state(spool, item) is Status.RECALLED
    assert said(spool, item)[-1] == "recalled"


def the_waiting_in(conn: object, item: Arriving) -> Waiting:
    found = work.outlook(conn, Lane.NORMAL, limit=9, without=[]).ready  # type: ignore[arg-type]
    return next(other for other in found if other.delivery_id == item.delivery_id)


def test_what_the_sink_has_is_asked_back_and_its_people_answer(spool: Spool) -> None:
    original = a_descriptor()
    item = arriving(original)
    put(spool, item)
    found = the_waiting(spool, item)
    assert hand_over(spool, found)
    assert arrive(spool, found)
    put(spool, arriving(recall_of(original), seq=2))
    assert state(spool, item) is Status.TAKE_BACK_REQUESTED
    assert said(spool, item) == ["taken", "arrived"], "nobody at the unit has said anything yet"
    with pytest.raises(TransitionError, match="cannot follow take_back_requested"):
        add_person_receipt(spool, item.delivery_id, Status.REGISTERED, register_number="57")
    add_person_receipt(spool, item.delivery_id, Status.CHANGE_REFUSED)
    add_person_receipt(spool, item.delivery_id, Status.REGISTERED, register_number="57")
    assert said(spool, item) == ["taken", "arrived", "change_refused", "registered"]


def test_a_copy_of_the_recall_does_not_ask_again_what_was_answered(spool: Spool) -> None:
    original = a_descriptor()
    item, recall = arriving(original, complete=True), arriving(recall_of(original), seq=2)
    put(spool, item)
    put(spool, recall)
    add_person_receipt(spool, item.delivery_id, Status.CHANGE_REFUSED)
    put(spool, recall)
    put(spool, arriving(original, unit="LCA.02.06", seq=3))
    assert state(spool, item) is Status.CHANGE_REFUSED


def test_a_hand_over_under_way_is_finished_and_then_asked_back(spool: Spool) -> None:
    original = a_descriptor()
    item = arriving(original)
    put(spool, item)
    found = the_waiting(spool, item)
    assert hand_over(spool, found)
    assert put(spool, arriving(recall_of(original), seq=2)).recalled == Recalled()
    assert arrive(spool, found)
    assert state(spool, item) is Status.TAKE_BACK_REQUESTED
    assert "recalled" not in said(spool, item)


@pytest.mark.parametrize("parked", [True, False])
def test_a_hand_over_that_failed_after_the_recall_ends_the_delivery(spool: Spool, *, parked: bool) -> None:
    original = a_descriptor(attachments=(FILE,))
    item = arriving(original)
    put(spool, item)
    found = the_waiting(spool, item)
    assert hand_over(spool, found)
    put(spool, arriving(recall_of(original), seq=2))
    with spool.writing() as conn:
        if parked:
            assert work.park(conn, [Parked(found, 3, "the register is locked", back=True)]) == [False]
        else:
            assert work.postpone(conn, [Postponed(found, 1, 5, "the register is locked", back=True)]) == [False]
        assert work.unused(conn, [FILE.sha256]) == {FILE.sha256}
    assert said(spool, item) == ["taken", *["parked"] * parked, "recalled"]


def test_a_note_on_the_line_does_not_make_a_hand_over_undone(spool: Spool) -> None:
    original = a_descriptor()
    item = arriving(original)
    put(spool, item)
    found = the_waiting(spool, item)
    assert hand_over(spool, found)
    with spool.writing() as conn:
        assert work.postpone(conn, [Postponed(found, 0, 0, "the line is down")]) == [True]
    put(spool, arriving(recall_of(original), seq=2))
    assert state(spool, item) is Status.TAKEN


def test_an_errand_that_was_recalled_reaches_no_end_of_its_own(spool: Spool) -> None:
    original = a_descriptor(attachments=(FILE,))
    record = by_reference("record.json", b"all")
    item = arriving(original)
    put(spool, item)
    found = the_waiting(spool, item)
    put(spool, arriving(recall_of(original), seq=2))
    assert not hand_over(spool, found)
    assert not arrive(spool, found)
    with spool.writing() as conn:
        assert work.park(conn, [Parked(found, 1, "gone")]) == [False]
        assert work.postpone(conn, [Postponed(found, 1, 0, "gone")]) == [False]
        expanded = work.Expanded(
            found, b"full", "f" * 64, arriving(a_descriptor(attachments=(record,))).letter.contents
        )
        assert work.expand(conn, [expanded]) == [False]
        assert work.unused(conn, [FILE.sha256, record.sha256]) == {FILE.sha256, record.sha256}
    assert said(spool, item) == ["taken", "recalled"]


def test_a_person_says_recalled_only_of_what_was_recalled_and_the_spools_files_go(spool: Spool) -> None:
    original = a_descriptor(attachments=(FILE,))
    item = arriving(original)
    put(spool, item)
    arrive(spool, the_waiting(spool, item), keep=True)
    kept = ContentDir(spool.path.parent / DIRECTORY_NAME, reserve_bytes=0).path(FILE.sha256)
    kept.write_bytes(b"bytes")
    with pytest.raises(TransitionError, match="nobody has recalled"):
        add_person_receipt(spool, item.delivery_id, Status.RECALLED)
    put(spool, arriving(recall_of(original), seq=2))
    assert kept.exists(), "people decide"
    entry = add_person_receipt(spool, item.delivery_id, Status.RECALLED, person="Nguyễn Thị Hoa")
    assert (entry.state, kept.exists()) == (Status.RECALLED, False)
    assert said(spool, item) == ["taken", "arrived", "recalled"]


def test_files_that_another_delivery_uses_stay(spool: Spool) -> None:
    original = a_descriptor(attachments=(FILE,))
    item = arriving(original)
    put(spool, item, arriving(original, unit="LCA.02.06"))
    put(spool, arriving(recall_of(original), seq=2))
    with spool.reading() as conn:
        assert work.unused(conn, [FILE.sha256]) == set()


def test_a_recall_too_long_for_a_message_still_names_what_it_recalls(spool: Spool) -> None:
    originals = [a_descriptor() for _ in range(20)]
    fields = widest_submission().model_dump() | {"kind": Kind.RECALL, "refers_to": [item.id for item in originals]}
    record = TravellingAttachment(name="record.json", size=9, sha256="ab" * 32)
    short = stub(full_descriptor(new_id(), Submission(**fields)), record)
    assert fits(encode(short))
    item = arriving(originals[-1])
    put(spool, item)
    put(spool, arriving(short, seq=2))
    assert state(spool, item) is Status.RECALLED


def test_a_recall_is_forgotten_with_its_document(spool: Spool) -> None:
    put(spool, arriving(recall_of(a_descriptor()), complete=True))
    with spool.writing() as conn:
        conn.execute(update(inbox).values(state_at=5))
        outbox.mark_sent(conn, [[row.pos for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=9)]])
        assert conn.scalar(select(func.count()).select_from(recall)) == 1
        retention.forget(conn, [10])
        assert conn.scalar(select(func.count()).select_from(recall)) == 0


class Race(RuleBasedStateMachine):
    """One document, its recall, and an errand between them, in any order and with any outcome at the sink."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.spool = open_spool(self.directory)
        self.original = a_descriptor(attachments=(FILE,))
        self.item, self.recall = arriving(self.original), arriving(recall_of(self.original), seq=2)
        self.errand: Waiting | None = None
        self.at_the_sink = self.sink_has = self.here = self.called_back = False

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.directory)

    @rule()
    def the_original_comes(self) -> None:
        put(self.spool, self.item)
        self.here = True

    @rule()
    def the_recall_comes(self) -> None:
        put(self.spool, self.recall)
        self.called_back = True

    @precondition(lambda self: self.errand is None)
    @rule()
    def an_errand_begins(self) -> None:
        found = [item for item in waiting(self.spool) if item.delivery_id == self.item.delivery_id]
        self.errand = found[0] if found else None

    @precondition(lambda self: self.errand is not None and not self.at_the_sink)
    @rule()
    def it_wants_to_hand_over(self) -> None:
        assert self.errand is not None
        self.at_the_sink = hand_over(self.spool, self.errand)
        self.errand = self.errand if self.at_the_sink else None

    @precondition(lambda self: self.at_the_sink)
    @rule()
    def the_sink_takes_it(self) -> None:
        assert self.errand is not None
        assert arrive(self.spool, self.errand), "what is at the sink is not ended under its hands"
        self.sink_has, self.at_the_sink, self.errand = True, False, None

    @precondition(lambda self: self.at_the_sink and not self.sink_has)  # it knows what it has taken
    @rule(for_good=st.booleans())
    def the_sink_does_not_take_it(self, *, for_good: bool) -> None:
        assert self.errand is not None
        with self.spool.writing() as conn:
            if for_good:
                work.park(conn, [Parked(self.errand, 3, "refused", back=True)])
            else:
                work.postpone(conn, [Postponed(self.errand, 1, 0, "later", back=True)])
        self.at_the_sink, self.errand = False, None

    @precondition(lambda self: self.at_the_sink)
    @rule()
    def the_gateway_is_killed_when_the_sink_has_just_taken_it(self) -> None:
        self.sink_has, self.at_the_sink, self.errand = True, False, None

    @precondition(lambda self: not self.at_the_sink)
    @rule()
    def the_gateway_is_killed(self) -> None:
        self.errand = None

    @invariant()
    def it_is_called_recalled_only_when_the_sink_never_had_it(self) -> None:
        if getattr(self, "here", False) and state(self.spool, self.item) is Status.RECALLED:
            assert self.called_back
            assert not self.sink_has
            assert said(self.spool, self.item)[-1] == "recalled"

    @invariant()
    def a_recall_that_has_come_is_never_without_effect(self) -> None:
        if getattr(self, "here", False) and self.called_back and not self.at_the_sink:
            now = state(self.spool, self.item)
            if self.sink_has:
                assert now in {Status.TAKE_BACK_REQUESTED, Status.TAKEN}, "taken: not known yet after a kill"
            else:
                assert now is Status.RECALLED


Race.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
TestRace = Race.TestCase
