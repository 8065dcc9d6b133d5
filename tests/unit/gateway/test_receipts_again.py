"""Receipts that the router misses: what is said of their number, and what is sent again when it asks."""

from typing import Any

import pytest

from consumers.spool import Spool, Writer, outbox
from consumers.spool.outbox import Unsent
from consumers.spool.taking import Arriving, take
from consumers.taking.intake import Intake
from consumers.taking.room import Room
from router.broker import Delivered
from schemas.dispatch import Lane, Urgency
from schemas.receipt import Ask
from support.deliveries import ONE_MINUTE, UNIT, a_descriptor, arriving, message

OTHER = "LCA.02.06"


def put(spool: Spool, *items: Arriving) -> None:
    with spool.writing() as conn:
        take(conn, [(items, ONE_MINUTE)])


def unsent(spool: Spool) -> list[Unsent]:
    with spool.reading() as conn:
        return [row for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=1000)]


def confirm(spool: Spool) -> list[Unsent]:
    rows = unsent(spool)
    with spool.writing() as conn:
        outbox.mark_sent(conn, [[row.pos for row in rows]])
    return rows


def repeat(spool: Spool, *asks: Ask) -> list[int]:
    with spool.writing() as conn:
        return outbox.repeat(conn, [asks])


def a_question(body: bytes | None = None, **changed: Any) -> Delivered:
    fields: dict[str, Any] = {"type": "ask", "body": body or b'{"unit":"%s","missing":[[1,1]]}' % UNIT.encode()}
    return message(**(fields | {"headers": {}} | changed))


def test_what_is_asked_for_goes_out_again_as_it_was_in_both_lanes(spool: Spool) -> None:
    urgent = a_descriptor(urgency=Urgency.EXPRESS)
    put(spool, *(arriving(seq=seq) for seq in range(1, 6)), arriving(urgent, seq=6), arriving(unit=OTHER))
    before = {row.seq: row for row in confirm(spool) if row.unit == UNIT}
    assert repeat(spool, Ask(unit=UNIT, missing=((2, 3), (6, 99)))) == [3]
    assert {row.seq: row for row in unsent(spool)} == {seq: before[seq] for seq in (2, 3, 6)}


def test_what_was_never_given_or_is_on_its_way_anyway_changes_nothing(spool: Spool) -> None:
    put(spool, arriving())
    assert repeat(spool, Ask(unit=UNIT, missing=((1, 1),)), Ask(unit=OTHER, missing=((1, 9),))) == [0]
    assert len(unsent(spool)) == 1
    confirm(spool)
    assert repeat(spool, Ask(unit=UNIT, missing=((2, 2**53 - 1),))) == [0]
    assert unsent(spool) == []


def test_the_last_number_given_is_known_for_each_unit(spool: Spool) -> None:
    put(spool, *(arriving(seq=seq) for seq in range(1, 4)), arriving(unit=OTHER))
    with spool.reading() as conn:
        assert outbox.numbers_given(conn, [OTHER, "LCA.02.07", UNIT]) == [1, 0, 3]


async def test_a_question_is_answered_before_it_is_acknowledged_and_documents_beside_it_are_taken(
    spool: Spool, writer: Writer
) -> None:
    repeated: list[int] = []
    intake = Intake(
        spool,
        writer,
        hosts={UNIT}.__contains__,
        keeps_all=False,
        gap_after=60.0,
        room=Room(spool.path.parent, reserve_bytes=0),
        on_taken=lambda _lanes, _taken: None,
        on_repeated=repeated.append,
    )
    await intake.handle([message()])
    (first,) = confirm(spool)
    assert list(await intake.handle([a_question(), message(headers={"unit": UNIT, "seq": 2})])) == []
    assert repeated == [1]
    assert [row.seq for row in unsent(spool)] == [1, 2]
    assert unsent(spool)[0] == first


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"unit":"LCA.09","missing":[[1,1]]}', b'{"unit":"LCA.02.05","missing":[]}']
)
async def test_a_question_that_is_none_or_not_ours_is_rejected(spool: Spool, writer: Writer, body: bytes) -> None:
    intake = Intake(
        spool,
        writer,
        hosts={UNIT}.__contains__,
        keeps_all=False,
        gap_after=60.0,
        room=Room(spool.path.parent, reserve_bytes=0),
        on_taken=lambda _lanes, _taken: None,
    )
    assert list(await intake.handle([a_question(body or b" ")])) == [0]
