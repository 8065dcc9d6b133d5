"""What the ledger forgets of dispatches that ended long ago: receipts, failed publishes, the need for their contents.

A dispatch has ended when none of its deliveries is on the way, parked or asked back, and nothing has become of any of
them for so long. It is looked for in steps of a few rows from place to place, so that no statement is long, however
much there is that stays.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, delete, exists, func, or_, select, update

from router.ledger.log import appending
from router.ledger.log.entries import forgotten
from router.ledger.models import attempt, book_copy, content_removed, delivery, dispatch_attachment, receipt
from router.storage.statements import chunks, insert_of
from schemas.clock import now_ms
from schemas.states import UNDELIVERED, WAITING_FOR_OPERATOR, Status

AT_ONCE = 500
"""Rows of one step."""
_OPEN = sorted(state.value for state in UNDELIVERED | WAITING_FOR_OPERATOR | {Status.TAKE_BACK_REQUESTED})


@dataclass(frozen=True, slots=True)
class RetentionPage:
    """One step: rows behind a place (None: from the first on), of dispatches that ended before a time (UTC ms)."""

    before: int
    after: Any = None


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step did: how many it forgot, and the place that it reached; None: there is no more."""

    count: int
    last: Any


def forget_receipts(conn: Connection, pages: Sequence[RetentionPage]) -> list[Stepped]:
    """Forget receipts. The last stays: SQLite gives the place behind it next, and places show what was published."""
    key = receipt.c.pos
    return [_forget(conn, key, receipt.c.recorded_at, page, conn.scalar(select(func.max(key)))) for page in pages]


def forget_attempts(conn: Connection, pages: Sequence[RetentionPage]) -> list[Stepped]:
    """Forget failed publishes."""
    return [_forget(conn, attempt.c.id, attempt.c.at, page, None) for page in pages]


def let_go_of_contents(conn: Connection, pages: Sequence[RetentionPage]) -> list[Stepped]:
    """Note contents that only such dispatches name.

    Their files are removed by :mod:`router.content.collecting`, as those that nobody names.
    """
    return [_let_go(conn, page) for page in pages]


def _forget(conn: Connection, key: Column[Any], at: Column[Any], page: RetentionPage, stays: int | None) -> Stepped:
    """A step over a log, whose rows are about in the order of their times: where none is old, none behind it is."""
    some = conn.execute(_following(select(key, at), key, page)).all()
    old = [row[0] for row in some if row[1] < page.before]
    if not old:
        return Stepped(0, None)
    of_delivery = key.table.c.delivery_id
    ended = select(key).join(delivery, delivery.c.id == of_delivery)
    ended = ended.where(key.in_(old), ~_is_open(delivery.c.dispatch_id, page.before))
    chosen = [place for place in conn.scalars(ended) if place != stays]
    if key.table is receipt and chosen:
        appending.note(conn, forgotten(conn.scalars(select(receipt.c.id).where(key.in_(chosen))).all()))
    count = conn.execute(delete(key.table).where(key.in_(chosen))).rowcount if chosen else 0
    return Stepped(count, some[-1][0] if len(some) == AT_ONCE else None)


def _let_go(conn: Connection, page: RetentionPage) -> Stepped:
    """A note that was made during the acceptance of a dispatch, neither seeing the other, is taken back here."""
    name, noted = dispatch_attachment.c.sha256, content_removed.c.sha256
    if page.after is None:
        conn.execute(delete(content_removed).where(content_removed.c.at == 0, _is_wanted(noted, page.before)))
    some = conn.scalars(_following(select(name).distinct(), name, page)).all()
    is_noted = exists().where(noted == name)
    needless = select(name).distinct().where(name.in_(some), ~_is_wanted(name, page.before), ~is_noted)
    chosen = conn.scalars(needless).all()
    if chosen:
        values = [{"sha256": sha256, "at": 0} for sha256 in chosen]
        conn.execute(insert_of(conn, content_removed).values(values).on_conflict_do_nothing())
    return Stepped(len(chosen), some[-1] if len(some) == AT_ONCE else None)


