"""What the gateway writes into a document's folder for people, and how it knows its own writing again.

A rejected folder may be moved back as it is, with our note in it; but a file that a person happens to call
``reason.txt`` is theirs, and must neither be left out nor written over.
"""

import os
import stat
from contextlib import suppress

import orjson

from consumers.errors import OutgoingRejectedError

ACCEPTED_NAME = "accepted.json"
REASON_NAME = "reason.txt"
OURS = frozenset({ACCEPTED_NAME, REASON_NAME})
"""Names of notes."""
_SIGNATURE = "-- congvan gateway"
_MOST = 64 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def reason_note(error: OutgoingRejectedError | str) -> bytes:
    """A reason as its reader finds it: in Vietnamese, then in English, then our signature.

    A text is one that the spool kept (:attr:`OutgoingRejectedError.told`).
    """
    told = error.told if isinstance(error, OutgoingRejectedError) else error
    vi, both, english = told.partition("\n")
    if not both:
        vi, english = "Văn bản không gửi được; lý do bằng tiếng Anh ở dòng dưới.", told
    lines = [vi, english, "", _SIGNATURE]
    return ("\n".join(lines) + "\n").encode(errors="replace")


def is_ours(directory: int, name: str) -> bool:
    """Whether a file of a folder is a note of ours, from an earlier time."""
    if name not in OURS:
        return False
    try:
        file = os.open(name, _READ, dir_fd=directory)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return False
        body = os.read(file, _MOST)
    finally:
        os.close(file)
    if name == REASON_NAME:
        return body.decode(errors="replace").rstrip().endswith(_SIGNATURE)
    with suppress(orjson.JSONDecodeError):
        told = orjson.loads(body)
        return isinstance(told, dict) and "outbox_id" in told
    return False


def free_note(directory: int, name: str) -> str:
    """The name under which a note can be written: an old one of ours is removed, nobody else's file is touched."""
    stem, _, ending = name.partition(".")
    candidate, number = name, 1
    while True:
        try:
            os.stat(candidate, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return candidate
        if candidate == name and is_ours(directory, name):
            os.unlink(name, dir_fd=directory)
            return name
        number += 1
        candidate = f"{stem} ({number}).{ending}"
