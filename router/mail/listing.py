"""How commands show e-mails: the fields of each, the same at both sides."""

from router.mail.outbox import MailRow
from schemas.clock import iso
from schemas.zone import local_time

HEADINGS = ("id", "made", "person", "kind", "state", "tries", "next", "title", "error")


def fields_of(row: MailRow) -> dict[str, object]:
    """An e-mail as JSON has it; times are UTC."""
    return {
        "id": row.id,
        "made_at": iso(row.created_at),
        "person": row.person,
        "kind": row.kind,
        "state": row.state.value,
        "tries": row.attempts,
        "next_at": None if row.next_at is None else iso(row.next_at),
        "title": row.title,
        "error": row.error,
    }


def words_of(row: MailRow) -> tuple[str, ...]:
    """An e-mail as a line of a table; times are those of the organisation's zone."""
    made, following = local_time(row.created_at), local_time(row.next_at)
    return row.id, made, row.person, row.kind, row.state.value, str(row.attempts), following, row.title, row.error
