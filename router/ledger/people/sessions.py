"""Sessions of the console: made at login, found by the cookie's token, ended by logout, by idleness and by age.

The cookie's token is 256 random bits; the ledger keeps its hash alone, so who reads the ledger cannot log in by it.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, delete, insert, not_, or_, select, update

from router.ledger.bulk import chunks
from router.ledger.models import person, person_role, web_session
from router.ledger.people.persons import Person, PersonRole, RoleGrant, hash_of
from schemas.deadlines import is_over

IDLE_MS = 4 * 3_600_000
"""A session ends when its person has done nothing for so long; what pages ask for by themselves does not count."""
LONGEST_MS = 12 * 3_600_000
"""It ends so long after the login in any case: a working day."""
_CLOCKS_DIFFER_MS = 60_000
"""How far the clocks of two routers on one ledger may be apart."""
_MAX_ADDRESS = 64
_NOTED_EVERY_MS = 60_000
"""Its use is written down at most so often."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that lasts: when it began and was last used (UTC ms), where from, whether it is the one that asks."""

    opened_at: int
    used_at: int
    address: str
    is_this: bool


def open_session(conn: Connection, name: str, *, now_ms: int, address: str = "") -> str:
    """Begin a session of a person who has just logged in; the token for the cookie. Ended ones are tidied up."""
    conn.execute(delete(web_session).where(_has_ended(now_ms)))
    token = secrets.token_urlsafe(32)
    row: dict[str, object] = {"token_hash": hash_of(token), "person": name, "opened_at": now_ms, "used_at": now_ms}
    row["address"] = address[:_MAX_ADDRESS]
    conn.execute(insert(web_session).values(row))
    return token


def _has_ended(now_ms: int) -> ColumnElement[bool]:
    """Whether it has ended by idleness or age; one opened by a clock that was ahead has, too."""
    return or_(
        is_over(web_session.c.used_at + IDLE_MS, now=now_ms, longest=IDLE_MS + _CLOCKS_DIFFER_MS),
        is_over(web_session.c.opened_at + LONGEST_MS, now=now_ms, longest=LONGEST_MS + _CLOCKS_DIFFER_MS),
    )


def find_session(conn: Connection, token: str, *, now_ms: int) -> tuple[Person, bool] | None:
    """Whose session a token names, with the grants of now; None when it has ended or never was.

    Returns:
        The person, and whether the use is to be noted by :func:`note_use`.
    """
    for person_of_it, used_at in _lasting(conn, [hash_of(token)], now_ms).values():
        return person_of_it, used_at <= now_ms - _NOTED_EVERY_MS
    return None


def persons_of(conn: Connection, tokens: Iterable[str], *, now_ms: int) -> dict[str, Person]:
    """Whose sessions these tokens name, as :func:`find_session` says of one; without those that have ended."""
    by_hash = {hash_of(token): token for token in tokens}
    lasting = [_lasting(conn, hashes, now_ms).items() for hashes in chunks(by_hash)]
    return {by_hash[found]: owner for part in lasting for found, (owner, _) in part}


def _lasting(conn: Connection, hashes: Collection[str], now_ms: int) -> dict[str, tuple[Person, int]]:
    """The person and the last noted use of each session that has not ended, by its token's hash."""
    joined = web_session.join(person).outerjoin(person_role, person_role.c.person == person.c.name)
    good = (
        web_session.c.token_hash.in_(hashes),
        not_(_has_ended(now_ms)),
        person.c.revoked_at.is_(None),
    )
    columns = web_session.c.token_hash, person.c.name, web_session.c.used_at, person_role.c.role, person_role.c.pattern
    ordered = select(*columns).select_from(joined).where(*good).order_by(web_session.c.token_hash)
    lasting = {}
    for found, group in groupby(conn.execute(ordered), key=lambda row: row.token_hash):
        rows = list(group)
        grants = sorted(RoleGrant(PersonRole(row.role), row.pattern) for row in rows if row.role is not None)
        lasting[found] = Person(rows[0].name, tuple(grants)), rows[0].used_at
    return lasting


def note_use(conn: Connection, token: str, *, now_ms: int) -> None:
    """The person has done something: the time of idleness begins anew."""
    conn.execute(update(web_session).where(web_session.c.token_hash == hash_of(token)).values(used_at=now_ms))


def close_session(conn: Connection, token: str) -> None:
    """End a session."""
    conn.execute(delete(web_session).where(web_session.c.token_hash == hash_of(token)))


def sessions_of(conn: Connection, name: str, token: str, *, now_ms: int) -> list[SessionRow]:
    """A person's sessions that have not ended, the latest first; ``token`` is that of the one that asks."""
    row = web_session.c
    own = select(row.opened_at, row.used_at, row.address, row.token_hash == hash_of(token))
    lasting = own.where(row.person == name, not_(_has_ended(now_ms))).order_by(row.opened_at.desc())
    return [SessionRow(began, used, place, bool(same)) for began, used, place, same in conn.execute(lasting)]


def close_others(conn: Connection, name: str, token: str) -> int:
    """End all sessions of a person but the one of a token; how many."""
    others = web_session.c.person == name, web_session.c.token_hash != hash_of(token)
    return conn.execute(delete(web_session).where(*others)).rowcount
