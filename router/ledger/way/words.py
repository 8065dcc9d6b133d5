"""The words by which dispatches are found: of the letter, its files and hashes, and of what units said of it.

A word stands once for its dispatch, and once for each unit that said it: a number in a unit's register and the name of
whoever entered it are found only by those who see that unit's delivery.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, select

from router.ledger.bulk import Row, insert_rows
from router.ledger.models import delivery, dispatch_word
from router.storage.statements import chunks
from schemas.text import words_of

if TYPE_CHECKING:
    from router.ledger.way.acceptance import NewDispatch
    from router.ledger.way.new_receipt import NewReceipt

MOST_WORDS, MAX_LENGTH = 100, 64
"""Words of one text that are kept, and characters of each: a SHA-256 in hexadecimal is as long."""
_COLUMNS = ("word", "unit", "dispatch_id")
_KEY = ", ".join(_COLUMNS)
_OWNER = select(delivery.c.id, delivery.c.dispatch_id, delivery.c.unit).where(
    delivery.c.id.in_(bindparam("ids", expanding=True))
)


def kept(*texts: str) -> list[str]:
    """The words of texts as they are kept."""
    return list(dict.fromkeys(word[:MAX_LENGTH] for word in words_of(" ".join(texts))))[:MOST_WORDS]


def keep_letters(conn: Connection, items: Iterable["NewDispatch"]) -> None:
    """Keep the words of dispatches that are taken in, in the transaction that does."""
    rows: list[Row] = []
    for item in items:
        letter = item.submission
        files = [text for file in letter.attachments for text in (file.name, file.sha256)]
        words = kept(letter.notation, letter.subject, letter.signer or "", item.content_sha256, *files)
        rows += [(word, "", item.id) for word in words]
    insert_rows(conn, dispatch_word, _COLUMNS, rows)


def keep_said(conn: Connection, entries: Iterable["NewReceipt"]) -> None:
    """Keep the words of what people at units said: arrival numbers and names. Machines give none."""
    said = [item for item in entries if item.register_number or item.person]
    if not said:
        return
    owners = {
        row.id: (row.unit, row.dispatch_id)
        for some in chunks(sorted({item.delivery_id for item in said}))
        for row in conn.execute(_OWNER, {"ids": some})
    }
    rows = {
        (word, *owners[item.delivery_id])
        for item in said
        if item.delivery_id in owners
        for word in kept(item.register_number, item.person)
    }
    insert_rows(conn, dispatch_word, _COLUMNS, _sorted(rows), key=_KEY)


def _sorted(rows: Iterable[Row]) -> Sequence[Row]:
    """In the order of the table, so that two routers never wait for each other."""
    return sorted(rows)
