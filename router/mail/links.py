"""Links by which somebody stops a kind of notices without a login: good for that alone, until the address changes."""

import hmac
import re
from hashlib import sha256

from router.mail.recipients import Recipient

MAX_TOKEN = 120
STOP = "/notices/stop"
_MAC_CHARS = 32
_TOKEN = re.compile(r"(?P<handle>[0-9a-f]{1,32})\.(?P<kind>[a-z-]{1,16})\.[0-9a-f]{32}")


def stop_token(recipient: Recipient, kind: str) -> str:
    """What the link of a kind carries: whose it is, the kind, and that we have written it."""
    told = f"stop:{recipient.handle}:{kind}".encode()
    mac = hmac.new(bytes.fromhex(recipient.secret), told, sha256).hexdigest()[:_MAC_CHARS]
    return f"{recipient.handle}.{kind}.{mac}"


def handle_of(token: str) -> str:
    """Whose a token says that it is; empty: it is none."""
    found = _TOKEN.fullmatch(token)
    return found["handle"] if found else ""


def kind_of(token: str, recipient: Recipient) -> str | None:
    """The kind that a token of this recipient's stops; None: we have not written it."""
    found = _TOKEN.fullmatch(token)
    same = found is not None and hmac.compare_digest(token, stop_token(recipient, found["kind"]))
    return found["kind"] if found and same else None
