"""The state of the unit's line, as one small machine: told by the line's hooks, by the broker session, by fetches.

A line that drops leaves connections behind that will never say a word again. A hook says so at once. Without one, a
connection on which nothing is heard for some seconds has the line examined: the router's machine is probed, the
broker's is asked for a sign. When a new connection is answered, what stays silent all the same is dead and made anew;
while none is answered, nothing better than what stands can be had. The broker's comes up first: that takes ten round
trips, two seconds on an idle line and half a minute on one that content fills already.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TypeVar

import structlog

from consumers.errors import LineError, SilentLineError
from consumers.line.connection import LineConnection, current
from consumers.line.pace import LinePace
from consumers.line.signs import Signs
from router.broker import SessionState
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
T = TypeVar("T")
PROBE_WHEN_DOWN = 5.0
"""Seconds after which a fetch looks whether the line is back, when nothing else has said so."""
PROBE_WHEN_STALLED = 1.0
"""The same while the broker's connection seems to stand."""
BROKER_FIRST = 8.0
"""Seconds that content waits for the broker's connection to come up."""
HOOK_HOLDS = 120.0
"""Seconds for which a hook's word that the line is down holds; then a fetch looks for itself."""
FIRST_PATIENCE = 4.0
"""Seconds of silence that are suspicious on a connection, the kernel's own question included (see
:mod:`consumers.fetching.origin`); doubled each time that a new connection has brought no byte either."""
ANSWER_SECONDS = 1.5
"""A connection has so long, and two round trips, to be heard once it was asked: a lost packet is sent again by then."""
LOOK_EVERY = 0.5
"""Seconds between two looks at a connection."""
SMALL_SEGMENT = 1220
"""Bytes: TCP's segments within the least MTU of IPv6 (1280), which every way carries; 1,448 is usual."""
CHOKED_OFTEN = 2
"""Connections in a row on which the other machine was heard and nothing large came: small segments are tried."""
TROUBLE_SECONDS = 60.0
"""A line that has stalled for so long while the broker is reached is reported to the router as a trouble."""
LONG_SILENT = 2.0
"""A connection for content that has been silent so long when the broker's came up anew is taken for dead."""


class LineState(StrEnum):
    """What can be said of the line."""

    DOWN = "down"
    """No connection stands."""
    COMING_UP = "coming_up"
    """The broker's connection is being made."""
    UP = "up"
    """The broker's connection stands, or content is coming."""
    STALLED = "stalled"
    """The broker's connection seems to stand, but content does not come."""


_OF_SESSION = {
    SessionState.DOWN: LineState.DOWN,
    SessionState.CONNECTING: LineState.COMING_UP,
    SessionState.UP: LineState.UP,
    SessionState.BLOCKED: LineState.UP,
}


