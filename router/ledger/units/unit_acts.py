"""What operators do with units: pause, mute, open again, retire; each act is in the audit log with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select, update

from router.directory.checking import require_whole
from router.errors import ActRefusedError, NotFoundError
from router.ledger.models import unit as table
from router.ledger.models import unit_sequence
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry, By
from router.ledger.scope import within
from router.ledger.units import gateways, lines
from router.ledger.units.unit_list import import_units, list_units
from router.ledger.way import outbox, recalls
from router.storage.statements import chunks
from schemas.clock import iso
from schemas.states import Status

_NEITHER: dict[str, None] = dict.fromkeys(
    ("paused_at", "paused_by", "paused_why", "muted_until", "muted_by", "muted_why")
)


@dataclass(frozen=True, slots=True)
class Done:
    """What an act did: the units that changed and those that were so already; deliveries that now wait, or now go."""

    act: Act
    changed: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    held: int = 0
    released: int = 0


def named(conn: Connection, patterns: Sequence[str]) -> list[str]:
    """The codes that unit patterns name (``LCA.02.05``, ``LCA.02.#``), each once, in their order.

    Raises:
        NotFoundError: a pattern names no unit.
    """
    found: set[str] = set()
    for pattern in patterns:
        codes = conn.scalars(select(table.c.code).where(within(table.c.code, [pattern]))).all()
        if not codes:
            raise NotFoundError(f"there is no unit {pattern}", hint="`congvan units tree` shows all")
        found.update(codes)
    return sorted(found)


def pause(conn: Connection, codes: Sequence[str], by: By) -> Done:
    """Send nothing new to units: their deliveries wait, visibly. What the broker has already is not called back.

    A unit that is paused already stays as it is.

    Raises:
        NotFoundError: one of them is not there.
    """
    changed = [code for code, row in _lock(conn, codes).items() if row.paused_at is None]
    return _change(conn, Act.UNIT_PAUSED, codes, changed, by, paused_at=by.now_ms, paused_by=by.who, paused_why=by.why)


def mute(conn: Connection, codes: Sequence[str], until_ms: int, by: By) -> Done:
    """Have units call for nobody's attention until a moment (UTC ms); their deliveries go on and stay listed.

    Raises:
        NotFoundError: one of them is not there.
        ActRefusedError: the moment has passed.
    """
    if until_ms <= by.now_ms:
        raise ActRefusedError("the time until which the unit is to be muted has passed", hint="give a later one")
    changed = [code for code, row in _lock(conn, codes).items() if row.muted_until != until_ms]
    return _change(conn, Act.UNIT_MUTED, codes, changed, by, muted_until=until_ms, muted_by=by.who, muted_why=by.why)


def open_again(conn: Connection, codes: Sequence[str], by: By) -> Done:
    """End the pause and the mute of units: what waited is sent.

    Raises:
        NotFoundError: one of them is not there.
    """
    held = _lock(conn, codes).items()
    changed = [code for code, row in held if row.paused_at is not None or row.muted_until is not None]
    return _change(conn, Act.UNIT_OPENED, codes, changed, by, **_NEITHER)


def retire(conn: Connection, code: str, last_day: date, successor: str | None, by: By, *, today: date) -> Done:
    """Let a unit exist up to a day, with the unit that takes its documents from then on.

    Args:
        conn: a transaction that writes.
        code: the unit's.
        last_day: the last on which it exists.
        successor: the unit that is addressed instead of it afterwards.
        by: who, and why.
        today: where the people are.

    Raises:
        NotFoundError: there is no such unit.
        ActRefusedError: the day has passed.
        DirectoryError: the organisation would not hold together; ``problems`` says why.
    """
    if last_day < today:
        raise ActRefusedError(
            f"{last_day.isoformat()} has passed: a unit is retired from a day on that is still to come",
            hint=f"give {today.isoformat()} or a later day; what changed in the past comes by `congvan units import`",
        )
    _lock(conn, [code])
    known = {item.code: item for item in list_units(conn)}
    changed = known[code].model_copy(update={"valid_to": last_day, "successor": successor})
    if changed == known[code]:
        return Done(Act.UNIT_RETIRED, (), (code,))
    require_whole([*(item for item in known.values() if item.code != code), changed])
    import_units(conn, [changed], now_ms=by.now_ms)
    _note(conn, [code], Act.UNIT_RETIRED, by, " ".join(filter(None, (last_day.isoformat(), successor))))
    return Done(Act.UNIT_RETIRED, (code,))


def keep(conn: Connection, code: str, by: By, *, today: date) -> Done:
    """Take a unit's retirement back, as long as its last day has not passed; one that is not retired stays so.

    Raises:
        NotFoundError: there is no such unit.
        ActRefusedError: its last day has passed: its documents go to others already.
    """
    _lock(conn, [code])
    unit = next(item for item in list_units(conn) if item.code == code)
    if unit.valid_to is None:
        return Done(Act.UNIT_KEPT, (), (code,))
    if unit.valid_to < today:
        raise ActRefusedError(
            f"{code} existed until {unit.valid_to.isoformat()}, which has passed",
            hint="a unit that begins again is a change of the organisation: `congvan units import`",
        )
    import_units(conn, [unit.model_copy(update={"valid_to": None, "successor": None})], now_ms=by.now_ms)
    _note(conn, [code], Act.UNIT_KEPT, by, unit.valid_to.isoformat())
    return Done(Act.UNIT_KEPT, (code,))


def take_over(conn: Connection, code: str, spool_id: str, by: By) -> Done:
    """Let one of a unit's gateways that stand by work for it in the place of the one that does.

    What the other had taken and not handed over becomes due again, with the recalls of it; it learns of this when it
    asks, within minutes.

    Args:
        conn: a transaction that writes.
        code: the unit.
        spool_id: of the gateway, or the beginning of it; empty: the only one that stands by.
        by: who acts.

    Raises:
        NotFoundError: there is no such unit, or no such gateway stands by for it.
        ActRefusedError: several fit.
    """
    _lock(conn, [code])
    waiting = [row for row in gateways.spools_of(conn, code, now_ms=by.now_ms) if not row.works]
    fitting = [row for row in waiting if row.id.startswith(spool_id)]
    if not fitting:
        raise NotFoundError(
            f"no gateway {spool_id or 'at all'} stands by for {code}", hint=f"`congvan units show {code}` names them"
        )
    if len(fitting) > 1:
        names = ", ".join(row.id for row in fitting)
        raise ActRefusedError(f"several gateways stand by for {code}: {names}", hint="say which by --spool")
    gateways.take_over(conn, code, fitting[0].id)
    recalls.send_again(conn, [code], by.now_ms)
    outbox.make_due(conn, [code], [Status.QUEUED, Status.TAKEN], by.now_ms)
    _note(conn, [code], Act.GATEWAY_CHANGED, by)
    return Done(Act.GATEWAY_CHANGED, (code,))


def _lock(conn: Connection, codes: Sequence[str]) -> dict[str, Any]:
    """The units, held in their order so that no dispatch is accepted for them meanwhile and no two acts cross."""
    found: dict[str, Any] = {}
    for some in chunks(sorted(codes)):
        row_of = select(table.c.code, table.c.paused_at, table.c.muted_until).where(table.c.code.in_(some))
        row_of = row_of.order_by(table.c.code)
        if conn.dialect.name == "postgresql":
            sequence = select(unit_sequence.c.unit).where(unit_sequence.c.unit.in_(some))
            conn.execute(sequence.order_by(unit_sequence.c.unit).with_for_update())
            row_of = row_of.with_for_update()
        found.update({row.code: row for row in conn.execute(row_of)})
    for code in codes:
        if code not in found:
            raise NotFoundError(f"there is no unit {code}", hint="`congvan units tree` shows all")
    return found


def _change(conn: Connection, act: Act, codes: Sequence[str], changed: Sequence[str], by: By, **values: Any) -> Done:
    """Write it down for the units that are not so yet, and let their deliveries follow."""
    for some in chunks(changed):
        conn.execute(update(table).where(table.c.code.in_(some)).values(values))
    until = values.get("muted_until")
    _note(conn, changed, act, by, iso(until) if until else "")
    aligned = lines.align(conn, by.now_ms)
    unchanged = tuple(sorted(set(codes) - set(changed)))
    return Done(act, tuple(changed), unchanged, aligned.held, aligned.released)


def _note(conn: Connection, codes: Sequence[str], act: Act, by: By, detail: str = "") -> None:
    audit.record(conn, *(AuditEntry(by.now_ms, by.who, act, code, code, by.why, by.address, detail) for code in codes))
