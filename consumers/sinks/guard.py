"""What stands between the courier and a sink: when to try again, when to stop, when to leave the sink in peace.

The number of a document's tries is kept in the spool, so it survives a restart; the decision on a failure is a pure
function of that number. Circuits protect what is down: see :mod:`consumers.sinks.circuits`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import tenacity

from consumers.errors import (
    SinkError,
    SinkParkedError,
    SinkRefusedError,
    SinkRetryError,
    SinkTroubleError,
    SinkWaitError,
)
from consumers.settings import GatewaySettings
from consumers.sinks.base import Document, Sink
from consumers.sinks.circuits import SURELY_NOT_THE_DOCUMENT, Circuits
from consumers.sinks.reason import MAX_REASON, one_line
from router.process.fate import fate_of
from router.process.trouble import code_of_trouble
from schemas.clock import now_ms
from schemas.events import Event
from schemas.reasons import ReasonCode

log = structlog.get_logger()
_SHORTEST_SHARE = 0.5
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The published schedule: pauses in seconds, tries before a document is parked."""

    first: float = 1.0
    longest: float = 60.0
    attempts: int = 12

    @classmethod
    def of(cls, settings: GatewaySettings) -> "RetryPolicy":
        """The schedule that the settings ask for."""
        return cls(settings.retry_first, settings.retry_max, settings.sink_attempts)


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at ``at`` (UTC milliseconds)."""

    at: int


@dataclass(frozen=True, slots=True)
class Park:
    """Leave it to an operator."""


def pause_after(policy: RetryPolicy, attempts: int) -> float:
    """The longest pause after the ``attempts``-th failure, in seconds; jitter takes off up to half of it."""
    state = tenacity.RetryCallState(tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempts
    return float(tenacity.wait_exponential(multiplier=policy.first, max=policy.longest)(state))


def schedule(policy: RetryPolicy) -> tuple[float, ...]:
    """The longest pause after each failure but the last, which parks the document.

    >>> schedule(RetryPolicy(first=1.0, longest=60.0, attempts=8))
    (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
    """
    return tuple(pause_after(policy, attempts) for attempts in range(1, policy.attempts))


def next_step(policy: RetryPolicy, attempts: int, error: SinkError, *, now: int, luck: float) -> RetryAt | Park:
    """Decide what follows a failed try.

    Args:
        policy: the schedule.
        attempts: tries of this document so far, this one among them.
        error: what the sink said. A pause it asks for is honoured up to the policy's longest.
        now: UTC milliseconds.
        luck: 0 to 1, the share of the jitter that is drawn.
    """
    if isinstance(error, SinkRefusedError) or attempts >= policy.attempts:
        return Park()
    pause = pause_after(policy, attempts) * (_SHORTEST_SHARE + (1 - _SHORTEST_SHARE) * luck)
    if isinstance(error, SinkRetryError) and error.retry_after is not None:
        pause = max(pause, min(error.retry_after, policy.longest))
    return RetryAt(now + round(pause * 1000))


class GuardedSink:
    """A sink with its schedule and its circuits."""

    def __init__(
        self,
        sink: Sink,
        policy: RetryPolicy,
        *,
        clock: Callable[[], int] = now_ms,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._sink = sink
        self._policy = policy
        self._clock = clock
        self._luck = luck
        self.circuits = Circuits(policy.longest)

    async def deliver(self, document: Document, attempts: int) -> None:
        """Try once to hand a document over.

        Args:
            document: the delivery.
            attempts: its tries so far, without this one.

        Raises:
            SinkWaitError: it is to be tried again at ``retry_at``; ``attempts`` is one more, or the same when the
                circuit is open and the sink was not asked, when its answer cannot be about the document, or when
                this machine is in trouble.
            SinkParkedError: the sink refused it, or its tries are used up.
        """
        self._require_admission(document, attempts)
        try:
            await self._sink.deliver(document)
        except SinkRefusedError as error:
            self._answered(document)
            raise self._decision(document, attempts + 1, error) from error
        except SinkRetryError as error:
            self._failed(document, error)
            counted = error.code not in SURELY_NOT_THE_DOCUMENT
            raise self._decision(document, attempts + counted, error) from error
        except SinkTroubleError as error:
            raise self._in_trouble(document, error, attempts) from error
        except Exception as error:
            log.exception(Event.SINK_FAILED_UNEXPECTEDLY, delivery_id=document.delivery_id)
            if fate_of(error).passes:
                trouble = SinkTroubleError(str(error), code=code_of_trouble(error, otherwise=ReasonCode.SINK_FAULT))
                raise self._in_trouble(document, trouble, attempts) from error
            said = f"the sink failed in a way it should not: {error!r}"
            wrong = SinkRetryError(said, code=ReasonCode.SINK_FAULT)
            self._failed(document, wrong)
            raise self._decision(document, attempts + 1, wrong) from error
        except BaseException:
            self.circuits.leave(document.unit, document.delivery_id)
            raise
        self._answered(document)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()

    def _require_admission(self, document: Document, attempts: int) -> None:
        unit = document.unit
        retry_at = self.circuits.admit(unit, document.delivery_id, now=self._clock())
        if retry_at is not None:
            code, said = self.circuits.why(unit)
            reason = f"the sink of {unit} is left in peace after repeated failures: {said}"
            raise SinkWaitError(one_line(reason, MAX_REASON), attempts=attempts, retry_at=retry_at, code=code)

    def _in_trouble(self, document: Document, error: SinkTroubleError, attempts: int) -> SinkWaitError:
        """It says nothing of the document nor of the unit's system: neither a try nor a failure is counted."""
        reason = one_line(error.reason, MAX_REASON)
        now = self._clock()
        times = self.circuits.troubled(document.unit, document.delivery_id, reason, error.code, now=now)
        pause = pause_after(self._policy, min(times, _MOST_DOUBLINGS))
        log.warning(
            Event.SINK_IN_TROUBLE, delivery_id=document.delivery_id, code=error.code, reason=reason, retry_in=pause
        )
        return SinkWaitError(reason, attempts=attempts, retry_at=now + round(pause * 1000), code=error.code)

    def _decision(self, document: Document, attempts: int, error: SinkError) -> SinkWaitError | SinkParkedError:
        reason = one_line(error.reason, MAX_REASON) or type(error).__name__
        if error.code in SURELY_NOT_THE_DOCUMENT and not isinstance(error, SinkRefusedError):
            at = max(self.circuits.until(document.unit), self._clock())
            return SinkWaitError(reason, attempts=attempts, retry_at=at, code=error.code)
        step = next_step(self._policy, attempts, error, now=self._clock(), luck=self._luck())
        if isinstance(step, Park):
            return SinkParkedError(reason, attempts=attempts, code=error.code)
        return SinkWaitError(reason, attempts=attempts, retry_at=step.at, code=error.code)

    def _answered(self, document: Document) -> None:
        if self.circuits.succeeded(document.unit):
            log.info(Event.SINK_CIRCUIT_CLOSED, unit=document.unit)

    def _failed(self, document: Document, error: SinkError) -> None:
        unit = document.unit
        if self.circuits.failed(unit, document.delivery_id, error.reason, error.code, now=self._clock()):
            until = self.circuits.until(unit)
            log.warning(Event.SINK_CIRCUIT_OPENED, unit=unit, code=error.code, reason=error.reason, until=until)
