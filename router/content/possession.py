"""Who may name which content, asked at every door, and what an account has brought.

A right to a content comes from having brought its bytes or from a delivery with it that is not recalled, at that
moment; never from knowing its name. Whoever has none gets one answer, whether the content is here or not.
"""

import asyncio
import time
from collections.abc import Sequence

from sqlalchemy import Engine

from router.content.store import ContentStore
from router.content.writer import ContentWriter, Stored
from router.errors import UnknownAttachmentError
from router.ledger.engine import reading
from router.ledger.way import holders
from router.ledger.way.holders import Brought, UnnamedLimits
from router.ledger.writer import Writer
from schemas.accounts import Account
from schemas.attachment import Attachment
from schemas.clock import now_ms
from schemas.errors import FieldProblem


class Possession:
    """The rights to contents.

    Args:
        engine: the ledger, for reading.
        writer: its group commit.
        limits: what one account may have brought that no dispatch names.
        kept: seconds that a content is kept which no dispatch names.
    """

    def __init__(self, engine: Engine, writer: Writer, *, limits: UnnamedLimits, kept: float) -> None:
        self._engine = engine
        self._writer = writer
        self._limits = limits
        self._kept = kept

    async def require_room(self, account: Account, sha256: str, size: int) -> None:
        """Check, before bytes come, that an account may bring so many.

        Raises:
            ContentQuotaError: it has brought too much that no dispatch names.
        """
        await asyncio.to_thread(self._require_room, account, sha256, size)

    async def take_in(self, writer: ContentWriter, account: Account, *, expected_sha256: str | None = None) -> Stored:
        """Name what came whole, and remember who brought it. The memory comes first: a crash between leaves a right.

        Raises:
            ContentMismatchError: the bytes have another hash than expected.
            ContentQuotaError: the account has brought too much that no dispatch names; nothing is kept.
        """
        sha256 = await writer.seal(expected_sha256)
        brought = Brought(sha256, writer.size, account.name, now_ms(), self._limits)
        await self._writer.run(holders.note, brought)
        return await writer.commit()

    async def brought(self, account: Account, sha256: str, size: int) -> None:
        """Remember who brought a content that is in the store; its room was asked for when it began."""
        await self._writer.run(holders.note, Brought(sha256, size, account.name, now_ms()))

    async def require(
        self, sender: Account, issuer: str, files: Sequence[Attachment], *, store: ContentStore, own: ContentStore
    ) -> None:
        """Check that a submission may name its files, that their bytes are here and right, and have them stay.

        Args:
            sender: whose submission it is.
            issuer: the unit that it is for.
            files: what it names.
            store: the router's.
            own: what came with the submission; the same as ``store`` but for a rehearsal.

        Raises:
            UnknownAttachmentError: with each file that it may not name or that has to be brought.
        """
        if not files:
            return
        missing = await asyncio.to_thread(self._lacking, sender, issuer, files, store, own)
        if missing:
            raise UnknownAttachmentError("; ".join(item.problem for item in missing), problems=missing)

    def _require_room(self, account: Account, sha256: str, size: int) -> None:
        with reading(self._engine) as conn:
            holders.require_unnamed_room(conn, account.name, sha256, size, self._limits)

    def _lacking(
        self, sender: Account, issuer: str, files: Sequence[Attachment], store: ContentStore, own: ContentStore
    ) -> list[FieldProblem]:
        came = {file.sha256 for file in files if own is not store and own.size(file.sha256) is not None}
        with reading(self._engine) as conn:
            rightful = came | holders.nameable(conn, sender.name, issuer, {file.sha256 for file in files} - came)
        problems = []
        for index, file in enumerate(files):
            place = own if file.sha256 in came else store
            size = self._stays(place, file.sha256) if file.sha256 in rightful else None
            if size is None:
                problems.append(holders.not_brought(index, file, sender.name))
            elif size != file.size:
                problem = f"{file.name}: {size} bytes were uploaded, not {file.size}"
                problems.append(FieldProblem(f"attachments.{index}.size", problem))
        return problems

    def _stays(self, store: ContentStore, sha256: str) -> int | None:
        """The size of a content that is here and right, and will be for the days that a submission can last."""
        here = store.touch(sha256, unless_since=time.time() - self._kept / 2)
        return store.sound(sha256) if here else None
