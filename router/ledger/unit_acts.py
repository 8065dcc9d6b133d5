"""What operators do with a unit: pause it, mute it, open it again, retire it; each with its reason in the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select, update

from router.directory.checking import require_whole
from router.errors import ActRefusedError, NotFoundError
from router.ledger import audit, lines
from router.ledger.audit import Act, Entry
from router.ledger.models import unit as table
from router.ledger.models import unit_sequence
from router.ledger.units import import_units, list_units

_NEITHER: dict[str, None] = dict.fromkeys(
    ("paused_at", "paused_by", "paused_why", "muted_until", "muted_by", "muted_why")
)
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, from where, why, and when (UTC ms)."""

    who: str
    why: str
    now_ms: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What an act did: whether anything changed, how many deliveries wait from now on or are set going."""

    unit: str
    act: Act
    changed: bool
    held: int = 0
    released: int = 0


def pause(conn: Connection, code: str, by: By) -> Done:
    """Send nothing new to a unit: its deliveries wait, visibly. What the broker has already is not called back.

    A unit that is paused already stays as it is.

    Raises:
        NotFoundError: there is no such unit.
    """
    if _lock(conn, code).paused_at is not None:
        return Done(code, Act.UNIT_PAUSED, changed=False)
    _set(conn, code, {"paused_at": by.now_ms, "paused_by": by.who, "paused_why": by.why})
    held = lines.align(conn, by.now_ms).held
    _note(conn, code, Act.UNIT_PAUSED, by)
    return Done(code, Act.UNIT_PAUSED, changed=True, held=held)


def mute(conn: Connection, code: str, until_ms: int, by: By) -> Done:
    """Have a unit call for nobody's attention until a moment (UTC ms); its deliveries go on and stay listed.

    Raises:
        NotFoundError: there is no such unit.
        ActRefusedError: the moment has passed.
    """
    if until_ms <= by.now_ms:
        raise ActRefusedError("the time until which the unit is to be muted has passed", hint="give a later one")
    if _lock(conn, code).muted_until == until_ms:
        return Done(code, Act.UNIT_MUTED, changed=False)
    _set(conn, code, {"muted_until": until_ms, "muted_by": by.who, "muted_why": by.why})
    _note(conn, code, Act.UNIT_MUTED, by)
    return Done(code, Act.UNIT_MUTED, changed=True)


def open_again(conn: Connection, code: str, by: By) -> Done:
    """End a unit's pause and mute: what waited is sent.

    Raises:
        NotFoundError: there is no such unit.
    """
    row = _lock(conn, code)
    if row.paused_at is None and row.muted_until is None:
        return Done(code, Act.UNIT_OPENED, changed=False)
    _set(conn, code, _NEITHER)
    released = lines.align(conn, by.now_ms).released
    _note(conn, code, Act.UNIT_OPENED, by)
    return Done(code, Act.UNIT_OPENED, changed=True, released=released)


def retire(conn: Connection, code: str, last_day: date, successor: str | None, by: By) -> Done:
    """Let a unit exist up to a day, with the unit that takes its documents from then on.

    Raises:
        NotFoundError: there is no such unit.
        DirectoryError: the organisation would not hold together; ``problems`` tells why.
    """
    _lock(conn, code)
    known = {item.code: item for item in list_units(conn)}
    changed = known[code].model_copy(update={"valid_to": last_day, "successor": successor})
    if changed == known[code]:
        return Done(code, Act.UNIT_RETIRED, changed=False)
    require_whole([*(item for item in known.values() if item.code != code), changed])
    import_units(conn, [changed], now_ms=by.now_ms)
    _note(conn, code, Act.UNIT_RETIRED, by)
    return Done(code, Act.UNIT_RETIRED, changed=True)


def _lock(conn: Connection, code: str) -> Any:
    """The unit, held so that no dispatch is accepted for it meanwhile and no two acts cross."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(unit_sequence.c.unit).where(unit_sequence.c.unit == code).with_for_update())
        conn.execute(select(table.c.code).where(table.c.code == code).with_for_update())
    row = conn.execute(select(table.c.paused_at, table.c.muted_until).where(table.c.code == code)).first()
    if row is None:
        raise NotFoundError(f"there is no unit {code}", hint="`congvan units tree` shows all")
    return row


def _set(conn: Connection, code: str, values: Mapping[str, Any]) -> None:
    conn.execute(update(table).where(table.c.code == code).values(values))


def _note(conn: Connection, code: str, act: Act, by: By) -> None:
    audit.record(conn, Entry(by.now_ms, by.who, act, code, code, by.why, by.address))
