"""What shows that the ledger is older than the world: gateways speak of deliveries that it does not have.

No delivery is ever removed from a ledger. So one that a gateway had from us and that is not here was forgotten, as when
an older copy was restored. Its id tells when it was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, select, update

from router.ledger.bulk import insert_rows
from router.ledger.models import delivery, unit_sequence
from router.ledger.models import forgotten as table
from router.ledger.recovery import recovering
from router.ledger.scope import EVERYTHING, Scope
from router.storage.statements import chunks, insert_of
from schemas.ids import made_at

MOST = 200_000
"""Deliveries that are remembered; any further ones are found when their gateway is asked."""
FURTHEST = 100_000
"""How far above the ledger's own number a gateway's is believed: no backup is so many of a unit's documents old."""
_AHEAD_MS = 24 * 3_600_000
_LONGEST_WHY = 300
_COLUMNS = ("delivery_id", "unit", "made_at", "told_at")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What gateways report that is not in the ledger, as far as nobody has given it up; times are UTC ms.

    ``first`` and ``last`` are when the oldest and the newest of it were accepted.
    """

    deliveries: int = 0
    units: int = 0
    first: int | None = None
    last: int | None = None
    told_at: int | None = None
    recovering: bool = False
    """Whether the gateways are being asked for it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One of them, and why it could not be rebuilt (empty: its gateway has not reported it yet)."""

    delivery_id: str
    unit: str
    made_at: int
    why: str


def note(conn: Connection, told: Mapping[str, str], now_ms: int) -> int:
    """Note deliveries that gateways reported, each with its unit, if the ledger does not have them; how many are new.

    What is asked back already is asked for once more at the units that report something new.
    """
    known = {key for some in chunks(sorted(told)) for key in _known(conn, some)}
    made = {key: made_at(key) for key in told if key not in known}
    ours = {key: at for key, at in made.items() if at is not None and at <= now_ms + _AHEAD_MS}
    if not ours or (conn.scalar(select(func.count()).select_from(table)) or 0) + len(ours) > MOST:
        return 0
    rows = [(key, told[key], at, now_ms) for key, at in sorted(ours.items())]
    new = insert_rows(conn, table, _COLUMNS, rows, key="delivery_id")
    recovering.ask_once_more(conn, {told[key]: at for key, at in ours.items()}, now_ms)
    return new


def refuse(conn: Connection, unit: str, why: Mapping[str, str], now_ms: int) -> None:
    """Note why deliveries of a unit could not be rebuilt."""
    note(conn, dict.fromkeys(why, unit), now_ms)
    for key, reason in why.items():
        conn.execute(update(table).where(table.c.delivery_id == key).values(why=reason[:_LONGEST_WHY]))


def settle(conn: Connection, keys: list[str]) -> None:
    """These deliveries are in the ledger again."""
    for some in chunks(keys):
        conn.execute(delete(table).where(table.c.delivery_id.in_(some)))


def give_up(conn: Connection, now_ms: int) -> int:
    """What is still missing no longer needs attention; how many deliveries."""
    return conn.execute(update(table).where(table.c.given_up_at.is_(None)).values(given_up_at=now_ms)).rowcount


def summary(conn: Connection, scope: Scope = EVERYTHING) -> Forgotten:
    """What is missing of the units in a scope."""
    open_ones = select(
        func.count(),
        func.count(table.c.unit.distinct()),
        func.min(table.c.made_at),
        func.max(table.c.made_at),
        func.min(table.c.told_at),
    ).where(table.c.given_up_at.is_(None), scope.covers_unit(table.c.unit))
    deliveries, units, first, last, told_at = conn.execute(open_ones).one()
    under_way = recovering.current(conn) is not None
    return Forgotten(deliveries, units, first, last, told_at, recovering=under_way)


def is_older(conn: Connection) -> bool:
    """Whether the ledger lacks what gateways have, or is getting it back."""
    missing = exists().where(table.c.given_up_at.is_(None))
    return bool(conn.scalar(select(missing))) or recovering.current(conn) is not None


def lost(conn: Connection, *, limit: int) -> list[Lost]:
    """What is missing, given up or not: by unit, the oldest first."""
    columns = table.c.delivery_id, table.c.unit, table.c.made_at, table.c.why
    rows = conn.execute(select(*columns).order_by(table.c.unit, table.c.delivery_id).limit(limit))
    return [Lost(*row) for row in rows]


def raise_sequences(conn: Connection, taken: Mapping[str, Sequence[int]]) -> None:
    """Give no number again that a gateway has taken for its unit: the next one is above all that can be believed."""
    if not any(map(any, taken.values())):
        return
    known: dict[str, int] = {}
    for some in chunks(sorted(taken)):
        rows = conn.execute(select(unit_sequence.c.unit, unit_sequence.c.last).where(unit_sequence.c.unit.in_(some)))
        known.update((row[0], row[1]) for row in rows)
    further = []
    for code, numbers in sorted(taken.items()):
        last = known.get(code, 0)
        highest = max((number for number in numbers if number <= last + FURTHEST), default=0)
        if highest > last:
            further.append({"unit": code, "last": highest})
    if further:
        new = insert_of(conn, unit_sequence)
        higher = unit_sequence.c.last < new.excluded.last
        conn.execute(
            new.on_conflict_do_update(index_elements=["unit"], set_={"last": new.excluded.last}, where=higher), further
        )


def _known(conn: Connection, keys: list[str]) -> list[str]:
    return list(conn.scalars(select(delivery.c.id).where(delivery.c.id.in_(keys))))
