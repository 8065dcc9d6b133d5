"""What the spool does with descriptors: new ones, known ones, numbers that are jumped over."""

from collections.abc import Sequence
from itertools import pairwise

import orjson
import pytest
from sqlalchemy import select

from consumers.reading.inbox import get_entry, list_inbox, receipts_of
from consumers.reporting.reporter import encode
from consumers.spool import Spool, gaps, outbox, work
from consumers.spool.gaps import Asked, LaneProgress, passed
from consumers.spool.models import content_use, gap, letter
from consumers.spool.taking import Arriving, GapPauses, TakenBatch, jumped_over, take
from consumers.spool.work import Arrived, Outlook, Parked, Waiting
from schemas.attachment import content_digest
from schemas.clock import now_ms
from schemas.dispatch import Lane, Urgency
from schemas.ids import new_id
from schemas.states import Status
from support.deliveries import ONE_MINUTE, UNIT, a_descriptor, arriving, by_reference


def put(spool: Spool, *items: Arriving, ask_after_ms: int = 60_000) -> TakenBatch:
    with spool.writing() as conn:
        return take(conn, [(items, GapPauses(ask_after_ms))])[0]


def waiting(spool: Spool, lane: Lane = Lane.NORMAL, *, limit: int = 100, without: Sequence[int] = ()) -> Outlook:
    with spool.reading() as conn:
        return work.outlook(conn, lane, limit=limit, without=without)


def unsent(spool: Spool, lane: Lane = Lane.NORMAL) -> list[outbox.Unsent]:
    with spool.reading() as conn:
        return outbox.unsent(conn, lane, after=0, limit=1000)


def send(spool: Spool) -> None:
    with spool.writing() as conn:
        outbox.mark_sent(conn, [[row.pos for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=9999)]])


def end(spool: Spool, item: Waiting, reason: str = "") -> None:
    with spool.writing() as conn:
        if reason:
            work.park(conn, [Parked(item, 3, reason)])
        else:
            work.arrive(conn, [Arrived(item, 1, keep=False)])


def missing(spool: Spool) -> list[int]:
    with spool.reading() as conn:
        return list(conn.scalars(select(gap.c.seq).order_by(gap.c.seq)))


def test_a_new_delivery_waits_and_says_taken(spool: Spool) -> None:
    item = arriving()
    assert put(spool, item) == TakenBatch(new=1, waiting=1, known=0)
    assert [found.delivery_id for found in waiting(spool).ready] == [item.delivery_id]
    assert [(row.status, row.seq, row.delivery_id) for row in unsent(spool)] == [("taken", 1, item.delivery_id)]


def test_a_complete_delivery_says_arrived_alone_and_does_not_wait(spool: Spool) -> None:
    descriptor = a_descriptor()
    item = arriving(descriptor, complete=True)
    assert put(spool, item) == TakenBatch(new=1, waiting=0, known=0)
    assert waiting(spool).ready == []
    assert [row.status for row in unsent(spool)] == ["arrived"]
    assert orjson.loads(encode(unsent(spool)[0]))["content_sha256"] == content_digest(())
    assert get_entry(spool, item.delivery_id).state is Status.ARRIVED


def test_the_same_delivery_twice_in_one_batch_is_taken_once(spool: Spool) -> None:
    item = arriving()
    assert put(spool, item, item) == TakenBatch(new=1, waiting=1, known=1)
    assert len(list_inbox(spool)) == 1


def test_a_repeated_delivery_still_in_work_gets_no_answer(spool: Spool) -> None:
    item = arriving()
    put(spool, item)
    send(spool)
    assert put(spool, item) == TakenBatch(new=0, waiting=0, known=1)
    assert unsent(spool) == []


def test_a_repeated_delivery_that_arrived_is_answered_with_the_same_receipts(spool: Spool) -> None:
    item = arriving()
    put(spool, item)
    end(spool, waiting(spool).ready[0])
    said = [encode(row) for row in unsent(spool)]
    send(spool)
    put(spool, item)
    assert [encode(row) for row in unsent(spool)] == said
    assert len(said) == 2


def test_a_parked_delivery_is_opened_again_when_it_comes_again(spool: Spool) -> None:
    item = arriving()
    put(spool, item)
    end(spool, waiting(spool).ready[0], "the sink refused it")
    assert waiting(spool).ready == []
    send(spool)
    assert put(spool, item) == TakenBatch(new=0, waiting=1, known=1)
    assert [found.attempts for found in waiting(spool).ready] == [0]
    assert [row.status for row in unsent(spool)] == ["taken"]


def test_a_parked_delivery_stays_parked_while_nobody_can_have_heard_of_it(spool: Spool) -> None:
    item = arriving()
    put(spool, item)
    end(spool, waiting(spool).ready[0], "the sink refused it")
    assert put(spool, item) == TakenBatch(new=0, waiting=0, known=1)
    assert get_entry(spool, item.delivery_id).state is Status.PARKED
    assert [row.status for row in unsent(spool)] == ["taken", "parked"]


