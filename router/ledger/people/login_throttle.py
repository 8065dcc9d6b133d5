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

from router.errors import LockedOutError
from router.ledger.dialect import insert_of
from router.ledger.models import login_attempt as table
from router.ledger.models import person_device
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


def begin(conn: Connection, attempt: Attempt, *, now_ms: int) -> None:
    """Count an attempt before its password is looked at, so that many at once are counted, too.

    Raises:
        LockedOutError: too many attempts have failed.
    """
    keys = _keys(conn, attempt, now_ms)
    statement = select(table).where(table.c.key.in_(keys)).order_by(table.c.key)
    if conn.dialect.name == "postgresql":
        statement = statement.with_for_update()
    rows = {row.key: row for row in conn.execute(statement)}
    until = max((row.locked_until for row in rows.values() if _is_locked(row.locked_until, now_ms)), default=0)
    if until:
        raise LockedOutError("too many logins failed", seconds=(until - now_ms + 999) // 1000)
    for key, free in sorted(keys.items()):
        row = rows.get(key)
        is_old = row is None or abs(now_ms - row.at) > FORGOTTEN_AFTER_MS
        failures = 1 if row is None or is_old else row.failures + 1
        values = {"failures": failures, "locked_until": now_ms + lock_of(failures, free), "at": now_ms}
        counted = insert_of(conn, table).values(key=key, **values)
        conn.execute(counted.on_conflict_do_update(index_elements=["key"], set_=values))
    conn.execute(delete(table).where(table.c.at < now_ms - FORGOTTEN_AFTER_MS))


def succeed(conn: Connection, attempt: Attempt, *, now_ms: int) -> None:
    """The password was right: what was counted for it is forgotten; of the address, this attempt alone is."""
    keys = _keys(conn, attempt, now_ms)
    address = _hash("address", attempt.address)
    conn.execute(delete(table).where(table.c.key.in_(set(keys) - {address})))
    once = {"failures": table.c.failures - 1, "locked_until": 0}
    conn.execute(update(table).where(table.c.key == address, table.c.failures > 0).values(once))


def forgive(conn: Connection, name: str) -> None:
    """End the lock of a name."""
    conn.execute(delete(table).where(table.c.key == _hash("name", name)))


def locked_names(conn: Connection, names: Iterable[str]) -> dict[str, int]:
    """Until when names are locked for browsers that are not known (UTC milliseconds), where they ever were."""
    keys = {_hash("name", name): name for name in names}
    rows = conn.execute(select(table.c.key, table.c.locked_until))
    return {keys[key]: until for key, until in rows if key in keys}


def forget_devices(conn: Connection, name: str) -> None:
    """Forget all of a person's browsers."""
    conn.execute(delete(person_device).where(person_device.c.person == name))


def remember_device(conn: Connection, name: str, *, now_ms: int) -> str:
    """A token for the browser that its person has just logged in with."""
    token = secrets.token_urlsafe(32)
    conn.execute(insert(person_device).values(token_hash=_hash(token), person=name, used_at=now_ms))
    of_name = person_device.c.person == name
    kept = (
        select(person_device.c.token_hash)
        .where(of_name)
        .order_by(person_device.c.used_at.desc(), person_device.c.token_hash)
        .limit(MAX_DEVICES)
    )
    newest = list(conn.scalars(kept))
    conn.execute(delete(person_device).where(of_name, person_device.c.token_hash.not_in(newest)))
    return token


def knows_device(conn: Connection, name: str, device: str, *, now_ms: int) -> bool:
    """Whether a person has logged in with a browser before."""
    since = now_ms - DEVICE_DAYS * 24 * 3_600_000
    same = person_device.c.token_hash == _hash(device), person_device.c.person == name, person_device.c.used_at >= since
    return bool(device) and conn.scalar(select(person_device.c.person).where(*same)) is not None


def _is_locked(until: int, now_ms: int) -> bool:
    return not is_over(until, now=now_ms, longest=LONGEST_LOCK_MS)


def lock_of(failures: int, free: int) -> int:
    """Milliseconds of lock-out after so many failures: none at first, then 30 s, 1 min, 2 min … 1 h."""
    if failures < free:
        return 0
    return min(FIRST_LOCK_MS << min(failures - free, _MAX_DOUBLINGS), LONGEST_LOCK_MS)


def _keys(conn: Connection, attempt: Attempt, now_ms: int) -> dict[str, int]:
    """What an attempt counts against, with the failures that are free."""
    if knows_device(conn, attempt.name, attempt.device, now_ms=now_ms):
        return {_hash("device", attempt.device): FREE_AT_ADDRESS}
    return dict(_strangers_keys(attempt))


def _strangers_keys(attempt: Attempt) -> Iterator[tuple[str, int]]:
    yield _hash("both", attempt.name, attempt.address), FREE_AT_ADDRESS
    yield _hash("address", attempt.address), FREE_BY_ADDRESS
    yield _hash("name", attempt.name), FREE_BY_NAME


def _hash(*parts: str) -> str:
    """What the ledger keeps: a name that nobody has may be a password typed into the wrong field."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
