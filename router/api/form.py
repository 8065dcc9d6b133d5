"""A submission that comes with its files: the letter first, then each file straight into the content store.

The first part is named ``dispatch`` and holds the submission as JSON; each further part is a file. The JSON may list
attachments by ``name`` alone (the part of that file name brings the rest), list ones uploaded before by their hash,
and leave out others that come as parts: those are added behind, in the parts' order.
"""

from codecs import BOM_UTF8
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import orjson

from router.api.body import MAX_JSON_BYTES
from router.content import ContentStore, ContentWriter
from router.content.keeping import Keep, open_sink
from router.errors import ContentMismatchError, MalformedError, TooLargeError
from router.pages.brought import FileParts
from router.pages.multipart import MultipartError, PartEnd, PartHead, Piece, pieces_of
from schemas.attachment import Attachment, Listed
from schemas.dispatch import MAX_ATTACHMENTS, Listing, Submission
from schemas.errors import FieldProblem, InvalidError
from schemas.model import parse

LETTER_PART = "dispatch"
_WHAT = "submission"


async def read_form(
    chunks: AsyncIterable[bytes],
    content_type: str,
    *,
    content: ContentStore,
    max_file_bytes: int,
    keep: Keep = ContentWriter.commit,
) -> Submission:
    """Read a form to its end; its files are in the store then.

    Args:
        chunks: the body.
        content_type: its header, with the boundary.
        content: where the files go.
        max_file_bytes: the largest file.
        keep: how a file gets its name.

    Raises:
        MalformedError: the body is not as it should be.
        InvalidError: the letter is not valid; told before any file is read.
        TooLargeError: a part is too large, or there are too many.
        ContentMismatchError: a file is not the one that the letter lists.
        ContentFullError: the store is full.
    """
    taker = _FormTaker(FileParts(partial(open_sink, content, max_bytes=max_file_bytes, keep=keep)))
    try:
        async for piece in pieces_of(chunks, content_type):
            await taker.take(piece)
    except MultipartError as error:
        raise MalformedError(str(error)) from error
    finally:
        await taker.parts.close()
    return taker.submission()


class _FormTaker:
    """Takes the pieces of a form one after the other."""

    def __init__(self, parts: FileParts) -> None:
        self.parts = parts
        self._json = bytearray()
        self._letter: dict[str, Any] | None = None
        self._listing = Listing()

    async def take(self, piece: Piece) -> None:
        """One piece further."""
        if isinstance(piece, PartHead):
            await self._begin(piece)
        elif isinstance(piece, PartEnd):
            if not await self.parts.end():
                self._letter, self._listing = _read_letter(bytes(self._json))
        elif not await self.parts.write(piece):
            self._json += piece
            if len(self._json) > MAX_JSON_BYTES:
                raise TooLargeError(f"the part {LETTER_PART!r} has more than {MAX_JSON_BYTES} bytes")

    def submission(self) -> Submission:
        """The whole, as if its files had been uploaded before."""
        if self._letter is None:
            raise MalformedError(f"the form has no part {LETTER_PART!r}")
        files = merge(self._listing.attachments, self.parts.files)
        return parse(Submission, orjson.dumps({**self._letter, "attachments": files}), what=_WHAT)

    async def _begin(self, head: PartHead) -> None:
        if self._letter is None:
            if head.name != LETTER_PART:
                raise MalformedError(f"the form's first part is {head.name[:80]!r}; it has to be {LETTER_PART!r}")
            return
        if not head.file_name:
            raise MalformedError(f"{head} is no file; after {LETTER_PART!r} come files only")
        if len(self.parts.files) == MAX_ATTACHMENTS:
            raise TooLargeError(f"the form has more than {MAX_ATTACHMENTS} files")
        await self.parts.begin(head)


def merge(listed: Sequence[Listed], files: Sequence[Attachment]) -> list[Mapping[str, Any]]:
    """The attachments of a submission, from those its JSON lists and those that came with it.

    No two files have the same name.

    Raises:
        ContentMismatchError: a file that came is not the one that is listed.
        InvalidError: one that is listed by its name alone did not come.
    """
    missing = _missing(listed, {file.name for file in files})
    if missing:
        raise InvalidError(_WHAT, missing)
    came = {file.name: file for file in files}
    merged: list[Mapping[str, Any]] = []
    for index, item in enumerate(listed):
        said = item.model_dump(exclude_none=True)
        file = came.pop(item.name, None)
        if file is not None:
            _require_same(index, said, file)
            said = {**file.model_dump(), **said}
        merged.append(said)
    names = {item.name for item in listed}
    return merged + [file.model_dump() for file in files if file.name not in names]


def _missing(listed: Sequence[Listed], came: Collection[str]) -> list[FieldProblem]:
    """A problem for each file that can only be one of the form's parts, and is none."""
    return [
        FieldProblem(
            f"attachments.{index}",
            f"the file {item.name!r} did not come: no part of the form has this name, "
            "and without size and sha256 it is none that was uploaded before",
        )
        for index, item in enumerate(listed)
        if item.name not in came and (item.size is None or item.sha256 is None)
    ]


def _require_same(index: int, said: Mapping[str, Any], file: Attachment) -> None:
    problems = [
        FieldProblem(f"attachments.{index}.{field}", f"the file that came has {getattr(file, field)}", str(said[field]))
        for field in ("size", "sha256")
        if field in said and said[field] != getattr(file, field)
    ]
    if problems:
        raise ContentMismatchError(f"the file {file.name!r} is not the one that is listed", problems=problems)


def _read_letter(body: bytes) -> tuple[dict[str, Any], Listing]:
    """The letter's JSON without its attachments, checked, and those."""
    try:
        letter = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidError(_WHAT, [FieldProblem("(whole)", f"is not JSON: {error}")]) from error
    if not isinstance(letter, dict):
        raise InvalidError(_WHAT, [FieldProblem("(whole)", "is not a JSON object")])
    listed = letter.pop("attachments", [])
    parse(Submission, orjson.dumps(letter), what=_WHAT)
    return cast("dict[str, Any]", letter), parse(Listing, orjson.dumps({"attachments": listed}), what=_WHAT)
