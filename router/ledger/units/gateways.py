"""Gateways in the ledger, known by their spools: which of them works for a unit, and what they say of themselves.

One spool works for a unit: the first that the ledger knows, as long as it lives. It lives while its hellos come; when
as many are missing as let its line be taken to be down (:data:`schemas.line.MISSED`, three minutes by default), another
that says hello takes its place by itself, as after the loss of a disk. A spool that never said how often it says hello
cannot be missed, so it is never held against another.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, literal, or_, select, update

from router.ledger.bulk import insert_rows
from router.ledger.models import spool, unit, unit_trouble
from router.ledger.scope import Scope
from router.storage.statements import chunks
from schemas.health import Health, Trouble
from schemas.line import MISSED

FORGOTTEN_AFTER_MS = 90 * 24 * 3_600_000
"""A spool that was not heard of for so long is forgotten, unless it works for a unit."""
_DAY_MS = 86_400_000
_TROUBLE = ("unit", "code", "why", "since", "told_at")


@dataclass(frozen=True, slots=True)
class SpoolRow:
    """A gateway's spool; times are UTC ms.

    Attributes:
        works: whether it is the one that works for the unit that was asked for.
        refused_at: since when it stands by, because another works for a unit that it hosts; None: for none.
        silent_at: when it is taken to be gone if nothing is heard of it until then; None: it never said.
        disk_free: bytes above its reserve; None: it never said.
        certificate: the one that ends first of those that it shows or is shown, as it calls it; None: it never said.
        certificate_ends_at: when that one ends.
    """

    id: str
    account: str
    first_seen_at: int
    heard_at: int
    silent_at: int | None
    gateway_version: str
    refused_at: int | None
    disk_free: int | None
    works: bool
    certificate: str | None = None
    certificate_ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """Why a unit's gateway cannot hand documents over; times are UTC ms."""

    code: str
    why: str
    since: int
    told_at: int


@dataclass(frozen=True, slots=True)
class GatewayHello:
    """A hello, as far as it is about the gateway itself; times are UTC ms."""

    spool_id: str
    account: str
    at: int
    every_ms: int
    version: str = ""
    health: Health | None = None
    recounts: bool = False
    """Whether it can report what it holds."""


def held_elsewhere(
    conn: Connection, codes: Sequence[str], own: Collection[str], *, now_ms: int, since_ms: int = 0
) -> dict[str, str]:
    """The units for which another living spool works, with that spool.

    Args:
        conn: a transaction.
        codes: the units that are asked for.
        own: the spool that asks, and the one that lay in its place before, if it is known.
        now_ms: the present, UTC ms.
        since_ms: since when hellos are heard; nobody can be missed from before.
    """
    patience = MISSED * spool.c.every_ms
    lives = or_(spool.c.heard_at + patience > now_ms, patience > now_ms - since_ms)
    found: dict[str, str] = {}
    for some in chunks(codes):
        statement = (
            select(unit.c.code, unit.c.spool_id)
            .join(spool, spool.c.id == unit.c.spool_id)
            .where(unit.c.code.in_(some), unit.c.spool_id.not_in(own), spool.c.every_ms > 0, lives)
        )
        found.update((row[0], row[1]) for row in conn.execute(statement))
    return found


def held_before(conn: Connection, codes: Sequence[str], own: Collection[str]) -> list[str]:
    """The units for which another spool worked last, alive or not.

    Args:
        conn: a transaction.
        codes: the units that are asked for.
        own: the spool that asks.
    """
    found: list[str] = []
    for some in chunks(codes):
        statement = select(unit.c.code).where(unit.c.code.in_(some), unit.c.spool_id.not_in(own))
        found += conn.scalars(statement.order_by(unit.c.code))
    return found


def note_said(conn: Connection, said: GatewayHello, *, contested: bool | None) -> None:
    """Note a hello of a spool.

    Args:
        conn: a transaction that writes.
        said: the hello.
        contested: whether another works for a unit that it names; None: it is as it was.
    """
    first = {"id": said.spool_id, "first_seen_at": said.at, "every_ms": said.every_ms}
    known = conn.execute(select(spool.c.refused_at).where(spool.c.id == said.spool_id)).one_or_none()
    values: dict[str, object] = {"account": said.account, "heard_at": said.at, "recounts": int(said.recounts)}
    if said.every_ms:
        values["every_ms"] = said.every_ms
    if said.version:
        values["gateway_version"] = said.version
    if said.health is not None:
        values["disk_free"] = said.health.disk_free
        values |= _first_to_end(said.health, said.at)
    if contested is not None:
        values["refused_at"] = ((known and known.refused_at) or said.at) if contested else None
    if known is None:
        conn.execute(insert(spool).values({**first, **values}))
        _forget(conn, said.at)
    else:
        conn.execute(update(spool).where(spool.c.id == said.spool_id).values(values))


