"""What no log line may hold: the secrets of the context in which it is written, and what is a secret by its look.

A request's door says which values it was given to prove who calls (:func:`hide`); whatever is logged in that context
is shown without them, in whatever text they stand. Tokens, and passwords inside addresses, are known without that.
"""

import json
import re
from collections.abc import Iterable
from contextvars import ContextVar
from urllib.parse import quote_plus

SHOWN = "***"
_SHORTEST = 4
"""Characters; a shorter one stands in many words, and is no secret that protects anything."""
_MOST = 256
"""Ways to write values that one context may hide; doors have three or four values, most written in one or two ways."""
_SECRETS = (
    (re.compile(r"\bcv1\.([A-Za-z0-9_-]{12})\.[A-Za-z0-9_-]{20,}"), rf"cv1.\1.{SHOWN}"),
    (re.compile(r"(://[^:/?#@\s\"']*:)[^/?#\s\"']*@"), rf"\1{SHOWN}@"),
    (re.compile(r"\b((?:bearer|basic|digest)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1{SHOWN}"),
    (re.compile(r"((?:__Host-)?congvan-(?:session|provider|device)=)[^;\s\"']+"), rf"\1{SHOWN}"),
    (
        re.compile(
            r"([?&](?:code|token|state|password|access_token|id_token|client_secret|code_verifier|nonce)=)[^&#\s\"']+"
        ),
        rf"\1{SHOWN}",
    ),
    (
        re.compile(
            r"(\b(?:[a-z_]*(?:password|secret)|authorization|cookie|set-cookie|token|access_token|id_token|"
            r"code_verifier)[\"']?\s*[:=]\s*)([\"'])(?:\\.|(?!\2).)*\2",
            re.IGNORECASE,
        ),
        rf"\1\2{SHOWN}\2",
    ),
)
_IN_ALL_OF_THEM = re.compile(r"[=\s\"']|://|cv1\.")
"""One of these stands in whatever a pattern above finds; most values of a log line have none."""
_always: tuple[str, ...] = ()
_hidden: ContextVar[tuple[str, ...]] = ContextVar("hidden", default=())


def hide(values: Iterable[str]) -> None:
    """Keep values out of every line that is logged in this context from now on."""
    known = _hidden.get()
    _hidden.set((*known, *_ways_to_write(values).difference(known))[-_MOST:])


def hide_always(values: Iterable[str]) -> None:
    """Keep values out of every line that this process logs: the secrets of its settings."""
    global _always  # noqa: PLW0603 - it is the process's
    _always = tuple({*_always, *_ways_to_write(values)})


def blanked(text: str) -> str:
    """A text without its secrets.

    >>> blanked("amqp://router:k9x@broker/congvan is away")
    'amqp://router:***@broker/congvan is away'
    """
    for written in sorted((it for it in (*_hidden.get(), *_always) if it in text), key=len, reverse=True):
        text = text.replace(written, SHOWN)
    if _IN_ALL_OF_THEM.search(text):
        for pattern, shown in _SECRETS:
            text = pattern.sub(shown, text)
    return text


def _ways_to_write(values: Iterable[str]) -> set[str]:
    """How values stand in texts: as they are, in JSON, in Python, in an address."""
    long_enough = [value for value in values if len(value) >= _SHORTEST]
    return {
        written
        for value in long_enough
        for written in (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote_plus(value))
    }
