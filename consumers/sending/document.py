"""Reads a document's folder: the letter, checked, and the files beside it, hashed."""

import errno
import hashlib
import os
import stat
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from consumers.errors import OutgoingRejectedError
from consumers.sending.folder import LETTER_NAME
from consumers.sending.litter import is_litter
from consumers.sending.notes import OURS, is_ours
from consumers.spool.sending import SendingFile
from schemas.attachment import Attachment, Listed, media_type_of
from schemas.dispatch import MAX_ATTACHMENTS, UNNUMBERED, Listing, Submission
from schemas.errors import InvalidError
from schemas.model import parse
from schemas.text import safe_file_name

MAX_LETTER_BYTES = 1024 * 1024
_READ_BYTES = 1 << 20
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})
"""The errors of opening a link, a folder, a socket or a device without a driver."""


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """What a folder holds: the submission that is to be handed in, and its files as they lie there."""

    submission: Submission
    files: tuple[SendingFile, ...]
    left_out: tuple[str, ...] = ()
    """What lies in the folder and is not sent: notes of ours, hidden files, what systems leave behind."""

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


def read_document(directory: Path | int, rules: DocumentRules) -> OutgoingDocument:
    """Read a folder, by its path or its descriptor. Listed files come first, in the letter's order; others by name.

    Raises:
        OutgoingRejectedError: it cannot be sent as it is; the message says what is wrong and how to mend it.
        OSError: the disk failed.
    """
    if isinstance(directory, Path):
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return read_document(opened, rules)
        finally:
            os.close(opened)
    try:
        letter, listed = _letter(directory, rules)
        names, left_out = _names(directory, listed)
        found = {name: _file(directory, name, rules.max_bytes) for name in names}
        attachments, files = _matched(listed, found)
        written = {**letter, "attachments": [item.model_dump() for item in attachments]}
        return OutgoingDocument(parse(Submission, orjson.dumps(written), what="letter"), tuple(files), left_out)
    except InvalidError as error:
        raise OutgoingRejectedError(str(error), vi=f"{LETTER_NAME} có chỗ không hợp lệ; xem dòng dưới.") from error


def _letter(directory: int, rules: DocumentRules) -> tuple[dict[str, Any], tuple[Listed, ...]]:
    """The letter without its attachments, checked before any file is hashed, and its attachments."""
    try:
        with open_plain(directory, LETTER_NAME) as file:
            body = file.read(MAX_LETTER_BYTES + 1)
    except FileNotFoundError:
        raise OutgoingRejectedError(
            f"there is no {LETTER_NAME}; it holds the letter as `congvan send --file` takes it",
            vi=f"Không có tệp {LETTER_NAME} (nội dung công văn) trong thư mục. Hãy đặt các tệp vào một thư mục "
            f"cùng với {LETTER_NAME} rồi chuyển cả thư mục vào hộp gửi.",
        ) from None
    if len(body) > MAX_LETTER_BYTES:
        raise OutgoingRejectedError(f"{LETTER_NAME} has more than {MAX_LETTER_BYTES} bytes")
    try:
        letter = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise OutgoingRejectedError(
            f"{LETTER_NAME} is not JSON: {error}", vi=f"Tệp {LETTER_NAME} không đúng định dạng JSON."
        ) from error
    if not isinstance(letter, dict):
        raise OutgoingRejectedError(f"{LETTER_NAME} holds no JSON object")
    listed = parse(Listing, orjson.dumps({"attachments": letter.pop("attachments", [])}), what="letter").attachments
    written = {"notation": UNNUMBERED, **({"issuer": rules.issuer} if rules.issuer else {}), **letter}
    submission = parse(Submission, orjson.dumps(written), what="letter")
    if not rules.hosts(submission.issuer):
        raise OutgoingRejectedError(
            f"this gateway does not send for {submission.issuer}, which it does not host",
            vi=f"Cổng này không gửi thay cho {submission.issuer}; hãy sửa nơi ban hành (issuer).",
        )
    return written, listed


