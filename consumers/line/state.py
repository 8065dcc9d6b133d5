"""The state of the unit's line, as one small machine: told by the line's hooks, by the broker session, by fetches.

A line that drops leaves connections behind that will never say a word again. Whoever learns of it first (a hook, at
once; a fetch, after some seconds of silence) has all of them closed and new ones made, the broker's first: bringing up
AMQP takes ten round trips, two seconds on an idle line and half a minute on one that content fills already.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import structlog

from consumers.errors import LineError
from consumers.line.pace import Pace
from router.broker import SessionState
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
PROBE_WHEN_DOWN = 5.0
"""Seconds after which a fetch looks whether the line is back, when nothing else has told."""
PROBE_WHEN_STALLED = 1.0
"""The same while the broker's connection seems to stand."""
BROKER_FIRST = 8.0
"""Seconds that content waits for the broker's connection to come up."""
HOOK_HOLDS = 120.0
"""Seconds that a hook's word of a line that is down holds; then a fetch looks for itself."""
FIRST_PATIENCE = 4.0
"""Seconds of silence that are suspicious where bytes should come; doubled as long as no byte does."""
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


class Span:
    """One connection's time; ended from outside when the line goes. ``window`` is what it was made with."""

    def __init__(self, limit: asyncio.Timeout, window: int) -> None:
        self.limit = limit
        self.window = window
        self.moved_at = time.monotonic()


class Line:
    """The line's state, and the wait for a moment when another try is worth it.

    Args:
        pace: what the line gives.
        patience: seconds of silence after which a connection is given up in any case.
        renew: gives up the broker's connection for a new one.
        on_state: told each new state.
    """

    def __init__(
        self,
        pace: Pace | None = None,
        *,
        patience: float = 25.0,
        renew: Callable[[], None] = lambda: None,
        on_state: Callable[[LineState], None] = lambda _state: None,
    ) -> None:
        self.pace = pace or Pace()
        self.state = LineState.DOWN
        self.alive_at = 0
        """When it is known to have carried anything last, beside what the broker said; UTC milliseconds."""
        self._renew = renew
        self._on_state = on_state
        self._longest_patience = patience
        self._fruitless = 0
        self._told_down = False
        self._broker = SessionState.DOWN
        self._up = asyncio.Event()
        self._spans: set[Span] = set()

    @property
    def patience(self) -> float:
        """Seconds of silence, where bytes should come, after which a connection is given up."""
        return float(min(self._longest_patience, FIRST_PATIENCE * 2.0 ** min(self._fruitless, 10)))

    def told(self, up: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """A hook says that the line came up or went down: every connection of before is dead."""
        self._told_down = not up
        self.alive_at = now_ms()
        self._fruitless = 0
        self._become(LineState.COMING_UP if up else LineState.DOWN, "said by the line's hook")
        self._end_spans(silent_for=0.0)
        self._renew()

    def broker_is(self, state: SessionState) -> None:
        """The broker's session has changed."""
        self._broker = state
        if _OF_SESSION[state] is LineState.UP and self.state is not LineState.UP:
            self._told_down = False
            self._end_spans(silent_for=LONG_SILENT)
        if not self._told_down:
            self._become(_OF_SESSION[state])

    def moved(self, count: int, span: Span | None = None) -> None:
        """Bytes of content have come."""
        self.alive(span)
        self.pace.moved(count)

    def alive(self, span: Span | None = None) -> None:
        """The other side has told that bytes came or went."""
        self.alive_at = now_ms()
        if span is not None:
            span.moved_at = time.monotonic()
        self._fruitless = 0
        self._told_down = False
        self._become(LineState.UP)

    def lost(self, reason: str, *, silent: bool = False) -> None:
        """A connection for content was refused or went, or was silent too long."""
        if self._told_down or self.state is LineState.COMING_UP:
            return
        stands = _OF_SESSION[self._broker] is LineState.UP
        self._become(LineState.STALLED if stands else LineState.DOWN, reason)
        if silent:
            self._fruitless += 1
            self._renew()

    async def worth_a_try(self) -> None:
        """Return when the line came up, or after a short while: line events need no back-off."""
        await self._wait_up(self._probe_after())

    async def broker_first(self) -> None:
        """Let AMQP come up before content fills the line."""
        if self.state is LineState.COMING_UP:
            await self._wait_up(BROKER_FIRST)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Span]:
        """The time of one connection for content.

        Raises:
            LineError: the line went meanwhile.
        """
        limit = asyncio.timeout(None)
        span = Span(limit, self.pace.window)
        self._spans.add(span)
        try:
            async with limit:
                yield span
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise LineError("the line went") from error
        finally:
            self._spans.discard(span)

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

    def _end_spans(self, *, silent_for: float) -> None:
        now = time.monotonic()
        for span in self._spans:
            if now - span.moved_at >= silent_for and not span.limit.expired():
                span.limit.reschedule(0.0)

    def _become(self, state: LineState, reason: str = "") -> None:
        if state is self.state:
            return
        self.state = state
        log.info(Event.LINE_CHANGED, state=state.value, reason=reason)
        self._on_state(state)
        if state is LineState.UP:
            self._up.set()
        else:
            self._up.clear()
