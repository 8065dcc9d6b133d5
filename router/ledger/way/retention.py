"""What the ledger forgets of dispatches that ended long ago: receipts, failed publishes, the need for their contents.

A dispatch has ended when none of its deliveries is on the way, parked or asked back, and nothing has become of any of
them for so long.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, or_, select, update

from router.ledger.bulk import chunks
from router.ledger.dialect import insert_of
from router.ledger.models import attempt, content_removed, delivery, dispatch_attachment, receipt
from schemas.clock import now_ms
from schemas.states import UNDELIVERED, WAITING_FOR_OPERATOR, Status

AT_ONCE = 500
"""Rows of one transaction."""
_OPEN = sorted(state.value for state in UNDELIVERED | WAITING_FOR_OPERATOR | {Status.TAKE_BACK_REQUESTED})


def forget_receipts(conn: Connection, before: Sequence[int]) -> list[int]:
    """Forget some receipts of dispatches that ended before each of these times (UTC ms); how many."""
    return [_forget_receipts(conn, at) for at in before]


def forget_attempts(conn: Connection, before: Sequence[int]) -> list[int]:
    """Forget some failed publishes of dispatches that ended before each of these times (UTC ms); how many."""
    return [_forget_attempts(conn, at) for at in before]


def let_go_of_contents(conn: Connection, before: Sequence[int]) -> list[int]:
    """Note some contents that only dispatches name which ended before each of these times (UTC ms); how many.

    Their files are removed by :mod:`router.content.collecting`, as those that nobody names.
    """
    return [_let_go(conn, at) for at in before]


def _forget_receipts(conn: Connection, at: int) -> int:
    """The last row of the log stays: SQLite gives the place behind it next, and places tell what was published."""
    last = select(func.max(receipt.c.pos)).scalar_subquery()
    old = (
        select(receipt.c.pos)
        .join(delivery, delivery.c.id == receipt.c.delivery_id)
        .where(receipt.c.recorded_at < at, receipt.c.pos < last, ~_is_open(delivery.c.dispatch_id, at))
    )
    chosen = conn.scalars(old.order_by(receipt.c.pos).limit(AT_ONCE)).all()
    return conn.execute(delete(receipt).where(receipt.c.pos.in_(chosen))).rowcount if chosen else 0


def _forget_attempts(conn: Connection, at: int) -> int:
    old = (
        select(attempt.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(attempt.c.at < at, ~_is_open(delivery.c.dispatch_id, at))
    )
    chosen = conn.scalars(old.order_by(attempt.c.id).limit(AT_ONCE)).all()
    return conn.execute(delete(attempt).where(attempt.c.id.in_(chosen))).rowcount if chosen else 0


def _let_go(conn: Connection, at: int) -> int:
    """A note that came in beside the acceptance of a dispatch, neither seeing the other, is taken back here."""
    conn.execute(delete(content_removed).where(content_removed.c.at == 0, _is_wanted(content_removed.c.sha256, at)))
    chosen = conn.scalars(_needless(at).limit(AT_ONCE)).all()
    if chosen:
        values = [{"sha256": sha256, "at": 0} for sha256 in chosen]
        conn.execute(insert_of(conn, content_removed).values(values).on_conflict_do_nothing())
    return len(chosen)


def _needless(at: int) -> Select[tuple[str]]:
    """Contents of which every dispatch that names them has ended; not those that are noted already."""
    wanted = _is_wanted(dispatch_attachment.c.sha256, at)
    noted = exists().where(content_removed.c.sha256 == dispatch_attachment.c.sha256)
    return select(func.min(dispatch_attachment.c.sha256)).where(~wanted, ~noted).group_by(dispatch_attachment.c.sha256)


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
            lacking[key] = f"{name} was removed after all had ended; it goes again once {sha256} is uploaded again"
    return lacking


def _free(conn: Connection, names: Sequence[str], may_go: Collection[str]) -> list[str]:
    naming = (
        select(dispatch_attachment.c.sha256).where(dispatch_attachment.c.sha256.in_(some)) for some in chunks(names)
    )
    named = {sha256 for statement in naming for sha256 in conn.scalars(statement)}
    return [name for name in names if name not in named or name in may_go]


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
