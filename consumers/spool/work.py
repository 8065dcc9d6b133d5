"""The courier's side of the inbox: what waits, and the ends it can come to."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, or_, select, text, union_all, update

from consumers.spool import outbox, recalls
from consumers.spool.models import content_use, desk_letter, draft_file, inbox, letter, outgoing_file
from consumers.spool.outbox import Statement
from consumers.spool.sets import among, as_list, insert_rows
from consumers.spool.taking import Content, keep_references
from schemas.clock import now_ms
from schemas.dispatch import Lane, Urgency, lane_of
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that the courier has to bring to its sink; ``body`` is its descriptor, or a stub that names it."""

    pos: int
    delivery_id: str
    unit: str
    seq: int
    urgency: int
    taken_at: int
    attempts: int
    stub: bool
    traceparent: str
    complete_letter: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Outlook:
    """What waits and may be worked on now, and when the next may (UTC milliseconds; None: nothing waits)."""

    ready: list[Waiting]
    next_at: int | None


@dataclass(frozen=True, slots=True)
class Expanded:
    """The full descriptor of a stub: its body, its content digest, what is to be fetched for it."""

    item: Waiting
    body: bytes
    content_sha256: str
    contents: tuple[Content, ...]
    refers_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A delivery that is complete and handed over; ``attempts`` counts the sink's tries, this one among them.

    ``keep``: the spool is where people read it, so its contents stay.
    """

    item: Waiting
    attempts: int
    keep: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """A delivery that cannot go on until an operator acts; ``back``: the sink was asked and does not have it.

    ``code`` is a :class:`schemas.reasons.ReasonCode`, or empty.
    """

    item: Waiting
    attempts: int
    reason: str
    back: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class Postponed:
    """A delivery that waits, until ``retry_at`` (UTC milliseconds) at least, and why; ``back`` as above."""

    item: Waiting
    attempts: int
    retry_at: int
    reason: str
    back: bool = False
    code: str = ""


# Written out, not bound: only so SQLite knows that the partial index on these rows fits.
_IS_WAITING: ColumnElement[bool] = text("inbox.state = 'taken'")  # type: ignore[assignment]
_CLASSES = {lane: [int(item) for item in sorted(Urgency, reverse=True) if lane_of(item) is lane] for lane in Lane}
"""The urgencies of each lane, the highest first; asked for one by one, each is in order in the index already."""
_IS_DUE = or_(inbox.c.retry_at <= bindparam("now"), inbox.c.postponed_at > bindparam("now"))
"""Its moment has come; or was set by a clock that has gone back since, and no longer says when."""
_READY = (
    select(
        inbox.c.pos,
        inbox.c.delivery_id,
        inbox.c.unit,
        inbox.c.seq,
        inbox.c.urgency,
        inbox.c.taken_at,
        inbox.c.attempts,
        inbox.c.stub,
        letter.c.traceparent,
        letter.c.content_sha256.is_not(None),
        letter.c.body,
    )
    .join(letter, letter.c.pos == inbox.c.letter_pos)
    .where(
        _IS_WAITING,
        inbox.c.urgency == bindparam("urgency"),
        _IS_DUE,
        ~among(inbox.c.pos, "without"),
        or_(inbox.c.fetch_bytes == 0, ~among(inbox.c.unit, "closed")),
        ~among(inbox.c.unit, "resting"),
    )
    .limit(bindparam("limit"))
)
_SMALLEST = _READY.order_by(inbox.c.fetch_bytes, inbox.c.retry_at, inbox.c.pos)
_LARGEST = _READY.order_by(inbox.c.fetch_bytes.desc(), inbox.c.retry_at.desc(), inbox.c.pos.desc())
_NEXT_AT = select(func.min(inbox.c.retry_at)).where(
    _IS_WAITING, among(inbox.c.urgency, "urgencies"), inbox.c.retry_at > bindparam("now")
)
_END = (
    update(inbox)
    .where(inbox.c.pos == bindparam("b_pos"), _IS_WAITING)
    .values(
        state=bindparam("b_state"),
        state_at=bindparam("b_now"),
        attempts=bindparam("b_attempts"),
        reason=bindparam("b_reason"),
        reason_code=bindparam("b_code"),
        handed=inbox.c.handed & bindparam("b_handed"),
    )
)
_POSTPONE = (
    update(inbox)
    .where(inbox.c.pos == bindparam("b_pos"), _IS_WAITING)
    .values(
        attempts=bindparam("b_attempts"),
        reason=bindparam("b_reason"),
        reason_code=bindparam("b_code"),
        retry_at=bindparam("b_retry_at"),
        postponed_at=bindparam("b_now"),
        handed=inbox.c.handed & bindparam("b_handed"),
    )
)
_STILL_WAITING = select(inbox.c.pos).where(among(inbox.c.pos, "positions"), _IS_WAITING)
_HAND_OVER = update(inbox).where(among(inbox.c.pos, "positions"), _IS_WAITING).values(handed=True)
_NO_USES = delete(content_use).where(among(content_use.c.inbox_pos, "positions"))
_USED = union_all(
    select(content_use.c.sha256).where(among(content_use.c.sha256, "names")),
    select(draft_file.c.sha256).where(among(draft_file.c.sha256, "names")),
    select(outgoing_file.c.sha256).where(
        among(outgoing_file.c.sha256, "names"),
        exists().where(desk_letter.c.outgoing_pos == outgoing_file.c.outgoing_pos),
    ),
)


def outlook(
    conn: Connection,
    lane: Lane,
    *,
    limit: int,
    without: Sequence[int],
    closed: Sequence[str] = (),
    resting: Sequence[str] = (),
) -> Outlook:
    """What of a lane may be worked on: the most urgent first, then the smallest, and with them the largest.

    Args:
        conn: a reading transaction.
        lane: express or normal.
        limit: most deliveries to return, in addition to the largest of a class that is not returned whole.
        without: positions that are in work already.
        closed: units for which nothing is to be fetched now.
        resting: units for which nothing is done now.
    """
    ready: dict[int, Waiting] = {}
    values = {"now": now_ms(), "without": as_list(without), "closed": as_list(closed), "resting": as_list(resting)}
    for urgency in _CLASSES[lane]:
        room = limit - len(ready)
        if room <= 0:
            break
        values |= {"urgency": urgency}
        found = [Waiting(*row) for row in conn.execute(_SMALLEST, values | {"limit": room}).all()]
        if len(found) == room:
            found += [Waiting(*row) for row in conn.execute(_LARGEST, values | {"limit": 1}).all()]
        ready |= {item.pos: item for item in found}
    next_at = conn.scalar(_NEXT_AT, {"now": values["now"], "urgencies": as_list(_CLASSES[lane])})
    return Outlook(list(ready.values()), next_at)


def expand(conn: Connection, items: Sequence[Expanded]) -> list[bool]:
    """Put full descriptors in the place of stubs; False for one that was recalled meanwhile."""
    waiting = _still_waiting(conn, [expanded.item for expanded in items])
    for expanded in items:
        pos = expanded.item.pos
        if pos not in waiting:
            continue
        own_letter = select(inbox.c.letter_pos).where(inbox.c.pos == pos).scalar_subquery()
        conn.execute(
            update(letter)
            .where(letter.c.pos == own_letter, letter.c.content_sha256.is_(None))
            .values(body=expanded.body, content_sha256=expanded.content_sha256)
        )
        keep_references(conn, [(conn.scalars(select(own_letter)).one(), one) for one in expanded.refers_to])
        size = sum(content.least() for content in expanded.contents)
        conn.execute(update(inbox).where(inbox.c.pos == pos).values(stub=False, fetch_bytes=size))
        conn.execute(_NO_USES, {"positions": as_list([pos])})
        insert_rows(
            conn, content_use, ("sha256", "inbox_pos"), [(content.sha256, pos) for content in expanded.contents]
        )
    return [expanded.item.pos in waiting for expanded in items]


def hand_over(conn: Connection, items: Sequence[Waiting]) -> list[bool]:
    """Note that deliveries go to the sink now; False for one that was recalled and must not."""
    going = _still_waiting(conn, items)
    conn.execute(_HAND_OVER, {"positions": as_list(going)})
    return [item.pos in going for item in items]


def arrive(conn: Connection, items: Sequence[Arrived]) -> list[bool]:
    """Note deliveries as arrived and say so; False for one that was recalled meanwhile."""
    waiting = _still_waiting(conn, [done.item for done in items])
    ended = [done for done in items if done.item.pos in waiting]
    now = now_ms()
    if ended:
        conn.execute(_END, [_end(done.item, Status.ARRIVED, done.attempts, "", now) for done in ended])
        outbox.say(conn, [_statement(done.item, Status.ARRIVED, done.attempts) for done in ended])
        recalls.carry_out_at(conn, waiting)
    released = [done.item.pos for done in ended if not done.keep]
    if released:
        conn.execute(_NO_USES, {"positions": as_list(released)})
    return [done.item.pos in waiting for done in items]


def park(conn: Connection, items: Sequence[Parked]) -> list[bool]:
    """Note deliveries as parked and say why; their contents stay, for the operator's next try. False as above."""
    waiting = _still_waiting(conn, [done.item for done in items])
    ended = [done for done in items if done.item.pos in waiting]
    if ended:
        now = now_ms()
        rows = [
            _end(done.item, Status.PARKED, done.attempts, done.reason, now, back=done.back, code=done.code)
            for done in ended
        ]
        conn.execute(_END, rows)
        parked = [(done, _statement(done.item, Status.PARKED, done.attempts, done.reason)) for done in ended]
        outbox.say(conn, [statement._replace(code=done.code or None) for done, statement in parked])
    waiting -= recalls.carry_out_at(conn, waiting).positions
    return [done.item.pos in waiting for done in items]


