"""The outbox: e-mails made of notices that wait, claimed by one sender at a time, ended by the server's answer.

Which notices an e-mail tells is committed before it is sent, and its Message-ID is made of its id. So a sender that is
killed after the server has taken it and before that is kept sends the same e-mail again, which mail systems know.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, func, insert, or_, select, update

from router.mail.days import Days
from router.mail.errors import UnknownMailError
from router.mail.notices import MAX_TITLE, MAX_WAITING, NOTHING, Notices, NoticeText, Reach, plain
from router.mail.states import FAILED, MailState
from router.mail.tables import MailTables
from schemas.deadlines import is_over
from schemas.ids import new_id
from schemas.model import parse

LEASE_MS = 15 * 60_000
"""For how long a claimed e-mail belongs to its sender, who has given it up long before."""
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, 3_600_000
GIVEN_UP_AFTER_DAYS = 3
"""An e-mail that was not sent in so many days would only tell what everybody knows."""
_DAY_MS = 24 * 3_600_000
AT_ONCE = 200
"""E-mails that are made, and rows that are forgotten, in one transaction."""
_MAX_ERROR = 500
_NO_TEXT = "{}"
_LONGEST_WAIT_MS = max(LEASE_MS, LONGEST_PAUSE_MS)


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """An e-mail to be sent now, and how often it was claimed."""

    id: str
    person: str
    kind: str
    attempts: int
    created_at: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """An e-mail as it is listed; times are UTC ms, ``next_at`` None: it is not tried again by itself."""

    id: str
    person: str
    kind: str
    state: MailState
    attempts: int
    created_at: int
    next_at: int | None
    ended_at: int | None
    error: str
    title: str


@dataclass(frozen=True, slots=True)
class MailEnding:
    """What became of a try; ``later``: it is put off, unless it was too often."""

    state: MailState
    error: str = ""
    later: bool = False


def pause_ms(attempts: int) -> int:
    """How long an e-mail waits after so many tries.

    >>> [pause_ms(attempts) // 1000 for attempts in (1, 2, 3, 20)]
    [30, 60, 120, 3600]
    """
    return min(FIRST_PAUSE_MS << min(attempts - 1, 10), LONGEST_PAUSE_MS)


def _read(row: Row[Any]) -> MailRow:
    waits = row.state == MailState.WAITING
    columns = row.id, row.person, row.kind, MailState(row.state), row.attempts, row.created_at
    return MailRow(*columns, row.next_at if waits else None, row.ended_at, row.error, row.title)


class Outbox:
    """The e-mails of a program.

    Args:
        tables: where it keeps them.
        attempts: after so many tries an e-mail is given up.
        grouped: kinds of which a person gets one e-mail in so many milliseconds.
    """

    def __init__(self, tables: MailTables, *, attempts: int = 20, grouped: Mapping[str, int] | None = None) -> None:
        self._tables = tables
        self._notice, self._mail = tables.notice.c, tables.mail.c
        self._attempts = attempts
        self._grouped = grouped or {}
        self.notices, self._days = Notices(tables), Days(tables)

    def has_work(self, conn: Connection, *, now_ms: int) -> bool:
        """Whether a notice waits, or an e-mail is due."""
        waiting = exists().where(self._notice.mail.is_(None))
        return bool(conn.scalar(select(waiting))) or self.has_due(conn, now_ms=now_ms)

    def has_due(self, conn: Connection, *, now_ms: int) -> bool:
        """Whether an e-mail is due."""
        due = exists().where(self._mail.state == MailState.WAITING, self._is_due(now_ms))
        return bool(conn.scalar(select(due)))

    def gather(self, conn: Connection, *, now_ms: int) -> int:
        """Make an e-mail of what waits for each person, kind by kind, in a transaction that writes; how many."""
        row = self._notice
        groups = select(row.person, row.kind).where(row.mail.is_(None)).distinct().order_by(row.person, row.kind)
        made = (self._gather(conn, *group, now_ms) for group in conn.execute(groups).all())
        return sum(islice(filter(None, made), AT_ONCE))

    def _gather(self, conn: Connection, person: str, kind: str, now_ms: int) -> int:
        if not self._may_begin(conn, person, kind, now_ms):
            return 0
        recipient = self._tables.recipient
        alone = select(recipient.c.person).where(recipient.c.person == person)
        conn.execute(alone.with_for_update())  # SQLite has one writer anyway
        if not self._may_begin(conn, person, kind, now_ms):
            return 0  # another process has begun meanwhile
        row, made = self._notice, new_id()
        waiting = row.person == person, row.kind == kind, row.mail.is_(None)
        some = select(row.pos).where(*waiting).order_by(row.pos).limit(MAX_WAITING)
        taken = update(self._tables.notice).where(row.pos.in_(some), row.mail.is_(None)).values(mail=made)
        if not conn.execute(taken).rowcount:
            return 0
        first = select(row.content).where(row.mail == made).order_by(row.pos).limit(1)
        title = plain(parse(NoticeText, conn.scalar(first) or "{}", what="notice").title, MAX_TITLE)
        values = {"id": made, "person": person, "kind": kind, "title": title, "state": MailState.WAITING.value}
        conn.execute(insert(self._tables.mail).values(**values, next_at=now_ms, created_at=now_ms))
        return 1

    def _may_begin(self, conn: Connection, person: str, kind: str, now_ms: int) -> bool:
        window = self._grouped.get(kind, 0)
        last = select(func.max(self._mail.created_at)).where(self._mail.person == person, self._mail.kind == kind)
        at: int | None = conn.scalar(last) if window else None
        return at is None or bool(is_over(at + window, now=now_ms, longest=window))

    def give_up(self, conn: Connection, *, now_ms: int) -> list[str]:
        """Give up what is due and was tried too often or has waited too long; the kinds of these e-mails."""
        waits = self._mail.state == MailState.WAITING, self._is_due(now_ms)
        tells_old = exists().where(
            self._notice.mail == self._mail.id, self._notice.pos <= self._days.since(conn, GIVEN_UP_AFTER_DAYS)
        )
        is_old = self._mail.created_at < now_ms - GIVEN_UP_AFTER_DAYS * _DAY_MS, tells_old
        tired = or_(self._mail.attempts >= self._attempts, and_(*is_old))
        given_up = {"state": MailState.GIVEN_UP.value, "ended_at": now_ms}
        ended = update(self._tables.mail).where(*waits, tired).values(given_up)
        return list(conn.scalars(ended.returning(self._mail.kind)))

    def claim(self, conn: Connection, *, now_ms: int) -> ClaimedMail | None:
        """The e-mail that is due first, for this sender alone; None: none is due."""
        waits = self._mail.state == MailState.WAITING, self._is_due(now_ms)
        first = select(self._mail.id).where(*waits).order_by(self._mail.next_at, self._mail.id).limit(1)
        if conn.dialect.name == "postgresql":
            first = first.with_for_update(skip_locked=True)
        found = conn.scalar(first)
        if found is None:
            return None
        taken = {"next_at": now_ms + LEASE_MS, "attempts": self._mail.attempts + 1}
        mail = self._tables.mail
        row = conn.execute(update(mail).where(self._mail.id == found).values(taken).returning(mail)).one()
        return ClaimedMail(row.id, row.person, row.kind, row.attempts, row.created_at)

    def told_in(self, conn: Connection, mail: str) -> list[tuple[Reach, NoticeText]]:
        """The notices that an e-mail tells, as (what it tells of, text)."""
        row = self._notice
        found = conn.execute(select(row.reach, row.content).where(row.mail == mail).order_by(row.pos))
        return [(parse(Reach, reach, what="reach"), parse(NoticeText, text, what="notice")) for reach, text in found]

    def reaches_of(self, conn: Connection, mail: str) -> list[Reach]:
        """What the notices of an e-mail tell of."""
        return [
            parse(Reach, reach, what="reach")
            for reach in conn.scalars(select(self._notice.reach).where(self._notice.mail == mail))
        ]

    def end(self, conn: Connection, mail: ClaimedMail, ending: MailEnding, *, now_ms: int) -> MailState:
        """Keep what became of a try; what state the e-mail is in then."""
        state = ending.state
        if ending.later:
            state = MailState.GIVEN_UP if mail.attempts >= self._attempts else MailState.WAITING
        values: dict[str, object] = {"state": state.value, "error": plain(ending.error, _MAX_ERROR)}
        if state is MailState.WAITING:
            values["next_at"] = now_ms + pause_ms(mail.attempts)
        else:
            values["ended_at"] = now_ms
        mine = self._mail.id == mail.id, self._mail.state == MailState.WAITING
        conn.execute(update(self._tables.mail).where(*mine).values(values))
        told = update(self._tables.notice).where(self._notice.mail == mail.id)
        if state in {MailState.SENT, MailState.DROPPED}:
            conn.execute(told.values(content=_NO_TEXT))
        if state is MailState.DROPPED:  # the day's digest gives its key back: it is made anew, of what may be told now
            conn.execute(told.where(self._notice.day != "").values(subject=mail.id, day=""))
        return state

    def release(self, conn: Connection, mail: ClaimedMail, *, now_ms: int, why: str = "") -> None:
        """Give a claim back as if it had not been: the server is away, which is not the e-mail's fault.

        It waits behind all others then.
        """
        mine = self._mail.id == mail.id, self._mail.state == MailState.WAITING
        values: dict[str, object] = {"attempts": self._mail.attempts - 1, "next_at": now_ms}
        values |= {"error": plain(why, _MAX_ERROR)} if why else {}
        conn.execute(update(self._tables.mail).where(*mine).values(values))

    def listed(
        self, conn: Connection, *, states: Collection[MailState] = (), person: str = "", since: int = 0, limit: int = 50
    ) -> list[MailRow]:
        """E-mails since a time (UTC ms), the newest first; in these states and of this person, when any are named."""
        wanted: list[ColumnElement[bool]] = []
        wanted += [self._mail.state.in_([state.value for state in states])] if states else []
        wanted += [self._mail.person == person] if person else []
        wanted += [self._mail.created_at >= since] if since else []
        rows = select(self._tables.mail).where(*wanted).order_by(self._mail.created_at.desc(), self._mail.id.desc())
        return [_read(row) for row in conn.execute(rows.limit(limit))]

    def retry(self, conn: Connection, mail: str, *, now_ms: int) -> None:
        """Have one tried again that was refused or given up, as if it had just been made.

        Raises:
            UnknownMailError: there is none of that id.
        """
        mine = self._mail.id == mail, self._mail.state.in_([state.value for state in FAILED])
        anew = {"state": MailState.WAITING.value, "attempts": 0, "next_at": now_ms, "created_at": now_ms}
        if not conn.execute(update(self._tables.mail).where(*mine).values(**anew, ended_at=None)).rowcount:
            raise UnknownMailError(f"no e-mail {mail} was refused or given up; list them to see which were")

    def note_day(self, conn: Connection, *, now_ms: int) -> None:
        """Note that this day was seen, by which it is known how long ago something was told."""
        self._days.note(conn, now_ms=now_ms)

    def forget(self, conn: Connection, *, days: int) -> int:
        """Forget up to a batch of what was told so many days ago, and the e-mails that told it; how many.

        That a digest of a day was made is never forgotten: a clock that is wrong for an hour would bring it twice. The
        newest notice stays, so that no place is given twice.
        """
        row, mail, place = self._notice, self._mail, self._days.since(conn, days)
        waits = exists().where(mail.id == row.mail, mail.state == MailState.WAITING)
        told = row.pos < place, row.mail.is_not(None), ~waits, or_(row.day == "", row.mail != NOTHING)
        found = conn.execute(select(row.pos, row.mail).where(*told).order_by(row.pos).limit(AT_ONCE)).all()
        old = row.pos.in_([one.pos for one in found])
        conn.execute(delete(self._tables.notice).where(old, row.day == ""))
        conn.execute(update(self._tables.notice).where(old).values(content=_NO_TEXT, mail=NOTHING))
        conn.execute(delete(self._tables.mail).where(mail.id.in_({one.mail for one in found})))
        self._days.forget(conn, place)
        return len(found)

    def _is_due(self, now_ms: int) -> ColumnElement[bool]:
        due: ColumnElement[bool] = is_over(self._mail.next_at, now=now_ms, longest=_LONGEST_WAIT_MS)
        return due
