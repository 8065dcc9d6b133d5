"""Makes redrives: the dry run of a filter with its fixed cut-off, and the job whose deliveries are fixed by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, insert, literal, select

from router.errors import ActRefusedError, ConflictError, ForbiddenError
from router.ledger.models import redrive, redrive_item
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.queries import REDRIVABLE, DeliveryRow, Filter, count_by_state, find_deliveries, redrivable
from router.ledger.redrives.authority import Authority, acting_scope
from router.ledger.redrives.decisions import JobState, Outcome, Pace, first_allowed
from router.ledger.scope import Scope
from router.storage.statements import insert_of
from schemas.ids import new_id
from schemas.states import Status

MOST_ITEMS = 100_000
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a redrive would do; ``skipped`` counts by state what fits the filter and cannot be sent again."""

    eligible: int
    not_yours: int
    skipped: Mapping[Status, int]
    first: Sequence[DeliveryRow]


@dataclass(frozen=True, slots=True)
class NewRedrive:
    """A redrive to make.

    Args:
        who: makes it.
        token: names the request: the same one again makes no second redrive.
        text: the filter as it was written.
        wanted: the filter as it was read, relative to the cut-off.
        cut_at: what got stuck at this time or later (UTC ms) is not part of it.
        reason: why it may work now.
        pace: how it goes on.
        per_minute: with a rate: how many.
        watch_ms: for how long a delivery is watched after it was sent.
        address: where the request came from.
        home: the unit under which the act is audited.
    """

    who: Authority
    token: str
    text: str
    wanted: Filter
    cut_at: int
    reason: str
    pace: Pace
    watch_ms: int
    per_minute: int | None = None
    address: str = ""
    home: str = ""


def dry_run(conn: Connection, see: Scope, act: Scope, wanted: Filter, *, cut_at: int) -> DryRun:
    """What a redrive would do; nothing is changed.

    Args:
        conn: a transaction.
        see: what the caller sees.
        act: on what the caller may act.
        wanted: the filter, relative to the cut-off.
        cut_at: what got stuck at this time or later is not part of it.
    """
    before = _until(wanted, cut_at)
    seen = count_by_state(conn, see, before, now_ms=cut_at)
    mine = count_by_state(conn, act, before, now_ms=cut_at)
    eligible = sum(mine.get(state, 0) for state in REDRIVABLE)
    states = frozenset(REDRIVABLE) & (before.states or frozenset(REDRIVABLE))
    narrowed = replace(before, states=states)
    return DryRun(
        eligible=eligible,
        not_yours=sum(seen.get(state, 0) for state in REDRIVABLE) - eligible,
        skipped={state: number for state, number in seen.items() if state not in REDRIVABLE},
        first=find_deliveries(conn, act, narrowed, now_ms=cut_at, limit=_SHOWN) if states else [],
    )


def make(conn: Connection, new: NewRedrive, *, now_ms: int) -> str:
    """Make a redrive, or find the one that the same request made before; its id.

    Raises:
        ForbiddenError: the caller may act on nothing.
        ConflictError: the token came before with another filter, cut-off, reason or pace.
        ActRefusedError: nothing fits, or too much.
    """
    scope = acting_scope(conn, new.who, now_ms=now_ms)
    if scope is None:
        raise ForbiddenError(f"{new.who.name} may not act on deliveries", hint="it takes the role operator")
    key = new_id()
    if not _insert(conn, key, new, now_ms):
        return _same(conn, new)
    total = _take_items(conn, key, scope, new)
    conn.execute(
        redrive.update().where(redrive.c.id == key).values(total=total, allowed=first_allowed(new.pace, total))
    )
    audit.record(
        conn, AuditEntry(now_ms, new.who.name, Act.REDRIVE_MADE, key, new.home, new.reason, new.address, job=key)
    )
    return key


def _insert(conn: Connection, key: str, new: NewRedrive, now_ms: int) -> bool:
    """Whether the row is new."""
    values = {
        "id": key,
        "maker_kind": new.who.kind.value,
        "maker": new.who.name,
        "by_kind": new.who.kind.value,
        "by": new.who.name,
        "made_at": now_ms,
        "state": JobState.RUNNING.value,
        "state_at": now_ms,
        "send_at": now_ms,
        "total": 0,
        "allowed": 0,
        "token": new.token,
        "address": new.address,
        **_asked(new),
    }
    statement = insert_of(conn, redrive).values(values)
    unless = statement.on_conflict_do_nothing(index_elements=["maker_kind", "maker", "token"])
    return conn.scalar(unless.returning(redrive.c.id)) is not None


def _asked(new: NewRedrive) -> dict[str, object]:
    """What tells one redrive from another."""
    return {
        "filter": new.text,
        "cut_at": new.cut_at,
        "reason": new.reason,
        "pace": new.pace.value,
        "per_minute": new.per_minute,
        "watch_ms": new.watch_ms,
    }


def _same(conn: Connection, new: NewRedrive) -> str:
    asked = _asked(new)
    own = redrive.c.maker_kind == new.who.kind.value, redrive.c.maker == new.who.name, redrive.c.token == new.token
    row = conn.execute(select(redrive.c.id, *(redrive.c[name] for name in asked)).where(*own)).one()
    different = [name for name, value in asked.items() if name != "cut_at" and row._mapping[name] != value]  # noqa: SLF001 - its public name
    if different:
        raise ConflictError(f"the key names the redrive {row.id}, which has another {' and '.join(different)}")
    key: str = row.id
    return key


def _take_items(conn: Connection, key: str, scope: Scope, new: NewRedrive) -> int:
    """Fix the redrive's deliveries; how many there are."""
    found = redrivable(scope, _until(new.wanted, new.cut_at), now_ms=new.cut_at).limit(MOST_ITEMS + 1)
    rows = found.add_columns(literal(key), literal(Outcome.WAITING.value))
    names = ["delivery_id", "unit", "redrive_id", "outcome"]
    conn.execute(insert(redrive_item).from_select(names, rows))
    total = conn.scalar(select(func.count()).where(redrive_item.c.redrive_id == key)) or 0
    if not total:
        raise ActRefusedError("nothing that fits can be sent again by you", hint="try the filter with a dry run")
    if total > MOST_ITEMS:
        raise ActRefusedError(f"more than {MOST_ITEMS} deliveries fit", hint="narrow the filter, by unit or by time")
    return total


def _until(wanted: Filter, cut_at: int) -> Filter:
    return replace(wanted, until=cut_at if wanted.until is None else min(cut_at, wanted.until))
