"""The organisation in the ledger: read whole, merged with a new list; and when each gateway was last heard of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from router.directory.difference import Difference, difference
from router.ledger.models import unit as table
from router.ledger.models import unit_code
from router.ledger.scope import Scope, within
from router.ledger.units import lines
from router.storage.statements import chunks
from schemas.text import fold
from schemas.unit import OtherCode, Unit

_IMPORT_LOCK = 0x756E697473  # PostgreSQL: one import at a time
_UNIT = ("code", "parent", "name", "kind", "link", "note", "opening", "valid_from", "valid_to", "successor")
_COLUMNS = (*_UNIT, "name_folded", "changed_at")
_OTHER_CODE = ("scheme", "code", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: codes of units, and how many deliveries it set going or made wait."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    unchanged: int
    released: int
    held: int


@dataclass(frozen=True, slots=True)
class UnitSeen:
    """What a unit's gateway last said of itself; ``last_seen_at`` in UTC ms, None when it never did."""

    code: str
    name: str
    link: str
    last_seen_at: int | None
    spool_id: str | None
    gateway_version: str | None


def list_units(conn: Connection) -> list[Unit]:
    """All units by code, with their other codes, the retired ones too."""
    others: defaultdict[str, list[OtherCode]] = defaultdict(list)
    codes = select(unit_code.c.unit, *(unit_code.c[name] for name in _OTHER_CODE)).order_by(unit_code.c.id)
    for owner, *values in conn.execute(codes):
        others[owner].append(OtherCode(**dict(zip(_OTHER_CODE, values, strict=True))))
    rows = conn.execute(select(*(table.c[name] for name in _UNIT)).order_by(table.c.code))
    return [Unit(**row._mapping, codes=tuple(others[row.code])) for row in rows]  # noqa: SLF001 - its public name


def import_units(
    conn: Connection, units: Sequence[Unit], *, now_ms: int, retire_missing: date | None = None
) -> ImportResult:
    """Merge a list of units, already checked as a whole, into the ledger.

    When a unit got a line, what waited for it is sent; when one lost its line, what is on the way waits.

    Args:
        conn: a transaction that writes.
        units: the list; units are told apart by their code.
        now_ms: the present, UTC milliseconds.
        retire_missing: the last day of those units that are not in the list; None: they stay as they are.
    """
    lock_list(conn)
    return apply_difference(conn, difference(list_units(conn), units, last_day=retire_missing), now_ms=now_ms)


def lock_list(conn: Connection) -> None:
    """Hold the list until the transaction ends: one import at a time, each knows what the one before it did."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_IMPORT_LOCK)))


def apply_difference(conn: Connection, found: Difference, *, now_ms: int) -> ImportResult:
    """Do what a list would do to the units that are there now, under :func:`lock_list`."""
    changed_at = max(now_ms, 1 + (conn.scalar(select(func.max(table.c.changed_at))) or 0))
    _insert(conn, found.added, changed_at)
    _update(conn, found.updated, changed_at)
    aligned = lines.align(conn, now_ms)
    return ImportResult(
        added=_codes(found.added),
        changed=tuple(item.code for item in found.changed),
        retired=tuple(item.code for item in found.retired),
        unchanged=found.unchanged,
        released=aligned.released,
        held=aligned.held,
    )


def record_seen(conn: Connection, units: Sequence[str], at: int, spool_id: str, version: str) -> list[str]:
    """Note that a gateway said hello for its units.

    Args:
        conn: a transaction that writes.
        units: the codes it hosts; those that are not known are passed over.
        at: when, UTC milliseconds.
        spool_id: the name of its spool.
        version: the gateway's own.

    Returns:
        The units that had another spool before: what they had taken but not brought home is lost.
    """
    renewed: list[str] = []
    for codes in chunks(units):
        some = table.c.code.in_(codes)
        lost = select(table.c.code).where(some, table.c.spool_id != spool_id).order_by(table.c.code)
        if conn.dialect.name == "postgresql":
            lost = lost.with_for_update()
        renewed.extend(conn.scalars(lost))
        conn.execute(
            update(table).where(some).values(last_seen_at=at, spool_id=spool_id, gateway_version=version or None)
        )
    return renewed


def list_seen(conn: Connection, scope: Scope) -> list[UnitSeen]:
    """When each unit of the scope was last heard of, by code."""
    columns = (table.c.code, table.c.name, table.c.link, table.c.last_seen_at, table.c.spool_id)
    statement = select(*columns, table.c.gateway_version).order_by(table.c.code)
    if not scope.everything:
        statement = statement.where(within(table.c.code, scope.units))
    return [UnitSeen(*row) for row in conn.execute(statement)]


def _codes(units: Iterable[Unit]) -> tuple[str, ...]:
    return tuple(item.code for item in units)


def _insert(conn: Connection, units: Sequence[Unit], changed_at: int) -> None:
    if units:
        conn.execute(insert(table), [_row(item, changed_at) for item in units])
        _insert_codes(conn, units)


def _update(conn: Connection, units: Sequence[Unit], changed_at: int) -> None:
    if units:
        values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in _COLUMNS}
        rows = [{f"b_{name}": value for name, value in _row(item, changed_at).items()} for item in units]
        conn.execute(update(table).where(table.c.code == bindparam("b_code")).values(values), rows)
        conn.execute(
            delete(unit_code).where(unit_code.c.unit == bindparam("b_code")), [{"b_code": item.code} for item in units]
        )
        _insert_codes(conn, units)


def _insert_codes(conn: Connection, units: Sequence[Unit]) -> None:
    rows = [{"unit": item.code, **code.model_dump()} for item in units for code in item.codes]
    if rows:
        conn.execute(insert(unit_code), rows)


def _row(item: Unit, changed_at: int) -> dict[str, Any]:
    fields = item.model_dump(include=set(_UNIT))
    return fields | {"link": item.link.value, "name_folded": fold(item.name), "changed_at": changed_at}
