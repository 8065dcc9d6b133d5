"""Records receipts: the one place where a delivery's state changes.

Whatever changes a delivery (the relay's confirm, a gateway's or a person's receipt, an operator's act, a clock) is told
here as a :class:`Telling`. Each telling becomes a row, and the state what :func:`schemas.states.follow` makes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from router.ledger.bulk import Row, chunks, insert_rows, rows_at_once, update_rows
from router.ledger.models import delivery, receipt
from router.schedule import Silence, next_due
from schemas.clock import iso
from schemas.ids import new_id
from schemas.states import Effect, Status, Step, follow


class Telling(NamedTuple):
    """One receipt as the ledger takes it; ``at`` is the teller's time with its offset, ``recorded_at`` ours (ms).

    ``unit``, when given, has to be the delivery's. ``confirmed`` counts a publish that the broker confirmed.
    """

    id: str
    delivery_id: str
    status: Status
    at: str
    recorded_at: int
    unit: str = ""
    seq: int | None = None
    content_sha256: str | None = None
    reason: str = ""
    person: str = ""
    department: str = ""
    register_number: str = ""
    attempts: int = 0
    gateway_version: str = ""
    confirmed: bool = False
    code: str = ""
    """Of the reason, see :mod:`schemas.reasons`; empty: none was told."""


@dataclass(slots=True)
class _Standing:
    """A delivery while tellings are applied to it."""

    state: Status
    unit: str
    link: str
    urgency: int
    published: int
    reason: str
    state_at: int
    created_at: int
    next_due_at: int | None
    recalled_by: str | None
    paused: int
    arrived_at: int | None
    registered_at: int | None
    completed_at: int | None
    reason_code: str
    changed: bool = False


class Recorded(NamedTuple):
    """What one telling did, and what the metrics want to know of it."""

    telling: Telling
    step: Step
    age_ms: int
    """Since the delivery was made."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A telling of a delivery that this ledger does not have, or that belongs to another unit."""

    telling: Telling
    reason: str


Result = Recorded | Unknown

_SELECT = select(
    delivery.c.id,
    delivery.c.state,
    delivery.c.unit,
    delivery.c.link,
    delivery.c.urgency,
    delivery.c.published,
    delivery.c.reason,
    delivery.c.state_at,
    delivery.c.created_at,
    delivery.c.next_due_at,
    delivery.c.recalled_by,
    delivery.c.paused,
    delivery.c.arrived_at,
    delivery.c.registered_at,
    delivery.c.completed_at,
    delivery.c.reason_code,
).where(delivery.c.id.in_(bindparam("ids", expanding=True)))

_RECEIPT = (
    "id",
    "delivery_id",
    "status",
    "effect",
    "recorded_at",
    "at",
    "seq",
    "content_sha256",
    "reason",
    "person",
    "department",
    "register_number",
    "attempts",
    "gateway_version",
    "code",
)
_STANDING = (
    *("id", "state", "state_at", "reason", "published", "failures", "next_due_at"),
    *("arrived_at", "registered_at", "completed_at", "reason_code"),
)


def apply(connection: Connection, tellings: Sequence[Telling], silence: Silence) -> list[Result]:
    """Record tellings in their order and move their deliveries.

    A telling whose id is recorded already changes nothing but is answered as recorded, so a repeated message does no
    harm. One of an unknown delivery, or of another unit's, is not recorded. What arrives although its dispatch was
    recalled on its way is asked for at once.
    """
    standings = _standings(connection, {item.delivery_id for item in tellings})
    results: list[Result] = []
    rows: list[Row] = []
    for item in tellings:
        standing = standings.get(item.delivery_id)
        if standing is None or (item.unit and item.unit != standing.unit):
            owner = "is not in this ledger" if standing is None else f"belongs to {standing.unit}, not to {item.unit}"
            results.append(Unknown(item, f"delivery {item.delivery_id} {owner}"))
            continue
        step = _advance(standing, item, silence)
        rows.append(_row(item, step))
        if standing.recalled_by and item.status is Status.ARRIVED and step.effect is Effect.ADVANCE:
            asked = take_back(item.delivery_id, standing.recalled_by, item.recorded_at)
            rows.append(_row(asked, _advance(standing, asked, silence)))
        results.append(Recorded(item, step, item.recorded_at - standing.created_at))
    insert_rows(connection, receipt, _RECEIPT, rows, key="id")
    update_rows(connection, delivery, _STANDING, _changed(standings))
    return results


def take_back(delivery_id: str, recall_id: str, at_ms: int, status: Status = Status.TAKE_BACK_REQUESTED) -> Telling:
    """What a recall tells of a delivery: that its unit is to give it back, or that it ended on its way."""
    return Telling(new_id(), delivery_id, status, iso(at_ms), at_ms, reason=f"recalled by dispatch {recall_id}")


def _standings(connection: Connection, ids: set[str]) -> dict[str, _Standing]:
    statement = _SELECT
    if connection.dialect.name == "postgresql":
        statement = statement.order_by(delivery.c.id).with_for_update()
    found: dict[str, _Standing] = {}
    for some in chunks(sorted(ids)):
        for row in rows_at_once(connection, statement, {"ids": some}):
            found[row[0]] = _Standing(Status(row[1]), *row[2:])
    return found


def _advance(standing: _Standing, item: Telling, silence: Silence) -> Step:
    step = follow(standing.state, item.status)
    if item.confirmed:
        standing.published += 1
        standing.changed = True
    if step.effect is Effect.ADVANCE:
        standing.state = item.status
        standing.state_at = item.recorded_at
        standing.reason, standing.reason_code = item.reason, item.code
        standing.changed = True
        _note_first(standing, item)
    if step.effect is Effect.ADVANCE or item.confirmed:
        standing.next_due_at = next_due(
            standing.state,
            link=standing.link,
            urgency=standing.urgency,
            published=standing.published,
            now_ms=item.recorded_at,
            silence=silence,
            paused=bool(standing.paused),
        )
    return step


def _note_first(standing: _Standing, item: Telling) -> None:
    """Keep when a state of the statistics was reached first."""
    if item.status is Status.ARRIVED:
        standing.arrived_at = standing.arrived_at or item.recorded_at
    elif item.status is Status.REGISTERED:
        standing.registered_at = standing.registered_at or item.recorded_at
    elif item.status is Status.COMPLETED:
        standing.completed_at = standing.completed_at or item.recorded_at


def _row(item: Telling, step: Step) -> Row:
    return (
        item.id,
        item.delivery_id,
        item.status.value,
        step.effect.value,
        item.recorded_at,
        item.at,
        item.seq,
        item.content_sha256,
        f"{step.reason}; {item.reason}" if step.reason and item.reason else step.reason or item.reason,
        item.person,
        item.department,
        item.register_number,
        item.attempts,
        item.gateway_version,
        item.code,
    )


def _changed(standings: dict[str, _Standing]) -> list[Row]:
    return [
        (key, it.state.value, it.state_at, it.reason, it.published, 0, it.next_due_at, *_milestones(it), it.reason_code)
        for key, it in standings.items()
        if it.changed
    ]


def _milestones(standing: _Standing) -> tuple[int | None, ...]:
    return standing.arrived_at, standing.registered_at, standing.completed_at
