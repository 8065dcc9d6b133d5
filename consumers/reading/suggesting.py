"""What the form of registering says before its clerk has looked: from the letter, and from what was entered before."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumers.reading import desk_lists
from consumers.reading.inbox import InboxEntry
from consumers.spool.scope import UnitScope
from consumers.spool.units import names_of
from schemas.descriptor import Descriptor
from schemas.dispatch import Urgency
from schemas.register import RegisterFields, from_letter


def suggested(
    conn: Connection, scope: UnitScope, entry: InboxEntry, letter: Descriptor, *, today: date, zone: ZoneInfo
) -> RegisterFields:
    """The fields of an entry.

    Args:
        conn: a transaction that reads.
        scope: of who registers.
        entry: the document.
        letter: as it came.
        today: the office's day.
        zone: of the office's clock.
    """
    known = names_of(conn, {entry.issuer}).get(entry.issuer, entry.issuer)
    author = desk_lists.issuers_words(conn, scope.only(entry.unit), entry.issuer) or known
    return from_letter(letter, day=today, author=author, timezone=zone.key, hour=_hour(entry, zone))


def _hour(entry: InboxEntry, zone: ZoneInfo) -> str | None:
    """When an urgent document came: the decree has the hour written down for it."""
    if entry.urgency < Urgency.VERY_URGENT:
        return None
    return f"{datetime.fromtimestamp(entry.taken_at / 1000, zone):%H:%M}"
