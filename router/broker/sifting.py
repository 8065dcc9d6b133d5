"""Finding the message that a handler fails at, so that it costs the others next to nothing. No I/O of its own.

A handler takes batches, and when it raises nobody knows at which message. The batch comes back whole a few times, for
the reason may lie outside (the ledger is away). Then it is halved until each half either passes or is one message. What
failed alone while others passed is a *suspect*: from then on it is handled by itself, after all others, with growing
pauses. One that has failed often enough for a reason of its own is put aside; all that is remembered is bounded.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from router.broker.message import Delivered, Handler

PATIENCE = 3
"""Failures in a row of whole batches before they are halved."""
STRIKES = 8
"""Times that a message failed alone while others passed before it is put aside."""
_MOST_SUSPECTS = 1000
_ENOUGH_SINGLES = 4
"""Messages that failed alone, and no other passed: the reason lies outside."""


@dataclass(slots=True)
class Sifted:
    """What became of a batch, by the indexes of its messages; every other one is done."""

    rejected: set[int] = field(default_factory=set)
    """Put them aside: the queue dead-letters them."""
    suspects: dict[int, int] = field(default_factory=dict)
    """Give them back after a pause; the value counts the times they were tried alone."""
    failed: set[int] = field(default_factory=set)
    """Give them back with a pause for all: nothing is known of any."""
    error: Exception | None = None
    """The last failure."""


class _Suspect(NamedTuple):
    tries: int = 0
    strikes: int = 0
    """Those of its tries at which others passed."""


class Sifter:
    """Runs one consumer's handler.

    Args:
        handler: see :data:`router.broker.message.Handler`.
        passing: errors that lie outside of any message; what meets one is set apart, but never put aside.
    """

    def __init__(self, handler: Handler, passing: tuple[type[Exception], ...]) -> None:
        self._handler = handler
        self._passing = passing
        self._failures = 0
        self._suspects: dict[bytes, _Suspect] = {}

    @property
    def suspects(self) -> int:
        """Messages that are set apart."""
        return len(self._suspects)

    async def run(self, batch: Sequence[Delivered]) -> Sifted:
        """Handle a batch; never raises what the handler raised."""
        marks = [mark_of(message) for message in batch] if self._suspects else []
        known = [index for index, mark in enumerate(marks) if mark in self._suspects]
        others = sorted(set(range(len(batch))).difference(known))
        work = _Work(self._handler, batch)
        if others:
            await self._run_others(work, others)
        for index in known:
            await work.attempt([index])
        # One that fails by itself again and again must not keep waiting those that come meanwhile.
        apart = known if len(others) > 1 or self._failures < PATIENCE else [*known, *others]
        return self._judge(work, set(apart))

    async def _run_others(self, work: "_Work", others: list[int]) -> None:
        if await work.attempt(others):
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= PATIENCE and len(others) > 1:
            await work.halve(others)
            self._failures = 0 if work.passed else self._failures

    def _judge(self, work: "_Work", apart: Collection[int]) -> Sifted:
        sifted = Sifted(rejected=work.rejected, error=work.error)
        for index, error in work.failed.items():
            if index in apart or (work.passed and index in work.alone):
                self._strike(sifted, index, work, error)
            else:
                sifted.failed.add(index)
        for index in work.passed.intersection(apart):
            self._suspects.pop(mark_of(work.batch[index]), None)
        while len(self._suspects) > _MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]
        return sifted

    def _strike(self, sifted: Sifted, index: int, work: "_Work", error: Exception) -> None:
        mark = mark_of(work.batch[index])
        before = self._suspects.pop(mark, _Suspect())
        now = _Suspect(before.tries + 1, before.strikes + bool(work.passed))
        if now.strikes >= STRIKES and not isinstance(error, self._passing):
            sifted.rejected.add(index)
        else:
            sifted.suspects[index] = now.tries
            self._suspects[mark] = now


class _Work:
    """One batch while it is sifted."""

    def __init__(self, handler: Handler, batch: Sequence[Delivered]) -> None:
        self._handler = handler
        self.batch = batch
        self.passed: set[int] = set()
        self.rejected: set[int] = set()
        self.failed: dict[int, Exception] = {}
        self.alone: set[int] = set()
        """Those of the failed that were tried by themselves."""
        self.error: Exception | None = None

    async def attempt(self, indexes: Sequence[int]) -> bool:
        """Hand some messages to the handler; whether it took them."""
        try:
            answer = set(await self._handler([self.batch[index] for index in indexes]))
            if not answer <= set(range(len(indexes))):
                raise IndexError(f"the handler rejects {sorted(answer)} of a batch of {len(indexes)}")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - whatever it is, the consumer logs it and gives the messages back
            self.error = error
            self.failed.update(dict.fromkeys(indexes, error))
            self.alone.update(indexes if len(indexes) == 1 else ())
            return False
        self.passed.update(indexes)
        self.rejected.update(indexes[place] for place in answer)
        for index in indexes:
            self.failed.pop(index, None)
        return True

    async def halve(self, indexes: Sequence[int]) -> None:
        """Try the halves of what failed, and theirs, until what fails is one message or nothing passes at all."""
        singles = 0
        waiting = _halves(indexes)
        while waiting:
            part = waiting.pop()
            if await self.attempt(part):
                continue
            singles += len(part) == 1
            if singles >= _ENOUGH_SINGLES and not self.passed:
                return
            if len(part) > 1:
                waiting += _halves(part)


def _halves(indexes: Sequence[int]) -> list[Sequence[int]]:
    middle = len(indexes) // 2
    return [indexes[middle:], indexes[:middle]]


def mark_of(message: Delivered) -> bytes:
    """What a message is known by when it comes again."""
    digest = blake2b(message.body, digest_size=16)
    for text in (message.queue, message.routing_key, message.message_id, message.type, message.user_id):
        digest.update(b"\0" + text.encode("utf-8", "replace"))
    return digest.digest()
