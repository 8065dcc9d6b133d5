"""Makes a damaged content again from what else is there: its hash decides, as for bytes that come.

From a form of it that is still right; and what the router wrote itself, the record of a letter that is too long for a
message, from the ledger: nobody else has its bytes to send them again.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine

from router.content import ContentStore, disk_full_told, locked_file, verify
from router.content.encoding import forms
from router.errors import ContentFullError
from router.ledger.engine import reading
from router.ledger.queries.contents import letter_of_record
from router.storage.files import write_all
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.descriptor import encode, full_descriptor
from schemas.dispatch import Submission
from schemas.encoding import Encoding, zstd
from schemas.events import Event

log = structlog.get_logger()
_READ = 256 * 1024


def restore(store: ContentStore, sha256: str, *, engine: Engine) -> bool:
    """Make a content again, if something is left to make it from; blocks.

    Args:
        store: where it should lie.
        sha256: its name.
        engine: the ledger.

    Returns:
        Whether it is here again.

    Raises:
        LedgerUnavailableError: the ledger cannot be asked.
    """
    for form in forms.find(store, sha256):
        if form.encoding is Encoding.ZSTD and _take(store, sha256, _unpacked(form.path)):
            return True
    record = _record(engine, sha256)
    return record is not None and _take(store, sha256, [record])


def _record(engine: Engine, sha256: str) -> bytes | None:
    """The descriptor whole, as it was encoded when the dispatch was accepted; None: it is no record of a letter."""
    with reading(engine) as conn:
        letter = letter_of_record(conn, sha256)
    if letter is None:
        return None
    try:
        submission = Submission.model_validate_json(letter.submission)
    except ValidationError as error:  # of an older program
        log.warning(Event.CONTENT_NOT_ENCODED, sha256=sha256, reason=f"its letter cannot be read: {error!r}")
        return None
    return encode(full_descriptor(letter.dispatch, submission, letter.forms))


def _take(store: ContentStore, sha256: str, pieces: Iterable[bytes]) -> bool:
    """Adopt bytes that have the hash; whether they have."""
    path, fd = locked_file(store.incoming)
    try:
        with disk_full_told():
            for piece in pieces:
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
