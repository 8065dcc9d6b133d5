"""Reads the code of a reason out of its text, where none was given: gateways of 0.1 send texts alone.

Such a text is a sentence in English with addresses and paths in it. Its code is the first in the table of whose marks
one stands in it; a text without a mark has none. The ledger keeps the code beside the text: nobody reads texts again.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.reasons import ReasonCode as R

MARKS: Mapping[R, tuple[str, ...]] = MappingProxyType(
    {
        R.SINK_DISK_FULL: ("disk is full", "no space left", "disk took no more", "HTTP 507", "disk quota"),
        R.SINK_UNWRITABLE: ("permission denied", "read-only file system", "cannot be written", "cannot be read"),
        R.SINK_LOGIN: ("HTTP 401", "HTTP 403"),
        R.SINK_ADDRESS: ("redirects are not followed",),
        R.SINK_TIMEOUT: ("did not answer within", "did not end within"),
        R.SINK_UNREACHABLE: ("cannot be reached", "HTTP 502", "HTTP 503", "HTTP 504"),
        R.CONTENT_WRONG: ("is longer than the", "is not the full descriptor", "other bytes"),
        R.CONTENT_GONE: ("HTTP 404", "HTTP 410"),
        R.TOO_LARGE: ("HTTP 413", "max_document_bytes", "larger than"),
        R.GATEWAY_FAULT: ("an error of its own", "in a way it should not"),
        R.SINK_REFUSED: ("HTTP 4",),
        R.SINK_TROUBLE: ("HTTP 5", "cannot be run", "exit code", "was killed"),
    }
)
"""Marks in lower or upper case, the surest first."""


def code_told(reason: str) -> R | None:
    """The code of a reason that was given as a text alone."""
    text = reason.lower()
    return next((code for code, marks in MARKS.items() if any(mark.lower() in text for mark in marks)), None)
