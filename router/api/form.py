"""A submission that comes with its files: the letter first, then each file straight into the content store.

The first part is named ``dispatch`` and holds the submission as JSON; each further part is a file. The JSON may list
attachments by ``name`` alone (the part of that file name brings the rest), list ones uploaded before by their hash,
and leave out others that come as parts: those are added behind, in the parts' order.
"""

from codecs import BOM_UTF8
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, cast

import orjson
from pydantic import ValidationError

from router.api.body import MAX_JSON_BYTES
from router.api.multipart import FormReader, PartEnd, PartHead, Piece
from router.content import ContentStore, ContentWriter, Stored
from router.errors import ContentMismatchError, MalformedError, TooLargeError
from schemas.attachment import OTHER_TYPE, Attachment, Listed
from schemas.dispatch import MAX_ATTACHMENTS, Listing, Submission
from schemas.errors import FieldProblem, InvalidError
from schemas.model import parse, problems_of
from schemas.text import file_name

LETTER_PART = "dispatch"
_WHAT = "submission"
Keep = Callable[[ContentWriter], Awaitable[Stored]]
"""Names a file that came whole, and remembers whose it is."""


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
    reader = FormReader(content_type)
    taker = _FormTaker(content, max_file_bytes, keep)
    try:
        async for chunk in chunks:
            for piece in reader.feed(chunk):
                await taker.take(piece)
        reader.finish()
    finally:
        await taker.close()
    return taker.submission()


class _FormTaker:
    """Takes the pieces of a form one after the other."""

    def __init__(self, content: ContentStore, max_file_bytes: int, keep: Keep) -> None:
        self._content = content
        self._keep = keep
        self._max_file_bytes = max_file_bytes
        self._json = bytearray()
        self._letter: dict[str, Any] | None = None
        self._listing = Listing()
        self._head: PartHead | None = None
        self._writer: ContentWriter | None = None
        self._files: list[Attachment] = []
        self._named: dict[str, PartHead] = {}

    async def take(self, piece: Piece) -> None:
        """One piece further."""
        if isinstance(piece, PartHead):
            await self._begin(piece)
        elif isinstance(piece, PartEnd):
            await self._end()
        elif self._writer is not None:
            await self._writer.write(piece)
        else:
            self._json += piece
            if len(self._json) > MAX_JSON_BYTES:
                raise TooLargeError(f"the part {LETTER_PART!r} has more than {MAX_JSON_BYTES} bytes")

    async def close(self) -> None:
        """Drop a file that did not come whole."""
        if self._writer is not None:
            await self._writer.abort()

    def submission(self) -> Submission:
        """The whole, as if its files had been uploaded before."""
        if self._letter is None:
            raise MalformedError(f"the form has no part {LETTER_PART!r}")
        files = merge(self._listing.attachments, self._files)
        return parse(Submission, orjson.dumps({**self._letter, "attachments": files}), what=_WHAT)

    async def _begin(self, head: PartHead) -> None:
        if self._letter is None:
            if head.name != LETTER_PART:
                raise MalformedError(f"the form's first part is {head.name[:80]!r}; it has to be {LETTER_PART!r}")
            return
        if not head.file_name:
            raise MalformedError(f"{head} is no file; after {LETTER_PART!r} come files only")
        if len(self._files) == MAX_ATTACHMENTS:
            raise TooLargeError(f"the form has more than {MAX_ATTACHMENTS} files")
        name = _name_of(head)
        first = self._named.setdefault(name, head)
        if first is not head:
            raise InvalidError(_WHAT, [_twice(first, head, name)])
        self._head = head
        self._writer = await self._content.begin(max_bytes=self._max_file_bytes)

    async def _end(self) -> None:
        if self._writer is None or self._head is None:
            self._letter, self._listing = _read_letter(bytes(self._json))
            return
        stored = await self._keep(self._writer)
        self._writer = None
        self._files.append(_attachment(self._head, stored.size, stored.sha256))


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


def _attachment(head: PartHead, size: int, sha256: str) -> Attachment:
    try:
        return Attachment(name=_name_of(head), media_type=head.media_type or OTHER_TYPE, size=size, sha256=sha256)
    except ValidationError as error:
        problems = [
            FieldProblem(f"part {head.number}.{item.field}", f"{head}: {item.problem}", item.given)
            for item in problems_of(error)
        ]
        raise InvalidError(_WHAT, problems) from error


def _name_of(head: PartHead) -> str:
    """The name under which a part's file travels.

    Raises:
        InvalidError: it is none.
    """
    try:
        return file_name(head.file_name or "")
    except ValueError as error:
        raise InvalidError(_WHAT, [FieldProblem(f"part {head.number}.name", f"{head} {error}")]) from error


def _twice(first: PartHead, second: PartHead, name: str) -> FieldProblem:
    same = f"have the same name {name!r}" if first.file_name == second.file_name else f"would both be called {name!r}"
    return FieldProblem("attachments", f"{first} and {second} {same}; rename one")
