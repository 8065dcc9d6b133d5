"""What a trouble of this machine is called in the gateway's reasons, for those who see to it."""

import errno

from router.process.fate import Fate, fate_of_errno
from schemas.reasons import ReasonCode

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def code_of_trouble(error: BaseException, *, otherwise: ReasonCode = ReasonCode.GATEWAY_FAULT) -> ReasonCode:
    """The code of an error that is not the document's own.

    Args:
        error: one of ours that knows its code, or one of the system's.
        otherwise: what any other is called.

    >>> code_of_trouble(OSError(errno.EDQUOT, "Disk quota exceeded")).value
    'disk_full'
    """
    told = getattr(error, "code", None)
    if isinstance(told, ReasonCode):
        return told
    if isinstance(error, BaseExceptionGroup):
        codes = [code_of_trouble(item, otherwise=otherwise) for item in error.exceptions]
        return next((code for code in codes if code is not otherwise), otherwise)
    origin = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(origin, OSError) or fate_of_errno(origin.errno) is not Fate.SHORT:
        return otherwise
    if origin.errno in _RESOURCES:
        return ReasonCode.GATEWAY_FAULT
    return ReasonCode.DISK_FULL if origin.errno in FULL else ReasonCode.FILE_UNREADABLE