def note_health(conn: Connection, codes: Collection[str], health: Health, now_ms: int) -> None:
    """Put what a gateway says of its units in the place of what it said before; units it does not name are in order."""
    told = _by_unit(codes, health.troubles)
    for some in chunks(sorted(codes)):
        conn.execute(delete(unit_trouble).where(unit_trouble.c.unit.in_(some)))
        known = conn.scalars(select(unit.c.code).where(unit.c.code.in_([code for code in some if code in told]))).all()
        rows = [(code, told[code].code, told[code].why, now_ms - 1000 * told[code].seconds, now_ms) for code in known]
        insert_rows(conn, unit_trouble, _TROUBLE, rows)


def spools_of(conn: Connection, code: str, *, now_ms: int) -> list[SpoolRow]:
    """The spools that name a unit theirs: the one that works for it first, then those that stand by and live."""
    works = select(unit.c.spool_id).where(unit.c.code == code).scalar_subquery()
    lately = spool.c.heard_at + MISSED * spool.c.every_ms > now_ms
    stands_by = spool.c.refused_at.is_not(None) & lately & _stands_for(code)
    statement = select(spool, (spool.c.id == works).label("works")).where((spool.c.id == works) | stands_by)
    rows = [_spool(row) for row in conn.execute(statement)]
    return sorted(rows, key=lambda row: (not row.works, row.first_seen_at))


def trouble_of(conn: Connection, code: str) -> TroubleRow | None:
    """Why a unit's gateway cannot hand documents over; None when it can, or never said."""
    columns = unit_trouble.c.code, unit_trouble.c.why, unit_trouble.c.since, unit_trouble.c.told_at
    row = conn.execute(select(*columns).where(unit_trouble.c.unit == code)).one_or_none()
    return row and TroubleRow(*row)


def troubled(conn: Connection) -> list[str]:
    """The units whose gateways cannot hand documents over, the longest first."""
    return list(conn.scalars(select(unit_trouble.c.unit).order_by(unit_trouble.c.since, unit_trouble.c.unit)))


def second_spools(conn: Connection, *, now_ms: int) -> list[SpoolRow]:
    """The living spools that stand by because another works for their units, the longest first."""
    lately = spool.c.heard_at + MISSED * spool.c.every_ms > now_ms
    statement = select(spool, literal(value=False).label("works")).where(spool.c.refused_at.is_not(None), lately)
    return [_spool(row) for row in conn.execute(statement.order_by(spool.c.refused_at))]


def take_over(conn: Connection, code: str, spool_id: str) -> None:
    """Let a spool work for a unit in the place of the one that does; the gateways learn it when they ask."""
    conn.execute(update(unit).where(unit.c.code == code).values(spool_id=spool_id))
    conn.execute(update(spool).where(spool.c.id == spool_id).values(refused_at=None))


def ending(conn: Connection, scope: Scope, *, before: int, limit: int) -> list[SpoolRow]:
    """The gateways that work for a unit of the scope and show or are shown a certificate that ends before a time."""
    works = exists().where(unit.c.spool_id == spool.c.id, scope.covers_unit(unit.c.code)).correlate(spool)
    soon = spool.c.certificate_ends_at < before, works
    statement = select(spool, literal(value=True).label("works")).where(*soon)
    return [_spool(row) for row in conn.execute(statement.order_by(spool.c.certificate_ends_at).limit(limit))]


def _first_to_end(health: Health, at: int) -> dict[str, object]:
    first = min(health.certificates, key=lambda item: item.days, default=None)
    if first is None:
        return {"certificate": None, "certificate_ends_at": None}
    return {"certificate": first.which, "certificate_ends_at": at + first.days * _DAY_MS}


def _by_unit(codes: Collection[str], troubles: Sequence[Trouble]) -> Mapping[str, Trouble]:
    """The first trouble reported for each unit; one that names no unit is every unit's."""
    found: dict[str, Trouble] = {}
    for trouble in troubles:
        for code in trouble.units or codes:
            if code in codes:
                found.setdefault(code, trouble)
    return found


def _stands_for(code: str) -> ColumnElement[bool]:
    """Whether the account of a spool stands for a unit: it is the unit's own, or a subtree's with the unit in it."""
    parts = code.split(".")
    heads = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return spool.c.account.in_([f"gateway:{code}", *(f"gateway:{head}.#" for head in heads)])


def _spool(it: Row[Any]) -> SpoolRow:
    return SpoolRow(
        id=it.id,
        account=it.account,
        first_seen_at=it.first_seen_at,
        heard_at=it.heard_at,
        silent_at=it.heard_at + MISSED * it.every_ms if it.every_ms else None,
        gateway_version=it.gateway_version,
        refused_at=it.refused_at,
        disk_free=it.disk_free,
        works=bool(it.works),
        certificate=it.certificate,
        certificate_ends_at=it.certificate_ends_at,
    )


def _forget(conn: Connection, now_ms: int) -> None:
    working = select(unit.c.spool_id).where(unit.c.spool_id.is_not(None))
    old = spool.c.heard_at < now_ms - FORGOTTEN_AFTER_MS
    conn.execute(delete(spool).where(old, spool.c.id.not_in(working)))
