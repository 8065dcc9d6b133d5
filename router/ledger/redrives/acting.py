"""What somebody does with a redrive that is there: let the next ones go, pause, go on, cancel."""

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from router.errors import ForbiddenError
from router.ledger.models import redrive
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.redrives.authority import Authority, acting_scope
from router.ledger.redrives.decisions import JobAct, JobState, after_act
from router.ledger.redrives.reading import RedriveJob, find_job, tallies_of
from router.ledger.scope import Scope

_AUDITED = {JobAct.PAUSE: Act.REDRIVE_PAUSED, JobAct.CANCEL: Act.REDRIVE_CANCELLED}


@dataclass(frozen=True, slots=True)
class ActRequest:
    """What somebody wants of a redrive.

    Args:
        act: what.
        who: on whose authority it goes on.
        seen: how many were allowed when it was wanted: the same wish again lets no more go. None: whatever it is now.
        address: where the request came from.
        home: the unit under which the act is audited.
    """

    act: JobAct
    who: Authority
    seen: int | None = None
    address: str = ""
    home: str = ""


def act_on(conn: Connection, see: Scope, key: str, wish: ActRequest, *, now_ms: int) -> RedriveJob:
    """Do it; the redrive after it.

    Args:
        conn: a transaction that writes.
        see: what the caller sees.
        key: the redrive.
        wish: what is wanted.
        now_ms: the present, UTC milliseconds.

    Raises:
        NotFoundError: there is no such redrive for the caller to see.
        ForbiddenError: it has deliveries that the caller may not act on.
        ActRefusedError: it has ended.
    """
    if conn.dialect.name == "postgresql":  # after any router's step that is under way, so that it is not undone
        conn.execute(select(redrive.c.id).where(redrive.c.id == key).with_for_update())
    job = find_job(conn, see, key)
    _require_all(conn, job, wish.who, now_ms)
    if wish.act in _STEPS and wish.seen is not None and wish.seen != job.course.allowed:
        return job
    move = after_act(job.course, job.tally, wish.act)
    if (move.state, move.allowed) != (job.state, job.course.allowed):
        note = f"by {wish.who.name}" if move.state is not JobState.RUNNING else ""
        values = {"state": move.state.value, "state_at": now_ms, "note": note, "allowed": move.allowed}
        if move.state is JobState.RUNNING:
            values |= {"by_kind": wish.who.kind.value, "by": wish.who.name}
        conn.execute(update(redrive).where(redrive.c.id == key).values(values))
        done = _AUDITED.get(wish.act, Act.REDRIVE_LET_GO)
        audit.record(conn, AuditEntry(now_ms, wish.who.name, done, key, wish.home, job.reason, wish.address, job=key))
    return find_job(conn, see, key)


def may_act_on(conn: Connection, job: RedriveJob, who: Authority, *, now_ms: int) -> bool:
    """Whether somebody may act on every delivery of a redrive."""
    scope = acting_scope(conn, who, now_ms=now_ms)
    return scope is not None and tallies_of(conn, scope, [job.id])[job.id].total == job.course.total


def _require_all(conn: Connection, job: RedriveJob, who: Authority, now_ms: int) -> None:
    if not may_act_on(conn, job, who, now_ms=now_ms):
        raise ForbiddenError(
            f"{who.name} may not act on every delivery of the redrive {job.id}",
            hint="it takes the role operator on all its units",
        )


_STEPS = frozenset({JobAct.ONE, JobAct.TEN, JobAct.REST})
