"""Cuts a ``multipart/form-data`` body into its parts as it comes (RFC 7578); keeps no more of it than a chunk."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from router.errors import MalformedError

_MAX_HEADERS = 8
_MAX_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part begins: its field's name, its file's name (None: no file), its media type (empty: none was said)."""

    name: str
    file_name: str | None
    media_type: str


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is whole."""


Piece = PartHead | bytes | PartEnd


class FormReader:
    """A parser that is fed chunks and gives pieces.

    Args:
        content_type: the request's header, with the boundary.

    Raises:
        MalformedError: it names no boundary, or one that is too long.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        self._pieces: list[Piece] = []
        self._headers: dict[str, str] = {}
        self._field, self._value = b"", b""
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
                max_header_count=_MAX_HEADERS,
                max_header_size=_MAX_HEADER_BYTES,
            )
        except (KeyError, FormParserError) as error:
            raise MalformedError("the Content-Type names no usable multipart boundary") from error

    def feed(self, chunk: bytes) -> list[Piece]:
        """The pieces that a chunk completes.

        Raises:
            MalformedError: this is no multipart body.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedError(f"the multipart body cannot be read: {error}") from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """Check that the closing boundary was seen: without it, the last part may be cut short.

        Raises:
            MalformedError: it was not.
        """
        if not self._ended:
            raise MalformedError("the multipart body ends before its closing boundary")

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
        _, options = parse_options_header(self._headers.get("content-disposition"))
        if b"name" not in options:
            raise MalformedError("a part has no name in its Content-Disposition")
        file_name = options.get(b"filename")
        self._pieces.append(
            PartHead(
                name=_text(options[b"name"]),
                file_name=None if file_name is None else _text(file_name),
                media_type=self._headers.get("content-type", "").partition(";")[0].strip().lower(),
            )
        )
        self._headers = {}

    def _on_end(self) -> None:
        self._ended = True


def _text(raw: bytes) -> str:
    """UTF-8, plain as browsers send it or percent-encoded as RFC 7578, section 2, has it."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise MalformedError("the name of a part is not UTF-8") from error
