"""Takes a document's files out of the spool, for people whose inbox the spool is."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from consumers.errors import ContentNotKeptError
from consumers.fetching.content import DIRECTORY_NAME
from consumers.sinks.record import file_names
from consumers.spool import Spool
from router.storage.files import copy_file, write_file
from schemas.attachment import TravellingAttachment


def save_files(spool: Spool, files: Sequence[TravellingAttachment], directory: Path) -> Iterator[Path]:
    """Write the files into a directory, one after the other; yields where each is.

    Raises:
        ContentNotKeptError: a file is not here (any more, or yet).
        FileExistsError: a file of that name is in the directory already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = file_names(file.name for file in files)
    for file, name in zip(files, names, strict=True):
        _save(spool, file, directory / name)
        yield directory / name


def _save(spool: Spool, file: TravellingAttachment, target: Path) -> None:
    if file.inline is not None:
        write_file(target, file.inline)
        return
    kept = spool.path.parent / DIRECTORY_NAME / file.sha256
    if not kept.exists():
        raise ContentNotKeptError(
            f"{file.name} is not kept here: it is still on its way, or it was handed to the sink; only the sink none "
            "leaves files in the spool"
        )
    copy_file(kept, target)
    with target.open("rb") as written:
        found = hashlib.file_digest(written, "sha256").hexdigest()
    if found != file.sha256:
        target.unlink()
        raise ContentNotKeptError(f"{file.name} is damaged on this machine's disk: an operator has to send it again")
