"""Who is told by e-mail: people with an address, the kinds that each does not want, and the keys of their links."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from router.mail.addresses import checked_address
from router.mail.tables import MailTables
from router.pages.language import VIETNAMESE
from router.pages.people import People, Person
from router.storage.statements import insert_of

MOST = 2000
"""People of one program who are told by e-mail."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody with an address who may come in; ``since`` (UTC ms): nothing that happened before is told."""

    person: Person
    address: str
    language: str
    since: int
    handle: str
    secret: str
    stopped: frozenset[str] = frozenset()
    """Kinds that are not wanted."""

    def wants(self, kind: str) -> bool:
        """Whether a kind was not stopped."""
        return kind not in self.stopped

    def told_since(self, now_ms: int) -> int:
        """From when on they are told (UTC ms); a clock that was ahead when they gave their address is not believed."""
        return self.since if self.since <= now_ms else 0


class Recipients:
    """The recipients of a program.

    Args:
        tables: where it keeps them.
        people: the program's.
    """

    def __init__(self, tables: MailTables, people: People) -> None:
        self._tables = tables
        self._people = people

    def all(self, conn: Connection) -> list[Recipient]:
        """Everybody with an address whose access lasts, by their names."""
        row = self._tables.recipient
        return self._read(conn, conn.execute(select(row).order_by(row.c.person).limit(MOST)).all())

    def find(self, conn: Connection, name: str) -> Recipient | None:
        """One of them."""
        row = self._tables.recipient
        return next(iter(self._read(conn, conn.execute(select(row).where(row.c.person == name)).all())), None)

    def _read(self, conn: Connection, rows: Sequence[Row[Any]]) -> list[Recipient]:
        names = [row.person for row in rows]
        able, stopped = self._people.find_some(conn, names), self._tables.stopped.c
        kinds: dict[str, set[str]] = {name: set() for name in names}
        for name, kind in conn.execute(select(stopped.person, stopped.kind).where(stopped.person.in_(names))):
            kinds[name].add(kind)
        return [
            Recipient(
                person=able[row.person],
                address=row.address,
                language=row.language,
                since=row.since,
                handle=row.handle,
                secret=row.secret,
                stopped=frozenset(kinds[row.person]),
            )
            for row in rows
            if row.person in able
        ]

    def by_handle(self, conn: Connection, handle: str) -> Recipient | None:
        """Whom a link is of."""
        row = self._tables.recipient.c
        name = conn.scalar(select(row.person).where(row.handle == handle))
        return None if name is None else self.find(conn, name)

    def set_address(self, conn: Connection, name: str, address: str, language: str, *, now_ms: int) -> None:
        """Tell somebody by e-mail from now on; an empty address: no more.

        What waits for the address of before, or for who had the login before, is not sent to the new one, and the
        links end.

        Raises:
            ValueError: the text is no address.
        """
        table = self._tables.recipient
        given = checked_address(address) if address.strip() else ""
        was = conn.scalar(select(table.c.address).where(table.c.person == name))
        if given and given == was:
            conn.execute(update(table).where(table.c.person == name).values(language=language))
            return
        self._forget(conn, name)
        if given:
            keys = {"handle": secrets.token_hex(8), "secret": secrets.token_hex(32)}
            new = insert_of(conn, table).values(person=name, address=given, language=language, since=now_ms, **keys)
            conn.execute(new)

    def give_address(self, conn: Connection, name: str, address: str, *, now_ms: int) -> None:
        """An address for somebody who has none, as whoever lets them in says; they may change it.

        Raises:
            ValueError: the text is no address.
        """
        table = self._tables.recipient
        if conn.scalar(select(table.c.person).where(table.c.person == name)) is None:
            self.set_address(conn, name, address, VIETNAMESE, now_ms=now_ms)

    def choose(self, conn: Connection, name: str, offered: Collection[str], wanted: Collection[str]) -> None:
        """Keep which of the kinds that somebody was offered they want."""
        stopped = self._tables.stopped
        conn.execute(delete(stopped).where(stopped.c.person == name, stopped.c.kind.in_(offered)))
        for kind in sorted(set(offered) - set(wanted)):
            self.stop(conn, name, kind)

    def stop(self, conn: Connection, name: str, kind: str) -> None:
        """Send somebody no more of a kind; what waits of it is not sent either."""
        new = insert_of(conn, self._tables.stopped).values(person=name, kind=kind)
        conn.execute(new.on_conflict_do_nothing())

    def _forget(self, conn: Connection, name: str) -> None:
        row, waiting = self._tables.recipient, self._tables.notice
        conn.execute(delete(row).where(row.c.person == name))
        unsent = waiting.c.person == name, waiting.c.mail.is_(None)
        conn.execute(update(waiting).where(*unsent).values(mail=""))
        mail = self._tables.mail
        open_ones = mail.c.person == name, mail.c.state == "waiting"
        conn.execute(update(mail).where(*open_ones).values(state="dropped", error="the address was changed"))
