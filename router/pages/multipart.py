"""Cuts a ``multipart/form-data`` body into its parts as it comes (RFC 7578); keeps no more of it than a chunk."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from router.pages.disposition import DispositionError, read_disposition

MAX_PART_HEADERS = 8
MAX_PART_HEADER_BYTES = 4096
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})
"""The transfer encodings that change nothing."""


class MultipartError(ValueError):
    """A body that is no form of parts; its text says what is wrong, and at which part."""


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part begins: its field's name, its file's name (None: no file), its media type (empty: none was said).

    ``number`` counts the form's parts from 1.
    """

    name: str
    file_name: str | None
    media_type: str
    number: int = 0

    def __str__(self) -> str:
        """How an error names it."""
        name = self.name if self.file_name is None else self.file_name
        return f"part {self.number} ({name[:80]!r})"


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is whole."""


Piece = PartHead | bytes | PartEnd


class FormReader:
    """A parser that is fed chunks and gives pieces.

    Args:
        content_type: the request's header, with the boundary.

    Raises:
        MultipartError: it names no boundary, or one that is too long.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        self._pieces: list[Piece] = []
        self._headers: dict[str, str] = {}
        self._field, self._value = b"", b""
        self._number = 0
        self._ended = False
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_end": self._on_end,
                },
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_PART_HEADER_BYTES,
            )
        except (KeyError, FormParserError) as error:
            raise MultipartError("the Content-Type names no usable multipart boundary") from error

    def feed(self, chunk: bytes) -> list[Piece]:
        """The pieces that a chunk completes.

        Raises:
            MultipartError: this is no multipart body.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MultipartError(f"the multipart body cannot be read: {error}") from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """Check that the closing boundary was seen: without it, the last part may be cut short.

        Raises:
            MultipartError: it was not.
        """
        if not self._ended:
            raise MultipartError("the multipart body ends before its closing boundary")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        self._pieces.append(PartEnd())

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        # As latin-1, so that every byte survives until the header's own rules say what it means.
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        headers, self._headers = self._headers, {}
        self._number += 1
        try:
            said = read_disposition(headers.get("content-disposition", "form-data").encode("latin-1"))
        except DispositionError as error:
            raise MultipartError(f"part {self._number} of the form: {error}") from error
        if "name" not in said:
            raise MultipartError(f"part {self._number} of the form has no name in its Content-Disposition")
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        head = PartHead(said["name"], said.get("filename"), media_type, self._number)
        encoding = headers.get("content-transfer-encoding", "").strip().lower()
        if encoding not in _PLAIN:
            # RFC 7578, section 4.7, ends them: taken as they are, the text would pass for the file.
            raise MultipartError(f"{head} has the Content-Transfer-Encoding {encoding[:40]!r}; send its bytes plain")
        self._pieces.append(head)

    def _on_end(self) -> None:
        self._ended = True


async def pieces_of(chunks: AsyncIterable[bytes], content_type: str) -> AsyncIterator[Piece]:
    """The pieces of a body, as it comes.

    Raises:
        MultipartError: it is no form of parts, or ends before its last one.
    """
    reader = FormReader(content_type)
    async for chunk in chunks:
        for piece in reader.feed(chunk):
            yield piece
    reader.finish()
