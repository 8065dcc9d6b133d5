"""Works through what the unit sends, most urgent first: files up, the dispatch in, the folder filed.

A document is in work here or waits in the spool; after a crash it waits again. Its files are found at the router where
they were, and the submission carries the document's id as its key, so nothing is submitted twice.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Connection

from consumers.errors import OutgoingRejectedError, SpoolUnavailableError, UploadsLostError
from consumers.fetching.fetch import Transfer
from consumers.fetching.traffic import Traffic, Want
from consumers.sending.folder import OutboxFolder
from consumers.sending.submit import Submitter
from consumers.sending.upload import FolderFile, Sources
from consumers.sending.watch import file_ended
from consumers.spool import Spool, Writer, sending
from consumers.spool.sending import QueuedDocument, Rejected, SendingFile, Sent, UploadProgress
from consumers.spool.taking import Content
from router.process.together import together
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
WINDOW = 20
"""Documents in work at once; the rest waits in the spool."""
LONGEST_REST = 60.0
TROUBLE_PAUSE = 5.0
LOST_PAUSE = 30.0
NOTE_EVERY = 5.0


class SendingErrand:
    """A document on its way up."""

    def __init__(self, document: QueuedDocument) -> None:
        self.document = document
        self.want = Want(document.urgency, document.pos)
        self.begun = False
        self.waits_for = ""
        self.noted = UploadProgress(document.id, 0, "")

    def progress(self) -> UploadProgress:
        """How far it is now."""
        done = max(self.document.size - self.want.remaining, 0) if self.begun else 0
        return UploadProgress(self.document.id, done, self.want.waits_for or self.waits_for)

    def waits(self, reason: str) -> None:
        """Why it cannot be handed in now."""
        self.waits_for = reason


class UpwardCourier:
    """Keeps documents on their way up.

    Args:
        spool: what waits.
        writer: of that spool.
        folder: the outbox, where the files of most documents lie.
        contents: the directory where those of the desk's documents lie, each under its hash.
        sources: told where they lie.
        traffic: brings them up.
        submitter: hands the dispatch in.
        accept: notes what was accepted, and what follows from it, in the writer's transaction.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        folder: OutboxFolder,
        *,
        contents: Path,
        sources: Sources,
        traffic: Traffic,
        submitter: Submitter,
        accept: Callable[[Connection, Sequence[Sent]], list[None]] = sending.accept,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._folder = folder
        self._contents = contents
        self._accept = accept
        self._sources = sources
        self._traffic = traffic
        self._submitter = submitter
        self._in_work: dict[str, SendingErrand] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something waits to be sent."""
        self._woken.set()

    def waits(self, _transfer: Transfer) -> None:
        """A transfer began or ceased to wait for more than its turn."""
        self._traffic.reorder()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._woken.clear()
                await self._rest(await self._load())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._traffic.close()

    async def run_notes(self) -> None:
        """Keep in the spool how far everything is, for people; never returns."""
        while True:
            await asyncio.sleep(NOTE_EVERY)
            for errand in list(self._in_work.values()):
                now = errand.progress()
                if now != errand.noted:
                    errand.noted = now
                    await self._note(now)

    async def _load(self) -> int | None:
        """Begin with what waits, as far as there is room; when the next may begin (UTC milliseconds)."""
        room = WINDOW - len(self._in_work)
        if room <= 0:
            return None
        found, next_at = await asyncio.to_thread(self._ready, room, list(self._in_work))
        for document in found:
            self._in_work[document.id] = SendingErrand(document)
            task = asyncio.create_task(self._run(self._in_work[document.id]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return next_at

    def _ready(self, limit: int, without: Sequence[str]) -> tuple[list[QueuedDocument], int | None]:
        with self._spool.reading() as conn:
            return sending.ready(conn, limit=limit, without=without)

    async def _run(self, errand: SendingErrand) -> None:
        document = errand.document
        with structlog.contextvars.bound_contextvars(outgoing_id=document.id):
            try:
                await self._send(errand)
            except OutgoingRejectedError as error:
                await self._reject(document, error)
            except UploadsLostError as error:
                await self._postpone(document, LOST_PAUSE, str(error))
            except (OSError, SpoolUnavailableError) as error:
                await self._postpone(document, TROUBLE_PAUSE, str(error))
            except Exception as error:
                log.exception(Event.OUTGOING_FAILED_UNEXPECTEDLY)
                await self._postpone(document, LOST_PAUSE, f"the gateway met an error of its own: {error!r}")
            finally:
                del self._in_work[document.id]
                self._woken.set()

    async def _send(self, errand: SendingErrand) -> None:
        document = errand.document
        files = await asyncio.to_thread(self._files_of, document.pos)
        with self._opened(document) as directory:
            places = [(file.sha256, self._place(document, directory, file)) for file in files]
            for sha256, place in places:
                self._sources.add(sha256, place)
            errand.begun = True
            try:
                await self._bring_up(files, errand.want)
            finally:
                for sha256, place in places:
                    self._sources.remove(sha256, place)
        sent = await self._submitter.submit(document, on_wait=errand.waits)
        await self._writer.run(self._accept, sent)
        log.info(Event.OUTGOING_ACCEPTED, dispatch_id=sent.dispatch_id, addressees=sent.addressees)
        await self._file(document)

    @contextmanager
    def _opened(self, document: QueuedDocument) -> Iterator[int]:
        """The descriptor of the directory where the files of a document lie.

        Raises:
            OutgoingRejectedError: its folder is gone.
        """
        if document.kept:
            contents = os.open(self._contents, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield contents
            finally:
                os.close(contents)
            return
        claimed = self._folder.find(document.id)
        if claimed is None:
            raise OutgoingRejectedError(
                "its folder was removed before it was sent", vi="Thư mục của văn bản đã bị xóa trước khi gửi xong."
            )
        with self._folder.opened(claimed) as directory:
            yield directory

    def _place(self, document: QueuedDocument, directory: int, file: SendingFile) -> FolderFile:
        return FolderFile(directory, file.sha256 if document.kept else file.file_name)

    async def _bring_up(self, files: Sequence[SendingFile], want: Want) -> None:
        """Have all files at the router; the first that cannot go ends the others.

        Raises:
            OutgoingRejectedError: one was refused, or changed.
        """
        contents = {Content(file.sha256, file.size) for file in files}
        await together((self._traffic.bring(content, want) for content in contents), failure=OutgoingRejectedError)

    def _files_of(self, pos: int) -> list[SendingFile]:
        with self._spool.reading() as conn:
            return sending.files_of(conn, pos)

    async def _reject(self, document: QueuedDocument, error: OutgoingRejectedError) -> None:
        log.warning(Event.OUTGOING_REJECTED, id=document.id, name=document.name, reason=str(error))
        try:
            await self._writer.run(sending.reject, Rejected(document.id, error.told))
            await self._file(document)
        except (OSError, SpoolUnavailableError) as trouble:
            await self._postpone(document, TROUBLE_PAUSE, str(trouble))

    async def _file(self, document: QueuedDocument) -> None:
        """Put the folder where people see what became of it; if that fails now, the watch does it later."""
        claimed = await asyncio.to_thread(self._folder.find, document.id)
        ended = (await asyncio.to_thread(self._stages, document.id)).get(document.id)
        if claimed is not None and ended is not None:
            await asyncio.to_thread(file_ended, self._folder, claimed, ended)

    def _stages(self, document: str) -> dict[str, sending.Ended]:
        with self._spool.reading() as conn:
            return sending.stages(conn, [document])

    async def _postpone(self, document: QueuedDocument, seconds: float, reason: str) -> None:
        log.warning(Event.OUTGOING_POSTPONED, reason=reason, retry_in=seconds)
        await self._note(UploadProgress(document.id, 0, reason, now_ms() + round(seconds * 1000)))

    async def _note(self, progress: UploadProgress) -> None:
        try:
            await self._writer.run(sending.note, progress)
        except SpoolUnavailableError as error:
            log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error))
            await asyncio.sleep(TROUBLE_PAUSE)

    async def _rest(self, moment: int | None) -> None:
        pause = LONGEST_REST if moment is None else min((moment - now_ms()) / 1000, LONGEST_REST)
        try:
            async with asyncio.timeout(max(pause, 0.01)):
                await self._woken.wait()
        except TimeoutError:
            return
