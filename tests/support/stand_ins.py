"""A settable clock, and small stand-ins for a broker, where what it says has to be chosen: nothing else is made up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, event

from router.broker import Outgoing, PublishOutcome
from router.broker.topology import Capacity, Changes, Topology, diff
from support.ledgers import START


@dataclass(slots=True)
class SetClock:
    """Tells the time that it was set to, UTC ms."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def pass_(self, *, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass(slots=True)
class StandInPublisher:
    """Answers publishes as it is told; while ``held`` is clear it answers none, as a blocked broker does."""

    answer: Callable[[Outgoing], PublishOutcome] = lambda _message: PublishOutcome.CONFIRMED
    published: list[Outgoing] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        self.published.extend(messages)
        await self.free.wait()
        return [self.answer(message) for message in messages]

    @property
    def ids(self) -> list[str]:
        return [message.message_id for message in self.published]


@dataclass(slots=True)
class StandInSession:
    """A session that is up when ``up`` is set."""

    up: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.up.set()

    async def ready(self) -> None:
        await self.up.wait()


@dataclass(slots=True)
class StandInBroker:
    """Holds a topology in memory; ``fails`` is raised by the next calls as long as it is set."""

    standing: Topology = field(default_factory=lambda: Topology(vhost="v"))
    fails: Exception | None = None
    fails_after_making: Exception | None = None
    fits: int | None = None
    calls: list[str] = field(default_factory=list)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: shaping takes until it is set."""
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.busy.set()

    async def withdraw(self, wanted: Topology) -> Changes:
        self._call("withdraw")
        changes = diff(self.standing.access(), wanted.access())
        users = self.standing.users - changes.remove.users
        stale = {user for user in users if user not in wanted.users}
        self._become(users=frozenset(users - stale))
        return Changes(create=Topology(vhost="v"), remove=changes.remove)

    async def shape(self, wanted: Topology, on_made: Callable[[Sequence[str]], Awaitable[None]]) -> Changes:
        self._call("shape")
        changes = diff(self.standing.joined(wanted.access()), wanted)
        await self.busy.wait()
        fresh = sorted(queue.name for queue in changes.create.queues | changes.unbound)
        if fresh:
            self.made.extend(queue.name for queue in changes.create.queues)
            self._become(queues=self.standing.queues | wanted.queues)
            await on_made(fresh)
        if self.fails_after_making is not None:
            raise self.fails_after_making
        shape = wanted.shape()
        self._become(exchanges=shape.exchanges, bindings=shape.bindings, policies=shape.policies, limits=shape.limits)
        self._become(queues=wanted.queues)
        return changes

    async def grant(self, wanted: Topology) -> Changes:
        self._call("grant")
        changes = diff(self.standing.access(), wanted.access())
        self._become(users=wanted.users, permissions=wanted.permissions, topic_permissions=wanted.topic_permissions)
        return Changes(create=changes.create, remove=Topology(vhost="v"))

    async def capacity(self) -> Capacity | None:
        return None if self.fits is None else Capacity(2 * self.fits, None, len(self.standing.queues))

    def lose(self, **kinds: frozenset[object]) -> None:
        """Somebody deletes things at the broker."""
        self._become(**{kind: getattr(self.standing, kind) - gone for kind, gone in kinds.items()})

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fails is not None:
            raise self.fails

    def _become(self, **kinds: object) -> None:
        from dataclasses import replace

        self.standing = replace(self.standing, **kinds)  # type: ignore[arg-type]


@contextmanager
def away(engine: Engine) -> Iterator[None]:
    """The ledger takes no change while the block runs, as when a backup holds its lock; it can be read."""
    from sqlite3 import connect

    holder = connect(str(engine.url.database), isolation_level=None, timeout=5)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def impatient(engine: Engine) -> Engine:
    """The engine, whose connections take a lock for an outage at once."""

    @event.listens_for(engine, "connect")
    def hurry(connection: object, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=10")  # type: ignore[attr-defined]

    return engine
