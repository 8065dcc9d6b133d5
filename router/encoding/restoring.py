"""Makes a damaged content again from a form of it that is still right: its hash decides, as for bytes that come."""

import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from router.content import ContentStore, disk_full_told, locked_file, verify, write_all
from router.encoding import forms
from router.errors import ContentFullError
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.encoding import Encoding, zstd
from schemas.events import Event

log = structlog.get_logger()
_READ = 256 * 1024


def restore(store: ContentStore, sha256: str) -> bool:
    """Unpack the form without a dictionary, if there is one, and adopt what has the content's hash; blocks.

    Returns:
        Whether the content is here again.
    """
    for form in forms.find(store, sha256):
        if form.encoding is Encoding.ZSTD and _restore_from(store, sha256, form.path):
            return True
    return False


def _restore_from(store: ContentStore, sha256: str, form: Path) -> bool:
    path, fd = locked_file(store.incoming)
    try:
        with disk_full_told():
            for piece in _unpacked(form):
                store.require_room(len(piece))
                write_all(fd, piece)
            os.fsync(fd)
        found = verify(path)
        if found.sha256 != sha256:
            return False
        store.adopt(found)
    except (OSError, zstd.ZstdError, ContentFullError) as error:
        log.warning(Event.CONTENT_NOT_ENCODED, sha256=sha256, reason=f"it could not be unpacked: {error!r}")
        return False
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)
    return True


def _unpacked(form: Path) -> Iterator[bytes]:
    decompressor, came = zstd.ZstdDecompressor(), 0
    with form.open("rb") as file:
        while not decompressor.eof and (chunk := file.read(_READ)):
            piece = decompressor.decompress(chunk)
            came += len(piece)
            if came > MAX_ATTACHMENT_BYTES:
                return
            yield piece
