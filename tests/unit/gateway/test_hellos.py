"""A gateway says that it is there: in full at a connection, then briefly, and cheaply enough for a thin line."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivering.errand import Errand
from consumers.fetching.fetch import Transfer
from consumers.line.outages import Outages
from consumers.line.pace import SENT_BYTES, LinePace
from consumers.line.state import LineState
from consumers.reporting import reporter
from consumers.reporting.hello import line_words, short_hello
from consumers.reporting.presence import Presence
from consumers.reporting.progress import Progress, worth_reporting
from consumers.settings import GatewaySettings
from consumers.spool import Spool, Writer
from consumers.spool.taking import Content
from consumers.spool.work import Waiting
from router.broker import Outgoing, PublishOutcome, SessionState, wire
from router.broker.backoff import sleep_unless
from schemas.ids import new_id
from schemas.line import MAX_HELD, MAX_OUTAGES, Held
from schemas.model import parse
from schemas.receipt import Hello
from schemas.recount import Memory
from support.conditions import holds

UNITS = ["LCA.02", "LCA.02.05"]
THIN = 33_600 / 8
"""Bytes/s of the thinnest line."""
PACKET = 20 + 20 + 12 + 8
"""IPv4, TCP with time stamps, and PPP with its escapes: bytes per packet."""
CONFIRM = 21


class Session:
    """The state alone: no broker is asked here."""

    def __init__(self) -> None:
        self.state = SessionState.DOWN
        self._tell: list[Callable[[SessionState], None]] = []
        self._came_up = asyncio.Event()
        self.paused = asyncio.Event()

    def on_state(self, callback: Callable[[SessionState], None]) -> None:
        self._tell.append(callback)

    async def ready(self) -> None:
        assert self.state is SessionState.UP

    async def up_anew(self, timeout: float) -> None:  # noqa: ASYNC109 - as the session has it
        self.paused.set()
        await sleep_unless(self._came_up, timeout)

    def becomes(self, state: SessionState) -> None:
        self.state = state
        if state is SessionState.UP:
            self._came_up.set()
            self._came_up = asyncio.Event()
        for tell in self._tell:
            tell(state)


class Carrier:
    """Takes what is published, and answers as it is told to."""

    def __init__(self) -> None:
        self.hellos: list[Hello] = []
        self.answers: list[PublishOutcome] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        self.hellos += [parse(Hello, message.template.body, what="hello") for message in messages]
        return [self.answers.pop() if self.answers else PublishOutcome.CONFIRMED for _ in messages]


class Stage:
    """A presence and what it stands on."""

    def __init__(self, spool: Spool, writer: Writer, *, interval: float) -> None:
        self.session, self.carrier = Session(), Carrier()
        self.outages = Outages(spool, writer)
        self.pace = LinePace()
        self.in_work: list[Errand] = []
        self.units: Sequence[str] = UNITS
        self.presence = Presence(
            spool,
            writer,
            self.session,  # type: ignore[arg-type]
            self.carrier,  # type: ignore[arg-type]
            head="LCA.02",
            units=lambda: self.units,
            progress={},
            gap_after=60.0,
            outages=self.outages,
            pace=self.pace,
            moved=Progress(lambda: [held for errand in self.in_work if (held := errand.held()) is not None]),
            interval=interval,
        )

    async def all_told(self) -> bool:
        return await self.outages.untold(1) == []

    def drop(self, times: int = 1) -> None:
        for _ in range(times):
            for state in (LineState.UP, LineState.DOWN, LineState.UP):
                self.outages.line_is(state)

    @asynccontextmanager
    async def running(self, *, greets: bool = True) -> AsyncIterator[None]:
        jobs = [self.outages.run(), *([self.presence.run_greetings()] if greets else [])]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_full_hello_comes_first_then_short_ones_in_every_interval(spool: Spool, writer: Writer) -> None:
    stage = Stage(spool, writer, interval=0.02)
    async with stage.running():
        stage.session.becomes(SessionState.UP)
        await holds(lambda: len(stage.carrier.hellos) >= 3)
    first, *others = stage.carrier.hellos
    assert (list(first.units), first.again) == (UNITS, False)
    assert {(hello.units, hello.again, hello.gateway_version) for hello in others} == {(("LCA.02",), True, "")}


async def test_what_was_held_goes_as_soon_as_the_line_is_back_however_long_the_pause_was(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "RETRY_FIRST", 3600.0)
    monkeypatch.setattr(reporter, "RETRY_LONGEST", 7200.0)
    stage = Stage(spool, writer, interval=3600.0)
    stage.carrier.answers = [PublishOutcome.LOST]
    async with stage.running():
        stage.session.becomes(SessionState.UP)
        await asyncio.wait_for(stage.session.paused.wait(), 30)
        assert len(stage.carrier.hellos) == 1
        stage.session.becomes(SessionState.DOWN)
        stage.session.becomes(SessionState.UP)
        await holds(lambda: len(stage.carrier.hellos) >= 2)


async def test_no_interval_ends_while_the_line_is_down(spool: Spool, writer: Writer) -> None:
    stage = Stage(spool, writer, interval=0.001)
    stage.presence._said_at = 0.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stage.presence._wait_until_due()


async def test_every_outage_is_told_once_it_is_over_however_many_there_are(spool: Spool, writer: Writer) -> None:
    stage = Stage(spool, writer, interval=60.0)
    async with stage.running():
        stage.drop(MAX_OUTAGES + 3)
        stage.session.becomes(SessionState.UP)
        await holds(lambda: len(stage.carrier.hellos) == 2)
        assert [len(hello.line.outages) if hello.line else 0 for hello in stage.carrier.hellos] == [MAX_OUTAGES, 3]
        await holds(stage.all_told, what="every outage is confirmed and forgotten")


async def test_what_nobody_can_be_told_yet_is_kept(spool: Spool, writer: Writer) -> None:
    """A gateway that connects before it knows its units says no hello, and forgets nothing."""
    stage = Stage(spool, writer, interval=3600.0)
    stage.units = ()
    async with stage.running():
        stage.drop()
        stage.session.becomes(SessionState.UP)
        await holds(lambda: not stage.presence._greeting_due.is_set(), what="the hello's time is over")
        await stage.presence._greet()
        assert not await stage.all_told()
        stage.units = UNITS
        stage.presence.greet()
        await holds(stage.all_told, what="the outage is told as soon as there is somebody to tell it for")
    assert [len(hello.line.outages) if hello.line else 0 for hello in stage.carrier.hellos] == [1]


async def test_outages_are_told_again_when_the_broker_did_not_confirm(spool: Spool, writer: Writer) -> None:
    stage = Stage(spool, writer, interval=0.0)
    async with stage.running(greets=False):
        stage.presence._said_at = 0.0
        stage.drop()
        hello = await stage.presence.short_hello()
        assert hello is not None
        assert len(hello.words.downs) == 1
        await stage.presence.went(hello, PublishOutcome.LOST)
        assert await stage.outages.untold(5) == list(hello.words.downs)
        await stage.presence.went(hello, PublishOutcome.CONFIRMED)
        assert await stage.outages.untold(5) == []


async def test_a_hello_goes_along_with_a_burst_only_in_the_second_half_of_an_interval(
    spool: Spool, writer: Writer
) -> None:
    stage = Stage(spool, writer, interval=1000.0)
    assert await stage.presence.short_hello() is None, "the full one comes first"
    async with stage.running():
        stage.session.becomes(SessionState.UP)
        await holds(lambda: bool(stage.carrier.hellos))
        assert await stage.presence.short_hello() is None
        assert stage.presence._said_at is not None
        stage.presence._said_at -= 600.0
        assert await stage.presence.short_hello() is not None
        assert await stage.presence.short_hello() is None, "that was it, for this interval"


def an_item(*, stub: bool) -> Waiting:
    return Waiting(
        pos=1,
        delivery_id=new_id(),
        unit=UNITS[0],
        seq=1,
        urgency=0,
        taken_at=0,
        attempts=0,
        stub=stub,
        traceparent="",
        complete_letter=False,
        body=b"",
    )


def coming(total: int, left: int, *, stub: bool = False) -> Errand:
    """A delivery of which so many bytes have yet to come."""
    errand = Errand(an_item(stub=stub))
    errand.contents = (Content("ab" * 32, total),)
    transfer = Transfer("ab" * 32, total)
    transfer.done = total - left
    errand.want.transfers.add(transfer)
    return errand


def test_a_delivery_has_come_as_far_as_its_contents_have() -> None:
    errand = coming(5_000, 1_900)
    told = errand.held()
    assert told is not None
    assert (told.delivery_id, told.held, told.total) == (errand.item.delivery_id, 3_100, 5_000)
    errand.want.transfers.clear()
    assert errand.held() == told.model_copy(update={"held": 5_000}), "nothing is to come any more"
    assert coming(5_000, 1_900, stub=True).held() is None, "its own size is not known yet"
    errand.contents = ()
    assert errand.held() is None


held = st.builds(Held, delivery_id=st.builds(new_id), held=st.integers(0, 50), total=st.just(50))


@given(st.lists(held, max_size=40, unique_by=lambda item: item.delivery_id), st.randoms(use_true_random=False))
def test_only_what_has_moved_is_told_and_what_moved_most_comes_first(now: list[Held], chance: Random) -> None:
    before = {item.delivery_id: chance.choice([item.held, 0, 25]) for item in now}
    told = worth_reporting(now, before)
    moves = [abs(item.held - before[item.delivery_id]) for item in told]
    assert 0 not in moves
    assert moves == sorted(moves, reverse=True)
    assert len(told) == min(MAX_HELD, sum(item.held != before[item.delivery_id] for item in now))


async def test_how_far_documents_have_come_is_told_until_it_is_confirmed(spool: Spool, writer: Writer) -> None:
    stage = Stage(spool, writer, interval=0.0)
    stage.in_work = [coming(5_000, 1_900), coming(100, 100)]
    async with stage.running(greets=False):
        stage.presence._said_at = 0.0
        lost = await stage.presence.short_hello()
        assert lost is not None
        await stage.presence.went(lost, PublishOutcome.LOST)
        again = await stage.presence.short_hello()
        assert again is not None
        assert [item.held for item in again.words.held] == [3_100]
        await stage.presence.went(again, PublishOutcome.CONFIRMED)
        quiet = await stage.presence.short_hello()
        assert quiet is not None
        assert quiet.words.held == ()


def test_a_silent_gateways_hellos_cost_a_thin_line_less_than_half_a_percent() -> None:
    pace = LinePace(4_035)
    pace.sent(SENT_BYTES, 0.6)
    head, user = "LCA.02.05", "gateway:LCA.02.05"
    interval = GatewaySettings().presence_interval
    memory = Memory(new_id(), head, {head: 12_345})
    message = short_hello(head, head, new_id(), line_words(pace, interval, [], []), memory=memory)
    frames = wire.encode([message], wire.Framing(1, user, 131_072))
    up = sum(map(len, frames)) + PACKET + PACKET  # the message; the acknowledgement of its confirm
    down = CONFIRM + PACKET + PACKET
    assert max(up, down) / interval < 0.005 * THIN
    print(f"{up} bytes up, {down} down: {100 * up / interval / THIN:.2f} % of the line")


def test_what_a_large_burst_took_measures_the_way_up_and_a_small_one_does_not() -> None:
    pace = LinePace()
    pace.sent(SENT_BYTES - 1, 0.5)
    assert pace.rate_up == 0.0
    pace.round_trip_is(0.2)
    pace.sent(8_400, 2.2)
    assert pace.rate_up == pytest.approx(4_200)
