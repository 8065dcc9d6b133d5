"""Records what units say: receipts into the ledger, gaps and new spools into the outbox; bad messages into `dead`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
from sqlalchemy import Connection

from router.broker import Delivered, Publisher, dead_letter
from router.delivery import hellos
from router.delivery.gaps import Gaps
from router.delivery.hearing import Hearing
from router.delivery.hellos import Greeting
from router.errors import UnavailableError
from router.ledger.recovery import forgotten, recovering
from router.ledger.units import presence, receipt_numbers
from router.ledger.way import new_receipt, outbox, receipts
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Result, Unknown
from router.ledger.writer import Writer
from router.process.fate import may_pass
from router.rules.schedule import Silence
from schemas.accounts import Account, Role, parse_account
from schemas.clock import now_ms
from schemas.errors import InvalidError
from schemas.events import Event
from schemas.health import HEADER_HEALTH, HEADER_REPLACED, read_health
from schemas.ids import is_id
from schemas.model import parse
from schemas.reasons import HEADER_CODE, ReasonCode, known_code
from schemas.receipt import MAX_SAID_BYTES, TYPE_GAP, TYPE_HELLO, TYPE_RECEIPTS, Burst, Gap, Hello
from schemas.recount import TYPE_KEPT, Kept, read_memory
from schemas.states import Effect

log = structlog.get_logger()
QUEUE = "receipts.ledger"
_NAMED = 5
"""Receipts of a burst that its reason names."""
_AT_THE_END_WITHIN = 1.0
"""Seconds for what is held when this process is told to stop."""
_SIGNS_EVERY_MS = 5000
"""Receipts are signs of life; of each unit at most one in this time is written down."""


class UnacceptableError(ValueError):
    """A message from a unit that cannot be used: it goes to `dead` with this as its reason."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One message of a batch, read: the entries in it, or the gap or greeting it is."""

    index: int
    entries: Sequence[NewReceipt] = ()
    gap: Gap | None = None
    hello: Greeting | None = None
    kept: Kept | None = None


async def _pass_over(_kept: Kept) -> None:
    """Nobody asked for it."""


