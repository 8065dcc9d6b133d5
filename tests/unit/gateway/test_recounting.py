"""What the spool holds is told page by page, each delivery once, in pages that a thin line carries within seconds."""

import asyncio
import hashlib
from typing import Any

import pytest

from consumers.reporting.recounting import page
from consumers.spool import Spool, Writer, recount
from consumers.spool.taking import Arriving, take
from consumers.taking.intake import Intake
from consumers.taking.room import Room
from router.broker import Delivered
from schemas.dispatch import Kind
from schemas.ids import first_of, made_at, new_id
from schemas.model import parse
from schemas.recount import MAX_PAGE_BYTES, Kept, KeptDelivery, Recount
from schemas.states import Status
from support.deliveries import ONE_MINUTE, TRACE, UNIT, a_descriptor, arriving, message

OTHER = "LCA.02.06"
EVER = {"since": 0, "until": 2**48 - 1}


def put(spool: Spool, *items: Arriving) -> None:
    """Take deliveries one after the other."""
    with spool.writing() as conn:
        for item in items:
            take(conn, [([item], ONE_MINUTE)])


def asked_of(spool: Spool, **asked: Any) -> tuple[Kept, int]:
    """The page that answers a question, as the router reads it, and its bytes."""
    question = Recount(**({"unit": UNIT} | EVER | asked))
    with spool.reading() as conn:
        found = recount.held(conn, question)
        highest = recount.memory(conn, [question.unit]).highest[question.unit]
    body, count = page(question, found, spool_id=spool.id, highest=highest)
    kept = parse(Kept, body, what="page")
    assert len(kept.deliveries) == count
    return kept, len(body)


def test_pages_tell_each_delivery_of_the_unit_once_in_its_order_with_what_was_said(spool: Spool) -> None:
    mine = [arriving(a_descriptor(flash_text="x" * 1500), seq=seq, complete=True) for seq in range(1, 31)]
    put(spool, *mine, *(arriving(unit=OTHER, seq=seq) for seq in range(1, 4)))
    after, pages = 0, 0
    told: list[KeptDelivery] = []
    while True:
        kept, size = asked_of(spool, after=after)
        assert (kept.after, kept.spool_id, kept.highest) == (after, spool.id, 30)
        assert size < MAX_PAGE_BYTES + 1000
        told += kept.deliveries
        pages, after = pages + 1, kept.through
        if not kept.more:
            break
    assert [item.id for item in told] == [item.delivery_id for item in mine]
    assert [item.seq for item in told] == list(range(1, 31))
    assert {receipt.status for item in told for receipt in item.receipts} == {Status.ARRIVED}
    assert {item.traceparent for item in told} == {TRACE}
    assert pages > 3
    assert asked_of(spool, after=after)[0].deliveries == ()


def test_only_what_was_accepted_in_the_time_is_told(spool: Spool) -> None:
    early, inside, late = (a_descriptor(id=first_of(at)) for at in (1000, 2000, 3000))
    put(spool, *(arriving(item, seq=seq) for seq, item in enumerate((early, inside, late), 1)))
    told = asked_of(spool, since=1001, until=2000)[0].deliveries
    assert [item.dispatch_id for item in told] == [inside.id]
    assert asked_of(spool, since=2000, until=2999)[0].deliveries == told
    assert made_at(inside.id) == 2000


def test_a_letter_that_is_too_long_for_a_message_is_told_by_the_content_that_holds_it(spool: Spool) -> None:
    full = a_descriptor(subject="dài " * 100, signer="a" * 200, flash_text="x" * 2000, place="b" * 200)
    long = full.model_copy(update={"refers_to": tuple(new_id() for _ in range(20)), "notation": "ă" * 200})
    item = arriving(long)
    assert len(item.letter.body) > 4096
    put(spool, item)
    (told,) = asked_of(spool)[0].deliveries
    assert (told.descriptor, told.record) == (None, hashlib.sha256(item.letter.body).hexdigest())


def test_who_called_a_delivery_back_is_told(spool: Spool) -> None:
    called = a_descriptor()
    recall = a_descriptor(kind=Kind.RECALL, refers_to=(called.id,))
    put(spool, arriving(called, seq=1), arriving(recall, seq=2))
    first, second = asked_of(spool)[0].deliveries
    assert (first.recalled_by, second.recalled_by) == (recall.id, None)
    assert first.receipts[-1].status is Status.RECALLED


def test_an_empty_spool_has_no_newest_delivery(spool: Spool) -> None:
    with spool.reading() as conn:
        assert recount.memory(conn, [UNIT]).headers([UNIT]) == {"newest": "", "highest": "0"}
    newer, older = new_id(), first_of(1000)
    put(spool, arriving(id_=newer, seq=7), arriving(id_=older, unit=OTHER, seq=9))
    with spool.reading() as conn:
        told = recount.memory(conn, [OTHER, UNIT]).headers([OTHER, UNIT])
    assert told == {"newest": f"{newer} {UNIT}", "highest": "9,7"}


@pytest.mark.parametrize("unit", [UNIT, OTHER])
async def test_a_question_is_noted_and_one_that_is_not_ours_is_rejected(
    spool: Spool, writer: Writer, unit: str
) -> None:
    noted: list[Recount] = []
    intake = Intake(
        spool,
        writer,
        hosts={UNIT}.__contains__,
        keeps_all=False,
        gap_after=60.0,
        room=Room(spool.path.parent, reserve_bytes=0),
        on_taken=lambda _lanes, _taken: None,
        on_recount=noted.extend,
    )
    question = Recount(unit=unit, **EVER)
    batch: list[Delivered] = [message(type="recount", body=question.model_dump_json().encode(), headers={}), message()]
    assert list(await intake.handle(batch)) == ([] if unit == UNIT else [0])
    assert noted == ([question] if unit == UNIT else [])
    assert len((await asyncio.to_thread(asked_of, spool))[0].deliveries) == 1


def test_a_known_delivery_that_comes_under_another_number_leaves_no_gap(spool: Spool) -> None:
    first = arriving(seq=1)
    put(spool, first)
    put(spool, arriving(seq=3))
    put(spool, first._replace(seq=2))
    with spool.reading() as conn:
        from consumers.spool import gaps

        assert gaps.count(conn) == 0
