"""Text from outside: NFC, one line where one line is meant, no invisible controls; file names made safe."""

import hashlib
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
_READ_BY_FILE_MANAGERS = re.compile(r"desktop\.ini|autorun\.inf|-.*", re.IGNORECASE | re.DOTALL)
"""Names that say something to a file manager, or, with a dash, to a program that is called with them."""
_SHORTCUTS = re.compile(
    r".*\.(lnk|url|scf|pif|website|appref-ms|library-ms|search-ms|searchconnector-ms)", re.IGNORECASE | re.DOTALL
)
"""Files that a file manager follows as soon as it shows their folder, and gives a login away by it."""
_MAX_ENDING_BYTES = 20
_MAX_MIDDLE_BYTES = len("…01234567…".encode())
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category that show nothing."""
_TYPED: dict[int, str | None] = {
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),
    **dict.fromkeys((0x00A0, *range(0x2000, 0x200B), 0x202F, 0x205F), " "),
    **dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)),
}
"""What word processors put where people type ``-``, a space or nothing."""
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
    return _seen(_normal(text, allowed_controls="").strip())


def _notation(text: str) -> str:
    return _line(as_typed(text))


def _paragraphs(text: str) -> str:
    return _seen(_normal(text.replace("\r\n", "\n"), allowed_controls="\n\t").strip())


def _seen(text: str) -> str:
    if text and not is_seen(text):
        raise ValueError("has only invisible characters; write something, or nothing at all")
    return text


def is_seen(text: str) -> bool:
    r"""Whether a reader sees anything of a text.

    >>> is_seen("a"), is_seen("\u200b\u3164 ")
    (True, False)
    """
    # Letters, numbers, punctuation, symbols, and characters of private use, which fonts of a region may show.
    return " " < text[:1] < "\x7f" or any(" " < char < "\x7f" or _is_seen(char) for char in text)


def _is_seen(char: str) -> bool:
    category = unicodedata.category(char)
    return (category[0] in "LNPS" or category == "Co") and char not in _BLANK


def as_typed(text: str) -> str:
    r"""A text with plain dashes and spaces, and without marks that show nothing: as somebody types what they see.

    >>> as_typed("123\u2011CV/TU\u00a02026")
    '123-CV/TU 2026'
    """
    return text if text.isascii() else text.translate(_TYPED)


OneLine = Annotated[str, AfterValidator(_line)]
"""One line of text: NFC, stripped, without control or bidirectional-override characters; empty, or it shows."""

Paragraphs = Annotated[str, AfterValidator(_paragraphs)]
"""Text of several lines: as :data:`Line`, but line feeds and tabs may stand in it."""

Name = Annotated[OneLine, Field(min_length=1, max_length=200)]
"""A short name: 1 to 200 characters on one line."""

Notation = Annotated[str, AfterValidator(_notation), Field(min_length=1, max_length=200)]
"""A dispatch's number as printed, :func:`as_typed`: whoever types what they read finds it."""


def fold(text: str) -> str:
    """Lower case without accents, for search: ``Tân Phong`` and ``Đường`` are found by ``tan phong`` and ``duong``.

    Dashes and spaces are :func:`as_typed`.
    ``đ`` does not decompose in NFD, so it is mapped by itself.
    """
    bare = unicodedata.normalize("NFD", as_typed(text).casefold()).replace("đ", "d")
    return "".join(char for char in bare if unicodedata.category(char) != "Mn")


def file_name(name: str) -> str:
    """:func:`safe_file_name` of what somebody calls a file.

    Raises:
        ValueError: nothing of the name shows.
    """
    if not is_seen(name):
        raise ValueError("is a file name of invisible characters alone; name the file")
    return safe_file_name(name)


def words_of(text: str) -> list[str]:
    """The words that search knows a text by, folded, each once in their order: ``128-CĐ/TU`` is ``128 cd tu``."""
    return list(dict.fromkeys(_WORD.findall(fold(text))))


def safe_file_name(name: str) -> str:
    """A file name that is one path component on any system, at most 200 bytes of UTF-8, its ending kept.

    Separators, controls and characters that some file system forbids become ``_``; leading and trailing dots
    and spaces go; a name of which nothing is left becomes ``attachment``. A name that a system or a program would take
    for something else than a file's gets a ``_`` before it (``con``, ``-r``, ``desktop.ini``) or behind it (``a.lnk``).

    Of a longer one the middle is left out, and a part of its hash stands there: two that differ somewhere stay two.
    """
    text = unicodedata.normalize("NFC", name)
    text = _FORBIDDEN_IN_NAMES.sub("_", text)
    text = text.lstrip(". ").rstrip(". ")
    if _RESERVED.fullmatch(text) or _READ_BY_FILE_MANAGERS.fullmatch(text):
        text = f"_{text}"
    if _SHORTCUTS.fullmatch(text):
        text = f"{text}_"
    return _shortened(text) or "attachment"


def _shortened(text: str) -> str:
    if len(text.encode()) <= MAX_FILE_NAME_BYTES:
        return text
    stem, dot, ending = text.rpartition(".")
    if not dot or len(ending.encode()) > _MAX_ENDING_BYTES:  # longer than any real ending: part of the name
        stem, dot, ending = text, "", ""
    half = (MAX_FILE_NAME_BYTES - _MAX_MIDDLE_BYTES - len(f"{dot}{ending}".encode())) // 2
    bare = stem.encode()
    begin, end = bare[:half].decode(errors="ignore"), bare[-half:].decode(errors="ignore")
    return f"{begin}…{hashlib.sha256(text.encode()).hexdigest()[:8]}…{end}{dot}{ending}"
