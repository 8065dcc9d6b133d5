"""Which bytes a request wants (RFC 9110, sections 13.1 and 14): pure, from header text to positions.

Starlette's own reading is not used: it answers an unknown unit or unreadable ranges with 400 where the RFC has them
ignored, honours ``Range`` on HEAD, and refuses all ranges when one of them lies behind the end.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_RANGES = 16
"""More in one request is no resumption but an attack; the header is then ignored."""
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


class UnsatisfiableError(ValueError):
    """All ranges lie behind the end."""


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """The positions of the first and the last byte, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def not_modified(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the caller has these bytes already (``If-None-Match``)."""
    known = [item.strip().removeprefix("W/") for item in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]


def wanted(headers: Mapping[str, str], *, etag: str, size: int) -> tuple[ByteRange, ...]:
    """The ranges a GET is to be answered with, in order and not touching; none means the whole.

    Args:
        headers: of the request, by lower-case name.
        etag: the strong validator of the content, with its quotes; ``If-Range`` has to name it.
        size: of the content, in bytes.

    Raises:
        UnsatisfiableError: ranges were asked for and none has a byte.
    """
    if headers.get("if-range", etag) != etag:
        return ()
    unit, _, text = headers.get("range", "").partition("=")
    if unit.strip().lower() != "bytes" or size == 0 or text.count(",") >= MAX_RANGES:
        return ()
    specs = [item.strip() for item in text.split(",") if item.strip()]
    matches = [_RANGE.fullmatch(spec) for spec in specs]
    if not matches or not all(match and _is_range(*match.groups()) for match in matches):
        return ()
    ranges = [found for match in matches if match and (found := _locate(*match.groups(), size=size))]
    if not ranges:
        raise UnsatisfiableError
    return _joined(ranges)


def _is_range(first: str, last: str) -> bool:
    if not first or not last:
        return bool(first or last)
    return int(first) <= int(last)


def _locate(first: str, last: str, *, size: int) -> ByteRange | None:
    """Where a range lies within ``size`` bytes; None when it has none of them."""
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    return ByteRange(start, end) if start <= end else None


def _joined(ranges: list[ByteRange]) -> tuple[ByteRange, ...]:
    """In order, overlapping and touching ones made one, so no byte is sent twice."""
    joined: list[ByteRange] = []
    for item in sorted(ranges):
        if joined and item.first <= joined[-1].last + 1:
            joined[-1] = ByteRange(joined[-1].first, max(joined[-1].last, item.last))
        else:
            joined.append(item)
    return tuple(joined)
