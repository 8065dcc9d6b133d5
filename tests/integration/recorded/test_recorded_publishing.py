"""What the ledger has recorded comes to the issuers' queues: all of it, in order, whatever dies in between."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, select, text

from router.broker import Session
from router.delivery.recorded import RecordedPublisher
from router.ledger.engine import reading, writing
from router.ledger.models import publication, receipt
from router.ledger.way import recorded
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.model import parse
from schemas.receipt import Burst, Receipt
from schemas.states import Status
from support.amqp import administrator
from support.broker import Vhost
from support.conditions import holds
from support.ledgers import POSTGRESQL, Clerk, unit
from support.sessions import on, session_on

OWN = "upstream.issuer:LCA.VP.receipts"
OTHER = "upstream.issuer:LCA.BTC.receipts"


@pytest.fixture
def writer(ledger: Engine) -> Iterator[Writer]:
    made = Writer(ledger)
    yield made
    made.close()


@pytest.fixture
async def session(vhost: Vhost) -> AsyncIterator[Session]:
    def make(channel: object) -> None:
        channel.exchange_declare("receipts.recorded", "topic", durable=True)  # type: ignore[attr-defined]
        for queue, key, most in ((OWN, "LCA.VP.LCA.#", 100_000), (OTHER, "LCA.BTC.LCA.#", 1)):
            arguments = {"x-max-length": most, "x-overflow": "reject-publish"}
            channel.queue_declare(queue, durable=True, arguments=arguments)  # type: ignore[attr-defined]
            channel.queue_bind(queue, "receipts.recorded", key)  # type: ignore[attr-defined]

    on(vhost, make)
    async with session_on(vhost) as made:
        yield made


async def test_an_autovacuum_in_the_way_is_waited_for_as_long_as_makes_it_give_way(
    ledger: Engine, writer: Writer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL cancels it for who waits longer than `deadlock_timeout`; that is tried now and then, not always."""
    if ledger.dialect.name != POSTGRESQL:
        pytest.skip("on SQLite no place in the log is given before its row is there")
    tried: list[float] = []
    real = recorded.settle

    def settle(engine: Engine, *, within: float) -> int | None:
        tried.append(within)
        return real(engine, within=min(within, 0.01))

    monkeypatch.setattr(recorded, "settle", settle)
    made = RecordedPublisher(
        engine=ledger, writer=writer, session=session, publisher=session.publisher(), steady=asyncio.Event()
    )
    with ledger.begin() as conn:
        conn.execute(text("LOCK TABLE receipt IN SHARE UPDATE EXCLUSIVE MODE"))
        setting = text("SELECT setting::int / 1000.0 FROM pg_settings WHERE name = 'deadlock_timeout'")
        deadlock_timeout = float(conn.scalar(setting) or 0)
        assert not any([await made._settle() for _ in range(12)])
    assert await made._settle()
    assert [place for place, within in enumerate(tried) if within > deadlock_timeout] == [5, 11]


class Ground:
    """A ledger whose receipts are published, and what came of it."""

    def __init__(self, ledger: Engine, writer: Writer, session: Session, vhost: Vhost) -> None:
        self.ledger, self.writer, self.session, self.vhost = ledger, writer, session, vhost
        self.got: list[tuple[str, str]] = []
        self.told: list[Receipt] = []
        self.seq = 0

    def tell(self, count: int, issuer: str = "LCA.VP") -> None:
        """Units say ``taken`` and ``arrived`` of so many deliveries."""
        with writing(self.ledger) as conn:
            clerk = Clerk(conn)
            dispatches = [clerk.dispatch(issuer, [unit("LCA.02")]) for _ in range(count)]
            clerk.publish()
            for sent in dispatches:
                for status in (Status.TAKEN, Status.ARRIVED):
                    self.seq += 1
                    told = clerk.entry(clerk.deliveries[sent, "LCA.02"], status, "LCA.02", self.seq)
                    apply(conn, [told], Silence())

    @contextlib.asynccontextmanager
    async def publishing(self) -> AsyncIterator[RecordedPublisher]:
        """A router that publishes, until it is killed."""
        steady = asyncio.Event()
        steady.set()
        made = RecordedPublisher(
            engine=self.ledger,
            writer=self.writer,
            session=self.session,
            publisher=self.session.publisher(),
            steady=steady,
            poll=0.05,
        )
        running = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])

    def through(self) -> int:
        with reading(self.ledger) as conn:
            return conn.scalar(select(publication.c.through)) or 0

    def recorded(self) -> list[tuple[str, str]]:
        """Delivery and status of all that is recorded, in the order of the log."""
        with reading(self.ledger) as conn:
            rows = conn.execute(select(receipt.c.delivery_id, receipt.c.status).order_by(receipt.c.pos))
            return [(row[0], row[1]) for row in rows]

    def receive(self, queue: str = OWN) -> list[tuple[str, str]]:
        """All that has come to a queue so far."""
        with administrator(self.vhost).channel() as channel:
            while True:
                method, _, body = channel.basic_get(queue, auto_ack=True)
                if method is None or body is None:
                    return self.got
                told = parse(Burst, body, what="burst").receipts
                self.told += told
                self.got += [(item.delivery_id, item.status.value) for item in told]


