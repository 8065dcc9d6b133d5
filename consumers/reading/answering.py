"""What follows when the router has accepted documents: those that a letter answers are done, without a second button.

One transaction notes the acceptance and writes the receipts, so whatever is killed, both are there or neither is; and
the router answers a repeated submission as it did the first, so none is written twice.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from consumers.reading.handling import Acting, complete_by_answer
from consumers.spool import sending
from consumers.spool.models import desk_letter, outgoing
from consumers.spool.people import Card
from consumers.spool.scope import UnitScope
from consumers.spool.sending import Sent
from consumers.spool.sets import among, as_list
from schemas.clock import now_ms

_ANSWER_LENGTH = 100
"""Characters of a notation that a step keeps."""
_ANSWERING = (
    select(
        outgoing.c.issuer,
        outgoing.c.notation,
        outgoing.c.secret,
        desk_letter.c.answers,
        desk_letter.c.person,
        desk_letter.c.full_name,
        desk_letter.c.department,
    )
    .join(desk_letter, desk_letter.c.outgoing_pos == outgoing.c.pos)
    .where(among(outgoing.c.id, "ids"), desk_letter.c.completes, desk_letter.c.answers.is_not(None))
)


def accept(conn: Connection, items: Sequence[Sent]) -> list[None]:
    """Note that the router has accepted documents, and complete what they answer; runs in the spool's writer."""
    done = sending.accept(conn, items)
    for row in conn.execute(_ANSWERING, {"ids": as_list(item.id for item in items)}).all():
        card = Card(row.person, row.full_name, department=row.department)
        by = Acting(card, now_ms(), UnitScope.whole(row.issuer))
        complete_by_answer(conn, row.answers, by, row.notation[:_ANSWER_LENGTH], secret=row.secret)
    return done
