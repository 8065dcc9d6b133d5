"""A session: one AMQP connection that recovers by itself, with the publishers and consumers on it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from copy import copy
from enum import StrEnum
from typing import Protocol

import structlog
from pika import URLParameters

from router.broker import looking
from router.broker.backoff import Backoff, sleep_unless
from router.broker.consumer import Consumer
from router.broker.errors import BrokerUnavailableError
from router.broker.link import BrokerLink
from router.broker.message import Handler
from router.broker.parameters import parameters_of
from router.broker.publisher import Publisher
from router.broker.tuning import Tuning
from router.tls.contexts import ClientContext
from router.tls.troubles import TlsTrouble, trouble_of
from schemas.events import Event

_ALL_OF_IT = 0.9
"""The share of its time that an attempt has used up when it was too short."""
_CUT_IN = 1.0
"""Seconds for pika to let go of a socket: a few turns of the loop."""
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
log = structlog.get_logger()


class SessionState(StrEnum):
    """What a session can do now."""

    DOWN = "down"
    """No connection; a pause before the next attempt, or closed."""
    CONNECTING = "connecting"
    """An attempt is being made."""
    UP = "up"
    """Connected, its publishers can publish and its consumers consume."""
    BLOCKED = "blocked"
    """Connected, but the broker reads nothing: it is short of memory or disk. Publishes wait."""


class _Member(Protocol):
    attached: asyncio.Event

    def serve(self, link: BrokerLink) -> Coroutine[None, None, None]: ...


class Session:
    """One connection to a broker that is made again whenever it goes, in the running loop.

    Args:
        url: ``amqp://`` or ``amqps://`` with the vhost; a login in it is overridden by ``user`` and ``password``.
        user: login; also the ``user_id`` of every message published.
        password: its password.
        name: shown in the broker's list of connections and in our log.
        tuning: time-outs and pauses.
        resolve: the addresses of a host's name, for a port; None: the system's resolver is asked at each attempt.
        tls: whom to trust and what to show where the URL is ``amqps``; None: whom the system trusts.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        name: str,
        tuning: Tuning | None = None,
        resolve: Resolve | None = None,
        tls: ClientContext | None = None,
    ) -> None:
        self._resolve = resolve
        self._failed_addresses = 0
        self._tuning = tuning = tuning or Tuning()
        self.tls = tls or ClientContext(to="broker")
        """By which it connects where the URL is ``amqps``."""
        self._parameters = parameters_of(url, user=user, password=password, name=name, tuning=tuning, tls=self.tls)
        self._place = f"{self._parameters.host}:{self._parameters.port}"
        self.trouble: TlsTrouble | None = None
        """The certificate that stands in the way of a connection; None: none does."""
        self._name = name
        self._members: list[_Member] = []
        self._consumers: list[Consumer] = []
        self._publishers: list[Publisher] = []
        self._callbacks: list[Callable[[SessionState], None]] = []
        self._doubters: list[Callable[[str], None]] = []
        self._backoff = Backoff(self._tuning.pause_first, self._tuning.pause_longest)
        self._stack_timeout = self._tuning.stack_timeout
        self._state = SessionState.DOWN
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._came_up = asyncio.Event()
        self._why = "not started"
        self._closed = False
        self._link: BrokerLink | None = None
        self._latest: BrokerLink | None = None
        self._attempt: BrokerLink | None = None
        self._group: asyncio.TaskGroup | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    @property
    def state(self) -> SessionState:
        """What the session can do now."""
        return self._state

    @property
    def said(self) -> str:
        """The state in a word, and the code of a certificate that stands in the way."""
        return f"{self._state.value} ({self.trouble.code.value})" if self.trouble else self._state.value

    @property
    def heard_at(self) -> int:
        """When the broker was heard last, UTC milliseconds; at least each 15 s while a connection lives."""
        return self._latest.heard_at if self._latest is not None else 0

    @property
    def quiet(self) -> float:
        """Seconds since the broker's machine was heard on the connection, by any segment; infinite without one."""
        return self._link.quiet if self._link is not None else math.inf

    @property
    def certificate_ends(self) -> int | None:
        """When the broker's certificate ends, UTC milliseconds; None: none is seen now."""
        return self._link.certificate_ends if self._link is not None else None

    def ask_for_a_sign(self) -> None:
        """Have the broker's machine acknowledge something; :attr:`quiet` shows whether it did."""
        if self._link is not None:
            self._link.ask_for_a_sign()

    @property
    def user(self) -> str:
        """The login."""
        return str(self._parameters.credentials.username)

    async def start(self) -> None:
        """Begin to connect in the background."""
        if self._runner is None and not self._closed:
            self._why = "the first attempt is not finished"
            self._runner = asyncio.create_task(self._run(), name=f"broker session {self._name}")

    async def ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - part of the interface
        """Wait until the session is UP, for ever or ``timeout`` seconds.

        Raises:
            BrokerUnavailableError: it is not by then, or the session is closed; says what went wrong last.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._state is not SessionState.UP and not self._closed:
                    self._changed.clear()
                    await self._changed.wait()
        if self._state is not SessionState.UP:
            said = f"no connection to {self._place}, vhost {self._parameters.virtual_host} as {self.user}: {self._why}"
            raise BrokerUnavailableError(said, hint=self.trouble.advice if self.trouble else "")

    async def up_anew(self, timeout: float) -> None:  # noqa: ASYNC109 - part of the interface
        """Return when the session comes UP the next time, or after ``timeout`` seconds: what ends a pause early."""
        await sleep_unless(self._came_up, timeout)

    def on_state(self, callback: Callable[[SessionState], None]) -> None:
        """Call back at every change of state."""
        self._callbacks.append(callback)

    def on_doubt(self, callback: Callable[[str], None]) -> None:
        """Call back with a reason when the broker's answers show that something is not there, or not allowed.

        A queue is missing or its consumer was cancelled, a message came back, a channel was closed, no login.
        """
        self._doubters.append(callback)

    def renew(self) -> None:
        """Give up the present connection, or attempt, and begin a new one at once.

        For who knows from outside that the line went, or came back: what was connected before is dead, and an attempt
        that was begun meanwhile waits for answers to packets that were lost.
        """
        self._backoff.reset()
        self._hurry.set()
        if self._attempt is not None:
            self._attempt.cut()

    def publisher(self, *, window: int = 1000, confirm_timeout: float = 30.0) -> Publisher:
        """A publisher on a channel of its own.

        Args:
            window: the most unconfirmed messages, over all its callers.
            confirm_timeout: the longest that a publish takes, in seconds.
        """
        made = Publisher(user=self.user, window=window, confirm_timeout=confirm_timeout, tuning=self._tuning)
        made.on_doubt = self._doubt
        self._publishers.append(made)
        self._add(made)
        return made

    def consume(
        self,
        queues: Sequence[str],
        handler: Handler,
        *,
        prefetch: int,
        message_bytes: int = 64 * 1024,
        max_batch: int = 500,
        linger: float = 0.01,
        newest_first: bool = False,
        passing: tuple[type[Exception], ...] = (Exception,),
        on_apart: Callable[[str], None] = lambda _queue: None,
        resting: Collection[str] = (),
    ) -> Consumer:
        """Consume queues, now and after every recovery; one that is not there is tried again until it is.

        Args:
            queues: their names; hundreds are fine.
            handler: takes the batches, one at a time.
            prefetch: the most unacknowledged messages per queue; fewer where they could be more than
                :attr:`Tuning.unacked_bytes` together.
            message_bytes: a message with a longer body comes without it; its handler has to refuse it
                (:meth:`Delivered.require_whole`).
            max_batch: the most messages per batch.
            linger: seconds to wait for more after a batch's first message.
            newest_first: messages go to the consumer that came last. For queues with one consumer whose line drops: the
                broker takes its dead connection for alive for another minute and would go on sending to it in turn.
            passing: errors of the handler that lie outside of any message. One that fails by itself, again and again
                while others pass, with another error is put aside; one that meets these is only set apart.
            on_apart: told the queue of each message that is set apart.
            resting: queues that are left alone for now, see :meth:`Consumer.rest`.
        """
        made = Consumer(
            queues,
            handler,
            prefetch=prefetch,
            message_bytes=message_bytes,
            max_batch=max_batch,
            linger=linger,
            newest_first=newest_first,
            tuning=self._tuning,
            passing=passing,
            on_apart=on_apart,
            resting=resting,
        )
        made.on_doubt = self._doubt
        self._consumers.append(made)
        self._add(made)
        return made

    async def depth(self, queue: str) -> int | None:
        """How many messages of a queue are ready; None: it is not there, or there is no connection."""
        return None if self._link is None else await looking.depth(self._link, queue)

    async def close(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - part of the interface
        """Finish the batches in work, acknowledge them, wait for pending confirms, then close; in ``timeout`` seconds.

        What is not finished by then is cut off; unacknowledged messages return to their queues by themselves.
        """
        if self._closed:
            return
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(consumer.stop() for consumer in self._consumers))
                await asyncio.gather(*(publisher.drain() for publisher in self._publishers))
                self._closed = True
                if self._link is not None:
                    await self._link.end()
        except TimeoutError:
            log.warning(Event.SESSION_CUT_OFF, session=self._name, after_seconds=timeout)
            await asyncio.gather(*(consumer.cut_off(_CUT_IN) for consumer in self._consumers))
        self._closed = True
        self._why = "the session is closed"
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        self._become(SessionState.DOWN)
        self._changed.set()

    def _add(self, member: _Member) -> None:
        self._members.append(member)
        if self._link is not None:
            self._begin(member, self._link)

    async def _run(self) -> None:
        while not self._closed:
            self._hurry.clear()
            self._become(SessionState.CONNECTING)
            try:
                self._why = await self._connect()
            except BrokerUnavailableError as error:
                self.trouble = trouble_of(error, place=self._place) or self.tls.last  # pika keeps but a text of some
                self._why = self.trouble.text if self.trouble else str(error)
                self._doubt(self._why)
            except Exception as error:
                self._why = repr(error)
                log.exception(Event.SESSION_FAILED, session=self._name)
            self._become(SessionState.DOWN)
            if not self._closed:
                await self._pause()

    async def _connect(self) -> str:
        """Make one connection and run it to its end; returns why it ended."""
        self._parameters.stack_timeout = self._stack_timeout
        self.tls.last = None
        began = asyncio.get_running_loop().time()
        link = self._attempt = BrokerLink(await self._resolved(), self._tuning)
        try:
            return await self._serve(link)
        finally:
            if self._link is None:
                self._failed_addresses += 1
                self._be_more_patient(asyncio.get_running_loop().time() - began)
            self._link = self._attempt = self._group = None
            link.cut()
            await asyncio.wait([link.lost], timeout=_CUT_IN)

    async def _resolved(self) -> URLParameters:
        """Where to connect to: of several addresses of the broker's name, the next one after each that failed."""
        if self._resolve is None:
            return self._parameters
        name = self._parameters.host
        try:
            async with asyncio.timeout(self._stack_timeout):
                addresses = await self._resolve(name, self._parameters.port)
        except (OSError, TimeoutError) as error:
            raise BrokerUnavailableError(f"the address of {name} is not known: {error!r}") from error
        resolved = copy(self._parameters)
        resolved.host = addresses[self._failed_addresses % len(addresses)]
        return resolved

    async def _serve(self, link: BrokerLink) -> str:
        within = 2 * self._stack_timeout  # pika has its own time-outs; this is in case it forgets them
        try:
            async with asyncio.timeout(within):
                await link.opened
        except TimeoutError:
            raise BrokerUnavailableError(f"neither connected nor refused within {within:g} s") from None
        self._link = self._latest = link
        link.on_blocked.append(self._on_blocked)
        # At once: whoever learns from a lost publish that the connection went must not find the session UP.
        link.lost.add_done_callback(lambda _: self._become(SessionState.DOWN))
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._serving = {group.create_task(self._announce(link))}
            for member in self._members:
                self._begin(member, link)
            reason = await asyncio.shield(link.lost)
            self._group = None
            for task in self._serving:
                task.cancel()
        return reason

    def _be_more_patient(self, took: float) -> None:
        """Give the next attempt twice the time when this one took all that it had."""
        if took >= _ALL_OF_IT * self._stack_timeout:
            self._stack_timeout = min(2 * self._stack_timeout, self._tuning.stack_timeout_longest)

    def _begin(self, member: _Member, link: BrokerLink) -> None:
        if self._group is not None:
            self._serving.add(self._group.create_task(member.serve(link)))

    async def _announce(self, link: BrokerLink) -> None:
        for member in list(self._members):
            await member.attached.wait()
        if link.lost.done():
            return
        self._backoff.reset()
        self._stack_timeout = self._tuning.stack_timeout
        self.trouble = None
        log.info(Event.BROKER_CONNECTED, session=self._name, host=self._parameters.host, user=self.user)
        self._become(SessionState.BLOCKED if link.blocked else SessionState.UP)

    def _on_blocked(self, blocked: bool) -> None:  # noqa: FBT001 - a callback's one argument
        if self._state in {SessionState.UP, SessionState.BLOCKED}:
            self._become(SessionState.BLOCKED if blocked else SessionState.UP)

    async def _pause(self) -> None:
        pause = self._backoff.pause()
        code = {"code": self.trouble.code.value} if self.trouble else {}
        log.warning(Event.BROKER_LOST, session=self._name, reason=self._why, retry_in=round(pause, 2), **code)
        await sleep_unless(self._hurry, pause)

    def _doubt(self, why: str) -> None:
        for callback in self._doubters:
            callback(why)

    def _become(self, state: SessionState) -> None:
        if state is self._state:
            return
        self._state = state
        self._changed.set()
        if state is SessionState.UP:
            self._came_up.set()
            self._came_up = asyncio.Event()
        for callback in self._callbacks:
            callback(state)