@pytest.fixture
def ground(ledger: Engine, writer: Writer, session: Session, vhost: Vhost) -> Ground:
    return Ground(ledger, writer, session, vhost)


async def test_an_issuer_is_told_what_a_unit_put_right_and_which_receipt_was_wrong(ground: Ground) -> None:
    with writing(ground.ledger) as conn:
        clerk = Clerk(conn)
        sent = clerk.dispatch("LCA.VP", [unit("LCA.02")])
        clerk.publish()

        def said(status: Status, seq: int, **fields: str) -> NewReceipt:
            clerk.now += 1000
            return clerk.entry(clerk.deliveries[sent, "LCA.02"], status, "LCA.02", seq)._replace(**fields)  # type: ignore[arg-type]

        arrived, first = said(Status.ARRIVED, 1), said(Status.REGISTERED, 2, register_number="57")
        right = said(Status.REGISTERED, 3, register_number="58", reason="Ghi nhầm số", corrects=first.id)
        back = said(Status.ARRIVED, 4, reason="Vào nhầm sổ", undoes=right.id)
        for entry in (arrived, first, right, back):
            apply(conn, [entry], Silence())
    async with ground.publishing():
        await holds(lambda: len(ground.receive()) == 4)
    assert [(item.id, item.status, item.register_number, item.reason) for item in ground.told] == [
        (item.id, item.status, item.register_number, item.reason) for item in (arrived, first, right, back)
    ]
    assert [(item.corrects, item.undoes) for item in ground.told[2:]] == [(first.id, None), (None, right.id)]


def in_order(got: list[tuple[str, str]]) -> bool:
    """Whether of each delivery the first ``taken`` came before the first ``arrived``."""
    first = {item: place for place, item in reversed(list(enumerate(got)))}
    return all(first[key, "taken"] < first[key, "arrived"] for key, _ in got)


async def test_all_that_is_recorded_comes_once_and_in_order(ground: Ground) -> None:
    ground.tell(700)
    async with ground.publishing() as router:
        ground.tell(5)
        router.wake()
        await holds(lambda: len(ground.receive()) == 1410)
        await holds(lambda: ground.through() >= 1410)
    assert sorted(ground.got) == sorted(ground.recorded())
    assert in_order(ground.got)


async def test_one_that_died_before_it_noted_what_it_published_costs_a_repetition_and_no_receipt(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.tell(300)
    with monkeypatch.context() as dying:
        dying.setattr("router.ledger.way.recorded.advance", _dies)
        async with ground.publishing():
            await holds(lambda: len(ground.receive()) >= 500)
    assert ground.through() == 0
    async with ground.publishing():
        await holds(lambda: ground.through() >= 600)
    await holds(lambda: set(ground.receive()) == set(ground.recorded()))
    assert len(ground.got) <= 600 + 500, "at most one batch twice"
    assert in_order(ground.got)


def _dies(*_: object) -> list[bool]:
    raise RuntimeError("killed")


async def test_two_routers_publish_by_turns_and_leave_out_nothing(ground: Ground) -> None:
    if ground.ledger.dialect.name != POSTGRESQL:
        pytest.skip("a ledger in SQLite has one router")
    async with ground.publishing(), ground.publishing():
        for _ in range(20):
            ground.tell(20)
        await holds(lambda: ground.through() >= 800)
    await holds(lambda: set(ground.receive()) == set(ground.recorded()))
    assert len(ground.got) == 800


async def test_a_full_queue_of_one_issuer_does_not_hold_up_the_others(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.delivery.recorded._PAUSE_FIRST", 0.01)
    monkeypatch.setattr("router.delivery.recorded._PAUSE_LONGEST", 0.05)
    for _ in range(5):
        ground.tell(1, issuer="LCA.BTC")
        ground.tell(10)
    async with ground.publishing():
        await holds(lambda: len(set(ground.receive())) == 100)
    assert json.dumps(ground.recorded()).count("arrived") == 55


async def test_while_nothing_is_recorded_nothing_is_written(ground: Ground) -> None:
    commits: list[int] = []
    quiet = Writer(ground.ledger, on_commit=lambda rows, _seconds: commits.append(rows))
    ground.writer = quiet
    try:
        async with ground.publishing() as router:
            for _ in range(5):
                router.wake()
                await asyncio.sleep(0)
            assert commits == []
    finally:
        quiet.close()
