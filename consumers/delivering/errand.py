"""One delivery's way from the spool to its sink: fetch what is missing, hand over, note the end it came to."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from consumers.errors import (
    ContentGoneError,
    CopyDamagedError,
    DeliveryRecalledError,
    FetchError,
    SinkParkedError,
    SinkWaitError,
    SpoolUnavailableError,
    UndeliverableError,
    WrongContentError,
)
from consumers.fetching.content import ContentDir
from consumers.fetching.dictionaries import Came, Dictionaries
from consumers.fetching.traffic import Traffic, Want
from consumers.sinks import Document, DocumentFile, GuardedSink
from consumers.sinks.reason import MAX_REASON, one_line
from consumers.spool import Writer, work
from consumers.spool.taking import Content
from consumers.spool.work import Arrived, Expanded, Parked, Postponed, Waiting
from consumers.taking.descriptors import contents_of
from router.process.fate import Fate, fate_of
from router.process.together import together
from router.process.trouble import code_of_trouble
from schemas.attachment import content_digest
from schemas.clock import now_ms
from schemas.descriptor import Descriptor
from schemas.dispatch import Lane, Secrecy, lane_of
from schemas.errors import InvalidError
from schemas.events import Event
from schemas.line import Held
from schemas.model import parse
from schemas.reasons import ReasonCode

log = structlog.get_logger()
TROUBLE_PAUSE, LONGEST_TROUBLE_PAUSE = 5.0, 60.0
"""Seconds before a delivery is tried again when this machine was in the way; they double from one try to the next."""
OWN_ERROR_ATTEMPTS = 8
"""How often a delivery is tried that meets an error of the gateway's own, before it is parked: for some 4 minutes."""


@dataclass(frozen=True, slots=True)
class FailureStep:
    """What follows a failure: a pause in seconds, or the end; ``attempts`` is to be kept with the delivery."""

    attempts: int
    pause: float = 0.0
    parks: bool = False


def after_failure(fate: Fate, *, tries: int, attempts: int) -> FailureStep:
    """Decide what follows a failure that is neither the content's nor the sink's.

    Args:
        fate: what is known of it.
        tries: failures of this delivery in a row, this one among them.
        attempts: what counts against the delivery so far. What passes counts nothing.
    """
    pause = min(TROUBLE_PAUSE * 2.0 ** min(tries - 1, 10), LONGEST_TROUBLE_PAUSE)
    if fate.passes:
        return FailureStep(attempts, pause)
    parks = fate is Fate.LASTING or tries >= OWN_ERROR_ATTEMPTS
    return FailureStep(attempts + 1, pause, parks)


class Errand:
    """A delivery in work.

    Attributes:
        handing_over: it is at the sink or beyond; better finished than cancelled.
        ended: it has arrived; otherwise it may be waiting in the spool for its next errand.
        contents: what is kept for it, as far as its descriptor has told.
    """

    def __init__(self, item: Waiting) -> None:
        self.item = item
        self.lane = lane_of(item.urgency)
        self.want = Want(item.urgency, item.pos, item.unit)
        self.handing_over = False
        self.ended = False
        self.contents: tuple[Content, ...] = ()

    def held(self) -> Held | None:
        """How far it has come, in bytes on the line; None while its contents are not known or need no fetching."""
        coming = {transfer.sha256: transfer.size for transfer in self.want.transfers}
        total = sum(coming.get(content.sha256, content.least()) for content in self.contents)
        if not total or self.item.stub:
            return None
        return Held(delivery_id=self.item.delivery_id, held=total - min(total, self.want.remaining), total=total)


