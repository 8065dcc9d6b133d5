"""The audit log: who did what to what, when, from where and why. Rows are added and never changed."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, insert, or_, select, true

from router.ledger.models import audit as table
from router.ledger.scope import Scope, within

MAX_ROWS = 1000
_MAX_SUBJECT, _MAX_REASON, _MAX_ADDRESS, _MAX_PERSON = 200, 1000, 64, 64


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
    GATEWAY_CHANGED = "gateway_changed"
    """Another of a unit's gateways was let work for it."""
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act; ``at`` in UTC milliseconds."""

    at: int
    person: str
    act: Act
    subject: str
    unit: str = ""
    reason: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry with its place in the log."""

    pos: int
    entry: Entry


def record(conn: Connection, *entries: Entry) -> None:
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
        }
        for entry in entries
    ]
    if rows:
        conn.execute(insert(table), rows)


def list_entries(
    conn: Connection,
    scope: Scope,
    *,
    person: str = "",
    act: Act | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditRow]:
    """Entries that concern the scope's units, the newest first.

    Args:
        conn: a transaction.
        scope: what the caller may audit. Entries of no unit in particular are for who audits a whole organisation.
        person: only of this person.
        act: only of this kind.
        before: only those before this place, the last of the page before.
        limit: the length of a page.
    """
    statement = select(table).where(_concerns(scope))
    if person:
        statement = statement.where(table.c.person == person)
    if act is not None:
        statement = statement.where(table.c.act == act.value)
    if before is not None:
        statement = statement.where(table.c.pos < before)
    rows = conn.execute(statement.order_by(table.c.pos.desc()).limit(min(limit, MAX_ROWS)))
    return [
        AuditRow(row.pos, Entry(row.at, row.person, Act(row.act), row.subject, row.unit, row.reason, row.address))
        for row in rows
    ]


def _concerns(scope: Scope) -> ColumnElement[bool]:
    if scope.everything:
        return true()
    whole = any(pattern.endswith(".#") and "." not in pattern.removesuffix(".#") for pattern in scope.units)
    seen = within(table.c.unit, scope.units)
    return or_(seen, table.c.unit == "") if whole else seen
