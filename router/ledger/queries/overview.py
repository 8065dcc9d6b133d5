"""What operators see first: how much is not delivered, and what needs attention, by its cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, case, distinct, exists, func, literal, select, true

from router.ledger.models import delivery, dispatch, line, unit, unit_trouble
from router.ledger.queries.counts import seen_from
from router.ledger.queries.filters import OPEN, Flag, flagged
from router.ledger.queries.late_board import count_late
from router.ledger.scope import Scope, within
from schemas.reasons import WORDS, ReasonCode
from schemas.states import UNDELIVERED, Status

CAUSES = (
    Flag.PARKED,
    Flag.EXPIRED,
    Flag.NOT_HANDED_OVER,
    Flag.LINE_DOWN,
    Flag.NOT_CONFIRMED,
    Flag.NOT_COLLECTED,
    Flag.OVERDUE,
    Flag.NO_LINE,
    Flag.PAUSED,
)
"""What needs attention, the most pressing first."""
EXPIRED_LATELY_MS = 7 * 24 * 3_600_000
"""What expired longer ago is for the list of what is stuck: it no longer needs attention."""
_BY_REASON = {Flag.PARKED, Flag.EXPIRED}
_MOST_GROUPS = 200
_NOT_GOT = [*(state.value for state in UNDELIVERED), Status.PARKED.value, Status.EXPIRED.value]
_KEY_LENGTH = 12
_placed = delivery.join(dispatch).outerjoin(unit, unit.c.code == delivery.c.unit)
_head = func.coalesce(unit.c.parent, delivery.c.unit)
"""Below which unit, of :data:`_placed`, a group among the stuck stands."""
_WENT_DOWN = select(line.c.since).where(line.c.unit == delivery.c.unit).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of one moment; ``oldest_at`` is when the oldest one on its way was made (UTC ms)."""

    undelivered: int
    """On the way or parked: what ``is:undelivered`` finds."""
    oldest_at: int | None
    oldest_id: str | None
    retrying: int
    parked: int
    overdue: int
    held: int
    """Of the undelivered, those that wait for a line; the oldest is none of them."""
    late: int
    """Those of which anything that is owed is late: what ``is:late`` finds."""


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries with one cause: how many, to how many units, since when (UTC ms).

    A ``code`` (:mod:`schemas.reasons`) makes one group; ``reason`` is one of these as it was given. Without a code it
    is the one of all.
    """

    cause: Flag
    reason: str
    units: int
    deliveries: int
    since: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class StuckKey:
    """What the deliveries of a group of what is stuck have in common, whoever looks at how many of them."""

    parent: str
    state: str = ""
    code: str = ""
    told: str = ""
    """The reason of those without a code."""
    gone: bool = False

    @property
    def id(self) -> str:
        """A short name of it, for forms and commands."""
        whole = "\n".join((self.parent, self.state, self.code, self.told, str(int(self.gone))))
        return sha256(whole.encode()).hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True, slots=True)
class StuckGroup:
    """Deliveries that will not go by themselves: of one state, one reason and the units below one parent.

    ``reason`` and ``code`` as of :class:`Group`.
    """

    state: Status
    reason: str
    parent: str
    parent_name: str
    units: int
    deliveries: int
    since: int
    muted: bool
    """Whether its units call for nobody's attention now."""
    gone: bool = False
    """Its one unit, named as ``parent``, exists no more: nobody will take what waits for it."""
    successor: str = ""
    """Of a unit that is gone."""
    code: str = ""

    @property
    def key(self) -> StuckKey:
        """What it is known by."""
        if self.gone:
            return StuckKey(self.parent, gone=True)
        return StuckKey(self.parent, self.state.value, self.code, "" if self.code else self.reason)


