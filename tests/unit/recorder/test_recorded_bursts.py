"""What is recorded on its way to issuers: how it is put together."""

import json

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.recorded import messages_of
from router.ledger.way.recorded import RecordedReceipt
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import MAX_BURST, MAX_SAID_BYTES, Burst
from support.letters import AT, SHA

DELIVERIES = [new_id() for _ in range(6)]
UNITS = ["LCA.02", "LCA.02.05"]


def entry(pos: int, delivery: int = 0, status: str = "arrived", reason: str = "") -> RecordedReceipt:
    unit = UNITS[delivery % 2]
    told = (new_id(), DELIVERIES[delivery], status, AT, pos, SHA, reason, "", "", "57", 0, "0.1.0", None, None)
    return RecordedReceipt("LCA.VP", unit, DELIVERIES[delivery], "", *told)


STATUSES = st.sampled_from(["taken", "arrived", "registered", "assigned", "processing", "completed"])
LOGS = st.lists(st.tuples(st.integers(0, 5), STATUSES), max_size=60).map(
    lambda told: [entry(pos, *item) for pos, item in enumerate(told, 1)]
)


@given(LOGS)
def test_every_receipt_is_told_once_and_each_deliverys_in_order(log: list[RecordedReceipt]) -> None:
    told = []
    for issuer, message in messages_of(log):
        burst = parse(Burst, message.template.body, what="burst")
        assert {f"LCA.VP.{item.unit}.{item.status.value}" for item in burst.receipts} == {message.routing_key}
        assert issuer == "LCA.VP"
        told += [(item.delivery_id, item.id) for item in burst.receipts]
    assert sorted(told) == sorted((item.delivery_id, item.id) for item in log)
    for key in DELIVERIES:
        assert [found for found in told if found[0] == key] == [
            (item.delivery_id, item.id) for item in log if item.delivery_id == key
        ]


def test_what_comes_together_goes_together() -> None:
    assert len(messages_of([entry(pos, pos % 6) for pos in range(1, 100)])) == 2


def test_no_message_is_larger_than_a_burst_may_be() -> None:
    messages = messages_of([entry(pos, reason="ễ" * 1000) for pos in range(1, 501)])
    assert all(len(item.message.template.body) <= MAX_SAID_BYTES for item in messages)
    sizes = [len(json.loads(item.message.template.body)["receipts"]) for item in messages]
    assert sum(sizes) == 500
    assert max(sizes) <= MAX_BURST
