"""What becomes of a failure when the same is tried again: decided in one place, by codes alone.

Only what is known to last is taken as lasting. Everything else is tried again, with growing pauses and visibly; so a
code that nobody has thought of costs time, never a document.
"""

import errno
import socket
import sqlite3
from enum import StrEnum

from router.tls.troubles import trouble_of


class Fate(StrEnum):
    """What is known of a failure."""

    AWAY = "away"
    """A part is away, full or not ready, as a whole: the same is tried again until it is back; nothing is counted."""
    SHORT = "short"
    """This machine is short of something, or its disk fails: as ``AWAY``, and nobody else is to blame."""
    CROSSED = "crossed"
    """Others were in the way at this moment: the same is tried again at once."""
    CLASHING = "clashing"
    """It clashes with what is there, which may have come at the same moment: once more, and then it is lasting."""
    UNKNOWN = "unknown"
    """Not known to pass and not known to last: tried again apart from others, so that it cannot stop them."""
    LASTING = "lasting"
    """It will always fail as it is."""

    @property
    def passes(self) -> bool:
        """Whether it is known that the same may work later."""
        return self in {Fate.AWAY, Fate.SHORT, Fate.CROSSED}


_CLASSES = {
    "08": Fate.AWAY,  # connection exception
    "28": Fate.AWAY,  # the login is refused: a password that is being changed
    "3D": Fate.AWAY,  # no such database: it is being restored, or a pooler does not know it yet
    "53": Fate.AWAY,  # no disk, no memory, no connections left
    "57": Fate.AWAY,  # operators and failing servers: shutting down, starting up
    "58": Fate.AWAY,  # the server's own system calls fail
    "F0": Fate.AWAY,  # its configuration cannot be read
    "40": Fate.CROSSED,  # rolled back: deadlock, serialization
    "72": Fate.CROSSED,  # the snapshot is too old
    "23": Fate.CLASHING,  # a constraint
    "22": Fate.LASTING,  # the data: too long, no such date, no UTF-8
    "44": Fate.LASTING,  # outside of what a view may hold
}
"""SQLSTATE classes (PostgreSQL 17, appendix A). One that is not here is unknown, and so is one that will be added."""
_CODES = {
    "25006": Fate.AWAY,  # read only: a standby that is not promoted, a primary that was demoted
    "25P03": Fate.AWAY,  # idle in a transaction for too long: we were stopped, or the line was
    "25P04": Fate.AWAY,  # the transaction took too long
    "40002": Fate.CLASHING,  # a constraint, found at the commit
    "40003": Fate.AWAY,  # nobody knows whether the statement was completed
    "55006": Fate.CROSSED,  # in use by others
    "55P03": Fate.CROSSED,  # locked by others
    "57014": Fate.UNKNOWN,  # cancelled: by a person, or because this very statement takes too long
}
"""Codes that differ from their class."""
_SQLITE = {
    sqlite3.SQLITE_BUSY: Fate.AWAY,  # others have the file for longer than LOCK_TIMEOUT
    sqlite3.SQLITE_LOCKED: Fate.AWAY,
    sqlite3.SQLITE_PROTOCOL: Fate.AWAY,  # as busy, of the write-ahead log
    sqlite3.SQLITE_IOERR: Fate.AWAY,
    sqlite3.SQLITE_FULL: Fate.AWAY,
    sqlite3.SQLITE_CANTOPEN: Fate.AWAY,  # no descriptors left, too
    sqlite3.SQLITE_NOMEM: Fate.AWAY,
    sqlite3.SQLITE_READONLY: Fate.AWAY,  # the file system was mounted anew after an error
    sqlite3.SQLITE_PERM: Fate.AWAY,
    sqlite3.SQLITE_INTERRUPT: Fate.CROSSED,
    sqlite3.SQLITE_ABORT: Fate.CROSSED,
    sqlite3.SQLITE_SCHEMA: Fate.CROSSED,
    sqlite3.SQLITE_CONSTRAINT: Fate.CLASHING,
    sqlite3.SQLITE_TOOBIG: Fate.LASTING,
    sqlite3.SQLITE_MISMATCH: Fate.LASTING,
}
"""SQLite's primary result codes (sqlite.org/rescode.html); one that is not here is unknown, as a damaged file is."""


def _errnos(names: str) -> frozenset[int]:
    """The numbers of those names that this system has."""
    return frozenset(getattr(errno, name) for name in names.split() if hasattr(errno, name))


