"""Reads ID tokens: whom a provider names, when its signature and every claim hold (OpenID Connect Core 3.1.3.7)."""

from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from router.identity.errors import ProviderRefusedError

ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the provider alone has: neither ``none`` nor the client's secret signs anything."""
LEEWAY = 60
"""Seconds that the provider's clock may be off."""
_MAX_SUBJECT = 255
_KINDS = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at a provider; ``email`` is empty unless the provider has verified it."""

    issuer: str
    subject: str
    email: str = ""


class UnknownKeyError(Exception):
    """The token is signed by a key that is not among those that are known."""


def keys_of(offered: Any) -> KeySet:
    """The keys of a provider that sign; those of other kinds and for other uses are passed over (RFC 7517, 5).

    Raises:
        JoseError: one of them cannot be read.
        KeyError: it is no list of keys.
    """
    signing = [key for key in offered["keys"] if key.get("kty") in _KINDS and key.get("use", "sig") == "sig"]
    return KeySet.import_key_set({"keys": signing})


def read_id_token(token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str) -> Identity:
    """Whom a token names.

    Raises:
        UnknownKeyError: its key is not known: the provider may have others by now.
        ProviderRefusedError: it is not for this login, has ended, or is not the provider's.
    """
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        _rules(issuer, client_id, nonce).validate(claims)
    except InvalidKeyIdError as error:
        raise UnknownKeyError from error
    except (JoseError, ValueError, TypeError) as error:
        raise ProviderRefusedError(f"the ID token does not hold: {error}") from error
    return _identity(claims, issuer, client_id)


def _rules(issuer: str, client_id: str, nonce: str) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )


def _identity(claims: dict[str, Any], issuer: str, client_id: str) -> Identity:
    others = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", client_id) != client_id or (len(others) > 1 and "azp" not in claims):
        raise ProviderRefusedError("the ID token was made for another client")
    subject, email = claims["sub"], claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise ProviderRefusedError("the ID token names nobody")
    is_verified = isinstance(email, str) and claims.get("email_verified") is True
    return Identity(issuer, subject, str(email).strip().lower() if is_verified else "")
