"""The key by which the log is signed: made once, in a file that its owner alone can read."""

import contextlib
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.signing import SigningKey

from router.errors import LogKeyError
from router.tls.keeping import alone_in, make_private_directory, replace_file
from schemas.trust.notes import NoteKey

FILE_NAME = "log.key"
_KID_BYTES = 6


def load_or_make(file: Path) -> SigningKey:
    """The key in a file; one that is made now, where there is none.

    Raises:
        LogKeyError: what lies there is no such key.
        OSError: the file cannot be read or written.
    """
    with contextlib.suppress(FileNotFoundError):
        return load(file)
    make_private_directory(file.parent)
    with alone_in(file.parent):
        if not file.exists():  # another router of this machine may have been faster
            replace_file(file, _made())
    return load(file)


def _made() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load(file: Path) -> SigningKey:
    """The key in a file.

    Raises:
        FileNotFoundError: there is no file.
        LogKeyError: what lies there is no such key.
        OSError: the file cannot be read.
    """
    try:
        found = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise LogKeyError(
            f"{file} holds no Ed25519 key as PEM", hint="put back the file that signed the log; its copy is as good"
        )
    return SigningKey(found.private_bytes_raw())


def name_of(key: SigningKey) -> NoteKey:
    """The public key, and the name of the log that it signs: made of the key, so that no two logs share one."""
    public = bytes(key.verify_key)
    return NoteKey(f"congvan/{sha256(public).digest()[:_KID_BYTES].hex()}", public)
