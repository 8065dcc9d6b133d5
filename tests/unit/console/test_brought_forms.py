"""A form that brings files is read as it comes: fields first and looked at, files after, all of it within bounds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from router.pages.brought import MAX_FIELDS, MAX_FIELDS_BYTES, BroughtForm, Fields, chunks_of, read_brought
from router.pages.errors import FormStalledError, FormTooLargeError, FormUnreadableError
from schemas.dispatch import MAX_ATTACHMENTS
from schemas.errors import InvalidError

TYPE = "multipart/form-data; boundary=B"


@dataclass(slots=True)
class Sinks:
    """Keeps what is finished; counts what was begun and given up."""

    kept: list[bytes] = field(default_factory=list)
    begun: int = 0
    aborted: int = 0
    looked_at: list[Fields] = field(default_factory=list)
    begun_when_looked: int = 0

    async def begin(self) -> "Sink":
        self.begun += 1
        return Sink(self)

    async def look(self, fields: Fields) -> None:
        self.looked_at.append(fields)
        self.begun_when_looked = self.begun


@dataclass(slots=True)
class Sink:
    sinks: Sinks
    data: bytearray = field(default_factory=bytearray)

    async def write(self, chunk: bytes) -> None:
        self.data += chunk

    async def finish(self) -> tuple[int, str]:
        self.sinks.kept.append(bytes(self.data))
        return len(self.data), hashlib.sha256(self.data).hexdigest()

    async def abort(self) -> None:
        self.sinks.aborted += 1


def text(name: str, value: str) -> bytes:
    return f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file(name: str, data: bytes) -> bytes:
    head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return head + data + b"\r\n"


async def read(sinks: Sinks, *parts: bytes, step: int = 7, end: bytes = b"--B--\r\n") -> BroughtForm:
    body = b"".join(parts) + end

    async def coming() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    return await read_brought(coming(), TYPE, check=sinks.look, begin_sink=sinks.begin)


@pytest.mark.parametrize("step", [1, 7, 4096])
async def test_fields_are_looked_at_before_a_file_is_begun_and_files_keep_their_order(step: int) -> None:
    sinks = Sinks()
    form = [text("csrf", "x"), text("to", "a"), text("to", "đ"), file("b.txt", b"1" * 100), file("a.txt", b"")]
    found = await read(sinks, *form, step=step)
    assert found.fields == {"csrf": ["x"], "to": ["a", "đ"]}
    assert [(one.name, one.size) for one in found.files] == [("b.txt", 100), ("a.txt", 0)]
    assert (sinks.kept, len(sinks.looked_at), sinks.begun_when_looked) == ([b"1" * 100, b""], 1, 0)


async def test_a_form_without_files_is_looked_at_too_and_an_empty_choice_is_no_file() -> None:
    sinks = Sinks()
    found = await read(sinks, text("csrf", "x"), file("", b""))
    assert (found.files, sinks.begun, len(sinks.looked_at)) == ((), 0, 1)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([file("a.txt", b"x"), text("csrf", "x")], FormUnreadableError),
        ([file("", b"x")], FormUnreadableError),
        ([text("a", "x" * MAX_FIELDS_BYTES)], FormTooLargeError),
        ([text("a", "")] * (MAX_FIELDS + 2), FormTooLargeError),
        ([file(f"{number}", b"") for number in range(MAX_ATTACHMENTS + 1)], FormTooLargeError),
        ([file("a:b", b""), file("a?b", b"")], InvalidError),
        ([file("\u200b", b"")], InvalidError),
        ([b"--B\r\nContent-Disposition: form-data\r\n\r\n\r\n"], FormUnreadableError),
        ([b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n'], FormUnreadableError),
    ],
)
async def test_what_is_no_form_of_ours_is_refused(parts: list[bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        await read(Sinks(), *parts, step=4096)


async def test_a_form_that_breaks_off_leaves_no_file() -> None:
    sinks = Sinks()
    with pytest.raises(FormUnreadableError):
        await read(sinks, text("csrf", "x"), file("a.txt", b"x" * 100)[:-20], end=b"")
    assert (sinks.kept, sinks.begun, sinks.aborted) == ([], 1, 1)


async def test_a_body_that_goes_silent_is_given_up() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"--B"
        await asyncio.Event().wait()

    with pytest.raises(FormStalledError):
        async for _ in chunks_of(silent(), idle=0.01):
            pass