def overview(conn: Connection, scope: Scope, *, now_ms: int) -> Overview:
    """The figures of what the scope sees."""
    row = delivery.c
    waiting, moving = row.next_due_at.is_(None), row.next_due_at.is_not(None)
    retrying = flagged(Flag.RETRYING, now_ms)
    parked = row.state == Status.PARKED.value
    counts = (
        select(
            func.count(),
            _count(retrying),
            _count(parked),
            _count(~parked & waiting & (row.paused == 0)),
            func.min(case((~parked & moving, row.id))),
        )
        .select_from(seen_from(scope))
        .where(row.state.in_(OPEN), scope.sees_delivery())
    )
    undelivered, again, stopped, held, oldest = conn.execute(counts).one()
    made = conn.scalar(select(row.created_at).where(row.id == oldest)) if oldest else None
    return Overview(
        undelivered=undelivered or 0,
        oldest_at=None if made is None else min(made, now_ms),
        oldest_id=oldest,
        retrying=again or 0,
        parked=stopped or 0,
        overdue=_overdue(conn, scope, now_ms),
        held=held or 0,
        late=count_late(conn, scope, now_ms=now_ms),
    )


def attention(conn: Connection, scope: Scope, *, now_ms: int) -> list[Group]:
    """What needs attention, by cause and, where somebody told one, by reason; what goes to muted units does not."""
    return [group for cause in CAUSES for group in _groups(conn, scope, cause, now_ms)]


def stuck(conn: Connection, scope: Scope, *, now_ms: int, day: date, units: str = "") -> list[StuckGroup]:
    """What will not go by itself, the largest groups first.

    What waits for units that exist no more, by unit; then what is parked or expired, by cause and parent, that of
    muted units last.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        now_ms: the present, UTC ms.
        day: the organisation's.
        units: only groups below units of this pattern, and those of such units that are gone.
    """
    return [*_of_the_gone(conn, scope, day, units), *_stopped(conn, scope, now_ms, day, units)]


def _of_the_gone(conn: Connection, scope: Scope, day: date, units: str) -> list[StuckGroup]:
    """The states of one unit's are many, its way out is one; so the first in the order of the alphabet stands there."""
    row = delivery.c
    lost = select(unit.c.code, unit.c.name, unit.c.successor).where(unit.c.valid_to < day)
    lost = lost.where(within(unit.c.code, [units])) if units else lost
    gone = {found.code: found for found in conn.execute(lost)}
    waiting = (
        select(row.unit, func.min(row.state), func.count(), func.min(row.created_at))
        .select_from(seen_from(scope))
        .where(row.unit.in_(sorted(gone)), row.state.in_(_NOT_GOT), row.handed_to.is_(None), scope.sees_delivery())
        .group_by(row.unit)
        .order_by(func.count().desc(), row.unit)
        .limit(_MOST_GROUPS)
    )
    return [
        StuckGroup(
            state=Status(state),
            reason=WORDS[ReasonCode.UNIT_GONE].en,
            parent=code,
            parent_name=gone[code].name,
            units=1,
            deliveries=deliveries,
            since=since,
            muted=False,
            gone=True,
            successor=gone[code].successor or "",
            code=ReasonCode.UNIT_GONE,
        )
        for code, state, deliveries, since in (conn.execute(waiting) if gone else ())
    ]


def is_empty(conn: Connection, key: StuckKey, *, day: date) -> bool:
    """Whether nothing is left of a group on the organisation's day, whoever may see it."""
    row = delivery.c
    if key.gone:
        waits = row.unit == key.parent, row.state.in_(_NOT_GOT), row.handed_to.is_(None), unit.c.valid_to < day
        return not conn.scalar(select(exists().where(*waits, unit.c.code == row.unit)))
    like = row.state == key.state, row.reason_code == key.code, _head == key.parent, _told_apart() == key.told
    found = select(row.id).select_from(_placed).where(_is_stopped(day), *like).limit(1)
    return conn.scalar(found) is None


def keys_of_unit(conn: Connection, scope: Scope, code: str, *, day: date) -> list[StuckKey]:
    """The groups to which what is stuck on its way to a unit belongs."""
    row = delivery.c
    lost = select(unit.c.code).where(unit.c.code == code, unit.c.valid_to < day)
    if conn.scalar(lost) is not None:
        return [StuckKey(code, gone=True)]
    seen = select(_head, row.state, row.reason_code, _told_apart()).distinct().select_from(_placed)
    rows = conn.execute(seen.where(row.unit == code, _is_stopped(day), scope.sees_delivery()).limit(_MOST_GROUPS))
    return [StuckKey(*values) for values in rows]


