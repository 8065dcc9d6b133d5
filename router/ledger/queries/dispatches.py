"""Dispatches: a paged list with filters, newest first, and one of them whole."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Connection, exists, select, tuple_

from router.errors import MalformedError
from router.ledger.models import delivery, dispatch, dispatch_attachment, dispatch_reference
from router.ledger.queries.counts import RollUp, Transfers, roll_ups, transfers
from router.ledger.queries.deliveries import Rows
from router.ledger.queries.words import has_words
from router.ledger.scope import Scope, within
from schemas.addressing import within as within_patterns
from schemas.attachment import Attachment
from schemas.dispatch import MAX_RULES
from schemas.states import Status

T = TypeVar("T")
MAX_PAGE = 200
_CURSOR = re.compile(r"([0-9]{1,15}):([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; ``next_cursor`` asks for the part after it, None at the end."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class DispatchRow:
    """A dispatch as lists show it; times are UTC ms, ``total`` counts all its addressees."""

    id: str
    roll_up: RollUp
    """Over the addressees that the scope sees."""
    issuer: str
    kind: str
    notation: str
    subject: str
    urgency: int
    lane: str
    due_at: int | None
    accepted_at: int
    total: int


@dataclass(frozen=True, slots=True)
class DispatchDetail:
    """A dispatch whole: what was submitted (canonical JSON), its files, what it refers to and is referred to by.

    Whom it is addressed to is shown as far as the scope goes, and whole to its issuer; ``is_part``: there may be more.
    """

    row: DispatchRow
    transfers: Transfers
    attachments: tuple[Attachment, ...]
    refers_to: tuple[str, ...]
    referred_by: tuple[str, ...]
    submission: bytes
    content_sha256: str
    idempotency_key: str
    traceparent: str
    is_part: bool = False


_ROW = (
    dispatch.c.id,
    dispatch.c.issuer,
    dispatch.c.kind,
    dispatch.c.notation,
    dispatch.c.subject,
    dispatch.c.urgency,
    dispatch.c.lane,
    dispatch.c.due_at,
    dispatch.c.accepted_at,
    dispatch.c.total,
)
_WHOLE = (dispatch.c.submission, dispatch.c.content_sha256, dispatch.c.idempotency_key, dispatch.c.traceparent)


def list_dispatches(
    conn: Connection,
    scope: Scope,
    *,
    issuers: str = "",
    since: int | None = None,
    until: int | None = None,
    text: str = "",
    states: Iterable[Status] = (),
    late_by: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DispatchRow]:
    """Dispatches, the latest accepted first.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        issuers: only by issuers of this pattern.
        since: only accepted at or after this time, UTC ms.
        until: only accepted before this time, UTC ms.
        text: only with each of its words, or what they begin, in any order, accents aside: in notation, subject,
            signer, file names, hashes, and in the arrival numbers and names that units told.
        states: only with a delivery (of the scope) in one of these.
        late_by: only with a delivery (of the scope) of which something that is owed is late by then, UTC ms.
        cursor: where the page before ended.
        limit: the length of a page, at most 200.

    Raises:
        MalformedError: the cursor is none of ours.
    """
    limit = max(1, min(limit, MAX_PAGE))
    statement: Rows = select(*_ROW).where(scope.sees_dispatch())
    statement = _between(statement, since, until, cursor)
    if issuers:
        statement = statement.where(within(dispatch.c.issuer, [issuers]))
    if text:
        statement = statement.where(has_words(scope, text))
    wanted = [state.value for state in states]
    statement = _with_delivery(statement, scope, [delivery.c.state.in_(wanted)] if wanted else [])
    statement = _with_delivery(statement, scope, [] if late_by is None else [delivery.c.late_at < late_by])
    order = dispatch.c.accepted_at.desc(), dispatch.c.id.desc()
    rows = conn.execute(statement.order_by(*order).limit(limit + 1)).all()
    items = _rows(conn, scope, rows[:limit])
    more = len(rows) > limit
    return Page(items, _cursor(items[-1]) if more else None)


_REFERRED_BY = select(dispatch_reference.c.dispatch_id).join(
    dispatch, dispatch.c.id == dispatch_reference.c.dispatch_id
)
"""Only what a scope sees: that somebody answered, and by what id, is not the business of others."""


def find_dispatch(conn: Connection, scope: Scope, dispatch_id: str) -> DispatchDetail | None:
    """One dispatch whole, None when the scope does not see it."""
    statement = select(*_ROW, *_WHOLE).where(dispatch.c.id == dispatch_id, scope.sees_dispatch())
    found = conn.execute(statement).first()
    if found is None:
        return None
    row, (submission, content, key, trace) = found[: len(_ROW)], found[len(_ROW) :]
    is_part = not scope.covers_issuer(row[1])
    refers = dispatch_reference.c
    return DispatchDetail(
        _rows(conn, scope, [row])[0],
        transfers(conn, scope, dispatch_id),
        _attachments(conn, dispatch_id),
        tuple(conn.scalars(select(refers.refers_to).where(refers.dispatch_id == dispatch_id))),
        tuple(conn.scalars(_REFERRED_BY.where(refers.refers_to == dispatch_id, scope.sees_dispatch()))),
        _part_of(conn, scope, dispatch_id, submission) if is_part else submission,
        content,
        key,
        trace,
        is_part,
    )


def _part_of(conn: Connection, scope: Scope, dispatch_id: str, submission: bytes) -> bytes:
    """A submission with the rules of the scope's own units alone.

    Where none names them, because they came by a successor, the units that it went to stand there.
    """
    told = orjson.loads(submission)
    told["addressees"] = within_patterns(told["addressees"], scope.units) or _units_of(conn, scope, dispatch_id)
    return orjson.dumps(told)


def _units_of(conn: Connection, scope: Scope, dispatch_id: str) -> Sequence[str]:
    own = delivery.c.dispatch_id == dispatch_id, within(delivery.c.unit, scope.units)
    return conn.scalars(select(delivery.c.unit).where(*own).order_by(delivery.c.unit).limit(MAX_RULES)).all()


def issuer_of(conn: Connection, dispatch_id: str) -> str | None:
    """Whose dispatch it is, None when there is no such dispatch; for deciding, not for showing."""
    return conn.scalar(select(dispatch.c.issuer).where(dispatch.c.id == dispatch_id))


def _between(statement: Rows, since: int | None, until: int | None, cursor: str | None) -> Rows:
    if since is not None:
        statement = statement.where(dispatch.c.accepted_at >= since)
    if until is not None:
        statement = statement.where(dispatch.c.accepted_at < until)
    if cursor is not None:
        statement = statement.where(tuple_(dispatch.c.accepted_at, dispatch.c.id) < tuple_(*_position(cursor)))
    return statement


def _with_delivery(statement: Rows, scope: Scope, asked: Sequence[ColumnElement[bool]]) -> Rows:
    """Only dispatches with a delivery of the scope of which this is so; asked nothing: all."""
    if not asked:
        return statement
    of_dispatch = delivery.c.dispatch_id == dispatch.c.id
    return statement.where(exists().where(of_dispatch, *asked, scope.sees_delivery()).correlate(dispatch))


def _rows(conn: Connection, scope: Scope, rows: Sequence[Sequence[Any]]) -> list[DispatchRow]:
    sums = roll_ups(conn, scope, [row[0] for row in rows]) if rows else {}
    return [DispatchRow(key, sums[key], *rest) for key, *rest in rows]


def _attachments(conn: Connection, dispatch_id: str) -> tuple[Attachment, ...]:
    columns = dispatch_attachment.c
    statement = select(columns.name, columns.media_type, columns.size, columns.sha256)
    listed = statement.where(columns.dispatch_id == dispatch_id, columns.position >= 0).order_by(columns.position)
    return tuple(Attachment(**row._mapping) for row in conn.execute(listed))  # noqa: SLF001 - its public name


def _cursor(row: DispatchRow) -> str:
    return base64.urlsafe_b64encode(f"{row.accepted_at}:{row.id}".encode()).decode()


def _position(cursor: str) -> tuple[int, str]:
    try:
        found = _CURSOR.fullmatch(base64.urlsafe_b64decode(cursor.encode()).decode())
    except (ValueError, binascii.Error):
        found = None
    if found is None:
        raise MalformedError("the cursor is not one that this list gave", hint="begin again without a cursor")
    return int(found[1]), found[2]
