"""Sessions of a program's pages: made at login, found by the cookie's token, ended by logout, by idleness and by age.

The cookie's token is 256 random bits; its hash alone is kept, so who reads the database cannot log in by it.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, delete, insert, not_, or_, select, update

from router.pages.people.persons import hash_of
from router.pages.people.roles import Person, RoleGrant
from router.pages.people.tables import PeopleTables
from router.storage.statements import chunks
from schemas.deadlines import is_over

IDLE_MS = 4 * 3_600_000
"""A session ends when its person has done nothing for so long; what pages ask for by themselves does not count."""
LONGEST_MS = 12 * 3_600_000
"""It ends so long after the login in any case: a working day."""
_CLOCKS_DIFFER_MS = 60_000
"""How far the clocks of two processes on one database may be apart."""
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


class Sessions:
    """The sessions of a program's people.

    Args:
        tables: where it keeps them.
        roles: those that it grants.
    """

    def __init__(self, tables: PeopleTables, roles: type[StrEnum]) -> None:
        self._tables = tables
        self._table = tables.session
        self._session = tables.session.c
        self._roles = roles

    def begin(self, conn: Connection, name: str, *, now_ms: int, address: str = "") -> str:
        """Begin a session of a person who has just logged in; the token for the cookie. Ended ones are tidied up."""
        conn.execute(delete(self._table).where(self._has_ended(now_ms)))
        token = secrets.token_urlsafe(32)
        row: dict[str, object] = {"token_hash": hash_of(token), "person": name, "opened_at": now_ms, "used_at": now_ms}
        row["address"] = address[:_MAX_ADDRESS]
        conn.execute(insert(self._table).values(row))
        return token

    def find(self, conn: Connection, token: str, *, now_ms: int) -> tuple[Person, bool] | None:
        """Whose session a token names, with the grants of now; None when it has ended or never was.

        Returns:
            The person, and whether the use is to be noted by :meth:`note_use`.
        """
        for person_of_it, used_at in self._lasting(conn, [hash_of(token)], now_ms).values():
            return person_of_it, used_at <= now_ms - _NOTED_EVERY_MS
        return None

    def persons_of(self, conn: Connection, tokens: Iterable[str], *, now_ms: int) -> dict[str, Person]:
        """Whose sessions these tokens name, as :meth:`find` says of one; without those that have ended."""
        by_hash = {hash_of(token): token for token in tokens}
        lasting = [self._lasting(conn, hashes, now_ms).items() for hashes in chunks(by_hash)]
        return {by_hash[found]: owner for part in lasting for found, (owner, _) in part}

    def note_use(self, conn: Connection, token: str, *, now_ms: int) -> None:
        """The person has done something: the time of idleness begins anew."""
        conn.execute(update(self._table).where(self._session.token_hash == hash_of(token)).values(used_at=now_ms))

    def end(self, conn: Connection, token: str) -> None:
        """End a session."""
        conn.execute(delete(self._table).where(self._session.token_hash == hash_of(token)))

    def of_person(self, conn: Connection, name: str, token: str, *, now_ms: int) -> list[SessionRow]:
        """A person's sessions that have not ended, the latest first; ``token`` is that of the one that asks."""
        row = self._session
        own = select(row.opened_at, row.used_at, row.address, row.token_hash == hash_of(token))
        lasting = own.where(row.person == name, not_(self._has_ended(now_ms))).order_by(row.opened_at.desc())
        return [SessionRow(began, used, place, bool(same)) for began, used, place, same in conn.execute(lasting)]

    def end_others(self, conn: Connection, name: str, token: str) -> int:
        """End all sessions of a person but the one of a token; how many."""
        others = self._session.person == name, self._session.token_hash != hash_of(token)
        return conn.execute(delete(self._table).where(*others)).rowcount

    def _has_ended(self, now_ms: int) -> ColumnElement[bool]:
        """Whether it has ended by idleness or age; one opened by a clock that was ahead has, too."""
        row = self._session
        return or_(
            is_over(row.used_at + IDLE_MS, now=now_ms, longest=IDLE_MS + _CLOCKS_DIFFER_MS),
            is_over(row.opened_at + LONGEST_MS, now=now_ms, longest=LONGEST_MS + _CLOCKS_DIFFER_MS),
        )

    def _lasting(self, conn: Connection, hashes: Collection[str], now_ms: int) -> dict[str, tuple[Person, int]]:
        """The person and the last noted use of each session that has not ended, by its token's hash."""
        row, person, role = self._session, self._tables.person, self._tables.role
        joined = self._table.join(person).outerjoin(role, role.c.person == person.c.name)
        good = row.token_hash.in_(hashes), not_(self._has_ended(now_ms)), person.c.revoked_at.is_(None)
        columns = row.token_hash, person.c.name, row.used_at, role.c.role, role.c.pattern
        ordered = select(*columns).select_from(joined).where(*good).order_by(row.token_hash)
        lasting = {}
        for found, group in groupby(conn.execute(ordered), key=lambda found: found.token_hash):
            rows = list(group)
            grants = sorted(RoleGrant(self._roles(each.role), each.pattern) for each in rows if each.role is not None)
            lasting[found] = Person(rows[0].name, tuple(grants)), rows[0].used_at
        return lasting