def test_a_copy_of_what_is_parked_asks_nobody_again_until_an_operator_has_it_redriven(spool: Spool) -> None:
    item = arriving(redriven=0)
    put(spool, item)
    end(spool, waiting(spool).ready[0], "the sink refused it")
    send(spool)
    assert put(spool, item) == TakenBatch(new=0, waiting=0, known=1)
    assert (waiting(spool).ready, [row.status for row in unsent(spool)]) == ([], ["taken", "parked"])
    redriven = item._replace(redriven_at=1_790_000_000_000)
    assert put(spool, item, redriven, item) == TakenBatch(new=0, waiting=1, known=3)
    end(spool, waiting(spool).ready[0], "the sink refused it again")
    send(spool)
    assert put(spool, redriven) == TakenBatch(new=0, waiting=0, known=1)
    again = redriven._replace(redriven_at=1_790_000_000_001)
    assert put(spool, again) == TakenBatch(new=0, waiting=1, known=1)


def test_addressees_of_one_dispatch_share_its_letter(spool: Spool) -> None:
    descriptor = a_descriptor()
    put(spool, *(arriving(descriptor, unit=f"LCA.02.{number:02}") for number in range(10)))
    with spool.reading() as conn:
        assert len(conn.execute(select(letter.c.pos)).all()) == 1
    assert len(list_inbox(spool)) == 10


def test_receipts_are_numbered_for_each_unit_without_a_hole(spool: Spool) -> None:
    for batch in range(3):
        put(spool, *(arriving(unit=unit, seq=batch + 1, complete=True) for unit in ("LCA.02", "LCA.03")))
    for unit in ("LCA.02", "LCA.03"):
        assert [row.seq for row in unsent(spool) if row.unit == unit] == [1, 2, 3]


def test_the_most_urgent_then_the_smallest_is_found_first_and_the_largest_with_them(spool: Spool) -> None:
    sizes = {1: 300, 2: 100, 3: 5000, 4: 200}
    for seq, size in sizes.items():
        put(spool, arriving(a_descriptor(attachments=(by_reference("a", b"%d" % seq * size),)), seq=seq))
    put(spool, arriving(a_descriptor(urgency=Urgency.URGENT, attachments=(by_reference("b", b"x" * 9000),)), seq=5))
    assert [item.seq for item in waiting(spool).ready] == [5, 2, 4, 1, 3]
    assert [item.seq for item in waiting(spool, limit=1).ready] == [5]
    assert [item.seq for item in waiting(spool, limit=2).ready] == [5, 2, 3]
    urgent = waiting(spool).ready[0]
    assert [item.seq for item in waiting(spool, limit=2, without=[urgent.pos]).ready] == [2, 4, 3]


def test_express_deliveries_wait_in_a_lane_of_their_own(spool: Spool) -> None:
    put(spool, arriving(a_descriptor(urgency=Urgency.VERY_URGENT)), arriving(seq=2))
    assert [item.seq for item in waiting(spool, Lane.EXPRESS).ready] == [1]
    assert [item.seq for item in waiting(spool, Lane.NORMAL).ready] == [2]
    assert [row.status for row in unsent(spool, Lane.EXPRESS)] == ["taken"]


def test_a_postponed_delivery_is_left_alone_until_its_moment(spool: Spool) -> None:
    put(spool, arriving())
    item = waiting(spool).ready[0]
    with spool.writing() as conn:
        work.postpone(conn, [work.Postponed(item, 2, 10**15, "the sink is down")])
    assert waiting(spool) == Outlook([], 10**15)
    assert list_inbox(spool)[0].reason == "the sink is down"


