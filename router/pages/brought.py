"""A form that brings files, as it comes: its fields first, then each file in pieces to where the program keeps it.

A browser sends the fields in the order of the page, so a page has its fields, the session's token first, above the
choice of files; nothing of a file is taken before the fields were looked at.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from router.pages.errors import FormStalledError, FormTooLargeError, FormUnreadableError
from router.pages.multipart import MultipartError, PartEnd, PartHead, Piece, pieces_of
from schemas.attachment import OTHER_TYPE, Attachment
from schemas.dispatch import MAX_ATTACHMENTS
from schemas.errors import FieldProblem, InvalidError
from schemas.model import problems_of
from schemas.text import file_name

MAX_FIELDS, MAX_FIELDS_BYTES = 2000, 256 * 1024
"""Of a form that sends a letter, files not counted: a thousand rules of addressees are 110 kB."""
_WHAT = "submission"
Fields = Mapping[str, Sequence[str]]
"""What stands in each field; a name may stand several times."""


class FileSink(Protocol):
    """Where one file goes."""

    async def write(self, chunk: bytes) -> None:
        """Take bytes."""
        ...

    async def finish(self) -> tuple[int, str]:
        """Keep it, durably; its size and SHA-256."""
        ...

    async def abort(self) -> None:
        """Drop what came; does nothing once it is kept."""
        ...


@dataclass(slots=True)
class FileParts:
    """The files of a form, one after the other, each into a sink of its own; ``begin`` opens one."""

    begin_sink: Callable[[], Awaitable[FileSink]]
    files: list[Attachment] = field(default_factory=list)
    _named: dict[str, PartHead] = field(default_factory=dict)
    _head: PartHead | None = None
    _sink: FileSink | None = None

    async def begin(self, head: PartHead) -> None:
        """A file begins.

        Raises:
            InvalidError: it has no name that can travel, or that of another file.
        """
        name = _name_of(head)
        first = self._named.setdefault(name, head)
        if first is not head:
            raise InvalidError(_WHAT, [_twice(first, head, name)])
        self._head = head
        self._sink = await self.begin_sink()

    async def write(self, chunk: bytes) -> bool:
        """Bytes of the file that began last; False: none did."""
        if self._sink is None:
            return False
        await self._sink.write(chunk)
        return True

    async def end(self) -> bool:
        """The file is whole; False: none began."""
        if self._sink is None or self._head is None:
            return False
        size, sha256 = await self._sink.finish()
        self._sink = None
        self.files.append(_attachment(self._head, size, sha256))
        return True

    async def close(self) -> None:
        """Drop a file that did not come whole."""
        if self._sink is not None:
            await self._sink.abort()


@dataclass(frozen=True, slots=True)
class BroughtForm:
    """A form that came whole: its fields, and its files in their order, kept."""

    fields: Fields
    files: Sequence[Attachment]


async def read_brought(
    chunks: AsyncIterable[bytes],
    content_type: str,
    *,
    check: Callable[[Fields], Awaitable[None]],
    begin_sink: Callable[[], Awaitable[FileSink]],
    came: list[Attachment] | None = None,
) -> BroughtForm:
    """Read a form to its end.

    Args:
        chunks: the body.
        content_type: its header, with the boundary.
        check: called once with the fields, before the first byte of a file is taken; raises what is wrong with them.
        begin_sink: opens the place of a file.
        came: gets each file that is whole, for who keeps those though a later one is refused.

    Raises:
        FormUnreadableError: it is no form, or a field comes behind a file.
        FormTooLargeError: it has too many fields or files, or too long ones.
        InvalidError: a file has no name that can travel, or two have the same.
    """
    taker = _Taker(FileParts(begin_sink, [] if came is None else came), check)
    try:
        async for piece in pieces_of(chunks, content_type):
            await taker.take(piece)
    except MultipartError as error:
        raise FormUnreadableError(str(error)) from error
    finally:
        await taker.parts.close()
    await taker.look()
    return BroughtForm(taker.fields, tuple(taker.parts.files))


async def chunks_of(stream: AsyncIterator[bytes], *, idle: float) -> AsyncIterator[bytes]:
    """A body as it comes, however long that takes: slow lines are what this service is for.

    Args:
        stream: of the request.
        idle: seconds without a byte after which it is given up.

    Raises:
        FormStalledError: nothing came for so long.
    """
    while True:
        try:
            async with asyncio.timeout(idle):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise FormStalledError(f"no byte came for {idle:.0f} s") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


class _Taker:
    """Takes the pieces of a form one after the other."""

    def __init__(self, parts: FileParts, check: Callable[[Fields], Awaitable[None]]) -> None:
        self.parts = parts
        self.fields: dict[str, list[str]] = {}
        self._check: Callable[[Fields], Awaitable[None]] | None = check
        self._name = ""
        self._value = bytearray()
        self._count = self._bytes = 0
        self._is_unchosen = False

    async def look(self) -> None:
        """Have the fields looked at, once."""
        if self._check is not None:
            check, self._check = self._check, None
            await check(self.fields)

    async def take(self, piece: Piece) -> None:
        """One piece further."""
        if isinstance(piece, PartHead):
            await self._begin(piece)
        elif isinstance(piece, PartEnd):
            if not self._is_unchosen and not await self.parts.end():
                self._end_field()
        elif self._is_unchosen:
            raise FormUnreadableError("a file came without a name")
        elif not await self.parts.write(piece):
            self._value += piece
            self._grow(len(piece))

    async def _begin(self, head: PartHead) -> None:
        self._is_unchosen = head.file_name == ""  # what browsers send of a choice of files that is empty
        if self._is_unchosen:
            return
        if head.file_name is None:
            if self._check is None:
                raise FormUnreadableError(f"the field {head.name[:80]!r} came behind a file")
            self._name = head.name
            self._grow(len(head.name))
            return
        await self.look()
        if len(self.parts.files) == MAX_ATTACHMENTS:
            raise FormTooLargeError(f"the form has more than {MAX_ATTACHMENTS} files")
        await self.parts.begin(head)

    def _end_field(self) -> None:
        try:
            text = self._value.decode()
        except UnicodeDecodeError as error:
            raise FormUnreadableError(f"the field {self._name[:80]!r} is not UTF-8") from error
        self.fields.setdefault(self._name, []).append(text)
        self._value.clear()
        self._count += 1

    def _grow(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_FIELDS_BYTES or self._count > MAX_FIELDS:
            raise FormTooLargeError(f"the fields of a form have at most {MAX_FIELDS_BYTES} bytes together")


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