def _is_stopped(day: date) -> ColumnElement[bool]:
    """The condition on :data:`_placed` that a delivery is parked or expired and its unit exists."""
    row = delivery.c
    stopped = row.state.in_([Status.PARKED.value, Status.EXPIRED.value]) & row.handed_to.is_(None)
    return stopped & (unit.c.valid_to.is_(None) | (unit.c.valid_to >= day))


def _stopped(conn: Connection, scope: Scope, now_ms: int, day: date, units: str) -> list[StuckGroup]:
    row, code, joined, stopped = delivery.c, _head, _placed, _is_stopped(day)
    stopped &= within(code, [units]) if units else true()
    counts = func.count(distinct(row.unit)), func.count().label("deliveries"), func.min(row.state_at)
    muted = case((unit.c.muted_until > now_ms, 1), else_=0).label("muted")
    statement = (
        select(row.state, func.min(row.reason), code, *counts, muted, row.reason_code)
        .select_from(joined)
        .where(stopped, scope.sees_delivery())
        .group_by(row.state, row.reason_code, _told_apart(), code, muted)
        .order_by(muted, func.count().desc(), func.min(row.state_at))
        .limit(_MOST_GROUPS)
    )
    groups = conn.execute(statement).all()
    heads = select(unit.c.code, unit.c.name).where(unit.c.code.in_({row[2] for row in groups}))
    names = {row.code: row.name for row in conn.execute(heads)}
    return [
        StuckGroup(
            state=Status(state),
            reason=reason,
            parent=head,
            parent_name=names.get(head, ""),
            units=units,
            deliveries=deliveries,
            since=since,
            muted=bool(muted),
            code=kind,
        )
        for state, reason, head, units, deliveries, since, muted, kind in groups
    ]


def states_of_units(conn: Connection, scope: Scope, dispatch_id: str) -> Mapping[str, Status]:
    """The state of each addressee of a dispatch, by unit code."""
    statement = (
        select(delivery.c.unit, delivery.c.state)
        .select_from(seen_from(scope))
        .where(delivery.c.dispatch_id == dispatch_id, scope.sees_delivery())
        .order_by(delivery.c.unit)
    )
    return {code: Status(state) for code, state in conn.execute(statement)}


def _groups(conn: Connection, scope: Scope, cause: Flag, now_ms: int) -> list[Group]:
    row = delivery.c
    by_reason = cause in _BY_REASON
    reason = func.min(row.reason) if by_reason else literal("")
    code = row.reason_code if by_reason else literal("")
    if cause is Flag.NOT_HANDED_OVER:
        reason, code = func.min(unit_trouble.c.why), unit_trouble.c.code
    since = {Flag.OVERDUE: row.due_at, Flag.LINE_DOWN: _WENT_DOWN}.get(cause, row.state_at)
    found = [flagged(cause, now_ms), flagged(Flag.UNMUTED, now_ms)]
    found += [row.state_at >= now_ms - EXPIRED_LATELY_MS] if cause is Flag.EXPIRED else []
    statement = (
        select(reason, func.count(distinct(row.unit)), func.count(), func.min(since), code)
        .select_from(delivery.join(dispatch).outerjoin(unit_trouble, unit_trouble.c.unit == row.unit))
        .where(*found, scope.sees_delivery())
        .order_by(func.count().desc())
        .limit(_MOST_GROUPS)
    )
    if by_reason:
        statement = statement.group_by(code, _told_apart())
    if cause is Flag.NOT_HANDED_OVER:
        statement = statement.group_by(code)
    return [Group(cause, *values) for values in conn.execute(statement) if values[2]]


def _told_apart() -> ColumnElement[str]:
    """What tells groups of one code apart: nothing; groups without a code: their reason."""
    return case((delivery.c.reason_code == "", delivery.c.reason), else_="")


def _overdue(conn: Connection, scope: Scope, now_ms: int) -> int:
    statement = select(func.count()).select_from(delivery.join(dispatch))
    return conn.scalar(statement.where(flagged(Flag.OVERDUE, now_ms), scope.sees_delivery())) or 0


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
