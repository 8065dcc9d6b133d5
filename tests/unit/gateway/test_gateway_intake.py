"""Taking custody: what is stored before it is acknowledged, and what is rejected."""

from collections.abc import Collection
from typing import Any

import pytest

from consumers.errors import SpoolUnavailableError
from consumers.reading.inbox import list_inbox
from consumers.spool import Spool, Writer
from consumers.spool.taking import TakenBatch
from consumers.taking.intake import Intake
from consumers.taking.room import Room
from schemas.dispatch import Lane, Urgency
from schemas.ids import new_id
from schemas.states import Status
from support.deliveries import UNIT, a_descriptor, by_reference, inside, message


class Told:
    """What the intake tells of."""

    def __init__(self) -> None:
        self.lanes: list[Collection[Lane]] = []
        self.taken: list[TakenBatch] = []

    def __call__(self, lanes: Collection[Lane], taken: TakenBatch) -> None:
        self.lanes.append(lanes)
        self.taken.append(taken)


def intake(spool: Spool, writer: Writer, told: Told, **changed: Any) -> Intake:
    room = Room(spool.path.parent, reserve_bytes=0)
    given: dict[str, Any] = {"hosts": {UNIT}.__contains__, "keeps_all": False, "gap_after": 60.0, "room": room}
    return Intake(spool, writer, on_taken=told, **(given | changed))


async def test_a_batch_is_in_the_spool_when_the_handler_returns(spool: Spool, writer: Writer) -> None:
    told = Told()
    batch = [
        message(a_descriptor(attachments=(inside("a", b"note"), by_reference("b", b"x" * 5000)))),
        message(a_descriptor(urgency=Urgency.EXPRESS), headers={"unit": UNIT, "seq": 2}),
    ]
    assert list(await intake(spool, writer, told).handle(batch)) == []
    assert {entry.delivery_id: entry.fetch_bytes for entry in list_inbox(spool)} == {
        batch[0].message_id: 5000,
        batch[1].message_id: 0,
    }
    assert told.taken == [TakenBatch(2, 2, 0)]
    assert told.lanes == [{Lane.EXPRESS, Lane.NORMAL}]


@pytest.mark.parametrize(
    "poison",
    [
        {"body": b"{"},
        {"body": b""},
        {"body": b'{"id": "x"}'},
        {"type": "receipts"},
        {"message_id": ""},
        {"message_id": "7"},
        {"headers": {}},
        {"headers": {"unit": UNIT, "seq": 0}},
        {"headers": {"unit": UNIT, "seq": "many"}},
        {"headers": {"unit": "LCA.09", "seq": 1}},
        {"headers": {"unit": ["LCA"], "seq": 1}},
    ],
    ids=str,
)
async def test_a_poison_message_is_rejected_and_the_good_ones_are_taken(
    spool: Spool, writer: Writer, poison: dict[str, Any]
) -> None:
    good = [message(), message(headers={"unit": UNIT, "seq": 2})]
    batch = [good[0], message(**poison), good[1]]
    assert list(await intake(spool, writer, Told()).handle(batch)) == [1]
    assert {entry.delivery_id for entry in list_inbox(spool)} == {item.message_id for item in good}


async def test_a_batch_of_poison_alone_does_not_stop_the_intake(spool: Spool, writer: Writer) -> None:
    told = Told()
    assert list(await intake(spool, writer, told).handle([message(type="x"), message(type="y")])) == [0, 1]
    assert told.taken == []


async def test_without_a_sink_what_needs_no_fetching_has_arrived(spool: Spool, writer: Writer) -> None:
    batch = [
        message(a_descriptor(attachments=(inside("a", b"note"),))),
        message(a_descriptor(attachments=(by_reference("b", b"x" * 5000),)), headers={"unit": UNIT, "seq": 2}),
        message(a_descriptor(record=by_reference("c", b"x" * 5000)), headers={"unit": UNIT, "seq": 3}),
    ]
    told = Told()
    await intake(spool, writer, told, keeps_all=True).handle(batch)
    states = {entry.seq: entry.state for entry in list_inbox(spool)}
    assert states == {1: Status.ARRIVED, 2: Status.TAKEN, 3: Status.TAKEN}
    assert told.taken == [TakenBatch(3, 2, 0)]


async def test_below_the_reserve_nothing_is_taken_and_the_messages_stay_with_the_broker(
    spool: Spool, writer: Writer
) -> None:
    room = Room(spool.path.parent, reserve_bytes=2**60)
    with pytest.raises(SpoolUnavailableError, match="wait in the broker"):
        await intake(spool, writer, Told(), room=room).handle([message()])
    assert list_inbox(spool) == []
    assert "wait in the broker" in room.reason


async def test_how_far_each_lane_has_come_is_known(spool: Spool, writer: Writer) -> None:
    taking = intake(spool, writer, Told())
    for urgency, seq in ((0, 7), (3, 9), (0, 8), (0, 4)):
        item = message(a_descriptor(urgency=urgency), headers={"unit": UNIT, "seq": seq}, message_id=new_id())
        await taking.handle([item])
    assert {lane: progress.highest for lane, progress in taking.progress.items()} == {
        (UNIT, Lane.NORMAL): 8,
        (UNIT, Lane.EXPRESS): 9,
    }
