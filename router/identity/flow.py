"""The authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 3.1): its values. Pure."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

SCOPES = "openid email"
_BITS = 32
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Begun:
    """A login on its way to the provider: three secrets of the browser that began it, and where it leads then."""

    state: str
    nonce: str
    verifier: str
    following: str = ""

    def answers(self, state: str) -> bool:
        """Whether an answer belongs to this login: it did not come by a link that somebody else made."""
        return hmac.compare_digest(self.state.encode(), state.encode())

    def written(self) -> str:
        """As a cookie's value."""
        parts = (self.state, self.nonce, self.verifier, base64.urlsafe_b64encode(self.following.encode()).decode())
        return ".".join(parts)


def begin(following: str = "") -> Begun:
    """A login with secrets of its own."""
    state, nonce, verifier = (secrets.token_urlsafe(_BITS) for _ in range(3))
    return Begun(state, nonce, verifier, following)


def read(text: str) -> Begun | None:
    """A login from its cookie; None: there is none, or none of ours."""
    parts = text.split(".")
    if len(parts) != _PARTS or not all(parts[:3]):
        return None
    try:
        following = base64.urlsafe_b64decode(parts[3]).decode()
    except ValueError:
        return None
    state, nonce, verifier = parts[:3]
    return Begun(state, nonce, verifier, following)


def way_to(endpoint: str, begun: Begun, *, client_id: str, redirect_uri: str) -> str:
    """The address at the provider where the login goes on."""
    digest = hashlib.sha256(begun.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPES,
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"
