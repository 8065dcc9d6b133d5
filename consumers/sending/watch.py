"""Takes what appears in the outbox, and files what has ended: after any kill, a look at the disk is all it needs."""

import asyncio
from collections.abc import Callable

import orjson
import structlog

from consumers.errors import OutgoingRejectedError, SpoolUnavailableError
from consumers.sending.document import DocumentRules, OutgoingDocument, read_document
from consumers.sending.folder import ClaimedFolder, OutboxFolder
from consumers.sending.notes import reason_note
from consumers.spool import Spool, Writer, sending
from consumers.spool.sending import Ended, TakenDocument
from schemas.clock import iso
from schemas.events import Event
from schemas.stages import Stage

log = structlog.get_logger()
LOOK_EVERY = 1.0


class OutboxWatch:
    """Looks into the outbox.

    Args:
        spool: knows what was taken and what became of it.
        writer: of that spool.
        folder: the outbox.
        rules: what is sent from here.
        on_taken: called when something waits to be sent.
    """

    def __init__(
        self, spool: Spool, writer: Writer, folder: OutboxFolder, rules: DocumentRules, *, on_taken: Callable[[], None]
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._folder = folder
        self._rules = rules
        self._on_taken = on_taken
        self._complained: set[str] = set()

    async def run(self) -> None:
        """Look every second; never returns."""
        while True:
            try:
                await self.look()
            except (OSError, SpoolUnavailableError) as error:
                self._complain("", error)
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Take what has appeared, and go on with what was taken.

        Raises:
            OSError: the outbox cannot be read now.
            SpoolUnavailableError: the spool cannot be read or written now.
        """
        await asyncio.to_thread(self._claim_all)
        claimed = await asyncio.to_thread(self._folder.claimed)
        known = await asyncio.to_thread(self._stages, [item.id for item in claimed]) if claimed else {}
        for item in claimed:
            await self._go_on(item, known.get(item.id))

    async def _go_on(self, claimed: ClaimedFolder, ended: Ended | None) -> None:
        try:
            if ended is None:
                await self._take(claimed)
            elif ended.stage is not Stage.WAITING:
                await asyncio.to_thread(file_ended, self._folder, claimed, ended)
        except OSError as error:
            self._complain(claimed.id, error)

    async def _take(self, claimed: ClaimedFolder) -> None:
        try:
            document = await asyncio.to_thread(self._read, claimed)
        except OutgoingRejectedError as error:
            log.warning(Event.OUTGOING_REJECTED, id=claimed.id, name=claimed.name, reason=str(error))
            await self._writer.run(sending.take, TakenDocument(claimed.id, claimed.name, reason=error.told))
            await asyncio.to_thread(self._folder.file_rejected, claimed, reason_note(error))
            return
        await self._writer.run(sending.take, taken(claimed, document))
        left_out = list(document.left_out)
        log.info(Event.OUTGOING_TAKEN, id=claimed.id, name=claimed.name, files=len(document.files), left_out=left_out)
        self._on_taken()

    def _read(self, claimed: ClaimedFolder) -> OutgoingDocument:
        with self._folder.opened(claimed) as directory:
            return read_document(directory, self._rules)

    def _claim_all(self) -> None:
        for path in self._folder.appeared():
            try:
                self._folder.claim(path)
            except OSError as error:
                self._complain(path.name, error)

    def _stages(self, ids: list[str]) -> dict[str, Ended]:
        with self._spool.reading() as conn:
            return sending.stages(conn, ids)

    def _complain(self, what: str, error: Exception) -> None:
        """Log it once: the same is tried again every second."""
        said = f"{what}: {error}"
        if said not in self._complained:
            self._complained.add(said)
            log.warning(Event.OUTBOX_UNUSABLE, what=what, reason=str(error))


def taken(claimed: ClaimedFolder, document: OutgoingDocument) -> TakenDocument:
    """What the spool keeps of a document."""
    letter = document.submission
    return TakenDocument(
        id=claimed.id,
        name=claimed.name,
        issuer=letter.issuer,
        notation=letter.notation,
        subject=letter.subject,
        urgency=int(letter.urgency),
        body=document.body,
        files=document.files,
        secret=letter.secrecy.is_secret,
    )


def file_ended(folder: OutboxFolder, claimed: ClaimedFolder, ended: Ended) -> None:
    """Put a document where people see what became of it; blocks."""
    if ended.stage is Stage.ACCEPTED:
        told = {
            "id": ended.dispatch_id,
            "addressees": ended.addressees,
            "accepted_at": iso(ended.at),
            "outbox_id": claimed.id,
        }
        folder.file_sent(claimed, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        folder.file_rejected(claimed, reason_note(ended.reason))
