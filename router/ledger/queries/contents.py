"""Contents as the ledger knows them: which are named, by which dispatches or copies, and who waits for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select, text

from router.ledger.models import book_copy, content_removed, delivery, dispatch, dispatch_attachment
from router.ledger.way.acceptance import RECORD_POSITION
from schemas.attachment import PLAIN, Forms
from schemas.states import UNDELIVERED, WAITING_FOR_OPERATOR

_PAGE = 1000
_WAITING = sorted(state.value for state in UNDELIVERED | WAITING_FOR_OPERATOR)
_DISPATCHES = 100
"""Dispatches that are listed for one content, the latest first."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A dispatch that names a content: its id, issuer and notation, and the units that have yet to get it."""

    dispatch: str
    issuer: str
    notation: str
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needed:
    """An attachment of a dispatch: what it is called, and the SHA-256 that names its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LetterSource:
    """What the record of a letter is made from: its dispatch, the submission's JSON, its attachments' forms."""

    dispatch: str
    submission: bytes
    forms: dict[str, Forms]


def named_contents(conn: Connection) -> Iterator[str]:
    """The names of all contents that dispatches or copies of books name, in order; but for what retention removed."""
    removed = exists().where(content_removed.c.sha256 == dispatch_attachment.c.sha256, content_removed.c.at > 0)
    attached, after = select(dispatch_attachment.c.sha256).where(~removed), ""
    copied = select(book_copy.c.sha256)
    while True:
        behind = attached.where(dispatch_attachment.c.sha256 > after), copied.where(book_copy.c.sha256 > after)
        some = (conn.scalars(one.distinct().order_by(text("sha256")).limit(_PAGE)) for one in behind)
        page = sorted({name for names in some for name in names})[:_PAGE]
        yield from page
        if not page:
            return
        after = page[-1]


def contents_on_the_way(conn: Connection, *, limit: int) -> Sequence[str]:
    """The names of contents that a delivery which is under way or parked still needs; at most so many."""
    query = (
        select(dispatch_attachment.c.sha256)
        .join(delivery, delivery.c.dispatch_id == dispatch_attachment.c.dispatch_id)
        .where(delivery.c.state.in_(_WAITING))
        .distinct()
        .limit(limit)
    )
    return conn.scalars(query).all()


def was_removed(conn: Connection, sha256: str) -> bool:
    """Whether the retention has removed a content, so that it is gone and not lost."""
    gone = content_removed.c.sha256 == sha256, content_removed.c.at > 0
    return bool(conn.scalar(select(exists().where(*gone))))


def named_by(conn: Connection, sha256: str) -> list[Naming]:
    """The dispatches that name a content, the latest first, with the units that wait for it."""
    query = (
        select(dispatch.c.id, dispatch.c.issuer, dispatch.c.notation)
        .where(
            dispatch.c.id.in_(select(dispatch_attachment.c.dispatch_id).where(dispatch_attachment.c.sha256 == sha256))
        )
        .order_by(dispatch.c.accepted_at.desc())
        .limit(_DISPATCHES)
    )
    return [Naming(row[0], row[1], row[2], _waiting(conn, row[0])) for row in conn.execute(query)]


def copied_by(conn: Connection, sha256: str) -> list[str]:
    """The accounts of gateways of whose copies of books a content is a piece."""
    accounts = select(book_copy.c.account).where(book_copy.c.sha256 == sha256).distinct().order_by(book_copy.c.account)
    return list(conn.scalars(accounts))


def needed_by(conn: Connection, dispatch_id: str) -> list[Needed]:
    """The attachments of a dispatch, its record too."""
    query = (
        select(dispatch_attachment.c.name, dispatch_attachment.c.sha256)
        .where(dispatch_attachment.c.dispatch_id == dispatch_id)
        .order_by(dispatch_attachment.c.position)
    )
    return [Needed(name, sha256) for name, sha256 in conn.execute(query)]


def letter_of_record(conn: Connection, sha256: str) -> LetterSource | None:
    """The letter whose record is kept as this content; None: it is no record."""
    columns = dispatch_attachment.c
    row = conn.execute(
        select(dispatch.c.id, dispatch.c.submission)
        .join(dispatch_attachment, columns.dispatch_id == dispatch.c.id)
        .where(columns.sha256 == sha256, columns.position == RECORD_POSITION)
    ).first()
    if row is None:
        return None
    files = select(columns.sha256, columns.zstd_size, columns.dcz_size, columns.dictionary).where(
        columns.dispatch_id == row[0], columns.position >= 0
    )
    forms = {file[0]: Forms(zstd_size=file[1], dcz_size=file[2], dictionary=file[3]) for file in conn.execute(files)}
    return LetterSource(row[0], row[1], {name: form for name, form in forms.items() if form != PLAIN})


def _waiting(conn: Connection, dispatch_id: str) -> tuple[str, ...]:
    query = select(delivery.c.unit).where(delivery.c.dispatch_id == dispatch_id, delivery.c.state.in_(_WAITING))
    return tuple(conn.scalars(query.order_by(delivery.c.unit)))