def _names(directory: int, listed: tuple[Listed, ...]) -> tuple[list[str], tuple[str, ...]]:
    """The files that are sent, and what is left out; what the letter lists is sent whatever its name."""
    wanted = {item.name for item in listed}
    here = sorted(name for name in os.listdir(directory) if name != LETTER_NAME)
    left_out = [name for name in here if name not in wanted and _is_left_out(directory, name)]
    files = [name for name in here if name not in set(left_out)]
    for name in OURS.intersection(files):
        raise OutgoingRejectedError(
            f"{name} is a name that the gateway keeps for its own notes, and this one is none; rename it, or remove it",
            vi=f"Tên {name} dành cho ghi chú của cổng mà tệp này không phải ghi chú đó; hãy đổi tên hoặc xóa tệp.",
        )
    if len(files) > MAX_ATTACHMENTS:
        raise OutgoingRejectedError(
            f"there are {len(files)} files; a dispatch has at most {MAX_ATTACHMENTS}",
            vi=f"Có {len(files)} tệp; mỗi văn bản gửi được nhiều nhất {MAX_ATTACHMENTS} tệp.",
        )
    return files, tuple(_readable(name) for name in left_out)


def _is_left_out(directory: int, name: str) -> bool:
    return name.startswith(".") or is_litter(name) or is_ours(directory, name)


def _readable(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")


def _file(directory: int, entry: str, max_bytes: int) -> SendingFile:
    name = _readable(entry)
    if name != entry:
        raise OutgoingRejectedError(
            f"the file name {name!r} is not UTF-8; rename it", vi=f"Tên tệp {name!r} không đọc được; hãy đổi tên."
        )
    digest, size = hashlib.sha256(), 0
    with open_plain(directory, name) as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise OutgoingRejectedError(
                    f"{name} has more than {max_bytes} bytes; at most {max_bytes} are sent (max_document_bytes)",
                    vi=f"Tệp {name} lớn hơn {max_bytes} byte, mức lớn nhất được gửi.",
                )
    return SendingFile(name, digest.hexdigest(), size)


def open_plain(directory: int, name: str) -> BinaryIO:
    """Open a file of the folder itself: what a link names may be somebody else's, and is not sent.

    Args:
        directory: the folder's descriptor.
        name: one name in it.

    Raises:
        OutgoingRejectedError: it is a link, a folder, a device, or another name of a file of the gateway's own.
        FileNotFoundError: it is not there.
        OSError: this machine is in trouble, and the file may be as it should.
    """
    shown = _readable(name)
    what = OutgoingRejectedError(
        f"{shown} is no plain file; a document's folder holds the letter and its files alone",
        vi=f"{shown} không phải là tệp thường (là thư mục, liên kết…); thư mục chỉ được chứa công văn và các tệp.",
    )
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.EACCES:
            raise OutgoingRejectedError(
                f"{shown} may not be read by the gateway; change its rights",
                vi=f"Cổng không được phép đọc {shown}; hãy cấp quyền đọc.",
            ) from error
        if error.errno not in _NO_FILE:
            raise
        raise what from error
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or (found.st_nlink > 1 and found.st_uid == os.geteuid()):
        os.close(fd)
        raise what
    return os.fdopen(fd, "rb")


def _matched(
    listed: tuple[Listed, ...], found: Mapping[str, SendingFile]
) -> tuple[list[Attachment], list[SendingFile]]:
    rest = {safe_file_name(name): file for name, file in found.items()}
    if len(rest) < len(found):
        raise OutgoingRejectedError(
            "two files have names that are the same on other systems; rename one",
            vi="Hai tệp có tên trùng nhau trên hệ thống khác; hãy đổi tên một tệp.",
        )
    attachments: list[Attachment] = []
    files: list[SendingFile] = []
    for item in listed:
        file = rest.pop(item.name, None)
        if file is None:
            raise OutgoingRejectedError(
                f"the letter lists the attachment {item.name}, which is not in the folder",
                vi=f"Công văn nêu tệp {item.name} nhưng trong thư mục không có.",
            )
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
            raise OutgoingRejectedError(
                f"the letter says that {item.name} has the {field} {said}; it has {is_}",
                vi=f"Tệp {item.name} không đúng như công văn nêu ({field}); hãy kiểm tra lại tệp.",
            )


def _attachment(name: str, file: SendingFile, media_type: str | None) -> Attachment:
    return Attachment(name=name, media_type=media_type or media_type_of(name), size=file.size, sha256=file.sha256)
