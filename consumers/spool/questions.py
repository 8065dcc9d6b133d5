"""What people at the desk ask of the router: noted here, asked by the gateway when the line allows, kept for a while.

The desk has neither the line nor the gateway's token. A question stands once, however many ask it; one that nobody
waits for any more is not asked, and what was looked at longest ago makes room for what is new.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, Row, delete, func, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert

from consumers.spool.models import question as table
from schemas.clock import now_ms

MOST_KEPT, MOST_BYTES = 2000, 4 * 1024**2
"""Answers, and bytes of them as they are packed."""
MOST_UNPACKED = 1024**2
"""Bytes of one answer."""
WAITED_MS = 60_000
"""A page that waits looks again within seconds; so long after its last look nobody waits."""
SEEN_AGAIN_MS = 15_000
"""That somebody still waits is noted no more often."""


class QuestionKind(StrEnum):
    """What is asked."""

    LEVEL = "level"
    """The units directly below one; the subject is its code, ``>`` and the unit to go on behind."""
    SEARCH = "search"
    """Units by words, which are the subject, with ``>`` and the unit to go on behind."""
    PLAN = "plan"
    """Whom a letter would reach, and when; the subject is its SHA-256, ``>`` and the bytes of its files."""
    TRACK = "track"
    """What became of a dispatch at each addressee; the subject is its id, ``>`` and the unit to go on behind."""


FRESH_MS = {
    QuestionKind.LEVEL: 3_600_000,
    QuestionKind.SEARCH: 3_600_000,
    QuestionKind.PLAN: 300_000,
    QuestionKind.TRACK: 60_000,
}
"""So long an answer is not asked for again, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, with a body where the subject does not say it all."""

    kind: QuestionKind
    subject: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known now.

    Attributes:
        body: the answer's JSON; None: there is none yet.
        at: as of when, UTC milliseconds.
        problem: why the router gives none, in its words.
        waits: the router is still to be asked, for the first time or again.
    """

    body: bytes | None = None
    at: int | None = None
    problem: str = ""
    waits: bool = True


class OpenQuestion(NamedTuple):
    """A question that is to be asked; with the ETag of what is known, empty: nothing is."""

    pos: int
    kind: QuestionKind
    subject: str
    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What the router said: an answer, that it has not changed (``body`` None), or why it gives none."""

    pos: int
    body: bytes | None = None
    etag: str = ""
    problem: str = ""


def known(conn: Connection, question: Question) -> Answer:
    """What is known of a question, however old."""
    row = _row(conn, question)
    return Answer() if row is None else _answer(row)


def is_noted(conn: Connection, question: Question) -> bool:
    """Whether nothing has to be written for a question: it is answered freshly, or noted a moment ago."""
    row, now = _row(conn, question), now_ms()
    if row is None:
        return False
    if row.open:
        return bool(0 <= now - row.wanted_at < SEEN_AGAIN_MS)
    return _is_fresh(row, now)


def want(conn: Connection, question: Question) -> None:
    """Note that somebody waits for an answer, or looks at one that is old."""
    row, now = _row(conn, question), now_ms()
    is_open = row is None or row.open or not _is_fresh(row, now)
    values = {"kind": question.kind.value, "subject": question.subject, "body": question.body, "answer": b""}
    new = insert(table).values(**values, wanted_at=now, open=True)
    seen = {"wanted_at": now, "open": is_open}
    conn.execute(new.on_conflict_do_update(index_elements=["kind", "subject"], set_=seen))
    if row is None:
        _make_room(conn)


def waiting(conn: Connection, limit: int) -> list[OpenQuestion]:
    """The questions that somebody waits for, what was looked at last first."""
    columns = table.c.pos, table.c.kind, table.c.subject, table.c.body, table.c.etag
    waited = text("question.open"), table.c.wanted_at > now_ms() - WAITED_MS
    rows = conn.execute(select(*columns).where(*waited).order_by(table.c.wanted_at.desc()).limit(limit))
    return [OpenQuestion(row[0], QuestionKind(row[1]), *row[2:]) for row in rows]


def answer(conn: Connection, items: Sequence[Answered]) -> list[None]:
    """Keep what the router said; what was looked at longest ago makes room."""
    for item in items:
        said = {"open": False, "answered_at": now_ms(), "problem": item.problem}
        if item.body is not None:
            said |= {"answer": zlib.compress(item.body), "etag": item.etag}
        conn.execute(update(table).where(table.c.pos == item.pos).values(**said))
    _make_room(conn)
    return [None] * len(items)


def _make_room(conn: Connection) -> None:
    newest = table.c.wanted_at.desc()
    size = func.length(table.c.answer) + func.length(table.c.body)
    place = func.row_number().over(order_by=newest).label("place")
    together = func.sum(size).over(order_by=newest).label("bytes")
    ranked = select(table.c.pos, place, together).subquery()
    over = select(ranked.c.pos).where(or_(ranked.c.place > MOST_KEPT, ranked.c.bytes > MOST_BYTES))
    conn.execute(delete(table).where(table.c.pos.in_(over)))


def _row(conn: Connection, question: Question) -> Row[tuple[object, ...]] | None:
    here = table.c.kind == question.kind.value, table.c.subject == question.subject
    return conn.execute(select(table).where(*here)).one_or_none()


def _is_fresh(row: Row[tuple[object, ...]], now: int) -> bool:
    return row.answered_at is not None and 0 <= now - row.answered_at < FRESH_MS[QuestionKind(row.kind)]


def _answer(row: Row[tuple[object, ...]]) -> Answer:
    body = zlib.decompressobj().decompress(row.answer, MOST_UNPACKED) if row.answer else None
    return Answer(body, row.answered_at, row.problem, bool(row.open))
