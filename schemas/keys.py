"""Idempotency keys: what names a request however often and by whatever door it comes.

One alphabet everywhere: what an HTTP header, an AMQP property, a file and a terminal carry alike.
"""

import re

MAX_KEY_LENGTH = 200
_KEY = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_KEY_LENGTH - 2}}}[!-~])?")
_ESCAPED = re.compile(r'\\(["\\])')


def read_key(text: str) -> str:
    """The key that a text names: without blanks around it, and without the quotes of a structured field (RFC 8941).

    >>> read_key(' "2026-11/5" '), read_key("2026-11/5")
    ('2026-11/5', '2026-11/5')

    Raises:
        ValueError: it is no key.
    """
    key = text.strip(" \t")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = _ESCAPED.sub(r"\1", key[1:-1])
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"an idempotency key has 1 to {MAX_KEY_LENGTH} characters of ASCII that can be printed "
            "(letters, digits, signs; no accents), such as a UUID"
        )
    return key
