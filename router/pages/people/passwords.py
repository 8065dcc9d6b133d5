"""Passwords: hashed by argon2id with the parameters of RFC 9106 for little memory (64 MiB), a few at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from router.pages.errors import LockedOutError

MIN_LENGTH, MAX_LENGTH = 12, 256
"""Characters; a long phrase is better than a short puzzle (NIST SP 800-63B, 5.1.1)."""

MAX_TURNS, MAX_TURNS_OF_ADDRESS = 12, 4
"""Logins that are looked at or wait for it, of all and of one address: a hash takes about 50 ms of two cores, so the
last in the queue waits well under a second. Whoever comes then is told to try again in a moment."""
_AGAIN_SECONDS = 2
_LEAST_SCORE = 2
"""Of zxcvbn's 0 to 4: below it, ten thousand to a million guesses find it."""
_LOOKED_AT = 72
"""Characters that zxcvbn takes; whoever chose more has chosen enough."""
_OURS = ("congvan", "côngvăn", "matkhau", "mậtkhẩu", "vanban", "quantri", "anhyeuem", "emyeuanh")
"""Words that come to mind here, and that no list of another country has."""

_hasher = PasswordHasher()
_turns: Counter[str] = Counter()
_threads = ThreadPoolExecutor(2, "passwords")
"""Many logins at once wait for each other instead of filling the memory."""


@asynccontextmanager
async def turn(address: str) -> AsyncIterator[None]:
    """A place among the logins that are looked at.

    Raises:
        LockedOutError: there are too many now.
    """
    if _turns[address] >= MAX_TURNS_OF_ADDRESS or _turns.total() >= MAX_TURNS:
        raise LockedOutError("too many log in at this moment", seconds=_AGAIN_SECONDS)
    _turns[address] += 1
    try:
        yield
    finally:
        _turns[address] -= 1
        if not _turns[address]:
            del _turns[address]


def is_common(password: str, name: str) -> bool:
    """Whether a password is among the first that are guessed: blanks, a pattern, a common one, the login itself.

    >>> is_common(" " * 12, "an"), is_common("password123456", "an"), is_common("bốn từ chẳng ai ghép", "an")
    (True, True, False)
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its lists are 2 MB of memory that only this page needs

    bare = "".join(password.split())[:_LOOKED_AT]
    return not bare or zxcvbn(bare, user_inputs=[*_OURS, name, *name.split(".")])["score"] < _LEAST_SCORE


async def hash_password(password: str) -> str:
    """The hash to keep."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def is_password(stored: str | None, password: str) -> bool:
    """Whether it is the password; None takes as long as a wrong one."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _matches, stored, password)


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _matches(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _nobody(), password) and stored is not None
    except VerifyMismatchError:
        return False


@cache
def _nobody() -> str:
    return _hasher.hash("nobody's password")
