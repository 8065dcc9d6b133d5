"""One step of a redrive, in one transaction: the news of what was sent, the decision, and what is sent next.

A router that dies between two steps leaves nothing half done, and any router does the next one. On PostgreSQL the row's
lock is the lease: one router at a time has a redrive, and a dead router's lock goes with its connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, literal, or_, select, update

from router.ledger.models import delivery, redrive, redrive_item, unit
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.queries import REDRIVABLE
from router.ledger.redrives.authority import acting_scope
from router.ledger.redrives.decisions import BATCH, ENDED, WINDOW, JobState, Move, Outcome, Tally, decide, settle
from router.ledger.redrives.reading import RedriveJob, read_job, tallies_of
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.way.acts import redrive as send_again
from schemas.clock import day_at
from schemas.codes import covers
from schemas.states import Status

_MOST_JOBS = 100
WEIGHT = 2 * BATCH
"""Rows that a step counts for in a commit."""
_ENDED = [state.value for state in ENDED]
_item = redrive_item.c
_SETTLED = (
    update(redrive_item)
    .where(_item.redrive_id == bindparam("b_redrive"), _item.delivery_id == bindparam("b_delivery"))
    .values(outcome=bindparam("b_outcome"), sent_at=bindparam("b_sent"), note=bindparam("b_note"))
)


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step did: how many were sent again, the state after it, and whether it is another than before."""

    sent: int = 0
    state: JobState = JobState.RUNNING
    changed: bool = False
    note: str = ""


def in_work(conn: Connection) -> list[str]:
    """The redrives that have something to send or to watch."""
    # Written out, not bound: SQLite sees only then that the partial index is about just this.
    is_watched = _item.outcome == literal(Outcome.WATCHED.value, literal_execute=True)
    watched = select(_item.redrive_id).where(is_watched)
    wanted = or_(redrive.c.state == JobState.RUNNING.value, redrive.c.id.in_(watched))
    return list(conn.scalars(select(redrive.c.id).where(wanted).order_by(redrive.c.id).limit(_MOST_JOBS)))


def step(conn: Connection, key: str, *, now_ms: int) -> Stepped:
    """Do what is to be done now; nothing when another router is doing it.

    Args:
        conn: a transaction that writes.
        key: the redrive.
        now_ms: the present, UTC milliseconds.
    """
    job = _lock(conn, key)
    if job is None:
        return Stepped()
    failure = _take_news(conn, job, now_ms)
    tally = tallies_of(conn, EVERYTHING, [key])[key]
    move = decide(job.course, tally, failure=failure, now_ms=now_ms)
    scope = acting_scope(conn, job.by, now_ms=now_ms) if move.send else EVERYTHING
    if scope is None:
        stopped = f"{job.by.name} may not act any more"
        move = replace(move, state=JobState.STOPPED, note=stopped, send=0, send_at=job.course.send_at)
    sent = _send(conn, job, scope or EVERYTHING, move.send, now_ms) if move.send else 0
    _keep(conn, job, move, now_ms)
    return Stepped(sent, move.state, move.state is not job.state, move.note)


def _lock(conn: Connection, key: str) -> RedriveJob | None:
    statement = select(redrive).where(redrive.c.id == key)
    if conn.dialect.name == "postgresql":
        statement = statement.with_for_update(skip_locked=True)
    row = conn.execute(statement).first()
    return None if row is None else read_job(row, Tally({}))


def _take_news(conn: Connection, job: RedriveJob, now_ms: int) -> str:
    """Settle what is watched; what the first of the failures said."""
    row = delivery.c
    columns = _item.delivery_id, _item.sent_at, row.unit, row.state, row.failures, row.reason
    watched = select(*columns).select_from(redrive_item.join(delivery)).where(_of(job), _is(Outcome.WATCHED))
    settled, failure = [], ""
    for found in conn.execute(watched.order_by(_item.delivery_id).limit(WINDOW)):
        outcome = settle(
            Status(found.state),
            failures=found.failures,
            sent_at=found.sent_at,
            now_ms=now_ms,
            watch_ms=job.watch_ms,
        )
        if outcome is Outcome.WATCHED:
            continue
        note = f"{found.state}: {found.reason}" if outcome is Outcome.FAILED else ""
        failure = failure or (f"{found.unit} {note}" if note else "")
        settled.append((found.delivery_id, outcome, found.sent_at, note))
    _note(conn, job, settled)
    return failure[:1000]


def _send(conn: Connection, job: RedriveJob, scope: Scope, limit: int, now_ms: int) -> int:
    """Send the next ones again, those that may and can be; how many."""
    row = delivery.c
    joined = redrive_item.join(delivery).outerjoin(unit, unit.c.code == row.unit)
    waiting = select(row.id, row.unit, row.state, row.state_at, unit.c.valid_to).select_from(joined)
    waiting = waiting.where(_of(job), _is(Outcome.WAITING)).order_by(_item.delivery_id).limit(limit)
    if conn.dialect.name == "postgresql":
        waiting = waiting.with_for_update(of=delivery)
    rows = conn.execute(waiting).all()
    refusals = {found.id: _refusal(found, job, scope, now_ms) for found in rows}
    able = [key for key, refusal in refusals.items() if not refusal]
    done = send_again(conn, able, who=job.by.name, reason=job.reason, now_ms=now_ms)
    refusals |= done.refused
    outcomes = {True: Outcome.SKIPPED, False: Outcome.WATCHED}
    news = [(key, outcomes[bool(why)], None if why else now_ms, why) for key, why in refusals.items()]
    _note(conn, job, news)
    units = {found.id: found.unit for found in rows}
    entries = [
        AuditEntry(now_ms, job.by.name, Act.REDRIVEN, key, units[key], job.reason, job=job.id) for key in done.redriven
    ]
    audit.record(conn, *entries)
    return len(done.redriven)


def _refusal(found: Any, job: RedriveJob, scope: Scope, now_ms: int) -> str:
    """Why a delivery of the list is not sent again after all; empty: it is."""
    if not (scope.everything or any(covers(pattern, found.unit) for pattern in scope.units)):
        return f"{job.by.name} may not act on {found.unit} any more"
    if Status(found.state) not in REDRIVABLE:
        return f"it is {found.state} now"
    if found.valid_to is not None and found.valid_to < day_at(now_ms, "UTC"):
        return f"{found.unit} exists no more; `congvan units hand-on {found.unit}` sends it to its successor"
    return "it got stuck again after the cut-off" if found.state_at >= job.cut_at else ""


def _keep(conn: Connection, job: RedriveJob, move: Move, now_ms: int) -> None:
    before, after = job.course, move
    if (before.state, before.allowed, before.send_at) == (after.state, after.allowed, after.send_at):
        return
    values: dict[str, object] = {"allowed": after.allowed, "send_at": after.send_at}
    if after.state is not before.state:
        values |= {"state": after.state.value, "state_at": now_ms, "note": after.note}
    conn.execute(update(redrive).where(redrive.c.id == job.id, redrive.c.state.not_in(_ENDED)).values(values))


def _note(conn: Connection, job: RedriveJob, news: Sequence[tuple[str, Outcome, int | None, str]]) -> None:
    rows = [
        {"b_redrive": job.id, "b_delivery": key, "b_outcome": outcome.value, "b_sent": sent, "b_note": note[:1000]}
        for key, outcome, sent, note in news
    ]
    if rows:
        conn.execute(_SETTLED, rows)


def _of(job: RedriveJob) -> ColumnElement[bool]:
    return _item.redrive_id == job.id


def _is(outcome: Outcome) -> ColumnElement[bool]:
    return _item.outcome == outcome.value
