"""The recovery key: made once, printed, and kept by a person; this machine keeps only what encrypts to it.

It is an age identity (X25519, https://age-encryption.org/v1). Its text is Bech32, whose checksum finds every single
mistyped letter; it is typed without regard to case, spaces and dashes.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from consumers.errors import CopyError
from consumers.spool.models import meta

Identity = Any
"""``pyrage.x25519.Identity``: the library has no types."""
_RECIPIENT = "recovery_recipient"
_PREFIX = "AGE-SECRET-KEY-1"
_GROUP, _LINE = 4, 5
_LETTERS = 58
_LONGEST = 400
"""Characters of what somebody types."""


class OtherKeyError(CopyError):
    """What is to be read was encrypted to another recovery key."""


def new_identity() -> Identity:
    """A new recovery key.

    Raises:
        CopyError: the library is not installed.
    """
    return _age().x25519.Identity.generate()


def recipient_of(conn: Connection) -> str:
    """What this machine's copies are encrypted to; empty while no recovery key was made."""
    return conn.scalar(select(meta.c.value).where(meta.c.key == _RECIPIENT)) or ""


def keep_recipient(conn: Connection, recipient: str) -> None:
    """Encrypt to this from now on."""
    values = {"key": _RECIPIENT, "value": recipient}
    conn.execute(insert(meta).values(values).on_conflict_do_update(index_elements=["key"], set_=values))


def encrypt(data: bytes, recipient: str) -> bytes:
    """Encrypted so that the recovery key alone reads it.

    Raises:
        CopyError: the library is not installed.
    """
    age = _age()
    return bytes(age.encrypt(data, [age.x25519.Recipient.from_str(recipient)]))


def decrypt(data: bytes, identity: Identity, *, what: str) -> bytes:
    """The plain bytes.

    Raises:
        OtherKeyError: it is another key's.
        CopyError: it is damaged.
    """
    age = _age()
    try:
        return bytes(age.decrypt(data, [identity]))
    except age.DecryptError as error:
        if "matching keys" in str(error):
            raise OtherKeyError(
                f"{what} was encrypted to another recovery key; look for an earlier or later sheet"
            ) from None
        raise CopyError(f"{what} is damaged: {error}") from None


def grouped(identity: str) -> list[str]:
    """The key in lines of groups of four, as it is printed and typed; the first line is what every key begins with."""
    rest = identity.removeprefix(_PREFIX)
    groups = [rest[at : at + _GROUP] for at in range(0, len(rest), _GROUP)]
    lines = [" ".join(groups[at : at + _LINE]) for at in range(0, len(groups), _LINE)]
    return [_PREFIX, *lines]


def check_of(recipient: str) -> str:
    """Four digits that tell one recovery key from another: on the sheet, and wherever a copy is spoken of."""
    return f"{int(hashlib.sha256(recipient.encode()).hexdigest(), 16) % 10_000:04}"


def typed(lines: Iterable[str]) -> Identity:
    """The key that somebody typed, in whatever lines, groups and case.

    Raises:
        CopyError: it is none; one letter is enough.
    """
    text = "".join(lines)[:_LONGEST].upper()
    letters = "".join(text.split()).replace("-", "").removeprefix("AGESECRETKEY").removeprefix("1")
    age = _age()
    try:
        return age.x25519.Identity.from_str(f"{_PREFIX}{letters}")
    except age.IdentityError as error:
        raise CopyError(
            f"this is no recovery key ({error}): compare it with the sheet, letter by letter; after {_PREFIX} it has "
            f"{_LETTERS} letters and digits, and {len(letters)} were typed"
        ) from None


def _age() -> Any:
    """The library, which a gateway that makes no such copies does without.

    Raises:
        CopyError: it is not installed.
    """
    try:
        import pyrage  # noqa: PLC0415 - of the extra `desk`
        import pyrage.x25519  # noqa: PLC0415 - as above
    except ImportError as error:
        raise CopyError("to encrypt copies the desk's libraries are needed: deploy/requirements/desk.txt") from error
    return pyrage
