"""What of the log, or of the deliveries, is wanted: a filter's fields as conditions in SQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, case, false, or_, select

from router.ledger.models import delivery, dispatch, line, unit, unit_trouble
from router.ledger.scope import within
from router.rules.outages import LineState
from schemas.dispatch import Urgency
from schemas.duties import Duty
from schemas.states import ENDED, UNDELIVERED, WAITING_FOR_OPERATOR, Effect, Status
from schemas.text import fold, words_of
from schemas.unit import Link

ESCAPE = "\\"
_LEAST, _MOST = min(Urgency), max(Urgency)
ANY_URGENCY = (_LEAST, _MOST)
_ENDED = [state.value for state in ENDED]
_COLLECTED_WITHIN_MS = 30 * 60_000
_DIALLED_WITHIN_MS = 24 * 3_600_000
_OVERDUE_FOR_MS = 90 * 24 * 3_600_000


class Flag(StrEnum):
    """How a delivery stands, beyond its state."""

    UNDELIVERED = "undelivered"
    """Not at its unit: on the way, or parked. Every figure of what is undelivered counts this."""
    RETRYING = "retrying"
    """On the way, and sent more than once or not confirmed by the broker."""
    PARKED = "parked"
    EXPIRED = "expired"
    NOT_COLLECTED = "uncollected"
    """Queued for longer than a gateway with that line may be away, and the line is not known to be down."""
    NOT_CONFIRMED = "unconfirmed"
    """The broker did not take it; it is tried again."""
    LINE_DOWN = "line-down"
    """On the way to a unit whose line is down."""
    NOT_HANDED_OVER = "not-handed-over"
    """In the unit's gateway, which cannot hand it over."""
    OVERDUE = "overdue"
    """Its deadline has passed in the last 90 days, and the unit is not done with it."""
    LATE = "late"
    """Something that is owed for it is late, by the decree's terms or the letter's own."""
    NO_LINE = "no-line"
    """It waits for a line."""
    PAUSED = "paused"
    """It waits because its unit is paused."""
    MUTED = "muted"
    """Its unit calls for nobody's attention now."""
    UNMUTED = "unmuted"


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted; fields that are left as they are ask for nothing.

    Args:
        units: codes, subtrees ``LCA.02.#`` or children ``LCA.02.*`` of the addressees; one of them.
        states: one of these: of the log a receipt's status, of deliveries their state.
        dispatch_id: of this dispatch.
        since: from this time on (UTC ms): recorded, or in its state.
        until: before this time.
        urgency: the least and the most urgent.
        texts: all of these in notation or subject, accents and case aside.
        issuers: as ``units``, of the issuer.
        reason: with this in the reason, case aside.
        code: with this code of the reason (:mod:`schemas.reasons`).
        flags: all of these; only of deliveries.
        deliveries: one of these, by id.
        effects: what a receipt did to its delivery; only of the log.
        late: late with one of these; only of deliveries.
        late_by: late by this time (UTC ms); only of deliveries.
        late_from: late from this time on, not before; only of deliveries.
    """

    units: tuple[str, ...] = ()
    states: frozenset[Status] = frozenset()
    dispatch_id: str = ""
    since: int | None = None
    until: int | None = None
    urgency: tuple[int, int] = ANY_URGENCY
    texts: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    reason: str = ""
    flags: frozenset[Flag] = frozenset()
    deliveries: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    code: str = ""
    late: frozenset[Duty] = frozenset()
    late_by: int | None = None
    late_from: int | None = None


EVERYTHING_WANTED = Filter()


def conditions(
    wanted: Filter,
    *,
    state: ColumnElement[str],
    at: ColumnElement[int],
    reason: ColumnElement[str],
    code: ColumnElement[str],
) -> list[ColumnElement[bool]]:
    """The filter's conditions on ``delivery`` joined with ``dispatch``, but for its flags.

    Args:
        wanted: the filter.
        state: the column that ``states`` is about.
        at: the column that ``since`` and ``until`` are about.
        reason: the column that ``reason`` is about.
        code: the column that ``code`` is about.
    """
    least, most = wanted.urgency
    asked: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.units, in_patterns(delivery.c.unit, wanted.units)),
        (wanted.issuers, in_patterns(dispatch.c.issuer, wanted.issuers)),
        (wanted.states, state.in_([item.value for item in wanted.states])),
        (wanted.dispatch_id, delivery.c.dispatch_id == wanted.dispatch_id),
        (wanted.deliveries, delivery.c.id.in_(wanted.deliveries)),
        (wanted.urgency != ANY_URGENCY, delivery.c.urgency.between(least, most)),
        (wanted.code, code == wanted.code),
        (wanted.reason, reason.icontains(wanted.reason, autoescape=True, escape=ESCAPE)),
    ]
    times = [] if wanted.since is None else [at >= wanted.since]
    times += [] if wanted.until is None else [at < wanted.until]
    return [condition for is_asked, condition in asked if is_asked] + times + with_texts(wanted.texts)


def with_texts(texts: Iterable[str]) -> list[ColumnElement[bool]]:
    """The conditions on ``dispatch`` that each word of the texts is in its notation or subject, in any order."""
    return [dispatch.c.search.contains(part, autoescape=True, escape=ESCAPE) for part in parts_of(texts)]


def parts_of(texts: Iterable[str]) -> list[str]:
    """What is looked for of texts: their words; a text without one as it is."""
    return [part for text in texts for part in words_of(text) or [fold(text)]]


def in_patterns(column: ColumnElement[str], patterns: Iterable[str]) -> ColumnElement[bool]:
    """:func:`router.ledger.scope.within`, with ``LCA.02.*`` for the children of a unit beside it."""
    return or_(false(), *(_in_pattern(column, pattern) for pattern in patterns))


def owing(wanted: Filter, now_ms: int) -> list[ColumnElement[bool]]:
    """The filter's conditions on what is owed for a ``delivery``."""
    found = [] if wanted.late_by is None else [delivery.c.late_at < wanted.late_by]
    found += [] if wanted.late_from is None else [delivery.c.late_at >= wanted.late_from]
    return [*found, flagged(Flag.LATE, now_ms), late_with(now_ms).in_(sorted(wanted.late))] if wanted.late else found


