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
from schemas.states import BY_PEOPLE, Effect

NAME = "receipts.recorded"
LEASE_MS = 15_000
"""How long a claim holds at most: what says more was written by a clock that was ahead."""
SETTLES_WITHIN, SETTLES_AGAINST_VACUUM_WITHIN = 0.3, 1.5
"""Seconds to wait for the lock, while which receipts wait as well; only after PostgreSQL's `deadlock_timeout`, one
second, it cancels an autovacuum that has the table for somebody who waits."""
_AT = update(publication).where(publication.c.name == NAME)


class RecordedReceipt(NamedTuple):
    """What a unit said and the ledger did not refuse, with what its routing key and its message need.

    What its people had said before something that came earlier is told to nobody: it would move others back.
    """

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
    corrects: str | None
    undoes: str | None


class Following(NamedTuple):
    """What comes after a place, in the order of the log.

    Attributes:
        entries: those that others are told.
        through: the place of the last that was looked at, which may be one that others are not told.
        waiting: more is there, behind a place that somebody may still fill.
    """

    entries: list[RecordedReceipt]
    through: int
    waiting: bool


@dataclass(frozen=True, slots=True)
class PublicationClaim:
    """A claim to be the one that publishes, until a time (UTC ms); ``owner`` names the process."""

    owner: str
    now_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class PublicationStep:
    """All up to a place is published; the claim holds until a time (UTC ms)."""

    owner: str
    through: int
    until_ms: int


_BY_PEOPLE = receipt.c.status.in_([status.value for status in BY_PEOPLE]) | receipt.c.undoes.is_not(None)
_OVERTAKEN = (receipt.c.effect == Effect.STALE.value) & _BY_PEOPLE
_ENTRIES = (
    select(
        dispatch.c.issuer,
        delivery.c.unit,
        delivery.c.dispatch_id,
        dispatch.c.traceparent,
        *(receipt.c[name] for name in RecordedReceipt._fields[4:]),
    )
    .select_from(receipt.join(delivery).join(dispatch))
    .where(receipt.c.pos > bindparam("after"), receipt.c.pos <= bindparam("through"))
    .where(receipt.c.seq.is_not(None), receipt.c.effect != Effect.REFUSED.value, ~_OVERTAKEN)
    .order_by(receipt.c.pos)
)
_PLACES = (
    select(receipt.c.pos).where(receipt.c.pos > bindparam("after")).order_by(receipt.c.pos).limit(bindparam("limit"))
)


def claim(connection: Connection, claims: Sequence[PublicationClaim]) -> list[int | None]:
    """For each claim the place to go on at; None: another process publishes now."""
    return [_claim(connection, item) for item in claims]


def _claim(connection: Connection, item: PublicationClaim) -> int | None:
    over = is_over(publication.c.until, now=item.now_ms, longest=LEASE_MS)
    free = (publication.c.owner == item.owner) | over
    through = _locked(connection, free)
    if through is not None:
        connection.execute(_AT.values(owner=item.owner, until=item.until_ms))
    return through


def advance(connection: Connection, steps: Sequence[PublicationStep]) -> list[bool]:
    """Note how far it has come; False: the claim has passed to another process, which publishes it again."""
    return [_advance(connection, item) for item in steps]


def _advance(connection: Connection, item: PublicationStep) -> bool:
    mine = _locked(connection, publication.c.owner == item.owner) is not None
    if mine:
        connection.execute(_AT.values(through=item.through, until=item.until_ms))
    return mine


def _locked(connection: Connection, condition: ColumnElement[bool]) -> int | None:
    """The place, if the row is as it has to be and nobody else is changing it: a wait here could last for ever."""
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


def following(connection: Connection, *, after: int, settled: int, limit: int) -> Following:
    """What comes after a place, as far as nothing can come in between any more.

    Args:
        connection: a transaction.
        after: the place.
        settled: no place up to this one is filled any more, see :func:`settle`.
        limit: the most receipts that are looked at.
    """
    places = [row[0] for row in rows_at_once(connection, _PLACES, {"after": after, "limit": limit})]
    one_writer = connection.dialect.name == "sqlite"  # so places are given in the order of the commits
    whole = places if one_writer else _without_gaps(places, after, settled)
    if not whole:
        return Following([], after, waiting=bool(places))
    rows = rows_at_once(connection, _ENTRIES, {"after": after, "through": whole[-1]})
    return Following([RecordedReceipt._make(row) for row in rows], whole[-1], waiting=len(whole) < len(places))


def _without_gaps(places: list[int], after: int, settled: int) -> list[int]:
    """Places up to the first missing one that may still be filled."""
    for count, place in enumerate(places):
        if place > settled and place != (places[count - 1] if count else after) + 1:
            return places[:count]
    return places


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
