r"""Reads the Content-Disposition of a form's part: what is encoded by a standard is decoded, and nothing else.

======================================  ================================================================
``filename*=UTF-8''T%E1%BB%89nh.pdf``   RFC 8187 (.NET, urllib3 before 2); stands above a ``filename`` beside it
``filename="=?utf-8?B?VOG7iW5o?="``     RFC 2047 (.NET, JavaMail), when all of the name is such words in UTF-8
``filename="T%E1%BB%89nh%20A.pdf"``     RFC 7578, section 4.2 (aiohttp, Apache HttpClient): see below
``filename="Tỉnh 95%CB %22A%22.pdf"``   WHATWG (browsers, curl, requests): ``%22``, ``%0D`` and ``%0A`` alone
``filename="a \"b\".pdf"``            RFC 9110's quoted pairs (curl before 7.81)
======================================  ================================================================

A ``%`` is ambiguous: browsers and curl send one as it is. A name is read as percent-encoded when it is written as an
address would be, in ASCII without a space, every ``%`` before two hexadecimal digits, and gives UTF-8.
"""

import binascii
import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

_PARAMETER = re.compile(
    rb"[ \t]*;[ \t]*(?:(?P<key>[!#$&+.^_`|~0-9A-Za-z-]+)(?P<star>\*?)[ \t]*=[ \t]*"
    rb'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s";]*)))?[ \t]*(?=;|$)',
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
_LIKE_AN_ADDRESS = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+")
_WHATWG = re.compile(rb"%(22|0D|0A)", re.IGNORECASE)
_ENCODED_WORDS = re.compile(rb"(?:=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)(?:[ \t]+=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)*")
_EXTENDED = re.compile(
    rb"(?P<charset>[A-Za-z0-9-]+)'[A-Za-z0-9-]*'(?P<value>(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*)"
)
_OLD_BROWSERS_PATH = re.compile(rb"(?:[A-Za-z]:\\|\\\\).*\\([^\\]+)")
"""Internet Explorer sent where the file lay; the last part is its name (RFC 7578, section 4.2)."""


class DispositionError(ValueError):
    """A Content-Disposition that cannot be read, or says a name in no way that is known; the message says which."""


def read_disposition(value: bytes) -> Mapping[str, str]:
    """The parameters of a ``form-data`` disposition by name in small letters, decoded.

    Raises:
        DispositionError: it cannot be read.
    """
    kind, semicolon, rest = value.partition(b";")
    if kind.strip().lower() != b"form-data":
        raise DispositionError("its Content-Disposition is not form-data")
    plain: dict[str, bytes] = {}
    extended: dict[str, bytes] = {}
    place, rest = 0, semicolon + rest
    while place < len(rest):
        found = _PARAMETER.match(rest, place)
        if found is None:
            raise DispositionError("its Content-Disposition cannot be read; a quotation mark in a name is written %22")
        place = found.end()
        if found["key"] is None:
            continue
        into, key = (extended if found["star"] else plain), found["key"].decode().lower()
        if key in into:
            raise DispositionError(f"its Content-Disposition says {key} twice")
        into[key] = found["token"] if found["quoted"] is None else _QUOTED_PAIR.sub(rb"\1", found["quoted"])
    return {key: _plain(key, raw) for key, raw in plain.items() if key not in extended} | {
        key: _extended(key, raw) for key, raw in extended.items()
    }


def _plain(key: str, raw: bytes) -> str:
    if _ENCODED_WORDS.fullmatch(raw):
        return _words(key, raw)
    if path := _OLD_BROWSERS_PATH.fullmatch(raw):
        raw = path[1]
    if b"%" in raw and _LIKE_AN_ADDRESS.fullmatch(raw):
        try:
            return unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            pass  # then its percent signs are what they are
    return _utf8(key, _WHATWG.sub(lambda found: unquote_to_bytes(found[0]), raw))


def _words(key: str, raw: bytes) -> str:
    try:
        words = decode_header(raw.decode("ascii"))
        charsets = {(charset or "").lower() for _, charset in words}
        if charsets <= {"utf-8", "us-ascii"}:
            # A word may end inside a character: the bytes are joined before they are read.
            return b"".join(part if isinstance(part, bytes) else part.encode() for part, _ in words).decode()
    except (HeaderParseError, binascii.Error, UnicodeDecodeError):
        pass
    raise DispositionError(f"its {key} holds encoded words (RFC 2047) that are not UTF-8")


def _extended(key: str, raw: bytes) -> str:
    found = _EXTENDED.fullmatch(raw)
    if found is None or found["charset"].lower() != b"utf-8":
        raise DispositionError(f"its {key}* is not written as UTF-8''… (RFC 8187)")
    return _utf8(key, unquote_to_bytes(found["value"]))


def _utf8(key: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DispositionError(f"its {key} is not UTF-8") from None
