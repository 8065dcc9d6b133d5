"""Keeps the broker in line with the ledger: after a (re)connect, a change, a sign of trouble, and at an interval.

Whoever deletes a queue, an exchange, a permission, a login or the whole vhost has it back at once where the broker's
own answers show that it is gone, and else after the interval. A queue that had to be made anew was lost with what lay
in it, so the deliveries that waited there become due again: this is how the service outlives a broker whose disk was
wiped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection
from tenacity import RetryCallState, retry_if_exception, wait_random_exponential
from tenacity.asyncio import AsyncRetrying

from router.broker import BrokerError, SessionState
from router.broker.backoff import sleep_unless
from router.broker.errors import ManagementError, ManagementForbiddenError, ManagementUnreachableError
from router.broker.topology import Capacity, Changes, Topology
from router.delivery.agenda import Agenda, Cause
from router.delivery.recorder import QUEUE as RECEIPTS_QUEUE
from router.directory import Directory
from router.errors import RouterError, UnavailableError
from router.ledger.way import outbox
from router.ledger.writer import Writer
from router.process.fate import may_pass
from schemas.clock import Clock, now_ms
from schemas.events import Event
from schemas.states import Status

log = structlog.get_logger()
_FAILURES_EXCUSED = 3
"""Comparisons that may fail in a row before what stood at the last one is not taken to stand any more."""


class Broker(Protocol):
    """The broker that is kept in line: see :class:`router.delivery.managed_broker.ManagedBroker`."""

    async def withdraw(self, wanted: Topology) -> Changes:
        """Take back access that is not planned any more."""
        ...

    async def shape(self, wanted: Topology, on_made: Callable[[Sequence[str]], Awaitable[None]]) -> Changes:
        """Make and remove exchanges and queues."""
        ...

    async def grant(self, wanted: Topology) -> Changes:
        """Give the access that is planned."""
        ...

    async def capacity(self) -> Capacity | None:
        """How many queues fit."""
        ...


@dataclass(frozen=True, slots=True)
class TopologyState:
    """Whether the broker stands as planned, in words for everyone, and how many queues fit (None: not known)."""

    stands: bool
    words: str
    fits: int | None = None


class Keeper:
    """Brings the broker in line, and lets the relay publish once that was tried.

    The relay does not wait for it to succeed: what the broker cannot route it returns, and the ledger keeps.

    Args:
        broker: what is brought in line; None when the administrator does that by hand.
        plan: what should stand there now; blocks on the ledger.
        directory: the present units.
        writer: for making deliveries of lost queues due.
        steady: set while the relay may publish.
        interval: seconds between comparisons when nothing indicates a difference.
        on_state: called with what each comparison found.
        retry_longest: the longest pause after a comparison that failed, in seconds.
        clock: the present.
    """

    def __init__(
        self,
        *,
        broker: Broker | None,
        plan: Callable[[], Topology],
        directory: Callable[[], Directory],
        writer: Writer,
        steady: asyncio.Event,
        interval: float,
        on_state: Callable[[TopologyState], None] = lambda _state: None,
        retry_longest: float = 15.0,
        clock: Clock = now_ms,
    ) -> None:
        self._broker = broker
        self._plan = plan
        self._directory = directory
        self._writer = writer
        self._steady = steady
        self._retry_longest = retry_longest
        self._on_state = on_state
        self._make_due = partial(_make_due, clock)
        self._agenda = Agenda(interval)
        self._asked = asyncio.Event()
        self._access_changed = asyncio.Event()
        self._granting = asyncio.Lock()
        self._connected = False
        self._failures = 0
        self.state = TopologyState(stands=False, words="not compared yet")
        if broker is None:
            self.state = TopologyState(stands=True, words="left to the administrator")
        """What the last comparison found."""

    def on_session(self, state: SessionState) -> None:
        """The router's session came up or was lost: the broker behind it may be another than before."""
        self._connected = state in {SessionState.UP, SessionState.BLOCKED}
        if state is SessionState.UP:
            self._ask(Cause.CHANGE)
        elif not self._connected:
            self._steady.clear()

    def on_change(self) -> None:
        """Units or accounts have changed, a day has begun, or a token has expired."""
        self._access_changed.set()
        self._ask(Cause.CHANGE)

    def on_doubt(self, why: str) -> None:
        """Something at the broker was not as planned."""
        log.debug(Event.TOPOLOGY_DOUBTED, reason=why)
        self._ask(Cause.DOUBT)

    async def run(self) -> None:
        """Compare whenever it is due, until cancelled."""
        while True:
            await self._wait_until_due()
            cause = self._agenda.begin()
            if self._broker is not None:
                await self._compare(self._broker, cause)
            else:
                self._agenda.end(cause, at=_seconds(), took=0.0, changed=False)
            if self._connected:
                self._steady.set()

    async def run_withdrawals(self) -> None:
        """Take back access as soon as that is known, also during a long comparison; until cancelled."""
        while True:
            await self._access_changed.wait()
            self._access_changed.clear()
            if self._broker is not None:
                await self._patiently()(self._withdraw, self._broker)

    def _ask(self, cause: Cause) -> None:
        self._agenda.ask(cause)
        self._asked.set()

    async def _wait_until_due(self) -> None:
        while (rest := self._agenda.due_at() - _seconds()) > 0:
            self._asked.clear()
            await sleep_unless(self._asked, rest)

    async def _compare(self, broker: Broker, cause: Cause) -> None:
        began = _seconds()
        try:
            changes = await _understood(self._bring_in_line(broker))
            capacity = await broker.capacity()
        except Exception as error:
            if not _may_be_done_later(error):
                raise
            self._failures += 1
            self._agenda.fail(cause, at=_seconds(), longest=self._retry_longest)
            stands = self.state.stands and self._failures <= _FAILURES_EXCUSED
            self.state = TopologyState(stands, f"not compared: {_words_of(error)}", self.state.fits)
            log.warning(Event.TOPOLOGY_FAILED, error=str(error), failures=self._failures)
        else:
            self._failures = 0
            if changes.moved_queues:
                log.warning(Event.BINDINGS_MOVED, queues=list(changes.moved_queues))
            changed = bool(changes.create.items() or changes.remove.items())
            self._agenda.end(cause, at=_seconds(), took=_seconds() - began, changed=changed)
            self.state = state_of(changes, capacity)
        self._on_state(self.state)

    async def _bring_in_line(self, broker: Broker) -> Changes:
        async with self._granting:
            withdrawn = await broker.withdraw(await asyncio.to_thread(self._plan))
        shaped = await broker.shape(await asyncio.to_thread(self._plan), self._send_again)
        async with self._granting:  # planned anew: making queues may have taken minutes, and a token may have gone
            granted = await broker.grant(await asyncio.to_thread(self._plan))
        return withdrawn.joined(shaped).joined(granted)

    async def _send_again(self, made: Sequence[str]) -> None:
        if lost := lost_units(made, self._directory()):  # only now is it known who lost what
            await self._patiently()(self._writer.run, self._make_due, lost)

    def _patiently(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(_may_be_done_later),
            wait=wait_random_exponential(multiplier=0.2, max=self._retry_longest),
            before_sleep=_log_failure,
        )

    async def _withdraw(self, broker: Broker) -> None:
        async with self._granting:
            await _understood(broker.withdraw(await asyncio.to_thread(self._plan)))


