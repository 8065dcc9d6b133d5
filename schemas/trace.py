"""W3C trace context: a ``traceparent`` that stays with a dispatch from its submission to its last receipt.

Source: W3C Trace Context, level 1, section 3.2.
"""

import re
import secrets

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def is_traceparent(text: str) -> bool:
    """Whether the text is a version-00 traceparent."""
    return _TRACEPARENT.fullmatch(text) is not None


def new_traceparent() -> str:
    """A new trace, sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def child_of(traceparent: str) -> str:
    """The same trace with a new span; a new trace when the text is not a traceparent."""
    if not is_traceparent(traceparent):
        return new_traceparent()
    return f"{traceparent[:36]}{secrets.token_hex(8)}{traceparent[52:]}"


def trace_id(traceparent: str) -> str:
    """The 32 hex digits that name the trace, or an empty text."""
    return traceparent[3:35] if is_traceparent(traceparent) else ""