_SHORT = _errnos(
    "EMFILE ENFILE ENOMEM ENOBUFS ENOSR EUSERS ENOLCK "  # resources
    "EIO ENOSPC EDQUOT EROFS ESTALE ENODEV ENXIO ENOMEDIUM EUCLEAN EREMOTEIO EBUSY ETXTBSY "  # disks and shares
    "EKEYEXPIRED EKEYREVOKED EKEYREJECTED ENOKEY"  # a share's credentials, a disk's key
)
_AWAY = _errnos(
    "ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ESHUTDOWN ENOTCONN ETIMEDOUT ETIME EHOSTUNREACH EHOSTDOWN ENETDOWN "
    "ENETUNREACH ENETRESET ENONET ENOLINK ECOMM EPROTO EADDRNOTAVAIL EADDRINUSE"
)
_CROSSED = _errnos("EINTR EAGAIN EDEADLK ECANCELED EINPROGRESS EALREADY ERESTART")
_LASTING = _errnos("ENAMETOOLONG EILSEQ EFBIG E2BIG")  # what this very file is called, or how large it is


def fate_of_sqlstate(code: str) -> Fate:
    """By PostgreSQL's five characters.

    >>> fate_of_sqlstate("25006"), fate_of_sqlstate("22021"), fate_of_sqlstate("QQ000")
    (<Fate.AWAY: 'away'>, <Fate.LASTING: 'lasting'>, <Fate.UNKNOWN: 'unknown'>)
    """
    return _CODES.get(code) or _CLASSES.get(code[:2], Fate.UNKNOWN)


def fate_of_sqlite(code: int) -> Fate:
    """By SQLite's result code, primary or extended."""
    return _SQLITE.get(code & 0xFF, Fate.UNKNOWN)


def fate_of_errno(number: int | None) -> Fate:
    """By the number of an ``OSError``.

    What is refused (EACCES, EPERM) or not there (ENOENT) is unknown: an administrator may mend it.
    """
    for numbers, fate in ((_SHORT, Fate.SHORT), (_AWAY, Fate.AWAY), (_CROSSED, Fate.CROSSED), (_LASTING, Fate.LASTING)):
        if number in numbers:
            return fate
    return Fate.UNKNOWN


def fate_of_database(error: BaseException) -> Fate:
    """Of an error that a database's driver raised: by its code; without one by its class of PEP 249."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return fate_of_sqlstate(state)
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return fate_of_sqlite(code)
    names = {ancestor.__name__ for ancestor in type(error).__mro__}
    if "DataError" in names:
        return Fate.LASTING
    # sqlite3 says of every failure of the database which it is; a driver of a server says nothing when there was none
    is_server = not isinstance(error, sqlite3.Error)
    return Fate.AWAY if is_server and names & {"OperationalError", "InterfaceError"} else Fate.UNKNOWN


def fate_of(error: BaseException) -> Fate:
    """Of any error. A class of ours may say its own in an attribute ``fate``."""
    told = getattr(error, "fate", None)
    if isinstance(told, Fate):
        return told
    if isinstance(error, BaseExceptionGroup):  # of several one that passes: then the others come to light
        fates = [fate_of(item) for item in error.exceptions]
        return next((fate for fate in fates if fate.passes), fates[0])
    origin = getattr(error, "orig", None) or error  # SQLAlchemy's wrapper has it
    if isinstance(origin, OSError):
        return _fate_of_os(origin)
    if origin is not error or isinstance(error, sqlite3.Error):
        return fate_of_database(origin)
    return Fate.SHORT if isinstance(error, MemoryError) else Fate.UNKNOWN


def _fate_of_os(error: OSError) -> Fate:
    is_name = isinstance(error, socket.gaierror)  # its numbers are of a series of their own
    is_unnumbered = isinstance(error, TimeoutError | ConnectionError) and error.errno is None
    return Fate.AWAY if is_name or is_unnumbered else fate_of_errno(error.errno)


def may_pass(error: BaseException) -> bool:
    """Whether something other than the program and its input may be to blame: then it is not the input's fault.

    An unknown failure of the machine or the database counts; an unknown error of Python's is a bug of ours.
    """
    fate = fate_of(error)
    origin = getattr(error, "orig", None) or error
    is_ours = not isinstance(origin, OSError | sqlite3.Error) and not hasattr(origin, "sqlstate")
    return fate.passes or (fate is Fate.UNKNOWN and not is_ours)


def code_of(error: BaseException) -> str:
    """What a failure is called in metrics and in a word to people: a code, never a message.

    >>> code_of(OSError(errno.EMFILE, "Too many open files"))
    'EMFILE'
    """
    origin = getattr(error, "orig", None) or error
    told = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    if told:
        return str(told)
    trouble = trouble_of(origin)
    if trouble is not None:
        return trouble.code.value
    if isinstance(origin, OSError) and origin.errno is not None:
        return errno.errorcode.get(origin.errno, type(origin).__name__)
    return type(origin).__name__
