"""Receipts on their way out: how they are put together."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.reporting.reporter import bursts, encode
from consumers.spool.outbox import Unsent
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import MAX_BURST, MAX_BURST_BYTES, Burst, Receipt
from schemas.states import Status
from support.letters import AT, SHA


def unsent(
    pos: int,
    *,
    issuer: str = "LCA.VP",
    unit: str = "LCA.02",
    status: str = "arrived",
    reason: str = "",
    delivery_id: str = "",
) -> Unsent:
    return Unsent(
        pos=pos,
        issuer=issuer,
        id=new_id(),
        delivery_id=delivery_id or new_id(),
        dispatch_id=new_id(),
        unit=unit,
        status=status,
        at=AT,
        seq=pos,
        gateway_version="0.1.0",
        content_sha256=SHA,
        traceparent="",
        reason=reason or None,
        attempts=None,
        person=None,
        department=None,
        register_number="57" if status == "registered" else None,
    )


rows = st.lists(
    st.tuples(
        st.sampled_from(["LCA.VP", "LCA.BTC"]),
        st.sampled_from(["LCA.02", "LCA.02.05"]),
        st.sampled_from(["taken", "arrived", "registered"]),
    ),
    max_size=60,
).map(lambda kinds: [unsent(pos, issuer=i, unit=u, status=s) for pos, (i, u, s) in enumerate(kinds, 1)])


@given(rows)
def test_every_receipt_is_in_one_message_of_its_issuer_unit_and_status(waiting: list[Unsent]) -> None:
    by_pos = {row.pos: row for row in waiting}
    positions: list[int] = []
    for message in bursts(waiting):
        burst = parse(Burst, message.body, what="burst")
        assert [receipt.id for receipt in burst.receipts] == [by_pos[pos].id for pos in message.positions]
        for pos in message.positions:
            row = by_pos[pos]
            assert message.key == f"{row.issuer}.{row.unit}.{row.status}"
        positions += message.positions
    assert sorted(positions) == sorted(by_pos)


DELIVERIES = [new_id() for _ in range(4)]
STATUSES = st.sampled_from(["arrived", "registered", "assigned", "processing", "completed"])


@given(st.lists(st.tuples(st.sampled_from(DELIVERIES), STATUSES), max_size=80))
def test_whatever_is_said_again_each_deliverys_receipts_stay_in_their_order(said: list[tuple[str, str]]) -> None:
    waiting = [unsent(pos, status=status, delivery_id=key) for pos, (key, status) in enumerate(said, 1)]
    told = [pos for message in bursts(waiting) for pos in message.positions]
    for key in DELIVERIES:
        mine = [pos for pos in told if waiting[pos - 1].delivery_id == key]
        assert mine == sorted(mine)


def test_no_message_is_longer_than_a_thin_line_bears() -> None:
    many = [unsent(pos) for pos in range(1, 1001)]
    long = [unsent(pos, status="parked", reason="ề" * 1000) for pos in range(1, 101)]
    for waiting in (many, long):
        messages = list(bursts(waiting))
        assert all(len(message.positions) <= MAX_BURST for message in messages)
        assert all(len(message.body) <= MAX_BURST_BYTES + 4096 for message in messages)
        assert len(messages) < len(waiting) / 15


def test_a_receipt_travels_as_the_same_bytes_every_time() -> None:
    row = unsent(1)
    assert encode(row) == encode(row._replace(pos=99))


def test_only_what_has_the_content_names_it() -> None:
    for status, has in (("taken", False), ("arrived", True), ("registered", True)):
        receipt = parse(Receipt, encode(unsent(1, status=status)), what="receipt")
        assert (receipt.content_sha256 == SHA) is has
        assert receipt.status is Status(status)
