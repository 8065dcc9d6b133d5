"""Brings the copy to the router, once a day, when nothing else wants the line: below every document and every receipt.

It counts as no work at all, so nobody ever waits for it; whatever comes, goes or is to be said holds it at the piece
that is being written. It goes on there when the line is idle again, an hour or a night later.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from consumers.copies import chain, key
from consumers.copies.chain import SentPiece
from consumers.copies.handover import ChainBrokenError, CopyHandover
from consumers.copies.standing import EVERY_MS, Place, copies_dir, keep_standing, standing_of
from consumers.errors import CopyTooLargeError, GatewayError
from consumers.fetching.traffic import Traffic, Want
from consumers.line.precedence import NOTHING
from consumers.sending.upload import FolderFile, Sources
from consumers.spool import Spool, outbox
from consumers.spool.taking import Content
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
LOWEST = NOTHING
"""The urgency of the copy: no other work ever waits for what is not more than nothing."""
LOOK_EVERY = 30.0
REPORTS_EVERY = 1.0


class CopyCourier:
    """Keeps the router's copy of the day.

    Args:
        spool: whose books.
        sources: told where the piece lies.
        traffic: brings it up.
        handover: names it at the router.
        units: the codes hosted now.
        rests: whether another gateway works for the units, so that this one's books say nothing new.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        sources: Sources,
        traffic: Traffic,
        handover: CopyHandover,
        units: Callable[[], Sequence[str]],
        rests: Callable[[], bool],
    ) -> None:
        self._spool = spool
        self._data_dir = spool.path.parent
        self._sources = sources
        self._traffic = traffic
        self._handover = handover
        self._units = units
        self._rests = rests
        self._reports = False

    def lets(self, _unit: str, _urgency: int) -> bool:
        """Whether no receipt waits."""
        return not self._reports

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if not self._rests():
                await self._look()
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        try:
            piece = await asyncio.to_thread(self._next)
            if piece is not None:
                await self._bring(piece)
        except ChainBrokenError:
            await asyncio.to_thread(chain.begin_anew, self._data_dir)
            log.info(Event.COPY_BEGUN_ANEW, place=Place.ROUTER.value)
        except (GatewayError, OSError) as error:
            await self._note_failed(str(error), EVERY_MS if isinstance(error, CopyTooLargeError) else 0)

    def _next(self) -> SentPiece | None:
        """The piece that is to go up now; None: none is due."""
        now, standing = now_ms(), standing_of(self._data_dir, Place.ROUTER)
        if not standing.is_due(now):
            return None
        with self._spool.reading() as conn:
            recipient = key.recipient_of(conn)
        if not recipient:
            return None
        waiting = chain.pending(self._data_dir)
        if waiting is not None and (waiting.recipient, waiting.spool_id) != (recipient, self._spool.id):
            chain.begin_anew(self._data_dir)
            waiting = None
        piece = waiting or chain.make_piece(self._spool, self._data_dir, self._units(), now)
        if piece is None:
            keep_standing(self._data_dir, Place.ROUTER, standing.made(standing.where, standing.size, now))
        return piece

    async def _bring(self, piece: SentPiece) -> None:
        self._reports = bool(await asyncio.to_thread(self._unsent))
        with self._offered(piece):
            bringing = asyncio.create_task(self._traffic.bring(Content(piece.sha256, piece.size), Want(LOWEST, 0)))
            try:
                await self._until(bringing)
            finally:
                bringing.cancel()
                await asyncio.gather(bringing, return_exceptions=True)
        await self._handover.name(piece)
        await asyncio.to_thread(self._confirm, piece)

    async def _until(self, bringing: "asyncio.Task[None]") -> None:
        """Watch for receipts that are to be said meanwhile; they go first."""
        while not bringing.done():
            waiting = bool(await asyncio.to_thread(self._unsent))
            if waiting is not self._reports:
                self._reports = waiting
                self._traffic.reorder()
            await asyncio.wait([bringing], timeout=REPORTS_EVERY)
        await bringing

    def _unsent(self) -> int:
        with self._spool.reading() as conn:
            return outbox.count_unsent(conn)

    @contextmanager
    def _offered(self, piece: SentPiece) -> Iterator[None]:
        """Have the file of the piece found."""
        directory = os.open(copies_dir(self._data_dir), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        place = FolderFile(directory, piece.file_name)
        self._sources.add(piece.sha256, place)
        try:
            yield
        finally:
            self._sources.remove(piece.sha256, place)
            os.close(directory)

    def _confirm(self, piece: SentPiece) -> None:
        chain.confirm(self._data_dir, piece)
        standing = standing_of(self._data_dir, Place.ROUTER)
        where = f"{piece.chain}/{piece.number}"
        keep_standing(self._data_dir, Place.ROUTER, standing.made(where, piece.size, piece.made_at))
        log.info(Event.COPY_MADE, place=Place.ROUTER.value, where=where, size=piece.size)

    async def _note_failed(self, reason: str, again_ms: int) -> None:
        log.warning(Event.COPY_FAILED, place=Place.ROUTER.value, reason=reason)

        def note() -> None:
            standing = standing_of(self._data_dir, Place.ROUTER)
            keep_standing(self._data_dir, Place.ROUTER, standing.failed(reason, now_ms(), again_ms=again_ms))

        try:
            await asyncio.to_thread(note)
        except OSError as error:
            log.warning(Event.COPY_FAILED, place=Place.ROUTER.value, reason=str(error))
