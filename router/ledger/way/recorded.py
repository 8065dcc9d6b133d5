"""What units said and the ledger has recorded, read in the order of the log by whoever publishes it.

One row holds how far that has come, so nothing is written per receipt. PostgreSQL gives a place in the log before the
commit: a lower place may come in after a higher one, or never. So what lies behind a missing place waits until it is
known that nobody is about to fill it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, func, select, text, update
from sqlalchemy.exc import OperationalError

from router.ledger.bulk import rows_at_once
from router.ledger.models import delivery, dispatch, publication, receipt
from schemas.deadlines import is_over
from schemas.states import Effect

NAME = "receipts.recorded"
LEASE_MS = 15_000
"""How long a claim holds at most: what says more was written by a clock that was ahead."""
SETTLES_WITHIN, SETTLES_AGAINST_VACUUM_WITHIN = 0.3, 1.5
"""Seconds to wait for the lock, while which receipts wait as well; only after PostgreSQL's `deadlock_timeout`, one
second, it cancels an autovacuum that has the table for somebody who waits."""
_AT = update(publication).where(publication.c.name == NAME)


class Entry(NamedTuple):
    """A receipt as it is recorded, with what its routing key and its message need."""

    pos: int
    effect: str
    issuer: str
    unit: str
    dispatch_id: str
    traceparent: str
    id: str
    delivery_id: str
    status: str
    at: str
    seq: int | None
    content_sha256: str | None
    reason: str
    person: str
    department: str
    register_number: str
    attempts: int
    gateway_version: str

    @property
    def is_told(self) -> bool:
        """Whether others are told: what a unit said and the ledger did not refuse."""
        return self.seq is not None and self.effect != Effect.REFUSED.value


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to be the one that publishes, until a time (UTC ms); ``owner`` names the process."""

    owner: str
    now_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """All up to a place is published; the claim holds until a time (UTC ms)."""

    owner: str
    through: int
    until_ms: int


_ENTRIES = (
    select(
        receipt.c.pos,
        receipt.c.effect,
        dispatch.c.issuer,
        delivery.c.unit,
        delivery.c.dispatch_id,
        dispatch.c.traceparent,
        *(receipt.c[name] for name in Entry._fields[6:]),
    )
    .select_from(receipt.join(delivery).join(dispatch))
    .where(receipt.c.pos > bindparam("after"))
    .order_by(receipt.c.pos)
    .limit(bindparam("limit"))
)


def claim(connection: Connection, claims: Sequence[Claim]) -> list[int | None]:
    """For each claim the place to go on at; None: another process publishes now."""
    return [_claim(connection, item) for item in claims]


def _claim(connection: Connection, item: Claim) -> int | None:
    over = is_over(publication.c.until, now=item.now_ms, longest=LEASE_MS)
    free = (publication.c.owner == item.owner) | over
    through = _locked(connection, free)
    if through is not None:
        connection.execute(_AT.values(owner=item.owner, until=item.until_ms))
    return through


def advance(connection: Connection, steps: Sequence[Step]) -> list[bool]:
    """Note how far it has come; False: the claim has passed to another process, which publishes it again."""
    return [_advance(connection, item) for item in steps]


def _advance(connection: Connection, item: Step) -> bool:
    mine = _locked(connection, publication.c.owner == item.owner) is not None
    if mine:
        connection.execute(_AT.values(through=item.through, until=item.until_ms))
    return mine


def _locked(connection: Connection, condition: ColumnElement[bool]) -> int | None:
    """The place, if the row is as it has to be and nobody else is changing it: who waited here could wait for ever."""
    statement = select(publication.c.through).where(publication.c.name == NAME, condition)
    through: int | None = connection.scalar(statement.with_for_update(skip_locked=True))
    return through


def release(connection: Connection, owners: Sequence[str]) -> list[None]:
    """Let others go on at once."""
    for owner in owners:
        connection.execute(update(publication).where(publication.c.owner == owner).values(owner="", until=0))
    return [None] * len(owners)


def end(connection: Connection) -> int:
    """The last place of the log."""
    return connection.scalar(select(func.max(receipt.c.pos))) or 0


def following(connection: Connection, *, after: int, settled: int, limit: int) -> tuple[list[Entry], bool]:
    """What comes after a place, in order, as far as nothing can come in between any more.

    Args:
        connection: a transaction.
        after: the place.
        settled: no place up to this one is filled any more, see :func:`settle`.
        limit: the most entries.

    Returns:
        The entries, and whether more are there that wait for a missing place.
    """
    rows = [Entry(*row) for row in rows_at_once(connection, _ENTRIES, {"after": after, "limit": limit})]
    if connection.dialect.name == "sqlite":  # one writer at a time: places are given in the order of the commits
        return rows, False
    for count, row in enumerate(rows):
        if row.pos > settled and row.pos != (rows[count - 1].pos if count else after) + 1:
            return rows[:count], True
    return rows, False


def settle(engine: Engine, *, within: float = SETTLES_WITHIN) -> int | None:
    """The place up to which no receipt can come in any more; None: writers were too busy, ask again.

    A lock that no transaction shares which has begun to insert receipts: once we have it, every place given so far is
    filled or never will be.

    Args:
        engine: the ledger.
        within: seconds to wait for it.
    """
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{round(within * 1000)}ms'"))
            connection.execute(text("LOCK TABLE receipt IN SHARE MODE"))
            return end(connection)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") == "55P03":
            return None
        raise
