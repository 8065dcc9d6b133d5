"""Has an older ledger told again what it has forgotten: asks the gateways page by page, and enters what they hold."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import date
from functools import partial

import structlog
from sqlalchemy import Connection, Engine

from router.broker import Outcome, Outgoing, Publisher, Session, Template
from router.broker.topology.planning import org_exchange
from router.content import ContentStore
from router.delivery.organisation import Organisation
from router.delivery.relay import publish_where_possible, root_of
from router.directory import Directory
from router.ledger.engine import reading
from router.ledger.recovery import rebuilding, recovering
from router.ledger.recovery.rebuilding import Letter, Told
from router.ledger.recovery.recovering import Question, Wish
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.attachment import Attachment, TravellingAttachment
from schemas.clock import Clock, now_ms
from schemas.descriptor import Descriptor, encode, stub
from schemas.dispatch import Lane
from schemas.errors import InvalidError
from schemas.events import Event
from schemas.ids import new_id
from schemas.model import parse
from schemas.recount import TYPE_RECOUNT, Kept, KeptDelivery, Recount

log = structlog.get_logger()
_LOOK_EVERY = 2.0
_CLAIM_MS = 60_000
_SETTLED = {Outcome.CONFIRMED, Outcome.RETURNED}
"""A unit without a queue is not asked again before it says hello."""


class Recounting:
    """Puts the questions of an open recovery, and takes in the answers.

    Args:
        engine: the ledger.
        writer: its group commit.
        session: waited for while it is down.
        publisher: on that session.
        organisation: for the root that a unit is published under.
        content: where letters that are too long for a message lie.
        steady: set while the broker is known to stand as planned.
        silence: when an undelivered document is sent again.
        grace: seconds that a receipt may be overtaken by later ones before it is asked for.
        clock: UTC ms.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        organisation: Organisation,
        content: ContentStore,
        steady: asyncio.Event,
        silence: Silence,
        grace: float,
        clock: Clock = now_ms,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._organisation = organisation
        self._content = content
        self._steady = steady
        self._silence = silence
        self._grace_ms = round(grace * 1000)
        self._clock = clock
        self._claim_now = partial(_claim, clock)
        self._knocked = asyncio.Event()

    async def look(self) -> None:
        """Wait some seconds, or for an answer, and put the questions that are due then."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._knocked.wait(), _LOOK_EVERY)
        self._knocked.clear()
        await self.ask()

    async def ask(self) -> None:
        """Put all questions that are due now, when the broker stands."""
        while await asyncio.to_thread(self._is_due):
            await self._steady.wait()
            await self._session.ready()
            await self._put(await self._writer.run(self._claim_now, None))

    async def enter(self, kept: Kept) -> None:
        """Enter a page of what a gateway holds, if a recovery is open.

        Raises:
            OSError: the content store cannot be read or written now.
            ContentFullError: it has no room for what rides inside a letter and is not there.
        """
        if not await asyncio.to_thread(self._is_open):
            return  # nobody asked for it
        letters: dict[str, Letter] = {}
        unreadable: dict[str, str] = {}
        for item in kept.deliveries:
            try:
                letters[item.dispatch_id] = await self._letter(item)
            except LookupError as error:
                unreadable[item.dispatch_id] = str(error)
        page = Told(kept, letters, unreadable, self._clock(), self._silence, self._grace_ms)
        rebuilt = await self._writer.run(rebuilding.rebuild, page, weight=1 + 4 * len(kept.deliveries))
        log.info(Event.LEDGER_REBUILT, unit=kept.unit, told=len(kept.deliveries), more=kept.more, **rebuilt._asdict())
        self._knocked.set()

    async def _letter(self, item: KeptDelivery) -> Letter:
        """The letter of a delivery, its small files in the store.

        Raises:
            LookupError: it is too long for a message, and what holds it is not in the store.
        """
        if item.descriptor is not None and item.descriptor.record is None:
            await self._keep_small_files(item.descriptor)
            return Letter(item.descriptor, encode(item.descriptor))
        record = item.descriptor.record if item.descriptor is not None else None
        whole, size = await asyncio.to_thread(self._whole, item, record.sha256 if record else item.record or "")
        if record is None:
            plain = Attachment(name="record.json", media_type="application/json", size=size, sha256=item.record or "")
            record = TravellingAttachment(**plain.model_dump())
        return Letter(whole, encode(stub(whole, record)), record)

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

    def _is_due(self) -> bool:
        with reading(self._engine) as connection:
            return recovering.is_due(connection, self._clock())

    async def _put(self, questions: Sequence[Question]) -> None:
        directory, day = self._organisation.directory, self._organisation.today
        messages = [message_of(item, directory, day) for item in questions]
        outcomes = await publish_where_possible(self._publisher, messages)
        put = [item for item, outcome in zip(questions, outcomes, strict=True) if outcome in _SETTLED]
        await self._writer.run(recovering.settle, (put, self._clock()), weight=1 + len(put))
        if put:
            log.info(Event.LEDGER_RECOUNTED, units=len(put), unit=put[0].unit)


def _claim(clock: Clock, connection: Connection, wishes: Sequence[None]) -> list[list[Question]]:
    """Claim the questions that are due when the claim is made, which may be long after it was wished for."""
    now = clock()
    return recovering.claim(connection, [Wish(now, now + _CLAIM_MS)] * len(wishes))


def message_of(question: Question, directory: Directory, day: date) -> Outgoing | None:
    """The question as it travels; None: no exchange leads to its unit."""
    root = root_of(question.unit, directory, day)
    if root is None:
        return None
    asked = Recount(unit=question.unit, since=question.since, until=question.until, after=question.after)
    body = asked.model_dump_json(exclude_defaults=True).encode()
    template = Template(org_exchange(root), TYPE_RECOUNT, body)
    return Outgoing(template, f"{question.unit}.{Lane.EXPRESS.value}", new_id())
