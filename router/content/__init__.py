"""Attachments by hash: where they lie, how they come there, and how it is known that they are what they were.

``store`` the directory, ``writer`` what streams into it, ``disk`` what is done with files, ``verdicts`` which of them
are known to be right; ``scrub``, ``doubts`` and ``verifying`` look at them again; ``possession`` who may name which,
``collecting`` what nobody names.
"""

from router.content.disk import (
    READ_ONLY,
    Verified,
    digest_of,
    disk_full_told,
    locked_file,
    verify,
)
from router.content.store import ContentStore, Damaged, State
from router.content.writer import CHUNK_BYTES, ContentWriter, Stored

__all__ = [
    "CHUNK_BYTES",
    "READ_ONLY",
    "ContentStore",
    "ContentWriter",
    "Damaged",
    "State",
    "Stored",
    "Verified",
    "digest_of",
    "disk_full_told",
    "locked_file",
    "verify",
]
