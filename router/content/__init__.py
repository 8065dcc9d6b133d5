"""Attachments by hash: where they lie, how they come there, and how it is known that they are what they were.

``store`` the directory, ``writer`` what streams into it, ``verdicts`` which files are known to be right, ``disk`` what
is done with files, ``scrub`` looks at all of them again and again.
"""

from router.content.disk import (
    READ_ONLY,
    Verified,
    digest_of,
    disk_full_told,
    fsync_directory,
    locked_file,
    verify,
    write_all,
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
    "fsync_directory",
    "locked_file",
    "verify",
    "write_all",
]
