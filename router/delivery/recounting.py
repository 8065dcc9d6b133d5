"""Gives an older ledger back what it has forgotten: asks the gateways page by page, and enters what they hold."""

import asyncio
from collections.abc import Sequence
from typing import Unpack

import structlog
from sqlalchemy import Connection

from router.broker.backoff import sleep_unless
from router.content import ContentStore
from router.delivery.questions import SETTLED, QuestionParts, Questions, question_to
from router.delivery.relay import publish_where_possible
from router.ledger.engine import reading
from router.ledger.recovery import rebuilding, recovering
from router.ledger.recovery.rebuilding import RebuiltLetter, ReceivedPage
from router.ledger.recovery.recovering import RecountQuestion
from router.ledger.units.receipt_numbers import QuestionsWanted
from router.rules.schedule import Silence
from schemas.attachment import Attachment, TravellingAttachment
from schemas.descriptor import Descriptor, encode, stub
from schemas.errors import InvalidError
from schemas.events import Event
from schemas.model import parse
from schemas.recount import TYPE_RECOUNT, Kept, KeptDelivery, Recount

log = structlog.get_logger()
_LOOK_EVERY = 2.0


class Recounting(Questions[RecountQuestion]):
    """Puts the questions of an open recovery, and takes in the answers.

    Args:
        content: where letters that are too long for a message lie.
        silence: when an undelivered document is sent again.
        grace: seconds that a receipt may be overtaken by later ones before it is asked for.
        parts: see :class:`router.delivery.questions.QuestionParts`.
    """

    at_once = 200

    def __init__(
        self, *, content: ContentStore, silence: Silence, grace: float, **parts: Unpack[QuestionParts]
    ) -> None:
        super().__init__(**parts)
        self._content = content
        self._silence = silence
        self._grace_ms = round(grace * 1000)
        self._answered = asyncio.Event()

    async def look(self) -> None:
        """Wait some seconds, or for an answer, and put the questions that are due then."""
        await sleep_unless(self._answered, _LOOK_EVERY)
        self._answered.clear()
        await self.ask()

    async def enter(self, kept: Kept) -> None:
        """Enter a page of what a gateway holds, if a recovery is open.

        Raises:
            OSError: the content store cannot be read or written now.
            ContentFullError: it has no room for what rides inside a letter and is not there.
        """
        if not await asyncio.to_thread(self._is_open):
            return  # nobody asked for it
        letters: dict[str, RebuiltLetter] = {}
        unreadable: dict[str, str] = {}
        for item in kept.deliveries:
            try:
                letters[item.dispatch_id] = await self._letter(item)
            except LookupError as error:
                unreadable[item.dispatch_id] = str(error)
        page = ReceivedPage(kept, letters, unreadable, self._clock(), self._silence, self._grace_ms)
        rebuilt = await self._writer.run(rebuilding.rebuild, page, weight=1 + 4 * len(kept.deliveries))
        log.info(Event.LEDGER_REBUILT, unit=kept.unit, told=len(kept.deliveries), more=kept.more, **rebuilt._asdict())
        self._answered.set()

    async def _letter(self, item: KeptDelivery) -> RebuiltLetter:
        """The letter of a delivery, its small files in the store.

        Raises:
            LookupError: it is too long for a message, and what holds it is not in the store.
        """
        if item.descriptor is not None and item.descriptor.record is None:
            await self._keep_small_files(item.descriptor)
            return RebuiltLetter(item.descriptor, encode(item.descriptor))
        record = item.descriptor.record if item.descriptor is not None else None
        whole, size = await asyncio.to_thread(self._whole, item, record.sha256 if record else item.record or "")
        if record is None:
            plain = Attachment(name="record.json", media_type="application/json", size=size, sha256=item.record or "")
            record = TravellingAttachment(**plain.model_dump())
        return RebuiltLetter(whole, encode(stub(whole, record)), record)

    def _whole(self, item: KeptDelivery, sha256: str) -> tuple[Descriptor, int]:
        """The full descriptor that a content holds, and its bytes."""
        body = self._content.read(sha256)
        if body is None:
            raise LookupError(
                f"its letter is too long for a message, and {sha256}, which holds it, is not in the store"
            )
        try:
            found = parse(Descriptor, body, what="record of a dispatch")
        except InvalidError:
            raise LookupError(f"the content {sha256} is no letter") from None
        if found.id != item.dispatch_id or found.record is not None:
            raise LookupError(f"the content {sha256} is not the letter of {item.dispatch_id}")
        return found, len(body)

    async def _keep_small_files(self, letter: Descriptor) -> None:
        for file in letter.attachments:
            if file.inline is not None and await asyncio.to_thread(self._content.size, file.sha256) is None:
                await self._content.put(file.inline)

    def _is_open(self) -> bool:
        with reading(self._engine) as connection:
            return recovering.current(connection) is not None

    @staticmethod
    def _is_due(connection: Connection, now: int) -> bool:
        return recovering.is_due(connection, now)

    @staticmethod
    def _claimed(connection: Connection, wanted: Sequence[QuestionsWanted]) -> list[list[RecountQuestion]]:
        return recovering.claim(connection, wanted)

    async def _put(self, questions: Sequence[RecountQuestion]) -> None:
        directory, day = self._organisation.directory, self._organisation.today
        messages = [question_to(item.unit, _asked(item), TYPE_RECOUNT, directory, day) for item in questions]
        outcomes = await publish_where_possible(self._publisher, messages)
        put = [item for item, outcome in zip(questions, outcomes, strict=True) if outcome in SETTLED]
        await self._writer.run(recovering.settle, (put, self._clock()), weight=1 + len(put))
        if put:
            log.info(Event.LEDGER_RECOUNTED, units=len(put), unit=put[0].unit)


def _asked(question: RecountQuestion) -> Recount:
    return Recount(unit=question.unit, since=question.since, until=question.until, after=question.after)
