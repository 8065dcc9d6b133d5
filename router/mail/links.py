"""Links by which somebody stops a kind of notices without a login: good for that alone, until the address changes."""

import hmac
from hashlib import sha256

from router.mail.recipients import Recipient

MAX_TOKEN = 120
STOP = "/notices/stop"
_MAC_CHARS = 32
_PARTS = 3


def stop_token(recipient: Recipient, kind: str) -> str:
    """What the link of a kind carries: whose it is, the kind, and that we have written it."""
    return f"{recipient.handle}.{kind}.{_mac(recipient, kind)}"


def handle_of(token: str) -> str:
    """Whose a token says that it is; empty: it is none."""
    parts = token.split(".")
    return parts[0] if len(parts) == _PARTS else ""


def kind_of(token: str, recipient: Recipient) -> str | None:
    """The kind that a token of this recipient's stops; None: we have not written it."""
    handle, kind, mac = token.split(".")
    same = hmac.compare_digest(handle, recipient.handle) and hmac.compare_digest(mac, _mac(recipient, kind))
    return kind if same else None


def _mac(recipient: Recipient, kind: str) -> str:
    told = f"stop:{recipient.handle}:{kind}".encode()
    return hmac.new(bytes.fromhex(recipient.secret), told, sha256).hexdigest()[:_MAC_CHARS]
