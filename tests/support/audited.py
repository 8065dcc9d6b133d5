"""What the audit log holds, for tests."""

from sqlalchemy import Connection

from router.ledger.people.audit import Act, AuditRow, Wanted, find_entries
from router.ledger.scope import Scope


def list_entries(
    conn: Connection,
    scope: Scope,
    *,
    person: str = "",
    act: Act | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditRow]:
    """Entries that concern the scope's units, each a row, the newest first."""
    return find_entries(conn, scope, Wanted(person, act), before=before, limit=limit)
