"""What is to be told: a notice for one person, in the person's language, kept under a key that is given once.

While a notice is remembered, nothing with its key is made again, whatever restarts, however many processes look and
wherever the clock goes.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy import Connection, func, select

from router.mail.tables import MailTables
from router.storage.statements import chunks, insert_of
from schemas.model import Travelling

MAX_TITLE, MAX_ROW, MAX_ROWS = 150, 400, 200
"""Characters of a title and of a row; rows of one passage."""
MAX_WAITING = 1000
"""Notices of one kind that may wait for one person's next e-mail; what is more is told in the one after it."""
NOTHING = ""
"""The e-mail of a notice that had nothing to tell."""


class Passage(Travelling):
    """A part of a notice: what it is about, lines, and where more of it is seen."""

    head: Annotated[str, Field(max_length=MAX_ROW)] = ""
    rows: Annotated[tuple[Annotated[str, Field(max_length=MAX_ROW)], ...], Field(max_length=MAX_ROWS)] = ()
    link: Annotated[str, Field(max_length=2000)] = ""
    """Empty: it is not known where pages are found."""


class NoticeText(Travelling):
    """What a notice says."""

    title: Annotated[str, Field(max_length=MAX_TITLE)] = ""
    passages: Annotated[tuple[Passage, ...], Field(max_length=50)] = ()


class Reach(Travelling):
    """What a notice tells of: units, as codes or patterns, and those of them whose secrets; of none in particular."""

    units: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """A kind of notices, which people choose one by one.

    Args:
        name: as it is kept and stands in links.
        label: what pages call it, in English.
        is_grouped: whether many come at once, so that they wait for one e-mail of all.
    """

    name: str
    label: str
    is_grouped: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell one person.

    Args:
        person: the login.
        kind: of :class:`NoticeKind`.
        subject: what it is about and what became of it; with person, kind and day it is told once.
        reach: what it tells of; who may not be told of all of it any more is not sent it.
        text: what is said; None: there is nothing to tell, which is kept as well.
        day: of a digest, ISO. One that may not be sent any more is made anew.
    """

    person: str
    kind: str
    subject: str
    reach: Reach
    text: NoticeText | None
    day: str = ""


class Notices:
    """The notices of a program.

    Args:
        tables: where it keeps them.
    """

    def __init__(self, tables: MailTables) -> None:
        self._table = tables.notice

    def untold(self, conn: Connection, person: str, kind: str, subjects: Sequence[str], *, day: str = "") -> list[str]:
        """Those subjects that no notice was made of, in their order."""
        row = self._table.c
        same = row.person == person, row.kind == kind, row.day == day
        known: set[str] = set()
        for some in chunks(subjects):
            known.update(conn.scalars(select(row.subject).where(*same, row.subject.in_(some))))
        return [subject for subject in subjects if subject not in known]

    def waiting(self, conn: Connection, person: str, kind: str) -> int:
        """How many notices of a kind wait for a person's next e-mail."""
        row = self._table.c
        same = row.person == person, row.kind == kind, row.mail.is_(None)
        return conn.scalar(select(func.count()).where(*same)) or 0

    def latest(self, conn: Connection, person: str, kind: str, beginning: str) -> str:
        """The subject of the latest notice whose subject begins so; empty: there is none."""
        row = self._table.c
        same = row.person == person, row.kind == kind, row.subject.startswith(beginning, autoescape=True)
        return conn.scalar(select(row.subject).where(*same).order_by(row.pos.desc()).limit(1)) or ""

    def keep(self, conn: Connection, found: Collection[Notice], *, now_ms: int) -> int:
        """Keep notices, each once, in a transaction that writes; how many are new."""
        return sum(self._keep(conn, notice, now_ms) for notice in found)

    def _keep(self, conn: Connection, notice: Notice, now_ms: int) -> int:
        values = {
            "person": notice.person,
            "kind": notice.kind,
            "subject": notice.subject,
            "day": notice.day,
            "reach": notice.reach.model_dump_json(exclude_defaults=True),
            "content": (notice.text or NoticeText()).model_dump_json(exclude_defaults=True),
            "created_at": now_ms,
            "mail": NOTHING if notice.text is None else None,
        }
        new = insert_of(conn, self._table).values(values).on_conflict_do_nothing()
        return int(conn.execute(new.returning(self._table.c.pos)).first() is not None)


def plain(text: str, most: int = MAX_ROW) -> str:
    r"""A text as one line of a letter: no control, no invisible character, at most so long.

    >>> plain("Thư mời\r\nBcc: ai.do@example.vn", 30)
    'Thư mời Bcc: ai.do@example.vn'
    """
    seen = "".join(" " if char.isspace() or unicodedata.category(char).startswith("C") else char for char in text)
    line = " ".join(seen.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
