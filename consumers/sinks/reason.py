"""What another program said, made fit for a receipt: one line without controls, cut short."""

import unicodedata

from schemas.text import is_seen

MAX_REASON = 1000
"""Characters of the reason that a receipt takes."""
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def one_line(text: str, limit: int) -> str:
    """The text on one line, runs of white space as one space, at most ``limit`` characters, cut with ``…``.

    Empty when a reader would see nothing of it: a receipt refuses such a text.
    """
    visible = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
    line = unicodedata.normalize("NFC", " ".join(visible.split()))
    if not is_seen(line):
        return ""
    return line if len(line) <= limit else line[: limit - 1] + "…"
