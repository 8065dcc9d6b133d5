"""The live log under load: what many who watch cost the router, and whether who was cut sees every row once."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import psutil
from aiohttp import ClientSession, ClientTimeout, CookieJar, TCPConnector
from sqlalchemy import Engine, func, select

from benchmarks.console_screens import log_in
from router.ledger.engine import reading, writing
from router.ledger.models import delivery, receipt
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.states import Status

CLIENTS, PER_S, CUT_S, WATCHED_S = 100, 200, 60, 20
_TICK = 0.05
_ROW = re.compile(rb'<tr data-pos="(\d+)"')
_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Live:
    """What was found; CPU is the router's, in seconds per second."""

    clients: int = CLIENTS
    recorded_per_s: float = 0.0
    cores: float = 0.0
    idle_cores: float = 0.0
    """With nobody watching, at the same rate."""
    cut_s: float = 0.0
    recorded_while_cut: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def is_good(self) -> bool:
        """Whether it costs less than a core and no row was lost or came twice."""
        return self.cores < 1 and not self.lost and not self.doubled


@dataclass(slots=True)
class _Watcher:
    """A client of the stream; counts the rows after a place."""

    http: ClientSession
    after: int
    rest: bytes = b""
    last: str = ""
    places: Counter[int] = field(default_factory=Counter)

    async def watch(self) -> None:
        """Listen until cancelled; what has not come whole is dropped then, as by a browser."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last} if self.last else {})
        self.rest = b""
        path = f"/console/log/stream?after={self.after}"
        async with self.http.get(path, headers=headers, timeout=ClientTimeout(total=None)) as answer:
            answer.raise_for_status()
            async for chunk in answer.content.iter_any():
                whole, _, self.rest = (self.rest + chunk).rpartition(b"\n\n")
                self.places.update(place for place in map(int, _ROW.findall(whole)) if place > self.after)
                ids = _ID.findall(whole)
                self.last = ids[-1].decode() if ids else self.last


async def measure(url: str, engine: Engine, router: int) -> Live:
    """Let 100 clients watch, cut one of them for a minute; ``router`` is the process that serves them."""
    found = Live()
    async with ClientSession(url, cookie_jar=CookieJar(unsafe=True), connector=TCPConnector(limit=0)) as http:
        await log_in(http, "country")
        found.idle_cores, _ = await _cores(engine, router)
        after = _end(engine)
        async with AsyncExitStack() as stack:
            watchers = [_Watcher(http, after) for _ in range(CLIENTS)]
            tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
            stack.callback(lambda: [task.cancel() for task in tasks])
            await _until(lambda: all(watcher.last for watcher in watchers))
            found.cores, found.recorded_per_s = await _cores(engine, router)
            await _cut(found, engine, watchers[0], tasks)
            end = _end(engine)
            await _until(lambda: all(end in watcher.places for watcher in watchers))
    recorded = set(_places(engine, after))
    found.lost = sum(len(recorded - watcher.places.keys()) for watcher in watchers)
    found.doubled = sum(sum(watcher.places.values()) - len(watcher.places) for watcher in watchers)
    return found


async def _cut(found: Live, engine: Engine, watcher: _Watcher, tasks: list["asyncio.Task[None]"]) -> None:
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    began, place = time.monotonic(), _end(engine)
    await asyncio.to_thread(_record, engine, CUT_S)
    found.cut_s, found.recorded_while_cut = time.monotonic() - began, _end(engine) - place
    tasks[0] = asyncio.create_task(watcher.watch())


async def _cores(engine: Engine, router: int) -> tuple[float, float]:
    """The router's CPU seconds per second while receipts are recorded, and how many were recorded a second."""
    process, began, place = psutil.Process(router), time.monotonic(), _end(engine)
    before = process.cpu_times()
    await asyncio.to_thread(_record, engine, WATCHED_S)
    after, took = process.cpu_times(), time.monotonic() - began
    return (after.user + after.system - before.user - before.system) / took, (_end(engine) - place) / took


def _record(engine: Engine, seconds: float) -> None:
    """Record receipts at an even rate, as another router would; the clock on the wall gives the pace."""
    keys = _keys(engine)
    began, count, each = time.monotonic(), 0, round(PER_S * _TICK)
    while count < PER_S * seconds:
        with writing(engine) as conn:
            some = [keys[number % len(keys)] for number in range(count, count + each)]
            now = now_ms()
            entries = [NewReceipt(new_id(), key, Status.TAKEN, iso(now), now, reason="benchmark") for key in some]
            apply(conn, entries, Silence())
        count += each
        time.sleep(max(0.0, began + count / PER_S - time.monotonic()))


def _keys(engine: Engine) -> Sequence[str]:
    with reading(engine) as conn:
        return conn.scalars(select(delivery.c.id).order_by(delivery.c.id.desc()).limit(5000)).all()


def _end(engine: Engine) -> int:
    with reading(engine) as conn:
        return conn.scalar(select(func.max(receipt.c.pos))) or 0


def _places(engine: Engine, after: int) -> Sequence[int]:
    with reading(engine) as conn:
        return conn.scalars(select(receipt.c.pos).where(receipt.c.pos > after)).all()


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "the rows do not come"
        await asyncio.sleep(0.05)
