"""What of a document may be read, by its state alone: one rule for every door, the desk's and the commands'.

Bytes of a document that was given back may still lie here, inside its descriptor or for another delivery that has the
same content; they are read no more. Whether somebody may see the document at all is looked at before.
"""

from sqlalchemy import Connection

from consumers.errors import ContentNotKeptError
from consumers.reading.inbox import InboxEntry, letter_of
from schemas.attachment import TravellingAttachment
from schemas.descriptor import Descriptor
from schemas.states import GIVEN_BACK, HELD


def readable_letter(conn: Connection, entry: InboxEntry) -> Descriptor:
    """The letter of a delivery without what may not be read now; its files are only named.

    Files themselves give :func:`readable_files`.
    """
    letter = letter_of(conn, entry.delivery_id)
    if entry.state in HELD:
        return letter
    named = tuple(file.model_copy(update={"inline": None}) for file in letter.attachments)
    text = "" if entry.state in GIVEN_BACK else letter.flash_text
    return letter.model_copy(update={"attachments": named, "flash_text": text})


def readable_files(conn: Connection, entry: InboxEntry) -> tuple[TravellingAttachment, ...]:
    """The files of a delivery that its unit has.

    Raises:
        ContentNotKeptError: it does not have it: not yet, or no longer.
    """
    if entry.state not in HELD:
        when = "was given back" if entry.state in GIVEN_BACK else "has not arrived yet"
        raise ContentNotKeptError(f"{entry.notation or entry.delivery_id} {when}: its files cannot be read here")
    return letter_of(conn, entry.delivery_id).attachments
