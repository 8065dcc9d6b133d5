"""A command's way into the outbox: the folder is written, read as the gateway will read it, and only then put there."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson

from consumers.errors import OutgoingRejectedError
from consumers.sending.document import DocumentRules, OutgoingDocument, read_document
from consumers.sending.folder import LETTER_NAME, ClaimedFolder, OutboxFolder
from consumers.sending.litter import is_litter
from consumers.sending.notes import OURS
from consumers.sinks.record import clip
from router.storage.files import DIRECTORY_MODE, copy_file, sync_directory, write_file
from schemas.clock import today
from schemas.ids import new_id
from schemas.text import safe_file_name
from schemas.zone import zone

_NAME_BYTES = 150
_NOT_SENT = OURS | {LETTER_NAME}


def write_out(
    folder: OutboxFolder, rules: DocumentRules, letter: bytes, files: Sequence[Path]
) -> tuple[ClaimedFolder, OutgoingDocument]:
    """Put a document into the outbox, as one that was taken already.

    Args:
        folder: the outbox.
        rules: what is sent from here.
        letter: its JSON, valid.
        files: copied; they may be changed or removed when this has returned.

    Raises:
        OutgoingRejectedError: it cannot be sent as it is; nothing of it is left.
        OSError: the disk failed; as above.
    """
    document_id = new_id()
    stage = folder.root / f".new-{document_id}"
    path = stage / _name_of(letter)
    try:
        stage.mkdir(mode=DIRECTORY_MODE)
        path.mkdir()
        path.chmod(DIRECTORY_MODE)
        write_file(path / LETTER_NAME, letter)
        for file in files:
            _copy(file, path)
        sync_directory(path)
        document = read_document(path, rules)
        return folder.put(ClaimedFolder(document_id, path)), document
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _copy(file: Path, directory: Path) -> None:
    if file.name in _NOT_SENT or file.name.startswith(".") or is_litter(file.name):
        raise OutgoingRejectedError(f"{file.name} is a name of the outbox's own, or hidden; rename the file")
    try:
        copy_file(file, directory / file.name)
    except FileExistsError:
        raise OutgoingRejectedError(f"two files have the name {file.name}; rename one") from None


def _name_of(letter: bytes) -> str:
    written = orjson.loads(letter)
    return clip(safe_file_name(f"{today(zone().key)} {written['notation']} {written['subject']}"), _NAME_BYTES)
