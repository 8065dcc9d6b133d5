"""E-mail addresses as they are accepted: plain ones of RFC 5321, without quotes, comments or other letters."""

import re

MAX_ADDRESS = 254
"""Characters (RFC 5321, 4.5.3.1.3, without the angle brackets)."""
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_LOCAL})@(?:{_LABEL}\.)+{_LABEL}")
_MAX_LOCAL = 64


def checked_address(text: str) -> str:
    """The address in lower case, as all servers that matter read it.

    Raises:
        ValueError: it is none.

    >>> checked_address(" Hoa@Example.vn ")
    'hoa@example.vn'
    """
    address = text.strip().lower()
    found = _ADDRESS.fullmatch(address)
    if found is None or len(address) > MAX_ADDRESS or len(found["local"]) > _MAX_LOCAL:
        raise ValueError(f"{text[:MAX_ADDRESS]!r} is no e-mail address; write it as nguyen.van.a@example.vn")
    return address
