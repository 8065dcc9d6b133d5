"""What was sent or entered at the desk, and everything else that goes out of the units: as their people see it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, insert, select, text, update

from consumers.errors import UnknownDraftError
from consumers.spool.book_entries import BookKey, columns_of
from consumers.spool.models import book, book_entry, desk_letter, outgoing
from consumers.spool.scope import UnitScope
from consumers.spool.sending import SentDocument
from schemas.register import BookKind
from schemas.stages import Stage
from schemas.text import fold

MOST_LISTED = 200
_MOST_WORDS = 10
_DOCUMENT = tuple(SentDocument.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class DeskSaying:
    """What the desk keeps of a document that is sent.

    Attributes:
        login: who sends it.
        full_name: as registers name them.
        department: of that person.
        entry_pos: the place of its entry in the outgoing book; None: it has none.
        recalls: the dispatch that it calls back.
        answers: the delivery that it answers.
        completes: that delivery is done when this is accepted.
        mended_as: the draft or document that puts it right, once it was rejected.
    """

    login: str = ""
    full_name: str = ""
    department: str = ""
    entry_pos: int | None = None
    recalls: str | None = None
    answers: str | None = None
    completes: bool = False
    mended_as: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingLetter:
    """A document that goes out: its place, how far it is, what the desk knows of it (None: it came by the outbox).

    ``number`` and ``year`` are those of its entry in the outgoing book ``book``; None: it has none.
    """

    pos: int
    document: SentDocument
    saying: DeskSaying | None
    number: int | None = None
    year: int | None = None
    book: str = ""

    @property
    def stage(self) -> Stage:
        """How far it is."""
        return Stage(self.document.state)


def add(conn: Connection, outgoing_id: str, saying: DeskSaying) -> None:
    """Keep what the desk knows of a document, in the transaction that sends it."""
    pos = conn.scalars(select(outgoing.c.pos).where(outgoing.c.id == outgoing_id)).one()
    conn.execute(
        insert(desk_letter).values(
            outgoing_pos=pos,
            person=saying.login,
            full_name=saying.full_name,
            department=saying.department,
            entry_pos=saying.entry_pos,
            recalls=saying.recalls,
            answers=saying.answers,
            completes=saying.completes,
        )
    )


def get(conn: Connection, outgoing_id: str, units: Collection[str]) -> OutgoingLetter:
    """A document of one of the units; a scope says where secret ones, too.

    Raises:
        UnknownDraftError: there is none.
    """
    row = conn.execute(_letters().where(outgoing.c.id == outgoing_id, UnitScope.of(units).outgoing)).one_or_none()
    if row is None:
        raise UnknownDraftError(f"nothing was sent here as {outgoing_id}")
    return _letter(row)


def is_known(conn: Connection, outgoing_id: str) -> bool:
    """Whether a document of this id was sent already."""
    return conn.scalar(select(outgoing.c.pos).where(outgoing.c.id == outgoing_id)) is not None


def body_of(conn: Connection, outgoing_id: str) -> bytes:
    """The submission of a document, as it travels."""
    return bytes(conn.scalars(select(outgoing.c.body).where(outgoing.c.id == outgoing_id)).one())


def listed(
    conn: Connection,
    units: Collection[str],
    *,
    stage: Stage | None = None,
    words: str = "",
    before: int = 0,
    limit: int,
) -> list[OutgoingLetter]:
    """What goes out of units, the newest first: in a stage (None: any), with all of the words, below a place."""
    places = select(outgoing.c.pos).where(UnitScope.of(units).outgoing, *_in_stage(stage))
    there = outgoing.alias("there")  # read in the index of the words alone
    named = [there.c.folded.contains(word, autoescape=True) for word in fold(words).split()[:_MOST_WORDS]]
    if named:
        places = places.where(outgoing.c.pos.in_(select(there.c.pos).where(*named)))
    if before:
        places = places.where(outgoing.c.pos < before)
    newest = outgoing.c.pos.desc()
    found = conn.scalars(places.order_by(newest).limit(min(limit, MOST_LISTED))).all()
    return [_letter(row) for row in conn.execute(_letters().where(outgoing.c.pos.in_(found)).order_by(newest))]


def count(conn: Connection, units: Collection[str]) -> dict[Stage, int]:
    """How many documents of units are in each stage; of the rejected, those that nobody has put right."""
    scope = UnitScope.of(units).outgoing
    rows = select(func.count()).select_from(outgoing)
    return {stage: conn.scalar(rows.where(scope, *_in_stage(stage))) or 0 for stage in Stage}


def recalls_of(conn: Connection, dispatch_id: str) -> list[OutgoingLetter]:
    """The recalls of a dispatch that were sent here, the newest first."""
    rows = _letters().where(desk_letter.c.recalls == dispatch_id).order_by(outgoing.c.pos.desc())
    return [_letter(row) for row in conn.execute(rows)]


def sent_under(conn: Connection, key: BookKey, number: int) -> str | None:
    """The document that was sent last under a number of a book; None: none was, or it is forgotten."""
    named = (book.c[name] == value for name, value in columns_of(key).items())
    rows = (
        select(outgoing.c.id)
        .join(desk_letter, desk_letter.c.outgoing_pos == outgoing.c.pos)
        .join(book_entry, book_entry.c.pos == desk_letter.c.entry_pos)
        .join(book, book.c.pos == book_entry.c.book_pos)
        .where(book_entry.c.number == number, *named)
    )
    return conn.scalars(rows.order_by(outgoing.c.pos.desc()).limit(1)).first()


def set_mended(conn: Connection, outgoing_id: str, draft_id: str | None) -> None:
    """Note which draft puts a rejected document right; None: none does any more."""
    here = select(outgoing.c.pos).where(outgoing.c.id == outgoing_id).scalar_subquery()
    conn.execute(update(desk_letter).where(desk_letter.c.outgoing_pos == here).values(mended_as=draft_id))


def _in_stage(stage: Stage | None) -> list[ColumnElement[bool]]:
    if stage is None:
        return []
    mended = exists().where(desk_letter.c.outgoing_pos == outgoing.c.pos, desk_letter.c.mended_as.is_not(None))
    nobody = [~mended.correlate(outgoing)] if stage is Stage.REJECTED else []
    return [outgoing.c.state == stage.value, *nobody]


def _letters() -> Select[Any]:
    columns: tuple[Any, ...] = (
        outgoing.c.pos,
        *(outgoing.c[name] for name in _DOCUMENT),
        *desk_letter.c,
        book_entry.c.number,
        book.c.year,
        book.c.name.label("book_name"),
    )
    return select(*columns).select_from(
        outgoing.outerjoin(desk_letter, desk_letter.c.outgoing_pos == outgoing.c.pos)
        .outerjoin(book_entry, book_entry.c.pos == desk_letter.c.entry_pos)
        .outerjoin(book, and_(book.c.pos == book_entry.c.book_pos, text(f"book.kind = '{BookKind.OUTGOING.value}'")))
    )


def _letter(row: Any) -> OutgoingLetter:
    document = SentDocument(*row[1 : 1 + len(_DOCUMENT)])
    saying = None
    if row.outgoing_pos is not None:
        saying = DeskSaying(
            row.person,
            row.full_name,
            row.department,
            row.entry_pos,
            row.recalls,
            row.answers,
            bool(row.completes),
            row.mended_as,
        )
    return OutgoingLetter(row.pos, document, saying, row.number, row.year, row.book_name or "")
