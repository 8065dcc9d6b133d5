"""The forms of a content on the disk: beside the file ``<sha256>``, each under a name that says what it is.

``<sha256>.zstd.<etag>`` and ``<sha256>.dcz.<dictionary's sha256>.<etag>``; the etag is the beginning of the SHA-256 of
the form's own bytes. So a form that was lost and made anew by another version of the library has another etag, and
half of one is never continued with half of the other. It is written, synced and renamed like the content itself: a
name always means that every byte is there.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import structlog

from router.content import READ_ONLY, ContentStore, digest_of, disk_full_told, locked_file
from router.storage.files import sync_directory, write_all
from schemas.attachment import Forms
from schemas.encoding import Encoding
from schemas.events import Event

log = structlog.get_logger()
_ETAG_DIGITS = 32
_VERIFIED = 10_000
_GONE = ""


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form that is in the store; ``dictionary`` is empty unless it is dcz."""

    encoding: Encoding
    dictionary: str
    size: int
    etag: str
    path: Path


def find(store: ContentStore, sha256: str, *, doubted: bool = False) -> list[StoredForm]:
    """The forms that a content is kept in; those whose bytes are not what they were are removed.

    Args:
        store: where the content lies.
        sha256: the content's name.
        doubted: somebody received wrong bytes by them, so they are hashed whatever is known of them.
    """
    if doubted:
        verify(store, sha256)
    return [form for path in _names(store, sha256) if (form := _sound(path)) is not None]


def verify(store: ContentStore, sha256: str, pace: Callable[[int], None] = lambda _count: None) -> int:
    """Hash the forms of a content as the disk has them now, and remove the damaged ones; how many those were.

    Args:
        store: where the content lies.
        sha256: the content's name.
        pace: see :func:`router.content.disk.digest_of`.
    """
    damaged = [
        path
        for path in _names(store, sha256)
        if (form := _named(path, 0)) is not None and _etag_on_disk(path, pace) not in {form.etag, _GONE}
    ]
    for path in damaged:
        path.unlink(missing_ok=True)
        log.warning(Event.CONTENT_FORM_SPOILT, path=str(path))
    return len(damaged)


def keep(
    store: ContentStore, sha256: str, encoding: Encoding, pieces: Iterable[bytes], *, dictionary: str = "", most: int
) -> StoredForm | None:
    """Make a form durable, then name it; None when it has more bytes than are worth keeping.

    Args:
        store: where the content lies.
        sha256: the content's name.
        encoding: what the form is.
        pieces: its bytes; what they raise is passed on, and nothing stays behind.
        dictionary: the SHA-256 of what it was compressed with.
        most: the largest size in bytes that is kept.

    Raises:
        ContentFullError: there is no room.
    """
    path, file = locked_file(store.incoming)
    try:
        with disk_full_told():
            written = _write(store, file, pieces, most)
            if written is None:
                path.unlink()
                return None
            os.fchmod(file, READ_ONLY)
            os.fsync(file)
            size, etag = written
            final = store.path(sha256).with_name(".".join(filter(None, [sha256, encoding.value, dictionary, etag])))
            path.rename(final)
            sync_directory(final.parent)
            return StoredForm(encoding, dictionary, size, etag, final)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def lost(announced: Iterable[Forms], kept: Iterable[StoredForm]) -> list[Forms]:
    """Those of the announced forms that are not kept any more."""
    here = {(form.encoding, form.dictionary) for form in kept}
    return [
        forms
        for forms in announced
        if (forms.zstd_size is not None and (Encoding.ZSTD, "") not in here)
        or (forms.dictionary is not None and (Encoding.DCZ, forms.dictionary) not in here)
    ]


def _write(store: ContentStore, file: int, pieces: Iterable[bytes], most: int) -> tuple[int, str] | None:
    size, digest = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        if size > most:
            return None
        store.require_room(len(piece))
        digest.update(piece)
        write_all(file, piece)
    return size, digest.hexdigest()[:_ETAG_DIGITS]


def _names(store: ContentStore, sha256: str) -> list[Path]:
    with suppress(FileNotFoundError), os.scandir(store.path(sha256).parent) as entries:
        return [Path(entry.path) for entry in entries if entry.name.startswith(f"{sha256}.")]
    return []


def _etag_on_disk(path: Path, pace: Callable[[int], None]) -> str:
    """The etag of the bytes that the disk has; ``_GONE`` when another router has removed them."""
    try:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return digest_of(file.fileno(), pace)[:_ETAG_DIGITS]
    except FileNotFoundError:
        return _GONE


def _sound(path: Path) -> StoredForm | None:
    """The form at a path, its bytes looked at once in the life of this process; None when it is none, or is damaged."""
    try:
        status = path.stat()
        form = _named(path, status.st_size)
        if form is None or _etag_of(path, status.st_ino, status.st_mtime_ns, status.st_size) == form.etag:
            return form
        path.unlink()
    except FileNotFoundError:  # another router removed it
        return None
    log.warning(Event.CONTENT_FORM_SPOILT, path=str(path))
    return None


def _named(path: Path, size: int) -> StoredForm | None:
    match path.name.split(".")[1:]:
        case [Encoding.ZSTD, etag]:
            return StoredForm(Encoding.ZSTD, "", size, etag, path)
        case [Encoding.DCZ, dictionary, etag]:
            return StoredForm(Encoding.DCZ, dictionary, size, etag, path)
        case _:
            return None


@lru_cache(_VERIFIED)
def _etag_of(path: Path, _inode: int, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_ETAG_DIGITS]
