"""Reads a document's folder: the letter, checked, and the files beside it, hashed."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from consumers.errors import OutgoingRejectedError
from consumers.spool.sending import SendingFile
from consumers.upward.folder import LETTER_NAME, OURS
from schemas.attachment import Attachment, Listed, media_type_of
from schemas.dispatch import MAX_ATTACHMENTS, UNNUMBERED, Listing, Submission
from schemas.errors import InvalidError
from schemas.model import parse
from schemas.text import safe_file_name

MAX_LETTER_BYTES = 1024 * 1024
_READ_BYTES = 1 << 20
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})
"""What opening a link, a folder, a socket or a device of no driver says."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a folder holds: the submission that is to be handed in, and its files as they lie there."""

    submission: Submission
    files: tuple[SendingFile, ...]

    @property
    def body(self) -> bytes:
        """The submission as it travels; the same bytes every time, so that a repetition is one."""
        return self.submission.model_dump_json(exclude_defaults=True).encode()


@dataclass(frozen=True, slots=True)
class DocumentRules:
    """What a gateway sends.

    Args:
        issuer: who sends when the letter does not say; empty: it has to.
        hosts: whether a unit is hosted here.
        max_bytes: of one file.
    """

    issuer: str
    hosts: Callable[[str], bool]
    max_bytes: int


def read_document(directory: Path, rules: DocumentRules) -> Document:
    """Read a folder. Files that the letter lists come first, in its order; the others follow by name.

    Raises:
        OutgoingRejectedError: it cannot be sent as it is; the message says what is wrong and how to mend it.
        OSError: the disk failed.
    """
    try:
        letter, listed = _letter(directory, rules)
        found = {entry.name: _file(entry, rules.max_bytes) for entry in _entries(directory)}
        attachments, files = _matched(listed, found)
        written = {**letter, "attachments": [item.model_dump() for item in attachments]}
        return Document(parse(Submission, orjson.dumps(written), what="letter"), tuple(files))
    except InvalidError as error:
        raise OutgoingRejectedError(str(error)) from error


def _letter(directory: Path, rules: DocumentRules) -> tuple[dict[str, Any], tuple[Listed, ...]]:
    """The letter without its attachments, checked before any file is hashed, and those."""
    path = directory / LETTER_NAME
    try:
        with _open(path) as file:
            body = file.read(MAX_LETTER_BYTES + 1)
    except FileNotFoundError:
        raise OutgoingRejectedError(
            f"there is no {LETTER_NAME}; it holds the letter as `congvan send --file` takes it"
        ) from None
    if len(body) > MAX_LETTER_BYTES:
        raise OutgoingRejectedError(f"{LETTER_NAME} has more than {MAX_LETTER_BYTES} bytes")
    try:
        letter = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise OutgoingRejectedError(f"{LETTER_NAME} is not JSON: {error}") from error
    if not isinstance(letter, dict):
        raise OutgoingRejectedError(f"{LETTER_NAME} holds no JSON object")
    listed = parse(Listing, orjson.dumps({"attachments": letter.pop("attachments", [])}), what="letter").attachments
    written = {"notation": UNNUMBERED, **({"issuer": rules.issuer} if rules.issuer else {}), **letter}
    submission = parse(Submission, orjson.dumps(written), what="letter")
    if not rules.hosts(submission.issuer):
        raise OutgoingRejectedError(f"this gateway does not send for {submission.issuer}, which it does not host")
    return written, listed


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    files = [entry for entry in entries if entry.name not in OURS and entry.name != LETTER_NAME]
    if len(files) > MAX_ATTACHMENTS:
        raise OutgoingRejectedError(f"there are {len(files)} files; a dispatch has at most {MAX_ATTACHMENTS}")
    return files


def _file(entry: os.DirEntry[str], max_bytes: int) -> SendingFile:
    name = os.fsencode(entry.name).decode(errors="replace")
    if name != entry.name:
        raise OutgoingRejectedError(f"the file name {name!r} is not UTF-8; rename it")
    digest, size = hashlib.sha256(), 0
    with _open(Path(entry)) as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
    if size > max_bytes:
        raise OutgoingRejectedError(f"{name} has {size} bytes; at most {max_bytes} are sent (max_document_bytes)")
    return SendingFile(name, digest.hexdigest(), size)


def _open(path: Path) -> Any:
    """Open a file of the folder itself: what a link names may be somebody else's, and is not sent.

    Raises:
        OutgoingRejectedError: it is a link, a folder or a device.
        FileNotFoundError: it is not there.
        OSError: this machine is in trouble, and the file may be as it should.
    """
    what = f"{path.name} is no plain file; a document's folder holds the letter and its files alone"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.EACCES:
            raise OutgoingRejectedError(f"{path.name} may not be read by the gateway; change its rights") from error
        if error.errno not in _NO_FILE:
            raise
        raise OutgoingRejectedError(what) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OutgoingRejectedError(what)
    return os.fdopen(fd, "rb")


def _matched(
    listed: tuple[Listed, ...], found: Mapping[str, SendingFile]
) -> tuple[list[Attachment], list[SendingFile]]:
    rest = {safe_file_name(name): file for name, file in found.items()}
    if len(rest) < len(found):
        raise OutgoingRejectedError("two files have names that are the same on other systems; rename one")
    attachments: list[Attachment] = []
    files: list[SendingFile] = []
    for item in listed:
        file = rest.pop(item.name, None)
        if file is None:
            raise OutgoingRejectedError(f"the letter lists the attachment {item.name}, which is not in the folder")
        _require_same(item, file)
        attachments.append(_attachment(item.name, file, item.media_type))
        files.append(file)
    for name, file in rest.items():
        attachments.append(_attachment(name, file, None))
        files.append(file)
    return attachments, files


def _require_same(item: Listed, file: SendingFile) -> None:
    for field in ("size", "sha256"):
        said, is_ = getattr(item, field), getattr(file, field)
        if said is not None and said != is_:
            raise OutgoingRejectedError(f"the letter says that {item.name} has the {field} {said}; it has {is_}")


def _attachment(name: str, file: SendingFile, media_type: str | None) -> Attachment:
    return Attachment(name=name, media_type=media_type or media_type_of(name), size=file.size, sha256=file.sha256)
