"""A receipt as a row of the log, and when two rows say the same."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from sqlalchemy import Connection, bindparam, select

from router.ledger.bulk import Row, rows_at_once
from router.ledger.log.entries import RECEIPT_COLUMNS
from router.ledger.models import receipt
from router.ledger.way.new_receipt import NewReceipt
from router.storage.statements import chunks
from schemas.states import Effect, Step

COLUMNS = RECEIPT_COLUMNS
EFFECT, _CONTENT, _REASON, REMARK = map(COLUMNS.index, ("effect", "content_sha256", "reason", "remark"))
_SINCE_0012 = COLUMNS.index("corrects")
_NOT_SAID = {"id", "effect", "recorded_at", "content_sha256", "code"}
"""What two rows that say the same may differ in; a code may have been read out of the text."""
_TOLD = [i for i, name in enumerate(COLUMNS) if name not in _NOT_SAID]
_SAME = [i for i in _TOLD if COLUMNS[i] != "seq"]
"""A unit's new spool, into which its books were put back, says what is not known by a number of its own."""
_KNOWN = select(*(receipt.c[name] for name in COLUMNS)).where(receipt.c.id.in_(bindparam("ids", expanding=True)))
_BESIDE = UUID("0b2c4e1e-5d0f-4c39-9a55-1f6f3f0f7b11")
_LONGEST_REMARK, _LONGEST_REASON = 500, 1200


def row_of(item: NewReceipt, key: str, step: Step, remark: str) -> Row:
    """An entry as its row: under a key, with what it did, and the ledger's own words before the teller's."""
    reason = item.reason
    if remark:
        remark = remark[:_LONGEST_REMARK]
        reason = f"{remark}; {reason}"[:_LONGEST_REASON] if reason else remark
    return (
        key,
        item.delivery_id,
        item.status.value,
        step.effect.value,
        item.recorded_at,
        item.at,
        item.seq,
        item.content_sha256,
        reason,
        item.person,
        item.department,
        item.register_number,
        item.attempts,
        item.gateway_version,
        remark,
        item.code,
        item.corrects,
        item.undoes,
    )


def reason_of(row: Sequence[object]) -> str:
    """The teller's own words of a row, without the ledger's before them."""
    reason, remark = str(row[_REASON]), str(row[REMARK])
    return "" if reason == remark else reason.removeprefix(f"{remark}; ") if remark else reason


def recorded(connection: Connection, entries: Iterable[NewReceipt]) -> dict[str, Row]:
    """What the log has under the ids of entries, and under those that it gives to what has another content."""
    ids = {item.id for item in entries} | {id_beside(item) for item in entries}
    found = (row for some in chunks(sorted(ids)) for row in rows_at_once(connection, _KNOWN, {"ids": some}))
    return {row[0]: tuple(row) for row in found}


def is_same(row: Row, item: NewReceipt) -> bool:
    """Whether a row of the log says what an entry says.

    A unit that has only the beginning of a letter does not know its content's hash yet; with the hash that it gives
    later it is the same receipt.
    """
    effect, hashes = Effect(row[EFFECT]), {row[_CONTENT], item.content_sha256} - {None}
    said = row_of(item, item.id, Step(effect), row[REMARK])
    if effect is Effect.REFUSED and not row[REMARK]:  # from before the ledger kept its own words
        said = (*said[:_REASON], row[_REASON], *said[_REASON + 1 :])
    return _content(row) == _content(said) and len(hashes) <= 1


def _content(row: Row) -> Row:
    """What was said: without when and how it was recorded, its number, and the content's hash."""
    return tuple(row[i] for i in _SAME)


def id_beside(item: NewReceipt) -> str:
    """The id under which an entry is kept whose own id is another's: the same for the same content."""
    row = row_of(item, "", Step(Effect.REFUSED), "")
    later = [part for part in row[_SINCE_0012:] if part is not None]  # ids made before there were these stay
    told = (item.id, item.content_sha256, *(row[i] for i in _TOLD if i < _SINCE_0012), *later)
    return str(uuid5(_BESIDE, "\n".join(map(str, told))))
