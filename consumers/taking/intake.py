"""Takes custody: descriptors from the unit's queues go into the spool, and are acknowledged when they are durable."""

from collections.abc import Callable, Collection, Sequence

import structlog
from sqlalchemy import Connection

from consumers.errors import SpoolUnavailableError
from consumers.spool import Spool, Writer, outbox
from consumers.spool.gaps import LaneProgress
from consumers.spool.taking import Arriving, GapPauses, TakenBatch, take
from consumers.taking.descriptors import read_arriving, read_ask, read_recount
from consumers.taking.room import Room
from router.broker import Delivered
from schemas.clock import now_ms
from schemas.dispatch import Lane, lane_of
from schemas.errors import FieldProblem, InvalidError
from schemas.events import Event
from schemas.receipt import TYPE_ASK, Ask
from schemas.recount import TYPE_RECOUNT, Recount

log = structlog.get_logger()
OnTaken = Callable[[Collection[Lane], TakenBatch], None]
"""Told what was taken: the lanes it came by, and what became of it."""
_Item = Arriving | Ask | Recount


class Intake:
    """The handler of the units' queues.

    Args:
        spool: where deliveries are kept.
        writer: of that spool.
        hosts: whether a unit is one of ours.
        keeps_all: the spool is where documents end (sink none).
        gap_after: seconds after which a missing sequence number is asked for.
        room: whether anything can be taken; told when something was, or could not be.
        on_taken: told after the commit.
        on_repeated: told how many receipts the router lacks and gets again.
        on_recount: told what the router asks of what is held.
        forget_recalled: removes, in the writer, what was kept of dispatches that are called back.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        *,
        hosts: Callable[[str], bool],
        keeps_all: bool,
        gap_after: float,
        room: Room,
        on_taken: OnTaken,
        on_repeated: Callable[[int], None] = lambda _count: None,
        on_recount: Callable[[Sequence[Recount]], None] = lambda _questions: None,
        forget_recalled: Callable[[Connection, Sequence[Collection[str]]], list[None]] | None = None,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._hosts = hosts
        self._keeps_all = keeps_all
        self._gaps = GapPauses(round(gap_after * 1000))
        self._room = room
        self._on_taken = on_taken
        self._on_repeated = on_repeated
        self._on_recount = on_recount
        self._forget_recalled = forget_recalled
        self.progress: dict[tuple[str, Lane], LaneProgress] = {}
        """How far each lane of each unit has come, for the question whether a number is missing."""

    async def handle(self, batch: Sequence[Delivered]) -> Collection[int]:
        """Take a batch: returns after the commit with the indexes of what cannot be read, to be rejected.

        Raises:
            SpoolUnavailableError: nothing was taken: the disk is full or the file is locked.
        """
        try:
            return await self._handle(batch)
        except SpoolUnavailableError as error:
            self._room.ran_out(str(error))
            raise

    async def _handle(self, batch: Sequence[Delivered]) -> Collection[int]:
        read, refused = self._read(batch)
        arriving = [item for item in read if isinstance(item, Arriving)]
        if asks := [item for item in read if isinstance(item, Ask)]:
            await self._repeat(asks)
        if recounts := [item for item in read if isinstance(item, Recount)]:
            self._on_recount(recounts)
        if arriving:
            self._room.require()
            taken = await self._writer.run(take, (arriving, self._gaps))
            self._room.took()
            self._note_progress(arriving)
            recalled = len(taken.recalled.positions)
            log.info(Event.DELIVERIES_TAKEN, new=taken.new, known=taken.known, waiting=taken.waiting, recalled=recalled)
            self._on_taken(set(Lane) if recalled else {lane_of(item.letter.urgency) for item in arriving}, taken)
            await self._forget([key for item in arriving for key in item.letter.recalls])
        return refused

    async def _forget(self, called_back: Collection[str]) -> None:
        """Not only what a recall ends has to go: what was handed over before may be kept as a dictionary."""
        if called_back and self._forget_recalled is not None:
            await self._writer.run(self._forget_recalled, called_back)

    async def _repeat(self, asks: Sequence[Ask]) -> None:
        count = await self._writer.run(outbox.repeat, asks)
        log.info(Event.RECEIPTS_REPEATED, receipts=count, units=len(asks), unit=asks[0].unit)
        self._on_repeated(count)

    def _read(self, batch: Sequence[Delivered]) -> tuple[list[_Item], list[int]]:
        read: list[_Item] = []
        refused: list[int] = []
        for index, message in enumerate(batch):
            try:
                read.append(self._read_one(message))
            except InvalidError as error:
                log.warning(
                    Event.DESCRIPTOR_REJECTED, delivery_id=message.message_id, queue=message.queue, reason=str(error)
                )
                refused.append(index)
        return read, refused

    def _read_one(self, message: Delivered) -> _Item:
        message.require_whole("message")
        item: _Item
        if message.type == TYPE_ASK:
            item = read_ask(message)
        elif message.type == TYPE_RECOUNT:
            item = read_recount(message)
        else:
            item = read_arriving(message, keeps_all=self._keeps_all)
        if not self._hosts(item.unit):
            place = "headers.unit" if isinstance(item, Arriving) else "unit"
            raise InvalidError("message", [FieldProblem(place, "is not hosted by this gateway", item.unit)])
        return item

    def _note_progress(self, arriving: Sequence[Arriving]) -> None:
        now = now_ms()
        for item in arriving:
            lane = (item.unit, lane_of(item.letter.urgency))
            before = self.progress.get(lane)
            if before is None or item.seq > before.highest or now > before.last_at:
                self.progress[lane] = LaneProgress(max(item.seq, before.highest if before else 0), now)