def state_of(changes: Changes, capacity: Capacity | None) -> TopologyState:
    """What a comparison that was carried out left."""
    grave = [conflict for conflict in changes.conflicts if not conflict.harmless]
    words = "stands as planned" if not grave else f"does not stand: {len(grave)} conflicts"
    if len(changes.conflicts) > len(grave):
        words += f", {len(changes.conflicts) - len(grave)} left over"
    if capacity is None:
        return TopologyState(not grave, words)
    return TopologyState(not grave, f"{words}; {capacity}", capacity.fits)


async def _understood(applying: Awaitable[Changes]) -> Changes:
    """The same; an answer of another form than the management API's is an error of the broker's, not ours.

    Raises:
        ManagementError: as above; something else may listen at that address.
    """
    try:
        return await applying
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, BrokerError):
            raise
        raise ManagementError(f"the management API answered with what cannot be understood: {error!r}") from error


def _may_be_done_later(error: BaseException) -> bool:
    return isinstance(error, BrokerError | RouterError) or may_pass(error)


def lost_units(created: Sequence[str], directory: Directory) -> list[str]:
    """The units whose waiting deliveries went with a queue that had to be made anew.

    When the receipts' own queue is new, receipts of any unit may be lost with it, so all units are asked again: they
    answer a repeated delivery with the receipts they have.
    """
    if RECEIPTS_QUEUE in created:
        return [unit.code for unit in directory.all]
    return sorted({name.split(".", 1)[1].rsplit(".", 1)[0] for name in created if name.startswith("unit.")})


def make_due_again(connection: Connection, codes: Sequence[str], now: int) -> int:
    """Have what waited in the lost queues of these units published again; how many deliveries."""
    waiting = [Status.PENDING, Status.QUEUED, Status.TAKEN, Status.REDRIVEN]
    return outbox.make_due(connection, codes, waiting, now)


def _make_due(clock: Clock, connection: Connection, batches: Sequence[Sequence[str]]) -> list[int]:
    return [make_due_again(connection, codes, clock()) for codes in batches]


def _words_of(error: Exception) -> str:
    """Why, without a host or a login: everyone may read it."""
    if isinstance(error, UnavailableError):
        return "the ledger does not answer"
    if isinstance(error, ManagementForbiddenError):
        return "the management API refuses the router's login"
    if isinstance(error, ManagementUnreachableError):
        return "the management API does not answer"
    if not isinstance(error, BrokerError | RouterError):
        return "the router's machine is in trouble"
    return "the management API answers with an error, see the router's log"


def _log_failure(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    log.warning(Event.TOPOLOGY_FAILED, error=str(error), failures=state.attempt_number)


def _seconds() -> float:
    return asyncio.get_running_loop().time()
