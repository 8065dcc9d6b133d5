"""Text from outside: NFC, one line where one line is meant, no invisible controls; file names made safe."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_FILE_NAME_BYTES = 200
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROLS = "\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
"""Unicode's categories Cc, Cs, Zl and Zp: controls, half surrogate pairs, line and paragraph separators."""
_INVISIBLE = re.compile(f"[{_BIDI}{_CONTROLS}]")
_FORBIDDEN_IN_NAMES = re.compile(rf'[/\\:*?"<>|{_BIDI}{_CONTROLS}]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
_MAX_ENDING_BYTES = 20
_WORD = re.compile(r"[^\W_]+")


def _normal(text: str, *, allowed_controls: str) -> str:
    if text.isascii() and text.isprintable():  # as most are; five times faster than to look at each character
        return text
    normal = unicodedata.normalize("NFC", text)
    for found in _INVISIBLE.finditer(normal):
        char = found.group()
        if char not in allowed_controls:
            raise ValueError(f"has the invisible character U+{ord(char):04X}; remove it")
    return normal


def _line(text: str) -> str:
    return _normal(text, allowed_controls="").strip()


def _paragraphs(text: str) -> str:
    return _normal(text.replace("\r\n", "\n"), allowed_controls="\n\t").strip()


Line = Annotated[str, AfterValidator(_line)]
"""One line of text: NFC, stripped, without control or bidirectional-override characters."""

Paragraphs = Annotated[str, AfterValidator(_paragraphs)]
"""Text of several lines: as :data:`Line`, but line feeds and tabs may stand in it."""

Name = Annotated[Line, Field(min_length=1, max_length=200)]
"""A short name: 1 to 200 characters on one line."""


def fold(text: str) -> str:
    """Lower case without accents, for search: ``Tân Phong`` and ``Đường`` are found by ``tan phong`` and ``duong``.

    ``đ`` does not decompose in NFD, so it is mapped by itself.
    """
    bare = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    return "".join(char for char in bare if unicodedata.category(char) != "Mn")


def words_of(text: str) -> list[str]:
    """The words that search knows a text by, folded, each once in their order: ``128-CĐ/TU`` is ``128 cd tu``."""
    return list(dict.fromkeys(_WORD.findall(fold(text))))


def safe_file_name(name: str) -> str:
    """A file name that is one path component on any system, at most 200 bytes of UTF-8, its ending kept.

    Separators, controls and characters that some file system forbids become ``_``; leading and trailing dots
    and spaces go; a name of which nothing is left becomes ``attachment``.
    """
    text = unicodedata.normalize("NFC", name)
    text = _FORBIDDEN_IN_NAMES.sub("_", text)
    text = text.lstrip(". ").rstrip(". ")
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    stem, dot, ending = text.rpartition(".")
    if not dot or len(ending.encode()) > _MAX_ENDING_BYTES:  # longer than any real ending: part of the name
        return _cut(text, MAX_FILE_NAME_BYTES).rstrip(". ") or "attachment"
    return f"{_cut(stem, MAX_FILE_NAME_BYTES - len(ending.encode()) - 1)}.{ending}"


def _cut(text: str, size: int) -> str:
    """The longest beginning of a text that is at most ``size`` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
