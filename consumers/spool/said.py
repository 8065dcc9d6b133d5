"""What was said of documents, as the spool keeps it: the receipts of each, oldest first, and what each of them does."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select

from consumers.spool.models import inbox, receipt
from schemas.states import Effect, Status, follow, go_back


class WrittenReceipt(NamedTuple):
    """A receipt of a document as it stands in the spool, where all stand in the order in which they were said."""

    pos: int
    id: str
    status: Status
    effect: Effect
    recorded_at: int
    register_number: str
    corrects: str | None
    undoes: str | None

    @property
    def seq(self) -> int:
        """Its place: numbers of a spool that was lost stand among those of this one."""
        return self.pos


_SAID: Select[tuple[Any, ...]] = (
    select(
        inbox.c.delivery_id,
        receipt.c.pos,
        receipt.c.id,
        receipt.c.status,
        receipt.c.register_number,
        receipt.c.corrects,
        receipt.c.undoes,
    )
    .join(inbox, inbox.c.pos == receipt.c.inbox_pos)
    .order_by(receipt.c.inbox_pos, receipt.c.pos)
)


def said_of(conn: Connection, delivery_id: str) -> list[WrittenReceipt]:
    """What was said of a document, oldest first."""
    return list(map(_written, conn.execute(_SAID.where(inbox.c.delivery_id == delivery_id))))


def said_at(conn: Connection, unit: str) -> Iterator[tuple[str, list[WrittenReceipt]]]:
    """Each document of a unit of which something was said, and what."""
    rows = conn.execute(_SAID.where(inbox.c.unit == unit)).all()
    for delivery_id, group in groupby(rows, key=lambda row: row.delivery_id):
        yield delivery_id, list(map(_written, group))


def effect_of(corrects: str | None, undoes: str | None) -> Effect:
    """What a receipt does that was allowed when it was written."""
    if undoes is not None:
        return Effect.BACK
    return Effect.ADVANCE if corrects is None else Effect.CORRECT


def state_after(said: Iterable[WrittenReceipt]) -> Status:
    """The state that a document which was taken has come to by what was said of it."""
    state = Status.TAKEN
    for one in said:
        if one.effect is not Effect.CORRECT:
            step = go_back(state, one.status) if one.effect is Effect.BACK else follow(state, one.status)
            state = one.status if step.effect in {Effect.ADVANCE, Effect.BACK} else state
    return state


def _written(row: Row[Any]) -> WrittenReceipt:
    effect = effect_of(row.corrects, row.undoes)
    number, status = row.register_number or "", Status(row.status)
    return WrittenReceipt(row.pos, row.id, status, effect, row.pos, number, row.corrects, row.undoes)
