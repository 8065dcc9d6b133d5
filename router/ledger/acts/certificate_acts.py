"""An account is certified: at most so often an hour, each time in the audit log."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, func, select

from router.errors import CertificateAllowanceError
from router.ledger.models import audit as table
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from schemas.accounts import Account
from schemas.rights import HOUR_MS

T = TypeVar("T")
MOST_AN_HOUR = 6
"""A gateway asks once in two months; one that is killed at every answer asks again."""


def certify(
    conn: Connection, account: Account, sign: Callable[[], T], *, now_ms: int, address: str, detail: Callable[[T], str]
) -> T:
    """Certify an account; nobody has the certificate before the entry is committed.

    Args:
        conn: a transaction that writes.
        account: who asks, and who alone is certified.
        sign: makes the certificate.
        now_ms: the present, UTC ms.
        address: where the request came from.
        detail: what the audit says of the certificate.

    Raises:
        CertificateAllowanceError: the account has been certified too often within an hour.
    """
    unit = account.pattern.removesuffix(".#")
    mine = table.c.unit == unit, table.c.person == account.name, table.c.act == Act.CERTIFIED.value
    lately = select(func.count(), func.min(table.c.at)).where(*mine, table.c.at > now_ms - HOUR_MS)
    count, first = conn.execute(lately).one()
    if count >= MOST_AN_HOUR:
        seconds = max((first + HOUR_MS - now_ms) // 1000, 1)
        raise CertificateAllowanceError(
            f"{account.name} was certified {count} times within an hour, the most that it may", seconds=seconds
        )
    made = sign()
    entry = AuditEntry(now_ms, account.name, Act.CERTIFIED, account.name, unit, "", address, detail(made))
    audit.record(conn, entry)
    return made
