"""The audit log: who did what to what, when, from where and why. Rows are added and never changed."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, exists, func, insert, or_, select, true

from router.ledger.models import audit as table
from router.ledger.scope import Scope, within
from schemas.codes import covers_whole

MAX_ROWS = 1000
MAX_REASON = 500
"""Characters of a reason that a person gives."""
_MAX_SUBJECT, _MAX_REASON, _MAX_ADDRESS, _MAX_PERSON, _MAX_DETAIL = 200, 1000, 64, 64, 200


class Act(StrEnum):
    """What people do."""

    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an act
    INVITED = "invited"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    """A role was taken back."""
    REDRIVEN = "redriven"
    """A delivery was sent again."""
    REDRIVE_MADE = "redrive_made"
    REDRIVE_LET_GO = "redrive_let_go"
    """A redrive goes on: a next step, or after a pause or a stop."""
    REDRIVE_PAUSED = "redrive_paused"
    REDRIVE_CANCELLED = "redrive_cancelled"
    UNIT_PAUSED = "unit_paused"
    UNIT_MUTED = "unit_muted"
    UNIT_OPENED = "unit_opened"
    """A unit's pause and mute were ended."""
    UNIT_RETIRED = "unit_retired"
    UNITS_IMPORTED = "units_imported"
    """A list of the organisation was taken over; what it did to each unit are acts of the same job."""
    UNIT_ADDED = "unit_added"
    UNIT_CHANGED = "unit_changed"
    HANDED_ON = "handed_on"
    """What waited for a unit that exists no more went to another."""
    WAITING_ENDED = "waiting_ended"
    """What waited for such a unit was given up."""
    UNIT_KEPT = "unit_kept"
    """Its retirement was taken back before the day had come."""
    GATEWAY_CHANGED = "gateway_changed"
    """Another of a unit's gateways was let work for it."""
    EXPORTED = "exported"
    RECOVERY_BEGUN = "recovery_begun"
    """Gateways are asked for what an older ledger has forgotten."""
    RECOVERY_ENDED = "recovery_ended"
    CARE_TAKEN = "care_taken"
    """Somebody takes care of a group of what is stuck."""
    CARE_LEFT = "care_left"
    CARE_ENDED = "care_ended"
    """Nothing is left of the group, so nobody has to care."""
    TOKEN_MADE = "token_made"  # noqa: S105 - the name of an act
    TOKEN_REPLACED = "token_replaced"  # noqa: S105 - the name of an act
    TOKEN_ENDS = "token_ends"  # noqa: S105 - the name of an act
    """A token was given an end, or a different one."""
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an act
    CERTIFIED = "certified"
    """An account was given a certificate for a key of its own."""
    DISPATCH_SENT = "dispatch_sent"
    """A person of the console sent a document in the name of a unit."""
    DISPATCH_RECALLED = "dispatch_recalled"
    SESSIONS_ENDED = "sessions_ended"
    """Somebody ended their own sessions but one."""


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, from where, why, and when (UTC ms)."""

    who: str
    why: str
    now_ms: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act; ``at`` in UTC milliseconds.

    ``detail`` is what the act set: the last day and successor of a retired unit, until when one is muted.
    ``job`` is the redrive, or the import of a list, that it is part of; its acts are one row that opens.
    """

    at: int
    person: str
    act: Act
    subject: str
    unit: str = ""
    reason: str = ""
    address: str = ""
    detail: str = ""
    job: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry with its place in the log; ``more`` counts the others of the same job, which it stands for."""

    pos: int
    entry: AuditEntry
    more: int = 0


def record(conn: Connection, *entries: AuditEntry) -> None:
    """Add entries, in the transaction of the act itself."""
    rows = [
        {
            "at": entry.at,
            "person": entry.person[:_MAX_PERSON],
            "act": entry.act.value,
            "subject": entry.subject[:_MAX_SUBJECT],
            "unit": entry.unit,
            "reason": entry.reason[:_MAX_REASON],
            "address": entry.address[:_MAX_ADDRESS],
            "detail": entry.detail[:_MAX_DETAIL],
            "job": entry.job,
        }
        for entry in entries
    ]
    if rows:
        conn.execute(insert(table), rows)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of a person, a kind of act, units of a pattern, from a time on and before one (UTC ms)."""

    person: str = ""
    act: Act | None = None
    units: str = ""
    since: int | None = None
    until: int | None = None
    job: str = ""


def find_entries(
    conn: Connection,
    scope: Scope,
    wanted: Wanted,
    *,
    before: int | None = None,
    limit: int = 100,
    folded: bool = False,
) -> list[AuditRow]:
    """Entries that concern the scope's units, the newest first.

    Args:
        conn: a transaction.
        scope: what the caller may audit. Entries of no unit in particular are for those who audit a whole organisation.
        wanted: which of them.
        before: only those before this place, the last of the page before.
        limit: the length of a page.
        folded: the acts of one job are one row, the first of those that fit.
    """
    statement = select(table).where(*_fitting(table, scope, wanted))
    if folded:
        other = table.alias("other")
        earlier = exists().where(other.c.job == table.c.job, other.c.pos < table.c.pos, *_fitting(other, scope, wanted))
        statement = statement.where(or_(table.c.job.is_(None), ~earlier.correlate(table)))
    if before is not None:
        statement = statement.where(table.c.pos < before)
    rows = conn.execute(statement.order_by(table.c.pos.desc()).limit(min(limit, MAX_ROWS))).all()
    more = _sizes(conn, scope, wanted, {row.job for row in rows if row.job}) if folded else {}
    return [AuditRow(row.pos, _entry(row), more.get(row.job, 1) - 1) for row in rows]


def _entry(row: Any) -> AuditEntry:
    act = Act(row.act)
    return AuditEntry(row.at, row.person, act, row.subject, row.unit, row.reason, row.address, row.detail, row.job)


def _sizes(conn: Connection, scope: Scope, wanted: Wanted, jobs: Collection[str]) -> dict[str | None, int]:
    """How many entries that fit each job has."""
    if not jobs:
        return {}
    counted = select(table.c.job, func.count()).where(table.c.job.in_(jobs), *_fitting(table, scope, wanted))
    return {row[0]: row[1] for row in conn.execute(counted.group_by(table.c.job))}


def _fitting(rows: FromClause, scope: Scope, wanted: Wanted) -> list[ColumnElement[bool]]:
    column = rows.c
    found = [_concerns(column.unit, scope)]
    found += [column.person == wanted.person] if wanted.person else []
    found += [column.act == wanted.act.value] if wanted.act is not None else []
    found += [within(column.unit, [wanted.units])] if wanted.units else []
    found += [column.at >= wanted.since] if wanted.since is not None else []
    found += [column.at < wanted.until] if wanted.until is not None else []
    return found + ([column.job == wanted.job] if wanted.job else [])


def _concerns(unit: ColumnElement[str], scope: Scope) -> ColumnElement[bool]:
    if scope.everything:
        return true()
    seen = within(unit, scope.units)
    return or_(seen, unit == "") if any(map(covers_whole, scope.units)) else seen