def postpone(conn: Connection, items: Sequence[Postponed]) -> list[bool]:
    """Note why deliveries wait, and until when; False as above."""
    now = now_ms()
    rows = [
        {
            "b_pos": done.item.pos,
            "b_attempts": done.attempts,
            "b_reason": done.reason,
            "b_code": done.code,
            "b_retry_at": done.retry_at,
            "b_now": now,
            "b_handed": not done.back,
        }
        for done in items
    ]
    conn.execute(_POSTPONE, rows)
    waiting = _still_waiting(conn, [done.item for done in items])
    waiting -= recalls.carry_out_at(conn, waiting).positions
    return [done.item.pos in waiting for done in items]


def unused(conn: Connection, names: Sequence[str]) -> set[str]:
    """Those of the contents that neither a delivery needs nor a document that was written or sent at the desk."""
    return set(names).difference(conn.scalars(_USED, {"names": as_list(names)}))


def _still_waiting(conn: Connection, items: Sequence[Waiting]) -> set[int]:
    return set(conn.scalars(_STILL_WAITING, {"positions": as_list(item.pos for item in items)}))


def _end(
    item: Waiting, state: Status, attempts: int, reason: str, now: int, *, back: bool = False, code: str = ""
) -> dict[str, object]:
    return {
        "b_pos": item.pos,
        "b_state": state.value,
        "b_attempts": attempts,
        "b_reason": reason,
        "b_code": code,
        "b_now": now,
        "b_handed": not back,
    }


def _statement(item: Waiting, status: Status, attempts: int, reason: str | None = None) -> Statement:
    return Statement(item.pos, item.unit, item.urgency, status, reason=reason, attempts=attempts)
