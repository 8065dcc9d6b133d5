"""The live log: every row once, whatever happens to the connection."""

import asyncio
import codecs
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
from aiohttp import ClientTimeout
from sqlalchemy import Engine, event, func, select

from router.console import newsroom
from router.ledger.engine import reading, writing
from router.ledger.models import receipt
from router.ledger.people.persons import PEOPLE, SESSIONS
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.conditions import holds
from support.consoles import Browser, Console
from support.ledgers import Clerk

EVENT = re.compile(r"id: (\S+)\nevent: row\ndata: <tr data-pos=\"(\d+)\".*</tr>\n\n")
CODES = ("LCA.02.04", "LCA.02.05", "LCA.02.07")


class Listener:
    """Collects a stream's events."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = asyncio.Event()

    @property
    def places(self) -> list[int]:
        return [int(place) for _, place in EVENT.findall(self.text)]

    @property
    def last(self) -> str:
        """The id of the last event that has come whole, as a browser would tell it."""
        whole = self.text.rpartition("\n\n")[0]
        return str(re.findall(r"^id: (\S+)$", whole, re.MULTILINE)[-1])


@asynccontextmanager
async def listening(browser: Browser, path: str, **headers: str) -> AsyncIterator[Listener]:
    listener = Listener()
    accepts = {"Accept": "text/event-stream"} | headers

    decoder = codecs.getincrementaldecoder("utf-8")()

    async def listen() -> None:
        async with browser.http.get(path, headers=accepts, timeout=ClientTimeout(total=None)) as answer:
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for chunk in answer.content.iter_any():
                listener.text += decoder.decode(chunk)  # a chunk may end in the middle of a letter
        listener.ended.set()

    task = asyncio.create_task(listen())
    await holds(lambda: "retry:" in listener.text or task.done(), what="the stream begins")
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _newest(console: Console) -> int:
    with reading(console.engine) as conn:
        return conn.scalar(select(func.max(receipt.c.pos))) or 0


def _places_after(console: Console, place: int) -> set[int]:
    with reading(console.engine) as conn:
        return set(conn.scalars(select(receipt.c.pos).where(receipt.c.pos > place)))


@contextmanager
def seen(engine: Engine) -> Iterator[list[str]]:
    """The statements that run inside."""
    statements: list[str] = []

    def hear(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    yield statements
    event.remove(engine, "before_cursor_execute", hear)


def tell(console: Console, count: int) -> None:
    """Record more receipts of one delivery, each its own row of the log."""
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        for number in range(count):
            clerk.tell(console.story.district, CODES[number % 3], Status.QUEUED, reason=f"<b>{new_id()}</b>")


async def test_rows_come_as_they_are_recorded_each_once_and_escaped(console: Console) -> None:
    async with console.as_("admin") as admin:
        newest = int(re.findall(r'data-pos="(\d+)"', await admin.text("/console/log"))[0])
        async with listening(admin, f"/console/log/stream?after={newest}") as listener:
            for _ in range(3):
                await asyncio.to_thread(tell, console, 5)
            await holds(lambda: newest + 15 in listener.places, what="the rows come")
        # What stands just before `after` may be told again on PostgreSQL; the page knows it by its place.
        assert [place for place in listener.places if place > newest] == list(range(newest + 1, newest + 16))
        assert "<b>01" not in listener.text
        assert "&lt;b&gt;01" in listener.text


async def test_a_client_that_was_cut_goes_on_where_it_stood_and_misses_nothing(console: Console) -> None:
    async with console.as_("admin") as admin:
        newest = int(re.findall(r'data-pos="(\d+)"', await admin.text("/console/log"))[0])
        await asyncio.to_thread(tell, console, 3)
        async with listening(admin, f"/console/log/stream?after={newest}") as listener:
            await holds(lambda: newest + 3 in listener.places, what="the rows come")
        await asyncio.to_thread(tell, console, 400)
        last = listener.last
        async with listening(admin, f"/console/log/stream?after={newest}", **{"Last-Event-ID": last}) as again:
            await holds(lambda: newest + 403 in again.places, what="the rows come")
        assert set(listener.places) | set(again.places) >= set(range(newest + 1, newest + 404))
        assert len(again.places) == len(set(again.places))


async def test_a_client_that_is_cut_while_much_is_recorded_sees_every_row_once(console: Console) -> None:
    async with console.as_("admin") as admin:
        newest = _newest(console)
        batches = Counter[int]()

        def record(writer: int) -> None:
            while batches[writer] < 30:
                tell(console, 10)
                batches[writer] += 1

        writers = [asyncio.create_task(asyncio.to_thread(record, writer)) for writer in range(2)]
        path = f"/console/log/stream?after={newest}"
        async with listening(admin, path) as before:
            await holds(lambda: sum(batches.values()) >= 15 and len(before.places) > 50, what="rows come")
        await holds(lambda: sum(batches.values()) >= 40, what="much is recorded while the client is away")
        async with listening(admin, path, **{"Last-Event-ID": before.last}) as after, listening(admin, path) as other:
            await asyncio.gather(*writers)
            recorded = await asyncio.to_thread(_places_after, console, newest)
            await holds(lambda: {*before.places, *after.places} >= recorded, what="every row has come")
            await holds(lambda: set(other.places) >= recorded, what="every row has come to who never was away")
        told = [place for place in before.places + after.places if place > newest]
        assert len(recorded) == 600
        assert sorted(told) == sorted(recorded)


async def test_a_client_that_is_slower_than_what_is_kept_misses_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsroom, "KEPT", 7)
    async with console.as_("admin") as admin:
        newest = _newest(console)
        async with listening(admin, f"/console/log/stream?after={newest}") as listener:
            for _ in range(4):
                await asyncio.to_thread(tell, console, 25)
            recorded = await asyncio.to_thread(_places_after, console, newest)
            await holds(lambda: set(listener.places) >= recorded, what="every row has come")
        told = [place for place in listener.places if place > newest]
        assert sorted(told) == sorted(recorded)


async def test_clients_who_want_the_same_are_read_and_made_their_rows_once(console: Console) -> None:
    async with console.as_("admin") as admin:
        newest = _newest(console)
        path = f"/console/log/stream?after={newest}"
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(listening(admin, path)) for _ in range(20)]
            await holds(lambda: all("id: " in item.text for item in listeners), what="all listen")
            with seen(console.engine) as queries:
                await asyncio.to_thread(tell, console, 50)
                await holds(lambda: all(newest + 50 in item.places for item in listeners), what="the rows come to all")
            of_log = [query for query in queries if "dispatch.search" in query]
        assert len({tuple(place for place in item.places if place > newest) for item in listeners}) == 1
        assert 0 < len(of_log) < len(listeners)


async def test_a_stream_shows_what_its_filter_and_the_persons_scope_say_alone(console: Console) -> None:
    async with console.as_("district") as district, console.as_("admin") as admin:
        async with (
            listening(district, "/console/log/stream?after=0&q=state:parked") as own,
            listening(admin, "/console/log/stream?after=0&q=state:parked") as all_,
        ):
            await holds(lambda: len(all_.places) == 7 and len(own.places) == 4, what="the rows come")
        assert set(own.places) < set(all_.places)
        assert "LCA.06" not in own.text
        assert (await district.get("/console/log/stream?q=colour:red")).status == 400


def revoke(console: Console, _token: str) -> None:
    with writing(console.engine) as conn:
        PEOPLE.revoke(conn, "district", now_ms=now_ms())


def withdraw(console: Console, _token: str) -> None:
    with writing(console.engine) as conn:
        found = PEOPLE.find(conn, "district")
        assert found is not None
        PEOPLE.withdraw(conn, "district", found.grants[0])


def log_out(console: Console, token: str) -> None:
    with writing(console.engine) as conn:
        SESSIONS.end(conn, token)


@pytest.mark.parametrize("end", [revoke, withdraw, log_out])
async def test_who_has_lost_a_right_sees_nothing_more_within_five_seconds(
    console: Console, end: Callable[[Console, str], None]
) -> None:
    async with console.as_("district") as district, listening(district, "/console/log/stream") as listener:
        await holds(lambda: "id: " in listener.text, what="the stream has begun")
        token = next(cookie.value for cookie in district.http.cookie_jar if cookie.key.endswith("congvan-session"))
        await asyncio.to_thread(end, console, token)
        began = time.monotonic()
        await asyncio.wait_for(listener.ended.wait(), 30)
        assert time.monotonic() - began < 5
        shown = len(listener.places)
        await asyncio.to_thread(tell, console, 5)
        assert len(listener.places) == shown


async def test_one_query_looks_at_the_sessions_of_all_who_watch(console: Console) -> None:
    async with console.as_("admin") as admin, AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listening(admin, "/console/log/stream")) for _ in range(20)]
        await holds(lambda: all("id: " in item.text for item in listeners), what="all listen")
        with seen(console.engine) as queries:
            signs = [item.text.count("id: ") for item in listeners]
            await holds(
                lambda: all(item.text.count("id: ") > sign + 2 for item, sign in zip(listeners, signs, strict=True)),
                what="each has had signs of life for more than two looks' time",
            )
            looks = [query for query in queries if "web_session" in query]
        assert 0 < len(looks) < len(listeners)


async def test_who_has_lost_nothing_goes_on_seeing(console: Console) -> None:
    async with console.as_("district") as district, listening(district, "/console/log/stream") as listener:
        await asyncio.to_thread(revoke_another, console)
        await holds(lambda: listener.text.count("id: ") > 3, what="several looks at the session have been taken")
        assert not listener.ended.is_set()


def revoke_another(console: Console) -> None:
    with writing(console.engine) as conn:
        PEOPLE.revoke(conn, "viewer", now_ms=now_ms())


async def test_streams_end_when_the_router_stops_and_with_the_session(console: Console) -> None:
    async with console.as_("viewer") as viewer, listening(viewer, "/console/log/stream") as listener:
        with writing(console.engine) as conn:
            PEOPLE.revoke(conn, "viewer", now_ms=now_ms())
        assert (await viewer.get("/console/log/stream", Accept="text/event-stream")).status == 401
        console.services.stopping.set()
        await asyncio.wait_for(listener.ended.wait(), 30)