class Errands:
    """Runs errands.

    Args:
        writer: of the spool.
        directory: where contents are kept.
        dictionaries: keeps what came for what is like it.
        traffic: brings contents.
        sink: takes documents, one try at a time.
        hands_over: there is a sink; else documents end in the spool.
        keeps_files: contents stay in the spool when a document has come.
        hand_overs: documents of one lane handed over at once.
        max_bytes: a larger attachment parks its delivery.
        on_said: told that receipts of a lane were written.
    """

    def __init__(
        self,
        writer: Writer,
        directory: ContentDir,
        dictionaries: Dictionaries,
        traffic: Traffic,
        sink: GuardedSink,
        *,
        hands_over: bool,
        keeps_files: bool,
        hand_overs: int,
        max_bytes: int,
        on_said: Callable[[Lane], None],
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._dictionaries = dictionaries
        self._traffic = traffic
        self._sink = sink
        self._hands_over = hands_over
        self._keeps_files = keeps_files
        self._places = {lane: asyncio.Semaphore(hand_overs) for lane in Lane}
        self._max_bytes = max_bytes
        self._on_said = on_said
        self._tries: dict[str, int] = {}

    async def run(self, errand: Errand) -> None:
        """Bring a delivery as far as it gets now: arrived, parked, recalled, or waiting for a later moment."""
        item = errand.item
        names = {"delivery_id": item.delivery_id, "unit": item.unit, "traceparent": item.traceparent}
        with structlog.contextvars.bound_contextvars(**names):
            try:
                await self._bring_unless_recalled(errand)
            except (ContentGoneError, WrongContentError, InvalidError, UndeliverableError) as error:
                self._tries.pop(item.delivery_id, None)
                await self._park(errand, Parked(item, item.attempts, str(error), code=_code_of(error)))
            except Exception as error:  # noqa: BLE001 - told where it is settled
                await self._settle(errand, error)
            else:
                self._tries.pop(item.delivery_id, None)

    async def _settle(self, errand: Errand, error: Exception) -> None:
        """Decide what follows an error that is not the document's own: only what is known to last parks it at once."""
        item = errand.item
        tries = self._tries[item.delivery_id] = self._tries.get(item.delivery_id, 0) + 1
        step = after_failure(fate_of(error), tries=tries, attempts=item.attempts)
        code = code_of_trouble(error)
        if fate_of(error).passes:
            log.warning(Event.DELIVERY_WAITS, code=code, reason=str(error))
            reason = str(error)
        else:
            log.error(Event.DELIVERY_FAILED_UNEXPECTEDLY, exc_info=error)
            reason = f"the gateway met an error of its own: {error!r}"
        if step.parks:
            self._tries.pop(item.delivery_id, None)
            await self._park(errand, Parked(item, step.attempts, reason, code=code))
        else:
            retry_at = now_ms() + round(step.pause * 1000)
            await self._postpone(errand, Postponed(item, step.attempts, retry_at, reason, code=code))

    async def note_wait(self, errand: Errand) -> None:
        """Write into the inbox what a delivery in work waits for, or that it no longer waits."""
        reason = one_line(errand.want.waits_for, MAX_REASON)
        await self._note(work.postpone, Postponed(errand.item, errand.item.attempts, 0, reason))

    async def release(self, contents: Collection[str]) -> None:
        """Remove contents from the disk that no delivery uses any more."""
        await self._note(self._directory.release, await asyncio.to_thread(self._directory.files_of, contents))

    async def _bring_unless_recalled(self, errand: Errand) -> None:
        try:
            await self._bring(errand)
        except SinkWaitError as error:
            if isinstance(error.__cause__, CopyDamagedError):
                self._directory.doubt(error.__cause__.sha256)
            await self._postpone(
                errand,
                Postponed(errand.item, error.attempts, error.retry_at, error.reason, back=True, code=error.code),
            )
        except SinkParkedError as error:
            await self._park(errand, Parked(errand.item, error.attempts, error.reason, back=True, code=error.code))
        except DeliveryRecalledError:
            await self._let_go(errand)

    async def _bring(self, errand: Errand) -> None:
        item = errand.item
        descriptor = parse(Descriptor, item.body, what="descriptor")
        if item.stub:
            await self._expand(errand, descriptor)
            return
        errand.contents = contents = contents_of(descriptor)
        await self._fetch(contents, errand.want)
        await self._remember(descriptor, contents)
        attempts = item.attempts
        if self._hands_over:
            async with self._places[errand.lane]:
                errand.handing_over = True
                await self._hand_over(item, descriptor)
            attempts += 1
        errand.handing_over = True
        _require(await self._writer.run(work.arrive, Arrived(item, attempts, keep=self._keeps_files)))
        errand.ended = True
        self._on_said(errand.lane)
        log.info(Event.DELIVERY_ARRIVED, dispatch_id=descriptor.id, attempts=attempts, age_ms=now_ms() - item.taken_at)
        if contents and not self._keeps_files:
            await self.release([content.sha256 for content in contents])

    async def _expand(self, errand: Errand, stub: Descriptor) -> None:
        """Put the full descriptor in the place of a stub; the delivery is then found waiting again.

        Raises:
            FetchError: the record is gone or wrong.
            InvalidError: the record is no descriptor.
            DeliveryRecalledError: it was recalled meanwhile.
            UndeliverableError: it is another dispatch's.
        """
        errand.contents = record = contents_of(stub)
        body = errand.item.body
        if not errand.item.complete_letter:
            await self._fetch(record, errand.want)
            body = await asyncio.to_thread(self._directory.path(record[0].sha256).read_bytes)
        full = await asyncio.to_thread(parse, Descriptor, body, what="record of the dispatch")
        if full.id != stub.id or full.record is not None:
            raise UndeliverableError(f"the record {record[0].sha256} is not the full descriptor of {stub.id}")
        expanded = Expanded(errand.item, body, content_digest(full.attachments), contents_of(full))
        _require(await self._writer.run(work.expand, expanded))
        if not errand.item.complete_letter:
            await self.release([record[0].sha256])

    async def _fetch(self, contents: Collection[Content], want: Want) -> None:
        """Have all contents on disk; the first that cannot be had ends the others.

        Raises:
            FetchError: one is gone or wrong.
            UndeliverableError: one is too large.
        """
        for content in contents:
            if content.size > self._max_bytes:
                raise UndeliverableError(
                    f"attachment {content.sha256} has {content.size} bytes, more than the {self._max_bytes} that "
                    "this gateway takes (max_document_bytes)",
                    code=ReasonCode.TOO_LARGE,
                )
        await together((self._traffic.bring(content, want) for content in contents), failure=FetchError)

    async def _remember(self, descriptor: Descriptor, contents: Collection[Content]) -> None:
        """Keep what came as a dictionary; nothing of a classified dispatch stays behind."""
        if contents and descriptor.secrecy is Secrecy.NONE:
            paths = tuple(self._directory.path(content.sha256) for content in contents)
            await self._writer.run(self._dictionaries.remember, Came(descriptor.id, paths))

    async def _hand_over(self, item: Waiting, descriptor: Descriptor) -> None:
        rides_inside = any(file.inline is not None for file in descriptor.attachments)
        unpack = self._directory.unpack
        unpacked = await asyncio.to_thread(unpack, item.delivery_id, descriptor) if rides_inside else {}
        try:
            _require(await self._writer.run(work.hand_over, item))
            await self._sink.deliver(self._document(item, descriptor, unpacked), item.attempts)
        finally:
            if unpacked:
                await asyncio.to_thread(self._directory.discard_unpacked, item.delivery_id)

    def _document(self, item: Waiting, descriptor: Descriptor, unpacked: dict[str, Path]) -> Document:
        files = tuple(
            DocumentFile(
                name=file.name,
                path=unpacked.get(file.sha256) or self._directory.path(file.sha256),
                media_type=file.media_type,
                size=file.size,
                sha256=file.sha256,
            )
            for file in descriptor.attachments
        )
        return Document(
            delivery_id=item.delivery_id,
            unit=item.unit,
            seq=item.seq,
            descriptor=descriptor,
            received_at=item.taken_at,
            files=files,
            traceparent=item.traceparent,
        )

    async def _park(self, errand: Errand, end: Parked) -> None:
        log.warning(Event.DELIVERY_PARKED, attempts=end.attempts, code=end.code, reason=end.reason)
        said = one_line(end.reason, MAX_REASON) or "no reason was given"
        if await self._note(work.park, replace(end, reason=said)) is False:
            await self._let_go(errand)
        self._on_said(errand.lane)

    async def _postpone(self, errand: Errand, pause: Postponed) -> None:
        log.info(Event.DELIVERY_POSTPONED, attempts=pause.attempts, reason=pause.reason, retry_at=pause.retry_at)
        if await self._note(work.postpone, replace(pause, reason=one_line(pause.reason, MAX_REASON))) is False:
            await self._let_go(errand)

    async def _let_go(self, errand: Errand) -> None:
        log.info(Event.DELIVERY_RECALLED)
        self._on_said(errand.lane)
        await self.release([content.sha256 for content in errand.contents])

    async def _note(self, handler: Callable[..., Any], change: object) -> object:
        """Write a note; when the spool takes none now, the delivery is later found waiting as it was before."""
        try:
            return await self._writer.run(handler, change)
        except SpoolUnavailableError as error:
            log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error))
            await asyncio.sleep(TROUBLE_PAUSE)
            return None


def _code_of(error: Exception) -> ReasonCode:
    code = getattr(error, "code", None)
    return code if isinstance(code, ReasonCode) else ReasonCode.UNREADABLE


def _require(still: bool) -> None:  # noqa: FBT001 - the spool's answer
    if not still:
        raise DeliveryRecalledError("a recall has ended the delivery")
