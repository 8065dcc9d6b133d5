"""Slows down whoever guesses passwords, and nobody else: by name and address, by address, and by name for strangers.

A failure counts against three things: the name at that address, the address whatever the name, and the name from
wherever it is tried. A browser that its person has logged in with before carries a device token; it is counted by
itself, so neither a lock of the name nor one of the address keeps its person out. A name that nobody has is counted as
any other: whether an answer is 401 or 429 tells nothing of it.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from router.pages.errors import LockedOutError
from router.pages.people.tables import PeopleTables
from router.storage.statements import insert_of
from schemas.deadlines import is_over

FREE_AT_ADDRESS, FREE_BY_ADDRESS, FREE_BY_NAME = 5, 30, 50
"""Failures in a row without a lock: of a name at one address, of one address, of a name from everywhere."""
FIRST_LOCK_MS, LONGEST_LOCK_MS = 30_000, 3_600_000
FORGOTTEN_AFTER_MS = 24 * 3_600_000
"""A count ends when nothing has failed for a day."""
DEVICE_DAYS = 180
"""How long a browser is known after its last login."""
MAX_DEVICES = 10
"""Of one person; the one used longest ago is forgotten."""
_MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to log in, from where, and with what device token (empty: none)."""

    name: str
    address: str
    device: str = ""


class Throttle:
    """Counts the failed logins of a program's pages.

    Args:
        tables: where it keeps them.
    """

    def __init__(self, tables: PeopleTables) -> None:
        self._table = tables.attempt
        self._attempt = tables.attempt.c
        self._devices = tables.device
        self._device = tables.device.c

    def begin(self, conn: Connection, attempt: Attempt, *, now_ms: int) -> None:
        """Count an attempt before its password is looked at, so that many at once are counted, too.

        Raises:
            LockedOutError: too many attempts have failed.
        """
        keys = self._keys(conn, attempt, now_ms)
        row = self._attempt
        statement = select(self._table).where(row.key.in_(keys)).order_by(row.key)
        if conn.dialect.name == "postgresql":
            statement = statement.with_for_update()
        rows = {found.key: found for found in conn.execute(statement)}
        locks = [found.locked_until for found in rows.values() if _is_locked(found.locked_until, now_ms)]
        until = max(locks, default=0)
        if until:
            raise LockedOutError("too many logins failed", seconds=(until - now_ms + 999) // 1000)
        for key, free in sorted(keys.items()):
            found = rows.get(key)
            is_old = found is None or abs(now_ms - found.at) > FORGOTTEN_AFTER_MS
            failures = 1 if found is None or is_old else found.failures + 1
            values = {"failures": failures, "locked_until": now_ms + lock_of(failures, free), "at": now_ms}
            counted = insert_of(conn, self._table).values(key=key, **values)
            conn.execute(counted.on_conflict_do_update(index_elements=["key"], set_=values))
        conn.execute(delete(self._table).where(row.at < now_ms - FORGOTTEN_AFTER_MS))

    def succeed(self, conn: Connection, attempt: Attempt, *, now_ms: int) -> None:
        """The password was right: what was counted for it is forgotten; of the address, this attempt alone is."""
        keys = self._keys(conn, attempt, now_ms)
        address = _hash("address", attempt.address)
        row = self._attempt
        conn.execute(delete(self._table).where(row.key.in_(set(keys) - {address})))
        once = {"failures": row.failures - 1, "locked_until": 0}
        conn.execute(update(self._table).where(row.key == address, row.failures > 0).values(once))

    def forgive(self, conn: Connection, name: str) -> None:
        """End the lock of a name."""
        conn.execute(delete(self._table).where(self._attempt.key == _hash("name", name)))

    def locked_names(self, conn: Connection, names: Iterable[str]) -> dict[str, int]:
        """Until when names are locked for browsers that are not known (UTC milliseconds), where they ever were."""
        keys = {_hash("name", name): name for name in names}
        rows = conn.execute(select(self._attempt.key, self._attempt.locked_until))
        return {keys[key]: until for key, until in rows if key in keys}

    def forget_devices(self, conn: Connection, name: str) -> None:
        """Forget all of a person's browsers."""
        conn.execute(delete(self._devices).where(self._device.person == name))

    def remember_device(self, conn: Connection, name: str, *, now_ms: int) -> str:
        """A token for the browser that its person has just logged in with."""
        token = secrets.token_urlsafe(32)
        conn.execute(insert(self._devices).values(token_hash=_hash(token), person=name, used_at=now_ms))
        row = self._device
        of_name = row.person == name
        newest_first = row.used_at.desc(), row.token_hash
        newest = list(conn.scalars(select(row.token_hash).where(of_name).order_by(*newest_first).limit(MAX_DEVICES)))
        conn.execute(delete(self._devices).where(of_name, row.token_hash.not_in(newest)))
        return token

    def knows_device(self, conn: Connection, name: str, device: str, *, now_ms: int) -> bool:
        """Whether a person has logged in with a browser before."""
        since = now_ms - DEVICE_DAYS * 24 * 3_600_000
        row = self._device
        same = row.token_hash == _hash(device), row.person == name, row.used_at >= since
        return bool(device) and conn.scalar(select(row.person).where(*same)) is not None

    def _keys(self, conn: Connection, attempt: Attempt, now_ms: int) -> dict[str, int]:
        """What an attempt counts against, with the failures that are free."""
        if self.knows_device(conn, attempt.name, attempt.device, now_ms=now_ms):
            return {_hash("device", attempt.device): FREE_AT_ADDRESS}
        return dict(_strangers_keys(attempt))


def lock_of(failures: int, free: int) -> int:
    """Milliseconds of lock-out after so many failures: none at first, then 30 s, 1 min, 2 min … 1 h."""
    if failures < free:
        return 0
    return min(FIRST_LOCK_MS << min(failures - free, _MAX_DOUBLINGS), LONGEST_LOCK_MS)


def _is_locked(until: int, now_ms: int) -> bool:
    return not is_over(until, now=now_ms, longest=LONGEST_LOCK_MS)


def _strangers_keys(attempt: Attempt) -> Iterator[tuple[str, int]]:
    yield _hash("both", attempt.name, attempt.address), FREE_AT_ADDRESS
    yield _hash("address", attempt.address), FREE_BY_ADDRESS
    yield _hash("name", attempt.name), FREE_BY_NAME


def _hash(*parts: str) -> str:
    """What is kept: a name that nobody has may be a password typed into the wrong field."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