class Recorder:
    """Consumes ``receipts.ledger``; a batch is acknowledged after the commit that holds it.

    Args:
        writer: the ledger's group commit.
        publisher: for what ends in ``dead``.
        silence: when an undelivered document is sent again.
        grace: seconds for which later receipts may overtake one before it is asked for.
        hearing: since when a gateway that was not heard of is taken to be gone.
        wake: called when something became due by a gap or a new spool.
        on_recorded: told what was recorded, for the metrics.
        on_kept: enters what a gateway holds into a ledger that has forgotten it.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        publisher: Publisher,
        silence: Silence,
        grace: float = 30.0,
        hearing: Hearing | None = None,
        wake: Callable[[], None] = lambda: None,
        on_recorded: Callable[[Sequence[Result]], None] = lambda _results: None,
        on_kept: Callable[[Kept], Awaitable[None]] = _pass_over,
    ) -> None:
        self._writer = writer
        self._publisher = publisher
        grace_ms = round(grace * 1000)
        self._apply = partial(_apply, silence, grace_ms, NotedSigns())
        self._note_hello = partial(_note_hellos, hearing or Hearing(), grace_ms)
        self._gaps = Gaps()
        self._wake = wake
        self._on_recorded = on_recorded
        self._on_kept = on_kept
        self._held: dict[str, list[NewReceipt]] = {}
        """By their delivery; recorded with what its unit says, or when their time is over."""

    async def record_along(self, entries: Sequence[NewReceipt], within: float) -> None:
        """Record entries, each with what its delivery's unit says within so many seconds: one change instead of two.

        On a fast line that comes at once. What is held when this process dies, or when the ledger does not take what it
        goes along with, is never recorded: its delivery is published again after the lease, with the same id.
        """
        for item in entries:
            self._held.setdefault(item.delivery_id, []).append(item)
        try:
            await asyncio.sleep(within)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AT_THE_END_WITHIN):
                    await self._record_held(entries)
            raise
        await self._record_held(entries)

    async def _record_held(self, entries: Sequence[NewReceipt]) -> None:
        if rest := self._release(entries):
            await self.record(rest)

    def _release(self, entries: Iterable[NewReceipt]) -> list[NewReceipt]:
        """What is held of the deliveries that entries speak of; it is held no longer."""
        return [held for item in entries for held in self._held.pop(item.delivery_id, ())]

    async def record(self, entries: Sequence[NewReceipt]) -> list[Result]:
        """Record entries of this router's own or of units; returns after the commit."""
        results = await self._writer.run(self._apply, entries, weight=len(entries))
        self._on_recorded(results)
        return results

    async def handle(self, batch: Sequence[Delivered]) -> Collection[int]:
        """Record a batch of messages; what cannot be used is put into ``dead``, once for each message.

        Returns:
            The indexes of what ``dead`` does not take now: the broker keeps those for it.
        """
        read: list[_Read] = []
        bad: dict[int, str] = {}
        for index, message in enumerate(batch):
            try:
                read.append(_read(index, message))
            except (UnacceptableError, InvalidError) as error:
                bad[index] = str(error)
        bad |= await self._record_all(read)
        if not bad:
            return ()
        first = next(iter(bad))
        log.warning(Event.MESSAGE_DEAD, count=len(bad), reason=bad[first], user_id=batch[first].user_id)
        left = await dead_letter(self._publisher, [(batch[index], reason) for index, reason in bad.items()])
        return [list(bad)[place] for place in left]

    async def _record_all(self, read: Sequence[_Read]) -> dict[int, str]:
        """Record together; when that fails though the ledger answers, each message alone, so that one cannot stop all.

        Returns:
            Why some cannot be used, by their index.

        Raises:
            UnavailableError: the ledger is away; the batch goes back to the queue, as after any other failure that
                may pass.
        """
        try:
            for item in read:
                if item.kept is not None:  # before receipts that may speak of what it holds
                    await self._on_kept(item.kept)
            bad = await self._record_at_once(read)
            # All at once, so that they share commits; the writer keeps their order.
            await asyncio.gather(*(self._resend(item) for item in read if item.gap or item.hello))
        except UnavailableError:
            raise
        except Exception as error:
            if may_pass(error):
                raise
            log.exception(Event.MESSAGE_FAILED, messages=len(read))
            if len(read) > 1:
                return {index: why for item in read for index, why in (await self._record_all([item])).items()}
            return {item.index: f"it could not be recorded: {error}" for item in read}
        return bad

    async def _record_at_once(self, read: Sequence[_Read]) -> dict[int, str]:
        entries = [entry for item in read for entry in item.entries]
        if not entries:
            return {}
        held = self._release(entries)
        results = (await self.record([*held, *entries]))[len(held) :]
        _log_refused(results)
        following = iter(results)
        unknown = {
            item.index: [found for _ in item.entries if isinstance(found := next(following), Unknown)] for item in read
        }
        return {index: _why_unknown(found) for index, found in unknown.items() if found}

    async def _resend(self, item: _Read) -> None:
        """What a unit lacks, or had taken into a spool that is gone, becomes due at once."""
        if item.gap is not None:
            await self._answer_gap(item.gap)
        if item.hello is not None:
            hello = item.hello.hello
            due = await self._writer.run(self._note_hello, item.hello, weight=len(hello.units))
            note = log.debug if hello.again else log.info
            note(Event.GATEWAY_SEEN, unit=hello.units[0], units=len(hello.units), due=due)
            self._wake()

    async def _answer_gap(self, gap: Gap) -> None:
        """Each number once in an interval, however often it is asked for, in one batch as well."""
        fresh, due = self._gaps.fresh(gap.unit, gap.missing, now_ms()), 0
        self._gaps.answered(gap.unit, fresh, now_ms())
        try:
            if fresh:
                only = gap.model_copy(update={"missing": fresh})
                due = await self._writer.run(_requeue_gap, only, weight=len(fresh))
        except BaseException:
            self._gaps.not_answered(gap.unit, fresh)
            raise
        log.info(Event.GAP_REPORTED, unit=gap.unit, missing=len(gap.missing), fresh=len(fresh), due=due)
        if due:
            self._wake()


class NotedSigns:
    """Which units' signs of life are worth a write: memory alone, so a new process begins anew."""

    def __init__(self) -> None:
        self._noted: dict[str, int] = {}

    def worth_noting(self, units: Iterable[str], now: int) -> list[str]:
        """Those of which none was written down lately."""
        found = [code for code in units if now - self._noted.get(code, 0) >= _SIGNS_EVERY_MS]
        self._noted.update(dict.fromkeys(found, now))
        return found


def _apply(
    silence: Silence, grace_ms: int, signs: NotedSigns, connection: Connection, batches: Sequence[Sequence[NewReceipt]]
) -> list[list[Result]]:
    entries = [item for batch in batches for item in batch]
    done = receipts.apply(connection, entries, silence)
    later = _note_forgotten(connection, done)
    results = iter(done)
    numbers: dict[str, list[int]] = {}
    for item in entries:
        if item.seq is not None and item.delivery_id not in later:
            numbers.setdefault(item.unit, []).append(item.seq)
    if numbers:
        now = now_ms()
        known = receipt_numbers.note(connection, numbers, ask_at=now + grace_ms)
        if there := signs.worth_noting(known, now):
            presence.note_alive(connection, there, now)
    return [[next(results) for _ in batch] for batch in batches]