def _following(statement: Select[Any], key: Column[Any], page: RetentionPage) -> Select[Any]:
    behind = statement if page.after is None else statement.where(key > page.after)
    return behind.order_by(key).limit(AT_ONCE)


def free_to_go(conn: Connection, names: Sequence[str]) -> list[str]:
    """Those of the contents that nobody names or needs, as of this moment.

    A note alone is not believed: while something of a dispatch that names the content is still expected, it stays.
    """
    may_go = (select(content_removed.c.sha256).where(_may_go(some)) for some in chunks(names))
    return _free(conn, names, {sha256 for statement in may_go for sha256 in conn.scalars(statement)})


def mark_removed(conn: Connection, names: Sequence[str]) -> list[str]:
    """As :func:`free_to_go`, for contents whose files are removed when this is committed.

    Of a redrive and this, the one that has the note's row first decides: either there is no note any more and the file
    stays, or the redrive sees that it is gone.
    """
    noted = content_removed.c.sha256
    marked = (
        update(content_removed).where(_may_go(some)).values(at=now_ms()).returning(noted) for some in chunks(names)
    )
    return _free(conn, names, {sha256 for statement in marked for sha256 in conn.scalars(statement)})


def put_back(conn: Connection, names: Sequence[str]) -> None:
    """Contents stay after all: somebody touched their files at that moment."""
    for some in chunks(names):
        conn.execute(update(content_removed).where(content_removed.c.sha256.in_(some)).values(at=0))


def want_again(conn: Connection, dispatch_ids: Collection[str]) -> dict[str, str]:
    """Dispatches that ended are sent again: their contents stay; for each of which one is gone, what to do.

    Whoever brings the bytes of a content that is gone takes it back, see :func:`router.ledger.way.holders.note`.
    """
    lacking: dict[str, str] = {}
    file = dispatch_attachment.c
    for some in chunks(sorted(dispatch_ids)):
        naming = file.dispatch_id.in_(some)
        noted = content_removed.c.sha256.in_(select(file.sha256).where(naming))
        conn.execute(delete(content_removed).where(content_removed.c.at == 0, noted))
        gone = select(file.dispatch_id, file.name, file.sha256).join(
            content_removed, content_removed.c.sha256 == file.sha256
        )
        for key, name, sha256 in conn.execute(gone.where(naming).order_by(file.position.desc())):
            lacking[key] = (
                f"{name} was removed after all had ended; it can be sent again once {sha256} is uploaded again"
            )
    return lacking


def _free(conn: Connection, names: Sequence[str], may_go: Collection[str]) -> list[str]:
    naming = (
        select(dispatch_attachment.c.sha256).where(dispatch_attachment.c.sha256.in_(some)) for some in chunks(names)
    )
    named = {sha256 for statement in naming for sha256 in conn.scalars(statement)}
    copies = (select(book_copy.c.sha256).where(book_copy.c.sha256.in_(some)) for some in chunks(names))
    kept = {sha256 for statement in copies for sha256 in conn.scalars(statement)}
    return [name for name in names if name not in kept and (name not in named or name in may_go)]


def _may_go(names: Sequence[str]) -> ColumnElement[bool]:
    return content_removed.c.sha256.in_(names) & ~_is_wanted(content_removed.c.sha256)


def _is_wanted(sha256: ColumnElement[str], at: int | None = None) -> ColumnElement[bool]:
    """Whether a dispatch names a content of which something is still expected, or has happened since ``at``."""
    naming = dispatch_attachment.alias("naming")
    return exists().where(naming.c.sha256 == sha256, _is_open(naming.c.dispatch_id, at))


def _is_open(dispatch_id: ColumnElement[str], at: int | None) -> ColumnElement[bool]:
    """Whether something of a dispatch is still expected, or has happened since."""
    other = delivery.alias("other")
    expected = other.c.state.in_(_OPEN)
    return exists().where(
        other.c.dispatch_id == dispatch_id, expected if at is None else or_(expected, other.c.state_at >= at)
    )
