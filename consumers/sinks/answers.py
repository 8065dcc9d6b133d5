"""What a webhook's answer means for a document: pure, from the status, the headers and the present."""

import http
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from schemas.reasons import ReasonCode

S = http.HTTPStatus
LONGEST_RETRY_AFTER = 24 * 3600.0
"""Seconds; whoever asks for a longer pause, or for one that cannot be reckoned, gets this one."""
_LOGIN = {S.UNAUTHORIZED, S.FORBIDDEN, S.PROXY_AUTHENTICATION_REQUIRED}
_ADDRESS = {S.NOT_FOUND, S.METHOD_NOT_ALLOWED, S.GONE, S.MISDIRECTED_REQUEST}
"""One address serves all documents, so these cannot be about one of them."""
_PASSING = {
    S.PAYMENT_REQUIRED,
    S.REQUEST_TIMEOUT,
    S.LOCKED,
    S.FAILED_DEPENDENCY,
    S.TOO_EARLY,
    S.UPGRADE_REQUIRED,
    S.TOO_MANY_REQUESTS,
}
_UNDECLARED = "cp1258"
"""How a body without a charset that is not UTF-8 is read: in the Windows code page for Vietnamese."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The system has the document."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not this time: why, and the pause in seconds that was asked for."""

    code: ReasonCode
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never this document."""

    code: ReasonCode = ReasonCode.SINK_REFUSED


Decision = HandedOver | TryAgain | Refused


def decide(status: int, headers: Mapping[str, str], *, now: datetime) -> Decision:
    """Decide on an answer.

    Only a 4xx that can be about the document itself refuses it: an expired token, a wrong address or a system that is
    busy fails every document alike.

    Args:
        status: 100 to 599.
        headers: of the answer, their names in any case.
        now: with its offset.
    """
    after = retry_after(_header(headers, "retry-after"), now=now)
    match status // 100:
        case 2:
            return HandedOver()
        case 4 if status in _LOGIN:
            return TryAgain(ReasonCode.SINK_LOGIN, after)
        case 4 if status in _ADDRESS:
            return TryAgain(ReasonCode.SINK_ADDRESS, after)
        case 4 if status not in _PASSING:
            return Refused()
        case 3:
            return TryAgain(ReasonCode.SINK_ADDRESS, after)
        case _:
            return TryAgain(ReasonCode.SINK_TROUBLE, after)


def retry_after(value: str, *, now: datetime) -> float | None:
    """Seconds, 0 to a day, from either form of the header (RFC 9110, section 10.2.3); None for what is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        pause = (aware - now).total_seconds()
    except OverflowError:
        return LONGEST_RETRY_AFTER
    except (ValueError, TypeError, IndexError):
        return None
    return min(max(0.0, pause), LONGEST_RETRY_AFTER)


def text_of(body: bytes, content_type: str) -> str:
    """The beginning of an answer as text: in the charset it names, else UTF-8, else the one of Vietnamese Windows."""
    header = Message()
    header["Content-Type"] = content_type.encode("ascii", "replace").decode()
    named = header.get_content_charset("")
    if named:
        try:
            return body.decode(named, errors="replace")
        except (LookupError, ValueError):
            pass
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        cut_short = error.reason == "unexpected end of data"  # the limit fell into a character
        return body.decode("utf-8" if cut_short else _UNDECLARED, errors="replace")


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
