"""Who has a right to a content: whoever brought its bytes, or now has a delivery with it. The same for all doors."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, delete, exists, func, select, update

from router.errors import ContentQuotaError
from router.ledger.models import content_holder, content_removed, delivery, dispatch, dispatch_attachment
from router.ledger.scope import Scope, within
from router.storage.statements import chunks, insert_of
from schemas.attachment import Attachment
from schemas.errors import FieldProblem
from schemas.states import Status

_GONE = [Status.RECALLED.value, Status.EXPIRED.value]


@dataclass(frozen=True, slots=True)
class UnnamedLimits:
    """What one account may have brought that no dispatch names.

    Args:
        contents: how many.
        total: bytes of all of them together.
    """

    contents: int
    total: int


@dataclass(frozen=True, slots=True)
class Brought:
    """Bytes that an account has brought whole; ``limits`` None: whatever it has brought already."""

    sha256: str
    size: int
    account: str
    at: int
    limits: UnnamedLimits | None = None


def nameable(conn: Connection, account: str, issuer: str, names: Collection[str]) -> frozenset[str]:
    """Those of the contents that a submission of this account for this issuer may name, as of this moment.

    Args:
        conn: a transaction.
        account: the sender's name.
        issuer: the unit that it sends for.
        names: the contents' SHA-256.
    """
    held = select(content_holder.c.sha256).where(
        content_holder.c.account == account, content_holder.c.sha256.in_(sorted(names))
    )
    brought = frozenset(conn.scalars(held))
    unit = Scope(units=(issuer,), issuers=(issuer,))
    return brought | {name for name in names if name not in brought and may_fetch(conn, unit, name)}


def not_brought(index: int, file: Attachment, account: str) -> FieldProblem:
    """The one answer to naming what one has no right to, has not brought, or has to bring again."""
    return FieldProblem(f"attachments.{index}.sha256", f"{file.name}: {file.sha256} was not uploaded by {account}")


def require_unnamed_room(conn: Connection, account: str, sha256: str, size: int, limits: UnnamedLimits) -> None:
    """Check that an account may bring a content before a dispatch names what it brought; one it has brought it may.

    Raises:
        ContentQuotaError: it may not.
    """
    if sha256 and conn.scalar(select(exists(_held(account, sha256)))):
        return
    count, total = _unnamed(conn, account)
    if count + 1 > limits.contents or total + size > limits.total:
        raise ContentQuotaError(
            f"{account} has brought {count} contents of {total} bytes that no dispatch names; with {size} bytes more "
            f"they would be above the {limits.contents} contents or {limits.total} bytes that it may have"
        )


def note(conn: Connection, items: Sequence[Brought]) -> list[ContentQuotaError | None]:
    """Remember who brought what; an error for what is too much, of which nothing is remembered."""
    named = _named(conn, {item.sha256 for item in items})
    answers = [_note(conn, item, named=item.sha256 in named) for item in items]
    conn.execute(delete(content_removed).where(content_removed.c.sha256.in_([item.sha256 for item in items])))
    return answers


def forget_unnamed(conn: Connection, before: int) -> int:
    """Forget who brought what no dispatch names, so long ago (UTC ms); how many."""
    named = exists().where(dispatch_attachment.c.sha256 == content_holder.c.sha256)
    return conn.execute(
        delete(content_holder).where(content_holder.c.named == 0, content_holder.c.at < before, ~named)
    ).rowcount


def mark_named(conn: Connection, names: Iterable[str]) -> None:
    """Dispatches that are accepted in this transaction name these contents: they count against nobody any more."""
    for some in chunks(sorted(set(names))):
        conn.execute(delete(content_removed).where(content_removed.c.sha256.in_(some)))
        conn.execute(
            update(content_holder).where(content_holder.c.sha256.in_(some), content_holder.c.named == 0).values(named=1)
        )


def _note(conn: Connection, item: Brought, *, named: bool) -> ContentQuotaError | None:
    if item.limits is not None and not named:
        try:
            require_unnamed_room(conn, item.account, item.sha256, item.size, item.limits)
        except ContentQuotaError as refused:
            return refused
    values = {"sha256": item.sha256, "account": item.account, "at": item.at, "size": item.size, "named": int(named)}
    statement = insert_of(conn, content_holder).values(values)
    conn.execute(
        statement.on_conflict_do_update(index_elements=["sha256", "account"], set_={"at": statement.excluded.at})
    )
    return None


def _held(account: str, sha256: str) -> Select[tuple[str]]:
    return select(content_holder.c.sha256).where(content_holder.c.account == account, content_holder.c.sha256 == sha256)


def _unnamed(conn: Connection, account: str) -> tuple[int, int]:
    """How many contents an account has brought that nobody names, and their bytes."""
    row = conn.execute(
        select(func.count(), func.coalesce(func.sum(content_holder.c.size), 0)).where(
            content_holder.c.account == account, content_holder.c.named == 0
        )
    ).one()
    return int(row[0]), int(row[1])


def _named(conn: Connection, names: Collection[str]) -> frozenset[str]:
    rows = select(dispatch_attachment.c.sha256).where(dispatch_attachment.c.sha256.in_(sorted(names)))
    return frozenset(conn.scalars(rows))


def may_fetch(conn: Connection, scope: Scope, sha256: str) -> bool:
    """Whether a dispatch with this content was issued within the scope, or is to be delivered to a unit of it.

    A delivery that was recalled or has expired gives no right to the content.
    """
    files = select(dispatch_attachment.c.dispatch_id).where(dispatch_attachment.c.sha256 == sha256)
    if not scope.everything:
        owned = files.join(dispatch).where(within(dispatch.c.issuer, scope.issuers))
        addressed = files.join(delivery, delivery.c.dispatch_id == dispatch_attachment.c.dispatch_id).where(
            within(delivery.c.unit, scope.units), delivery.c.state.not_in(_GONE)
        )
        return bool(conn.scalar(select(exists(owned)))) or bool(conn.scalar(select(exists(addressed))))
    return bool(conn.scalar(select(exists(files))))
