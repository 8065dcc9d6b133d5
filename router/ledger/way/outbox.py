"""The outbox: deliveries that are due, claimed by a relay for a while, and what became of their publishing.

A claim moves ``next_due_at`` a lease ahead in the transaction that finds it due, so several relays never claim the same
delivery, and a relay that dies gives its claims back by silence alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Text, bindparam, case, insert, or_, select, update

from router.ledger.bulk import rows_at_once, update_rows
from router.ledger.models import attempt, delivery, dispatch
from router.rules.schedule import retry_publish
from router.storage.statements import chunks
from schemas.dispatch import Urgency
from schemas.reasons import known_code
from schemas.states import UNDELIVERED, Status


@dataclass(frozen=True, slots=True)
class Claim:
    """A request for due deliveries: the present, until when they are claimed (both UTC ms), how many at most."""

    now_ms: int
    until_ms: int
    limit: int


class Due(NamedTuple):
    """A delivery to publish."""

    id: str
    dispatch_id: str
    unit: str
    seq: int
    urgency: int
    failures: int
    redriven_at: int | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What travels for a dispatch, the same to every addressee."""

    body: bytes
    traceparent: str
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries to publish, most urgent first, then oldest, and the bodies of their dispatches by id."""

    due: list[Due]
    bodies: dict[str, Body]


@dataclass(frozen=True, slots=True)
class Failed:
    """A publish that the broker did not confirm: the outcome's word, its detail, the failures in a row before it."""

    delivery_id: str
    at_ms: int
    outcome: str
    detail: str
    failures: int


@cache
def _due_statement(dialect: str) -> Select[Any]:
    """The due deliveries of one urgency, oldest first; on PostgreSQL those that no other relay is just claiming."""
    statement = (
        select(
            delivery.c.id,
            delivery.c.dispatch_id,
            delivery.c.unit,
            delivery.c.seq,
            delivery.c.urgency,
            delivery.c.failures,
            delivery.c.redriven_at,
        )
        .where(delivery.c.urgency == bindparam("b_urgency"), delivery.c.next_due_at <= bindparam("b_now"))
        .order_by(delivery.c.next_due_at)
        .limit(bindparam("b_limit"))
    )
    return statement.with_for_update(skip_locked=True) if dialect == "postgresql" else statement


def claim(connection: Connection, wishes: Sequence[Claim]) -> list[Claimed]:
    """For each request the due deliveries with what travels for them; no delivery twice."""
    claimed: list[Claimed] = []
    for wish in wishes:
        due = _due(connection, wish)
        claimed.append(Claimed(due, _bodies(connection, sorted({item.dispatch_id for item in due}))))
    return claimed


def _due(connection: Connection, wish: Claim) -> list[Due]:
    statement = _due_statement(connection.dialect.name)
    found: list[Due] = []
    for urgency in sorted(Urgency, reverse=True):
        room = wish.limit - len(found)
        if room <= 0:
            break
        values = {"b_urgency": int(urgency), "b_now": wish.now_ms, "b_limit": room}
        rows = [Due(*row) for row in rows_at_once(connection, statement, values)]
        found.extend(sorted(rows, key=lambda due: due.id))
    update_rows(connection, delivery, ("id", "next_due_at", "claimed"), [(due.id, wish.until_ms, 1) for due in found])
    return found


_BODIES = select(dispatch.c.id, dispatch.c.body, dispatch.c.traceparent, dispatch.c.accepted_at).where(
    dispatch.c.id.in_(bindparam("ids", expanding=True))
)


def _bodies(connection: Connection, dispatch_ids: Sequence[str]) -> dict[str, Body]:
    found: dict[str, Body] = {}
    for ids in chunks(dispatch_ids):
        for row in connection.execute(_BODIES, {"ids": ids}):
            found[row[0]] = Body(bytes(row[1]), row[2], row[3])
    return found


_NOT_OUT = or_(*(delivery.c.state == state.value for state in (Status.PENDING, Status.REDRIVEN)))
"""Written out: a list of values cannot be part of what is executed for many."""
_RETRY = (
    update(delivery)
    .where(delivery.c.id == bindparam("b_id"), delivery.c.next_due_at.is_not(None))
    .values(
        next_due_at=bindparam("b_due"),
        failures=bindparam("b_failures"),
        reason=case((_NOT_OUT, bindparam("b_reason", type_=Text)), else_=delivery.c.reason),
        reason_code=case((_NOT_OUT, bindparam("b_code", type_=Text)), else_=delivery.c.reason_code),
    )
)
"""Why it failed is the delivery's reason only until it first goes out: later states have reasons of their own."""


def record_failures(connection: Connection, batches: Sequence[Sequence[Failed]]) -> list[None]:
    """Note publishes that failed and when they are tried again; one that has arrived meanwhile stays arrived."""
    failed = [item for batch in batches for item in batch]
    if failed:
        connection.execute(insert(attempt), [_attempt(item) for item in failed])
        connection.execute(_RETRY, [_retry(item) for item in failed])
    return [None] * len(batches)


def _attempt(item: Failed) -> dict[str, Any]:
    return {"delivery_id": item.delivery_id, "at": item.at_ms, "outcome": item.outcome, "detail": item.detail}


def _retry(item: Failed) -> dict[str, Any]:
    failures = item.failures + 1
    return {
        "b_id": item.delivery_id,
        "b_due": retry_publish(failures, item.at_ms),
        "b_failures": failures,
        "b_reason": f"{item.outcome}: {item.detail}"[:1000],
        "b_code": known_code(f"publish_{item.outcome}") or "",
    }


def make_due(connection: Connection, units: Sequence[str], states: Sequence[Status], now_ms: int) -> int:
    """Have the units' deliveries in these states published again: their queue or spool is new. How many."""
    total = 0
    for codes in chunks(units):
        total += connection.execute(
            update(delivery)
            .where(
                delivery.c.unit.in_(codes),
                delivery.c.state.in_([state.value for state in states]),
                delivery.c.next_due_at.is_not(None),
            )
            .values(next_due_at=now_ms)
        ).rowcount
    return total


def make_due_by_sequence(connection: Connection, unit: str, missing: Sequence[int], now_ms: int) -> int:
    """Have deliveries that a unit lacks published again, as far as it never said that it has them. How many.

    What has arrived is not: the gateway that lacks it has taken another's place, and the unit would get it twice.
    Nor is what was recalled, has expired, or waits for a paused unit.
    """
    missed = [state.value for state in UNDELIVERED | {Status.PARKED}]
    return connection.execute(
        update(delivery)
        .where(
            delivery.c.unit == unit, delivery.c.seq.in_(missing), delivery.c.state.in_(missed), delivery.c.paused == 0
        )
        .values(next_due_at=now_ms)
    ).rowcount
