"""How the bytes of a content may travel: as they are, compressed, or compressed with an earlier content at hand.

The words are those of HTTP: ``zstd`` (RFC 8878, RFC 9659) and ``dcz`` (RFC 9842, Compression Dictionary Transport), of
which a stream begins with 40 bytes that name its dictionary by SHA-256.
"""

import base64
import binascii
import sys
from enum import StrEnum

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "DCZ_HEADER_BYTES",
    "MAX_DICTIONARY_BYTES",
    "MAX_WINDOW_LOG",
    "Encoding",
    "as_available_dictionary",
    "dcz_header",
    "read_available_dictionary",
    "zstd",
]


class Encoding(StrEnum):
    """A content coding, as ``Content-Encoding`` names it."""

    IDENTITY = "identity"
    ZSTD = "zstd"
    DCZ = "dcz"


MAX_WINDOW_LOG = 23
"""Base-2 logarithm of the largest window, 8 MB: what RFC 9659 allows, and what a gateway with 256 MB decodes."""
MAX_DICTIONARY_BYTES = 1 << MAX_WINDOW_LOG
"""The largest dictionary, and the largest content that is encoded with one: so it stays within reach to the end."""
_DCZ_MAGIC = bytes.fromhex("5e2a4d1820000000")
"""The header of a skippable zstd frame of 32 bytes (RFC 9842, section 5)."""
DCZ_HEADER_BYTES = len(_DCZ_MAGIC) + 32
_SHA256_BYTES = 32


def dcz_header(dictionary: str) -> bytes:
    """What a dcz stream begins with; ``dictionary`` is a SHA-256 in hex."""
    return _DCZ_MAGIC + bytes.fromhex(dictionary)


def as_available_dictionary(sha256: str) -> str:
    """The value of ``Available-Dictionary``: a byte sequence of a structured field (RFC 9651).

    >>> as_available_dictionary("00" * 32)
    ':AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:'
    """
    return f":{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def read_available_dictionary(value: str) -> str | None:
    """The SHA-256 in hex that a caller says it holds, or None: a value that cannot be read is ignored (RFC 9842).

    >>> read_available_dictionary(as_available_dictionary("ab" * 32)) == "ab" * 32, read_available_dictionary("ab")
    (True, None)
    """
    text = value.strip()
    if not (text.startswith(":") and text.endswith(":")):
        return None
    try:
        digest = base64.b64decode(text[1:-1], validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == _SHA256_BYTES else None
