"""Keeps uploads that are not whole yet: announced, continued at the byte, verified at the end, or expired.

An account has one upload for each content. So whoever announces the same content again, after an answer was lost or the
sender's process was killed, finds it where it was. A finished one is remembered until it would have expired: the last
answer may have been lost, and what came must not be sent again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from router.content import ContentStore, Verified, disk_full_told, verify
from router.content.uploads.appending import Appender
from router.content.uploads.files import UploadFiles
from router.content.uploads.records import Announced, Upload, UploadLimits
from router.errors import (
    NotFoundError,
    OffsetConflictError,
    TooLargeError,
    UploadExpiredError,
    UploadMismatchError,
    UploadQuotaError,
)
from router.storage.files import sync_directory
from router.storage.lock import held
from schemas.deadlines import is_over
from schemas.events import Event

log = structlog.get_logger()
DIRECTORY_NAME = "uploads"
_CLOCK_GOES_BACK = 3600.0
"""Seconds."""


class UploadStore:
    """The unfinished uploads of all accounts, on the content store's file system. All methods block.

    Several processes may share it, as they share the content store.

    Args:
        content: takes over what is whole.
        limits: of one account.
        clock: seconds since 1970, as the file system's.
    """

    def __init__(self, content: ContentStore, limits: UploadLimits, *, clock: Callable[[], float] = time.time) -> None:
        self.limits = limits
        self._content = content
        self._clock = clock
        self._root = content.root / DIRECTORY_NAME
        self._root.mkdir(exist_ok=True)

    def require_size(self, announced: Announced) -> None:
        """Refuse a size above the limit.

        Raises:
            TooLargeError: with the limit.
        """
        if announced.length > self.limits.largest:
            raise TooLargeError(
                f"{announced.length} bytes are announced; at most {self.limits.largest} are accepted here"
            )

    def announce(self, account: str, announced: Announced) -> Upload:
        """Begin an upload, or find the one of this content where it was; other requests for it end.

        Raises:
            TooLargeError: it is larger than any may be.
            UploadQuotaError: the account has too many unfinished ones, or too large.
            ContentFullError: the disk is full.
            UploadMismatchError: it has no byte, and the hash is not that of nothing.
        """
        self.require_size(announced)
        files = self._files(account, announced.sha256)
        files.directory.mkdir(parents=True, exist_ok=True)
        self._look_at_content(files)
        with disk_full_told(), files.locked():
            known = self._known(files)
            if known != announced.length:
                self._require_quota(files, announced)
                self._content.require_room(announced.length)
                files.announce(announced)
            if not announced.length and not files.done.exists():
                files.part.touch()  # nobody brings a byte of an empty content
            upload = self._standing(files)
            turn = files.take_turn()
        return self._finish(files, turn, announced) if upload.whole else upload

    def look(self, account: str, sha256: str) -> Upload:
        """How far an upload has come. Earlier requests can no longer append, so what is told stays true.

        Raises:
            NotFoundError: the account has no such upload.
            UploadExpiredError: nothing came for too long.
            UploadMismatchError: all bytes have come and are not those of the hash; it begins again from nothing.
        """
        files = self._files(account, sha256)
        with self._existing(files):
            turn = files.take_turn()
            upload = self._standing(files)
        return self._finish(files, turn, upload.announced) if upload.whole else upload

    def go_on(self, account: str, sha256: str, offset: int) -> Appender:
        """Open an upload for a request that brings the bytes from ``offset`` on.

        Raises:
            NotFoundError: the account has no such upload.
            UploadExpiredError: nothing came for too long.
            OffsetConflictError: it has come another way than the request thinks.
        """
        files = self._files(account, sha256)
        with self._existing(files), disk_full_told():
            turn = files.take_turn()
            upload = self._standing(files)
            if upload.offset != offset:
                raise OffsetConflictError(f"the upload has {upload.offset} bytes, not {offset}", offset=upload.offset)
            return Appender(
                files,
                turn=turn,
                position=offset,
                length=upload.announced.length,
                require_room=self._content.require_room,
            )

    def settle(self, appender: Appender) -> Upload:
        """After a request's last byte: how far the upload has come; a whole one goes to the content store.

        Raises:
            NotFoundError: it was removed meanwhile.
            OffsetConflictError: a later request has taken the turn.
            UploadMismatchError: the bytes are not those of the hash; the upload begins again from nothing.
            ContentFullError: the disk is full.
        """
        appender.close()
        files = appender.files
        with self._existing(files):
            self._require_turn(files, appender.turn)
            upload = self._standing(files)
        return self._finish(files, appender.turn, upload.announced) if upload.whole else upload

    def terminate(self, account: str, sha256: str) -> None:
        """Forget an upload; content that is whole stays in the content store.

        Raises:
            NotFoundError: the account has no such upload.
            UploadExpiredError: nothing came for too long.
        """
        files = self._files(account, sha256)
        with self._existing(files):
            files.remove()

    def sweep(self) -> int:
        """Remove what nothing came for in too long; how many uploads that were."""
        return sum(self._sweep_account(directory) for directory in self._root.iterdir() if directory.is_dir())

    def _sweep_account(self, directory: Path) -> int:
        removed = 0
        with held(directory / "lock"):
            for sha256 in {path.name.partition(".")[0] for path in directory.iterdir() if path.suffix}:
                files = UploadFiles(directory, sha256)
                if self._is_expired(files):
                    removed += files.announced.exists()
                    files.remove()
        if removed:
            log.info(Event.UPLOADS_EXPIRED, account=directory.name.replace("_", ":"), uploads=removed)
        return removed

    def _files(self, account: str, sha256: str) -> UploadFiles:
        self._content.path(sha256)  # no other text may become a path
        return UploadFiles(self._root / account.replace(":", "_"), sha256)

    @contextmanager
    def _existing(self, files: UploadFiles) -> Iterator[None]:
        """The lock of an upload that is there and has not expired."""
        if not files.directory.exists():
            raise NotFoundError(f"there is no upload {files.sha256} of this account")
        self._look_at_content(files)
        with files.locked():
            if not files.announced.exists() and not files.done.exists():
                raise NotFoundError(f"there is no upload {files.sha256} of this account")
            if self._known(files) is None:
                files.remove()
                raise UploadExpiredError(f"the upload {files.sha256} is here no more")
            yield

    def _look_at_content(self, files: UploadFiles) -> None:
        """Have the content of a finished upload hashed, if it has to be, before the lock is taken: that takes long."""
        if files.done.exists():
            self._content.sound(files.sha256)

    def _known(self, files: UploadFiles) -> int | None:
        """The length of an upload that can be gone on with; None when there is none."""
        if self._is_expired(files):
            return None
        if (done := files.read(files.done)) is not None:
            stored = files.part.exists() or self._content.sound(files.sha256) == done.length
            return done.length if stored else None
        announced = files.read(files.announced)
        return None if announced is None else announced.length

    def _standing(self, files: UploadFiles) -> Upload:
        done = files.read(files.done)
        if done is not None:
            return Upload(done, done.length, self._expires_at(files))
        announced = files.read(files.announced)
        assert announced is not None  # noqa: S101 - every caller has looked, under the same lock
        return Upload(announced, files.durable_size(), self._expires_at(files))

    def _finish(self, files: UploadFiles, turn: str, announced: Announced) -> Upload:
        """Verify what is whole, without the lock as that takes long, and hand it to the content store.

        Nobody else can append meanwhile, as the turn is ours. A crash after the verdict leaves the part beside the
        record ``.done``: it is verified again by whoever asks next.
        """
        came = _came(files)
        with self._existing(files), disk_full_told():
            if came is None and files.done.exists():
                return self._standing(files)  # it is content, whoever asks
            self._require_turn(files, turn)
            if came is not None and came.sha256 != announced.sha256:
                self._begin_again(files, announced, came.sha256)
            elif files.announced.exists():
                if came is None:
                    raise OffsetConflictError("the upload was begun anew meanwhile", offset=None)
                files.announced.touch()  # it is remembered from now on
                files.announced.rename(files.done)
                sync_directory(files.directory)
                log.info(Event.UPLOAD_FINISHED, sha256=announced.sha256, size=announced.length)
            if came is not None and came.sha256 == announced.sha256:
                self._content.adopt(came)
            return self._standing(files)

    def _begin_again(self, files: UploadFiles, announced: Announced, found: str) -> None:
        """Drop a part that is something else than its name says.

        Raises:
            UploadMismatchError: the content is not stored either, so its bytes have to come again.
        """
        files.part.unlink(missing_ok=True)
        if files.done.exists():
            if self._content.sound(files.sha256) == announced.length:
                return
            files.done.rename(files.announced)
        raise UploadMismatchError(f"the {announced.length} bytes have the SHA-256 {found}, not {announced.sha256}")

    def _require_turn(self, files: UploadFiles, turn: str) -> None:
        if not files.has_turn(turn):
            raise OffsetConflictError("another request has gone on with this upload since", offset=None)

    def _require_quota(self, files: UploadFiles, announced: Announced) -> None:
        others = [path for path in files.directory.glob("*.json") if path != files.announced]
        if len(others) >= self.limits.uploads:
            raise UploadQuotaError(f"the account has {len(others)} unfinished uploads, the most that it may have")
        records = (files.read(path) for path in others)
        total = announced.length + sum(record.length for record in records if record is not None)
        if total > self.limits.total:
            raise UploadQuotaError(
                f"with this one the account's unfinished uploads would have {total} bytes; "
                f"at most {self.limits.total} are accepted"
            )

    def _is_expired(self, files: UploadFiles) -> bool:
        """A clock that only went back a little takes nothing away that is under way."""
        longest = self.limits.expire_after + _CLOCK_GOES_BACK
        return bool(is_over(self._expires_at(files), now=self._clock(), longest=longest))

    def _expires_at(self, files: UploadFiles) -> float:
        return files.touched_at() + self.limits.expire_after


def _came(files: UploadFiles) -> Verified | None:
    """The part, verified; None when there is none, because it is content already, or another request made it so."""
    with suppress(FileNotFoundError):
        return verify(files.part)
    return None
