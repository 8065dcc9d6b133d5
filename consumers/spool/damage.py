"""A spool that is damaged: how that is known, and how it is put aside so that the gateway begins anew.

Nothing is repaired: a file that lost pages may say anything. The ledger sends again what had not arrived, under the
same ids, and the folder sink knows what it had put there; what is lost are receipts of people that had not gone out.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from consumers.errors import SpoolDamagedError

DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""SQLite's primary result codes for a file that is not, or no longer, a database."""
KEPT = 3
"""Spools that stay put aside; older ones are removed, for the disk's sake."""
_NO_TEXT = "Could not decode to UTF-8"
_MARK = ".damaged-"
_BESIDE = ("-wal", "-shm")


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite's says that the file is damaged; we write no text that is not UTF-8."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF in DAMAGE if code is not None else _NO_TEXT in str(error)


def require_sound(path: Path) -> None:
    """Read the whole file and check how its pages hang together.

    Raises:
        SpoolDamagedError: it is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            return  # locked, or the disk is in the way: whoever opens it says so
        raise damaged(path, str(error)) from error
    if found != ["ok"]:
        raise damaged(path, " ".join(" ".join(found).split()))


def was_left_open(path: Path) -> bool:
    """Whether whoever wrote it last did not close it, as at a power cut."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0


def damaged(path: Path, why: str) -> SpoolDamagedError:
    """The error that says so, and what to do."""
    return SpoolDamagedError(
        f"the spool {path} is damaged: {why}; the gateway puts it aside when it starts and begins anew, "
        "and the router sends again what had not arrived"
    )


def put_aside(path: Path, *, at: datetime | None = None) -> Path:
    """Rename a spool to a dated name beside it; where it is then.

    The file itself goes first: without its log it would be a sound spool that has forgotten what it took last, while a
    log alone is nothing to SQLite.
    """
    stamp = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}{_MARK}{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{_MARK}{stamp}-{number}")
    path.rename(aside)
    for ending in _BESIDE:
        beside = path.with_name(f"{path.name}{ending}")
        if beside.exists():
            beside.rename(aside.with_name(f"{aside.name}{ending}"))
    _forget(path)
    return aside


def _forget(path: Path) -> None:
    kept = sorted(other for other in path.parent.glob(f"{path.name}{_MARK}*") if not other.name.endswith(_BESIDE))
    for old in kept[:-KEPT]:
        for ending in ("", *_BESIDE):
            old.with_name(f"{old.name}{ending}").unlink(missing_ok=True)
