"""Tokens: ``cv1.<key>.<secret>``, one secret for HTTP and for AMQP.

The ledger keeps a token as RabbitMQ keeps a password, base64 of salt and SHA-256 of salt and text, so that the broker's
users can be made again from the ledger. A fast hash is right here: the secret is 256 random bits, nobody's password.
Source: RabbitMQ's "Credentials and Passwords", computing password hashes.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_SALT_BYTES = 4
_TOKEN = re.compile(r"^cv1\.([A-Za-z0-9_-]{12})\.[A-Za-z0-9_-]{43}$")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: its text, told once and kept nowhere, and what the ledger keeps of it."""

    text: str
    key: str
    hash: str


def new_token() -> NewToken:
    """A token nobody has seen."""
    key = secrets.token_urlsafe(9)
    text = f"cv1.{key}.{secrets.token_urlsafe(32)}"
    return NewToken(text, key, hash_of(text, secrets.token_bytes(_SALT_BYTES)))


def key_of(text: str) -> str | None:
    """The public part that a token is looked up by; None when the text is no token."""
    match = _TOKEN.fullmatch(text)
    return match and match[1]


def hash_of(text: str, salt: bytes) -> str:
    """RabbitMQ's ``password_hash`` with ``rabbit_password_hashing_sha256``."""
    return base64.b64encode(salt + hashlib.sha256(salt + text.encode()).digest()).decode()


def matches(text: str, stored: str) -> bool:
    """Whether ``stored`` is a hash of the text, in a time that does not reveal how much of it is right."""
    salt = base64.b64decode(stored)[:_SALT_BYTES]
    return hmac.compare_digest(hash_of(text, salt), stored)
