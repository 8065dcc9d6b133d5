"""Passwords: hashed by argon2id with the parameters of RFC 9106 for little memory (64 MiB), a few at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

MIN_LENGTH, MAX_LENGTH = 12, 256
"""Characters; a long phrase is better than a short puzzle (NIST SP 800-63B, 5.1.1)."""

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(2, "passwords")
"""Many logins at once wait for each other instead of filling the memory."""


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