def test_a_clock_that_goes_back_keeps_no_delivery_waiting(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    put(spool, arriving())
    now = now_ms()
    with spool.writing() as conn:
        work.postpone(conn, [work.Postponed(waiting(spool).ready[0], 2, now + 60_000, "the sink is down")])
    assert waiting(spool).ready == []
    monkeypatch.setattr(work, "now_ms", lambda: now - 86_400_000)
    assert [item.seq for item in waiting(spool).ready] == [1]


def test_a_delivery_that_ended_cannot_end_again(spool: Spool) -> None:
    put(spool, arriving())
    item = waiting(spool).ready[0]
    end(spool, item)
    with spool.writing() as conn:
        work.postpone(conn, [work.Postponed(item, 2, 5, "too late")])
    assert list_inbox(spool)[0].state is Status.ARRIVED
    assert list_inbox(spool)[0].reason == ""


def test_contents_are_in_use_until_the_delivery_has_arrived(spool: Spool) -> None:
    file = by_reference("a", b"bytes")
    put(spool, arriving(a_descriptor(attachments=(file,))))
    with spool.reading() as conn:
        assert work.unused(conn, [file.sha256, "0" * 64]) == {"0" * 64}
    end(spool, waiting(spool).ready[0])
    with spool.reading() as conn:
        assert work.unused(conn, [file.sha256]) == {file.sha256}
        assert conn.execute(select(content_use)).all() == []


def test_numbers_that_are_jumped_over_are_missing_until_they_come(spool: Spool) -> None:
    put(spool, arriving(seq=41))
    assert missing(spool) == [], "what came before the first is not ours to miss"
    put(spool, arriving(seq=45), arriving(seq=43))
    assert missing(spool) == [42, 44]
    put(spool, arriving(seq=42))
    assert missing(spool) == [44]


def test_a_missing_number_is_asked_for_though_the_clock_was_ahead(spool: Spool) -> None:
    put(spool, arriving(seq=1), arriving(seq=3), ask_after_ms=24 * 3_600_000)
    put(spool, arriving(seq=5), ask_after_ms=60_000)
    with spool.reading() as conn:
        assert dict(gaps.due(conn, pause_ms=60_000)) == {UNIT: [2]}


def test_a_missing_number_is_asked_for_after_growing_pauses_and_in_the_end_no_more(spool: Spool) -> None:
    put(spool, arriving(seq=1), arriving(seq=3), ask_after_ms=0)
    pauses = []
    for _ in range(gaps.MAX_ASKS - 1):
        with spool.writing() as conn:
            assert gaps.note_asked(conn, [Asked(UNIT, (2,), 1000)]) == [None]
            ask_at = conn.scalars(select(gap.c.ask_at)).one()
            conn.execute(gap.update().values(ask_at=0))
            assert dict(gaps.due(conn, pause_ms=60_000)) == {UNIT: [2]}
            pauses.append(ask_at)
    assert [round((after - before) / 1000) for before, after in pairwise(pauses)] == [2, 4, 8, 16, 32, 64]
    with spool.writing() as conn:
        gaps.note_asked(conn, [Asked(UNIT, (2,), 1000)])
        assert gaps.count(conn) == 0


@pytest.mark.parametrize(
    ("known", "numbers", "expected"),
    [(0, [7], []), (0, [7, 9], [8]), (5, [6], []), (5, [8], [6, 7]), (5, [3], []), (9, [3, 12], [10, 11])],
)
def test_what_is_jumped_over(known: int, numbers: list[int], expected: list[int]) -> None:
    assert jumped_over(known, numbers) == expected


def test_a_jump_beyond_reason_is_cut() -> None:
    assert len(jumped_over(1, [10**12])) == 10_000


@pytest.mark.parametrize(
    ("express", "normal", "expected"),
    [
        (LaneProgress(9, 1000), LaneProgress(8, 1000), True),
        (LaneProgress(9, 1000), LaneProgress(4, 1000), False),
        (LaneProgress(9, 1000), LaneProgress(4, 0), True),
        (LaneProgress(), LaneProgress(8, 1000), True),
    ],
)
def test_a_number_is_missing_only_when_both_lanes_have_passed_it_or_are_quiet(
    express: LaneProgress, normal: LaneProgress, *, expected: bool
) -> None:
    assert passed(5, [express, normal], now=1500, quiet_since=0, quiet_ms=1000) is expected


def test_after_a_new_connection_both_lanes_get_time_to_speak() -> None:
    assert not passed(5, [LaneProgress(), LaneProgress()], now=1500, quiet_since=1000, quiet_ms=1000)


def test_a_stub_is_expanded_for_each_delivery_of_its_dispatch(spool: Spool) -> None:
    file = by_reference("a", b"bytes")
    full = a_descriptor(attachments=(file,))
    stub = full.model_copy(update={"attachments": (), "record": by_reference("record", b"all of it")})
    put(spool, arriving(stub), arriving(stub, unit="LCA.02.06"))
    first, second = waiting(spool).ready
    assert first.stub
    assert not first.complete_letter
    contents = arriving(full).letter.contents
    with spool.writing() as conn:
        work.expand(conn, [work.Expanded(first, b"full", "f" * 64, contents)])
    found = {item.pos: item for item in waiting(spool).ready}
    assert (found[first.pos].stub, found[second.pos].stub) == (False, True)
    assert found[second.pos].complete_letter, "its record need not be fetched again"
    assert {item.body for item in found.values()} == {b"full"}
    assert receipts_of(spool, second.delivery_id)[0].status is Status.TAKEN


def test_ids_of_receipts_differ(spool: Spool) -> None:
    put(spool, *(arriving(seq=seq, id_=new_id(), complete=True) for seq in range(1, 50)))
    ids = [row.id for row in unsent(spool)]
    assert len(set(ids)) == len(ids) == 49
    assert ONE_MINUTE.ask_after_ms == 60_000


def test_the_next_to_do_is_found_by_the_index_alone_however_much_waits(spool: Spool) -> None:
    for statement in (work._SMALLEST, work._LARGEST):
        compiled = statement.compile(spool.engine)
        values = compiled.params | {"urgency": 3, "now": 0, "without": "[]", "closed": "[]", "limit": 100}
        given = tuple(values[name] for name in compiled.positiontup or ())
        with spool.reading() as conn:
            plan = " ".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", given))
        assert "USING INDEX ix_inbox_waiting (urgency=?)" in plan
        assert "TEMP B-TREE" not in plan
