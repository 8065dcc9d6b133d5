"""Documents that are being written at the desk, and their files, which lie among the contents under their hashes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from consumers.errors import UnknownDraftError
from consumers.spool.models import draft as table
from consumers.spool.models import draft_file
from consumers.spool.scope import UnitScope
from schemas.dispatch import MAX_ATTACHMENTS
from schemas.errors import FieldProblem, InvalidError
from schemas.text import fold

MOST_DRAFTS = 500
"""Of one unit."""
MOST_LISTED = 200
_MOST_WORDS = 10


@dataclass(frozen=True, slots=True)
class DraftWords:
    """What a draft says: of which unit it is, what lists show of it, and all that was typed, as JSON.

    ``answers`` is the delivery that it answers, known when it is saved; ``secret``: it is to be a state secret.
    """

    unit: str
    notation: str
    subject: str
    fields: str
    answers: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class DraftAuthor:
    """Who writes, and when (UTC ms)."""

    login: str
    full_name: str
    at: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that is being written; ``mends`` is the id of the rejected one that it puts right."""

    pos: int
    id: str
    version: int
    by: DraftAuthor
    words: DraftWords
    mends: str = ""


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of it: what people call it, what it is, the content that it is, bytes."""

    name: str
    media_type: str
    sha256: str
    size: int


def get(conn: Connection, draft_id: str, units: Collection[str]) -> Draft:
    """A draft of one of the units; a scope says where secret ones, too.

    Raises:
        UnknownDraftError: there is none.
    """
    found = find(conn, draft_id)
    if found is None or not UnitScope.of(units).sees(found.words.unit, secret=found.words.secret):
        raise UnknownDraftError(f"there is no draft {draft_id} here")
    return found


def find(conn: Connection, draft_id: str) -> Draft | None:
    """A draft by its id, whoever's it is; None: there is none."""
    row = conn.execute(select(table).where(table.c.id == draft_id)).one_or_none()
    return None if row is None else _draft(row)


def save(conn: Connection, draft_id: str, words: DraftWords, by: DraftAuthor, *, mends: str = "") -> None:
    """Keep what was typed: a draft begins with it, or goes on.

    Raises:
        InvalidError: the unit has too many drafts.
    """
    values = {
        "unit": words.unit,
        "notation": words.notation,
        "subject": words.subject,
        "folded": fold(f"{words.notation} {words.subject}"),
        "fields": words.fields,
        "secret": words.secret,
        "person": by.login,
        "full_name": by.full_name,
        "changed_at": by.at,
    }
    known = table.c.id == draft_id
    if conn.execute(update(table).where(known).values(**values, version=table.c.version + 1)).rowcount:
        return
    if (conn.scalar(select(func.count()).where(table.c.unit == words.unit)) or 0) >= MOST_DRAFTS:
        raise InvalidError("draft", [FieldProblem("(whole)", f"a unit has at most {MOST_DRAFTS} drafts; drop some")])
    conn.execute(insert(table).values(**values, id=draft_id, version=1, mends=mends))


def files(conn: Connection, pos: int) -> list[DraftFile]:
    """The files of a draft, in their order."""
    columns = draft_file.c.name, draft_file.c.media_type, draft_file.c.sha256, draft_file.c.size
    rows = conn.execute(select(*columns).where(draft_file.c.draft_pos == pos).order_by(draft_file.c.position))
    return [DraftFile(*row) for row in rows]


def add_files(
    conn: Connection, pos: int, new: Sequence[DraftFile], *, keep: Collection[str] | None = None
) -> list[str]:
    """Add files behind those that are there; one of the same name takes the other's place.

    Args:
        conn: a transaction that writes.
        pos: the draft's place.
        new: the files.
        keep: of those that are there, the names of those that stay; None: all.

    Returns:
        The contents that may be free.

    Raises:
        InvalidError: there are more than a dispatch has.
    """
    staying = [file for file in files(conn, pos) if keep is None or file.name in keep]
    together = {file.name: file for file in (*staying, *new)}
    if len(together) > MAX_ATTACHMENTS:
        raise InvalidError("draft", [FieldProblem("attachments", f"a dispatch has at most {MAX_ATTACHMENTS} files")])
    return _set_files(conn, pos, list(together.values()))


def drop(conn: Connection, pos: int) -> list[str]:
    """Remove a draft; the contents that may be free."""
    free = _set_files(conn, pos, [])
    conn.execute(delete(table).where(table.c.pos == pos))
    return free


def listed(conn: Connection, units: Collection[str], *, words: str = "", before: int = 0, limit: int) -> list[Draft]:
    """Drafts of units, the newest first; with all of the words, accents or not, and below a place."""
    rows = select(table).where(UnitScope.of(units).drafts)
    for word in fold(words).split()[:_MOST_WORDS]:
        rows = rows.where(table.c.folded.contains(word, autoescape=True))
    if before:
        rows = rows.where(table.c.pos < before)
    return [_draft(row) for row in conn.execute(rows.order_by(table.c.pos.desc()).limit(min(limit, MOST_LISTED)))]


def count(conn: Connection, units: Collection[str]) -> int:
    """How many drafts units have."""
    return conn.scalar(select(func.count()).select_from(table).where(UnitScope.of(units).drafts)) or 0


def _set_files(conn: Connection, pos: int, wanted: Sequence[DraftFile]) -> list[str]:
    before = {file.sha256 for file in files(conn, pos)}
    conn.execute(delete(draft_file).where(draft_file.c.draft_pos == pos))
    rows = [
        {
            "draft_pos": pos,
            "position": position,
            "name": file.name,
            "media_type": file.media_type,
            "sha256": file.sha256,
            "size": file.size,
        }
        for position, file in enumerate(wanted)
    ]
    if rows:
        conn.execute(insert(draft_file), rows)
    return sorted(before - {file.sha256 for file in wanted})


def _draft(row: Any) -> Draft:
    by = DraftAuthor(row.person, row.full_name, row.changed_at)
    words = DraftWords(row.unit, row.notation, row.subject, row.fields, secret=row.secret)
    return Draft(row.pos, row.id, row.version, by, words, row.mends)