def late_with(now_ms: int) -> ColumnElement[str]:
    """What a ``delivery`` that is late is late with: what is to be done next, or else the answer alone."""
    return case((delivery.c.latest_at < now_ms, delivery.c.duty), else_=Duty.ANSWER.value)


def flagged(flag: Flag, now_ms: int) -> ColumnElement[bool]:
    """The condition of a flag on ``delivery`` joined with ``dispatch``."""
    return _FLAGS[flag](now_ms)


OPEN = [state.value for state in sorted(UNDELIVERED | WAITING_FOR_OPERATOR)]
"""States of what is undelivered: the one definition for all figures and lists."""
NOT_SENT = [Status.PENDING.value, Status.REDRIVEN.value]
"""States in which the broker does not have it."""
_row = delivery.c
_on_the_way = _row.state.in_([state.value for state in UNDELIVERED])
_line_is_down = _row.unit.in_(select(line.c.unit).where(line.c.state == LineState.DOWN.value))
_FLAGS: dict[Flag, Callable[[int], ColumnElement[bool]]] = {
    Flag.UNDELIVERED: lambda _: _row.state.in_(OPEN),
    Flag.RETRYING: lambda _: and_(_on_the_way, or_(_row.published > 1, _row.failures > 0)),
    Flag.PARKED: lambda _: _row.state == Status.PARKED.value,
    Flag.EXPIRED: lambda _: _row.state == Status.EXPIRED.value,
    Flag.NOT_COLLECTED: lambda now: and_(_row.state == Status.QUEUED.value, _waits_long(now), ~_line_is_down),
    Flag.LINE_DOWN: lambda _: and_(_on_the_way, _line_is_down),
    Flag.NOT_CONFIRMED: lambda _: and_(_row.state.in_(NOT_SENT), _row.failures > 0),
    Flag.NOT_HANDED_OVER: lambda _: and_(_row.state == Status.TAKEN.value, _row.unit.in_(select(unit_trouble.c.unit))),
    Flag.OVERDUE: lambda now: and_(_row.due_at.between(now - _OVERDUE_FOR_MS, now), _row.state.not_in(_ENDED)),
    Flag.LATE: lambda now: _row.late_at < now,
    Flag.NO_LINE: lambda _: and_(_on_the_way, _row.next_due_at.is_(None), _row.paused == 0),
    Flag.PAUSED: lambda _: and_(_row.state.in_(NOT_SENT), _row.paused == 1),
    Flag.MUTED: lambda now: _row.unit.in_(_muted(now)),
    Flag.UNMUTED: lambda now: _row.unit.not_in(_muted(now)),
}


def _muted(now_ms: int) -> Select[tuple[str]]:
    return select(unit.c.code).where(unit.c.muted_until > now_ms)


def _waits_long(now_ms: int) -> ColumnElement[bool]:
    """Longer than a gateway may be away that dials only now and then, or that has a line of its own."""
    own_line = _row.link != Link.DIALUP.value
    return or_(
        _row.state_at < now_ms - _DIALLED_WITHIN_MS, and_(own_line, _row.state_at < now_ms - _COLLECTED_WITHIN_MS)
    )


def _in_pattern(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not pattern.endswith(".*"):
        return within(column, [pattern])
    below = pattern[:-1]
    deeper = column.like(f"{below}%.%")
    return and_(column > below, column < f"{pattern[:-2]}/", ~deeper)
