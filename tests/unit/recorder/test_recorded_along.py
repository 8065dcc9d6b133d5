"""What the relay tells waits a moment for what the unit says of the same delivery, and is told in any case."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select

from router.broker import Delivered, Outgoing, PublishOutcome
from router.delivery.recorder import Recorder
from router.ledger.engine import open_engine
from router.ledger.models import delivery, receipt
from router.ledger.way import receipts
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Result
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.receipt import Burst, Receipt
from schemas.states import Status
from support.ledgers import Clerk, sqlite_ledger, unit

UNITS = ["LCA.01", "LCA.02"]
LONG = 3600.0


class Ground:
    """A recorder over a real ledger with a delivery for each unit, and the changes that it made."""

    def __init__(self, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = ledger
        self.writer = Writer(ledger)
        self.changes: list[list[Status]] = []
        with ledger.begin() as connection:
            clerk = Clerk(connection)
            self.dispatch_id = clerk.dispatch("LCA.VP", [unit(code) for code in UNITS])
            clerk.publish()
            self.keys = {code: clerk.deliveries[self.dispatch_id, code] for code in UNITS}
        self.recorder = Recorder(writer=self.writer, publisher=Carrier(), silence=Silence())  # type: ignore[arg-type]
        real = receipts.apply

        def noted(connection: Connection, entries: Sequence[NewReceipt], silence: Silence) -> list[Result]:
            self.changes.append([item.status for item in entries])
            return real(connection, entries, silence)

        monkeypatch.setattr(receipts, "apply", noted)

    def confirmed(self, code: str) -> NewReceipt:
        at = now_ms()
        return NewReceipt(new_id(), self.keys[code], Status.QUEUED, iso(at), at, confirmed=True)

    def arrived(self, code: str) -> Delivered:
        said = Receipt(
            id=new_id(),
            delivery_id=self.keys[code],
            dispatch_id=self.dispatch_id,
            unit=code,
            status=Status.ARRIVED,
            at=iso(now_ms()),
            seq=1,
        )
        body = Burst(receipts=(said,)).model_dump_json(exclude_defaults=True).encode()
        return Delivered(body, "q", "k", new_id(), "receipts", f"gateway:{code}", {}, "", "", redelivered=False)

    def log(self, code: str) -> list[tuple[str, str]]:
        """Status and effect of what the log has of a unit's delivery, in its order."""
        rows = select(receipt.c.status, receipt.c.effect).where(receipt.c.delivery_id == self.keys[code])
        with self.ledger.begin() as connection:
            return [(row[0], row[1]) for row in connection.execute(rows.order_by(receipt.c.pos))]

    def published(self, code: str) -> int | None:
        with self.ledger.begin() as connection:
            return connection.scalar(select(delivery.c.published).where(delivery.c.id == self.keys[code]))


class Carrier:
    """Nothing is put aside here."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        raise AssertionError(messages)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    engine = open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3"))
    made = Ground(engine, monkeypatch)
    yield made
    made.writer.close()
    engine.dispose()


async def test_a_confirm_and_the_arrival_of_its_delivery_are_one_change_in_their_order(ground: Ground) -> None:
    async with asyncio.TaskGroup() as tasks:
        held = tasks.create_task(ground.recorder.record_along([ground.confirmed(code) for code in UNITS], LONG))
        await asyncio.sleep(0)
        assert ground.changes == []
        assert not await ground.recorder.handle([ground.arrived("LCA.01")])
        assert ground.changes == [[Status.QUEUED, Status.ARRIVED]]
        assert ground.log("LCA.01") == [("queued", "advance"), ("arrived", "advance")]
        assert ground.published("LCA.01") == 1
        assert ground.log("LCA.02") == []
        held.cancel()
    # Told to stop, it tells what it still holds, and that alone.
    assert ground.changes[1:] == [[Status.QUEUED]]
    assert ground.log("LCA.02") == [("queued", "advance")]


async def test_a_confirm_is_told_in_its_time_though_the_unit_says_nothing(ground: Ground) -> None:
    await ground.recorder.record_along([ground.confirmed(code) for code in UNITS], 0.0)
    assert ground.changes == [[Status.QUEUED, Status.QUEUED]]
    assert not await ground.recorder.handle([ground.arrived("LCA.01")])
    assert ground.changes[1:] == [[Status.ARRIVED]], "nothing is told twice"


async def test_two_confirms_of_one_delivery_are_both_told(ground: Ground) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ground.recorder.record_along([ground.confirmed("LCA.01")], LONG)).cancel()
        await ground.recorder.record_along([ground.confirmed("LCA.01")], 0.0)
        waiting = tasks.create_task(ground.recorder.record_along([ground.confirmed("LCA.01")], LONG))
        await asyncio.sleep(0)
        await ground.recorder.record_along([ground.confirmed("LCA.01")], 0.0)
        waiting.cancel()
    assert ground.published("LCA.01") == 3
    assert [status for status, _ in ground.log("LCA.01")] == ["queued"] * 3


async def test_what_the_ledger_does_not_take_at_the_end_does_not_hold_up_the_stop(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_arguments: object, **_names: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ground.writer, "run", never)
    monkeypatch.setattr("router.delivery.recorder._AT_THE_END_WITHIN", 0.0)
    held = asyncio.create_task(ground.recorder.record_along([ground.confirmed("LCA.01")], LONG))
    await asyncio.sleep(0)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
