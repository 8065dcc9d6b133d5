"""Who takes care of a group of stuck deliveries: one person with a note, until they leave it or nothing is left of it.

Only someone who may act on all units of a group can take care of it, and only someone who sees all of them is told: the
note speaks of the whole. That a group is empty is seen by :func:`end_empty`, which the router calls again and again;
till then it is shown nowhere, because no group is there to show it at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, delete, select

from router.errors import ActRefusedError, ForbiddenError, NotFoundError
from router.ledger.models import stuck_care as table
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry, By
from router.ledger.queries import StuckGroup, StuckKey, is_empty, keys_of_unit, stuck
from router.ledger.scope import Scope
from router.storage.statements import insert_of
from schemas.clock import day_at

BY_ITSELF = "congvan"
"""The name in the audit log where no person acted."""
MAX_NOTE = 500
_TAKEN, _LOOK = "somebody has taken it meanwhile, or left it", "look again who takes care of it"


@dataclass(frozen=True, slots=True)
class Care:
    """Who takes care of what, since when (UTC ms), and what they say of it."""

    key: StuckKey
    owner: str
    note: str
    at: int


def cares_of(conn: Connection, scope: Scope, keys: Iterable[StuckKey]) -> Mapping[StuckKey, Care]:
    """Who takes care of groups, of those that the scope sees whole."""
    wanted = {key.id: key for key in keys if sees_whole(scope, key)}
    rows = conn.execute(select(table.c.id, table.c.owner, table.c.note, table.c.at).where(table.c.id.in_(wanted)))
    return {wanted[row.id]: Care(wanted[row.id], row.owner, row.note, row.at) for row in rows}


def cares_of_unit(conn: Connection, scope: Scope, code: str, *, day: date) -> list[Care]:
    """Who takes care of what is stuck on its way to a unit, on the organisation's day."""
    return list(cares_of(conn, scope, keys_of_unit(conn, scope, code, day=day)).values())


def sees_whole(scope: Scope, key: StuckKey) -> bool:
    """Whether all units of a group are the scope's own."""
    return scope.covers_all([key.parent if key.gone else f"{key.parent}.#"])


def find_group(conn: Connection, scope: Scope, group_id: str, *, now_ms: int, day: date) -> StuckGroup:
    """The group with an id, or with one that begins so.

    Raises:
        NotFoundError: there is none that the scope sees.
        ActRefusedError: several begin so.
    """
    groups = stuck(conn, scope, now_ms=now_ms, day=day)
    found = {group.key: group for group in groups if group_id and group.key.id.startswith(group_id)}
    if not found:
        raise NotFoundError(f"nothing is stuck as {group_id or 'that'}", hint="`congvan stuck` lists the groups")
    if len(found) > 1:
        raise ActRefusedError(f"several groups begin with {group_id}", hint="write more of the id")
    return next(iter(found.values()))


def take(conn: Connection, scope: Scope, group_id: str, by: By, *, seen: int | None, day: date) -> Care:
    """Take care of a group, also in the place of somebody else; whoever does so already changes the note.

    Args:
        conn: a transaction that writes.
        scope: on what the person may act.
        group_id: of :attr:`StuckKey.id`.
        by: who, and the note.
        seen: since when somebody was shown to take care of it (UTC ms; 0: nobody); None: whoever it is.
        day: the organisation's.

    Raises:
        NotFoundError: there is no such group any more.
        ForbiddenError: some of its units are not the person's.
        ActRefusedError: somebody else has taken it meanwhile.
    """
    key = find_group(conn, scope, group_id, now_ms=by.now_ms, day=day).key
    before = _require(conn, scope, key, by, seen)
    if before and (before.owner, before.note) == (by.who, by.why):
        return before
    care = Care(key, by.who, by.why[:MAX_NOTE], by.now_ms)
    values = {"owner": care.owner, "note": care.note, "at": care.at}
    named = {"parent": key.parent, "state": key.state, "code": key.code, "told": key.told}
    statement = insert_of(conn, table).values(id=key.id, gone=int(key.gone), **named, **values)
    same = table.c.at == (before.at if before else None)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=values, where=same)
    if conn.scalar(statement.returning(table.c.id)) is None:
        raise ActRefusedError(_TAKEN, hint=_LOOK)
    audit.record(conn, _entry(Act.CARE_TAKEN, key, by, before.owner if before and before.owner != by.who else ""))
    return care


def leave(conn: Connection, scope: Scope, group_id: str, by: By, *, day: date) -> None:
    """Stop taking care of a group; whoever may act on it may do that for somebody else, too.

    Raises:
        NotFoundError: there is no such group, or nobody takes care of it.
        ForbiddenError: some of its units are not the person's.
    """
    key = find_group(conn, scope, group_id, now_ms=by.now_ms, day=day).key
    before = _require(conn, scope, key, by, None)
    if before is None:
        raise NotFoundError("nobody takes care of it", hint="`congvan stuck` lists the groups")
    conn.execute(delete(table).where(table.c.id == key.id))
    audit.record(conn, _entry(Act.CARE_LEFT, key, by, before.owner if before.owner != by.who else ""))


def empty_ones(conn: Connection, day: date) -> list[StuckKey]:
    """The groups of which nothing is left though somebody takes care of them."""
    columns = table.c.parent, table.c.state, table.c.code, table.c.told, table.c.gone
    keys = [StuckKey(*row[:-1], gone=bool(row.gone)) for row in conn.execute(select(*columns).order_by(table.c.id))]
    return [key for key in keys if is_empty(conn, key, day=day)]


def end_empty(conn: Connection, moments: Sequence[tuple[int, str]]) -> list[int]:
    """End what nobody has to care for any more, now (UTC ms) in the organisation's zone; how many."""
    return [_end_empty(conn, now_ms, timezone) for now_ms, timezone in moments]


def _end_empty(conn: Connection, now_ms: int, timezone: str) -> int:
    ended = 0
    for key in empty_ones(conn, day_at(now_ms, timezone)):
        gone = delete(table).where(table.c.id == key.id).returning(table.c.owner, table.c.note)
        for owner, note in conn.execute(gone).all():
            audit.record(conn, _entry(Act.CARE_ENDED, key, By(BY_ITSELF, note, now_ms), owner))
            ended += 1
    return ended


def _require(conn: Connection, scope: Scope, key: StuckKey, by: By, seen: int | None) -> Care | None:
    """Who takes care of it now."""
    if not sees_whole(scope, key):
        raise ForbiddenError(
            f"{by.who} may not act on all units below {key.parent}", hint="who may act on all of them takes care of it"
        )
    now = cares_of(conn, scope, [key]).get(key)
    if seen is not None and seen != (now.at if now else 0):
        raise ActRefusedError(_TAKEN, hint=_LOOK)
    return now


def _entry(act: Act, key: StuckKey, by: By, other: str) -> AuditEntry:
    """``other`` is whose care it was."""
    subject = " ".join(filter(None, (key.state or "gone", key.code, key.told)))
    return AuditEntry(by.now_ms, by.who, act, subject, key.parent, by.why, by.address, other)
