"""How far the documents of a register are, in the words of the form that follows them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from consumers.desk.words import STATES
from consumers.reading.registers import Form, Progress
from consumers.spool import course
from consumers.spool.book_entries import Entry
from router.pages.language import VIETNAMESE, translations
from schemas.states import Status


def progress_of(conn: Connection, form: Form, entries: Sequence[Entry]) -> dict[str, Progress]:
    """State and answer of what came by the line, by its delivery; nothing for the other forms."""
    if form is not Form.FOLLOWING:
        return {}
    ids = [entry.delivery_id for entry in entries if entry.delivery_id]
    vietnamese = translations(VIETNAMESE).gettext
    return {
        one: Progress(vietnamese(STATES[Status(state)].label), answer)
        for one, (state, answer) in course.of_deliveries(conn, ids).items()
    }