class Line:
    """The line's state, and the wait for a moment when another try is worth it.

    Args:
        pace: what the line gives.
        patience: seconds of silence after which a connection is given up in any case.
        signs: who is asked whether a silent line is dead.
        renew: gives up the broker's connection for a new one.
        on_state: told each new state.

    Attributes:
        certificate_ends: when the certificate of the router's web side ends, UTC ms; None: it has shown none.
        reason: why it is not up, for people; empty while it is.
        segment: bytes of the largest segment that connections ask for; 0: as the kernel likes.
        stalled_since: when content ceased to come though the broker is reached, UTC milliseconds; 0: it comes.
    """

    def __init__(
        self,
        pace: LinePace | None = None,
        *,
        patience: float = 25.0,
        signs: Signs | None = None,
        renew: Callable[[], None] = lambda: None,
        on_state: Callable[[LineState], None] = lambda _state: None,
    ) -> None:
        self.pace = pace or LinePace()
        self.state = LineState.DOWN
        self.alive_at = 0
        self.certificate_ends: int | None = None
        """When it last carried anything, apart from what the broker said; UTC milliseconds."""
        self.reason = ""
        self.segment = 0
        self.stalled_since = 0
        self.no_progress = patience
        """Seconds without a byte after which a connection is given up in any case."""
        self._signs = signs or Signs()
        self._renew = renew
        self._on_state = on_state
        self._fruitless = 0
        self._choked = 0
        self._told_down = False
        self._broker = SessionState.DOWN
        self._up = asyncio.Event()
        self._connections: set[LineConnection] = set()
        self._examining = asyncio.Lock()
        self._checks: set[asyncio.Task[None]] = set()

    @property
    def patience(self) -> float:
        """Seconds of silence on a connection after which the line is examined."""
        return float(min(self.no_progress, FIRST_PATIENCE * 2.0 ** min(self._fruitless, 10)))

    def told(self, up: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """A hook says that the line came up or went down: every connection of before is dead."""
        self._told_down = not up
        self.alive_at = now_ms()
        self._fruitless = 0
        self.pace.anew()
        self._become(LineState.COMING_UP if up else LineState.DOWN, "said by the line's hook")
        self._end_connections(silent_for=0.0)
        self._renew()

    def broker_is(self, state: SessionState) -> None:
        """The broker's session has changed."""
        self._broker = state
        if _OF_SESSION[state] is LineState.UP and self.state is not LineState.UP:
            self._told_down = False
            self._end_connections(silent_for=LONG_SILENT)
        if not self._told_down:
            self._become(_OF_SESSION[state])

    def moved(self, count: int, connection: LineConnection | None = None) -> None:
        """Bytes of content have come."""
        self.alive(connection)
        if connection is None or not connection.encrypted:
            self.pace.moved(count)

    def alive(self, connection: LineConnection | None = None) -> None:
        """The other side has shown that bytes came or went."""
        self.alive_at = now_ms()
        if connection is not None:
            connection.moved()
            self.certificate_ends = connection.certificate_ends or self.certificate_ends
        self._fruitless = 0
        self._told_down = False
        if self.state is not LineState.UP and _OF_SESSION[self._broker] is LineState.UP:
            check = asyncio.create_task(self._check_broker())  # what was silent before may be dead for good
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)
        self._become(LineState.UP)

    def lost(self, error: LineError) -> None:
        """A connection for content was refused or lost, or was silent too long."""
        if isinstance(error, SilentLineError):
            self._fruitless += 1
        if self._told_down or self.state is LineState.COMING_UP or error.examined:
            return
        self._seems_down(str(error))

    async def worth_a_try(self) -> None:
        """Return when the line came up, or after a short while: line events need no back-off."""
        await self._wait_up(self._probe_after())

    async def broker_first(self) -> None:
        """Let AMQP come up before content fills the line."""
        if self.state is LineState.COMING_UP:
            await self._wait_up(BROKER_FIRST)

    async def through_drops(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do something when the broker had its chance; as often as the line goes meanwhile, do it again."""
        while True:
            await self.broker_first()
            try:
                return await act()
            except LineError as error:
                self.lost(error)
                await self.worth_a_try()

    @asynccontextmanager
    async def connection(self, pace: LinePace | None = None) -> AsyncIterator[LineConnection]:
        """The time of one connection for content.

        Args:
            pace: what the line gives in its direction; None: downward.

        Raises:
            LineError: the line went meanwhile, or nothing came for too long.
        """
        limit = asyncio.timeout(None)
        connection = LineConnection(
            limit, (pace or self.pace).window, no_progress=self.no_progress, segment=self.segment
        )
        connection.fetches = pace is None
        self._connections.add(connection)
        watching = asyncio.create_task(self._watch(connection))
        try:
            with current(connection):
                async with limit:
                    yield connection
        except TimeoutError as error:
            if connection.error is None:
                raise
            raise connection.error from error
        finally:
            watching.cancel()
            self._connections.discard(connection)

    async def _watch(self, connection: LineConnection) -> None:
        """Have the line examined when nothing is heard on a connection."""
        while connection.error is None:
            await asyncio.sleep(LOOK_EVERY)
            if connection.encrypted and connection.fetches and (came := connection.came()):
                self.pace.moved(came)  # by records of 16 kB the rate of a thin line cannot be measured
                connection.widen(self.pace.window)
            if connection.stuck:
                connection.end(SilentLineError(self._why_stuck(connection)))
            elif not self._told_down and connection.quiet >= self.patience + ANSWER_SECONDS:
                await self._examine()

    def _why_stuck(self, connection: LineConnection) -> str:
        """What to say of a connection on which no byte moves. Where large packets may be to blame, try small ones."""
        reason = f"no byte for {self.no_progress:g} s"
        choked = connection.stands and connection.quiet < self.no_progress and connection.received < SMALL_SEGMENT
        self._choked = self._choked + 1 if choked else 0
        if self._choked >= CHOKED_OFTEN:
            self.segment = SMALL_SEGMENT
            reason += " though its machine is heard: large packets may not get through (MTU), smaller ones are tried"
        return "; ".join(filter(None, (reason, self._signs.trouble())))

    async def _examine(self) -> None:
        """Find out whether a new connection is answered, and end what is silent though one is."""
        if self._examining.locked():
            return
        async with self._examining:
            quiet = min((connection.quiet for connection in self._connections), default=0.0)
            if quiet >= self.patience:  # else the line carries something, and this connection alone may be dead
                unheard = f"nothing was heard for {quiet:.0f} s"
                self._seems_down("; ".join(filter(None, (unheard, self._signs.trouble()))))
            asked = asyncio.get_running_loop().time()
            self._signs.ask_broker()
            if not await self._signs.probe():
                return
            await asyncio.sleep(self._grace)
            since = asyncio.get_running_loop().time() - asked
            for connection in self._connections:
                if connection.quiet >= since:
                    connection.end(SilentLineError("silent, while new connections are answered", examined=True))
            self._judge_broker(since)
            if not self._told_down and _OF_SESSION[self._broker] is LineState.UP:
                self._become(LineState.UP)

    async def _check_broker(self) -> None:
        asked = asyncio.get_running_loop().time()
        self._signs.ask_broker()
        await asyncio.sleep(self._grace)
        self._judge_broker(asyncio.get_running_loop().time() - asked)

    def _judge_broker(self, since: float) -> None:
        """Renew the broker's connection when its machine was not heard since it was asked."""
        if not self._told_down and self._broker is SessionState.UP and self._signs.broker_quiet() >= since:
            self._renew()

    @property
    def _grace(self) -> float:
        return ANSWER_SECONDS + 2 * self.pace.round_trip

    def _seems_down(self, reason: str) -> None:
        stands = _OF_SESSION[self._broker] is LineState.UP
        self._become(LineState.STALLED if stands else LineState.DOWN, reason)

    def _probe_after(self) -> float:
        if self._told_down:
            return HOOK_HOLDS
        if self.state is LineState.COMING_UP:
            return BROKER_FIRST
        return PROBE_WHEN_DOWN if self.state is LineState.DOWN else PROBE_WHEN_STALLED

    async def _wait_up(self, longest: float) -> None:
        try:
            async with asyncio.timeout(longest):
                await self._up.wait()
        except TimeoutError:
            return

    def _end_connections(self, *, silent_for: float) -> None:
        for connection in self._connections:
            if connection.quiet >= silent_for:
                connection.end(LineError("the line went", examined=True))

    def _become(self, state: LineState, reason: str = "") -> None:
        self.reason = reason
        if state is self.state:
            return
        self.state = state
        self.stalled_since = now_ms() if state is LineState.STALLED else 0
        log.info(Event.LINE_CHANGED, state=state.value, reason=reason)
        self._on_state(state)
        if state is LineState.UP:
            self._up.set()
        else:
            self._up.clear()