def _note_forgotten(connection: Connection, results: Sequence[Result]) -> Collection[str]:
    """Note deliveries that units speak of and the ledger lacks; those of which they are to speak once more.

    Those are what a recovery is bringing back: what was said too early is asked for as if it had not come.
    """
    told = {it.entry.delivery_id: it.entry.unit for it in results if isinstance(it, Unknown) and it.forgotten}
    if not told:
        return ()
    if count := forgotten.note(connection, told, now_ms()):
        log.warning(Event.LEDGER_FORGOT, deliveries=count, unit=next(iter(told.values())))
    return told if recovering.current(connection) is not None else ()


def _note_hellos(hearing: Hearing, grace_ms: int, connection: Connection, greetings: Sequence[Greeting]) -> list[int]:
    """By the hearing as it is now: a greeting may have waited long for an absent database."""
    since_ms = hearing.since_ms
    return hellos.note(grace_ms, connection, [replace(item, since_ms=since_ms) for item in greetings])


def _requeue_gap(connection: Connection, gaps: Sequence[Gap]) -> list[int]:
    return [outbox.make_due_by_sequence(connection, gap.unit, gap.missing, now_ms()) for gap in gaps]


def _read(index: int, message: Delivered) -> _Read:
    sender = _sender(message)
    message.require_whole("message")
    if message.type == TYPE_RECEIPTS:
        burst = parse(Burst, message.body, what="receipts message", most=MAX_SAID_BYTES)
        _require_own(sender, {receipt.unit for receipt in burst.receipts})
        return _Read(index, entries=list(_entries(burst, known_code(message.headers.get(HEADER_CODE)))))
    if message.type == TYPE_GAP:
        gap = parse(Gap, message.body, what="gap message", most=MAX_SAID_BYTES)
        _require_own(sender, {gap.unit})
        return _Read(index, gap=gap)
    if message.type == TYPE_HELLO:
        hello = parse(Hello, message.body, what="hello message", most=MAX_SAID_BYTES)
        _require_own(sender, set(hello.units))
        health = read_health(message.headers.get(HEADER_HEALTH))
        before = message.headers.get(HEADER_REPLACED)
        replaces = before if isinstance(before, str) and is_id(before) else ""
        memory = read_memory(message.headers, hello.units)
        return _Read(index, hello=Greeting(hello, sender, health, replaces=replaces, memory=memory))
    if message.type == TYPE_KEPT:
        kept = parse(Kept, message.body, what="page of what is held", most=MAX_SAID_BYTES)
        _require_own(sender, {kept.unit})
        return _Read(index, kept=kept)
    known = f"{TYPE_RECEIPTS}, {TYPE_GAP}, {TYPE_HELLO}, {TYPE_KEPT}"
    raise UnacceptableError(f"message type {message.type!r} is none of {known}")


def _sender(message: Delivered) -> Account:
    if not message.user_id:
        raise UnacceptableError("the message has no user_id, so nobody vouches for its sender")
    try:
        account = parse_account(message.user_id)
    except ValueError as error:
        raise UnacceptableError(str(error)) from error
    if account.role is not Role.GATEWAY:
        raise UnacceptableError(f"{message.user_id} is no gateway")
    return account


def _require_own(sender: Account, codes: set[str]) -> None:
    foreign = sorted(code for code in codes if not sender.stands_for(code))
    if foreign:
        raise UnacceptableError(f"{sender.name} does not stand for {', '.join(foreign[:5])}")


def _entries(burst: Burst, code: ReasonCode | None) -> Iterator[NewReceipt]:
    recorded_at = now_ms()
    return (new_receipt.said_by_unit(receipt, recorded_at, code or "") for receipt in burst.receipts)


def _why_unknown(found: Sequence[Unknown]) -> str:
    """One reason for a burst, however many of its receipts nobody knows."""
    named = "; ".join(f"{item.entry.id}: {item.reason}" for item in found[:_NAMED])
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} of its receipts cannot be recorded: {named}{more}"


def _log_refused(results: Sequence[Result]) -> None:
    for result in results:
        if not isinstance(result, Unknown) and result.new and result.step.effect is Effect.REFUSED:
            log.warning(Event.RECEIPT_REFUSED, delivery_id=result.entry.delivery_id, reason=result.step.reason)
