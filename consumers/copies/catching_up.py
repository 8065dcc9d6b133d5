"""Brings documents that are here to where the ledger has them: what the unit said of them after the copy is kept, too.

So what was undone since is undone, what was registered again has its new number, and none of it can be said a second
time. The order is the ledger's; what it does not have stands behind what it has and the copy holds before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consumers.copies.told import SaidReceipt, ToldDelivery
from consumers.spool import handling
from consumers.spool.models import inbox, receipt
from consumers.spool.said import WrittenReceipt, said_of, state_after
from schemas.clock import to_ms
from schemas.dispatch import Lane, lane_of
from schemas.standing import standing
from schemas.states import BY_PEOPLE, Effect, Status, steps_back

DEALT_WITH = BY_PEOPLE | {Status.RECALLED}
"""States that say that somebody has dealt with a document."""
OVER = frozenset({Status.REFUSED, Status.COMPLETED, Status.RECALLED})


def catch_up(conn: Connection, told: Sequence[ToldDelivery], at: int) -> None:
    """Keep what the ledger has of documents that are here and the spool has not, and move them by it.

    Args:
        conn: the transaction that restores.
        told: what the ledger has.
        at: the present, UTC ms.
    """
    columns = (inbox.c.delivery_id, inbox.c.pos, inbox.c.state, inbox.c.registered_at, inbox.c.urgency)
    here: dict[str, Any] = {row.delivery_id: row for row in conn.execute(select(*columns))}
    known = set(conn.scalars(select(receipt.c.id)))
    for one in told:
        if (row := here.get(one.id)) is not None:
            if new := [_kept(row, said, at) for said in one.receipts if said.counts and said.id not in known]:
                _put_between(conn, row.pos, one, new)
            _move(conn, row, one, at)


def _put_between(conn: Connection, inbox_pos: int, told: ToldDelivery, new: Iterable[dict[str, Any]]) -> None:
    """Have the receipts of a document stand in their order, those that the ledger alone had among them."""
    places = {said.id: place for place, said in enumerate(told.receipts)}
    keyed: list[tuple[tuple[int, bool], dict[str, Any]]] = [((places[row["id"]], False), row) for row in new]
    last = -1
    for kept in conn.execute(
        select(receipt).where(receipt.c.inbox_pos == inbox_pos).order_by(receipt.c.pos)
    ).mappings():
        last = max(last, places.get(kept["id"], -1))
        keyed.append(((last, kept["id"] not in places), {name: kept[name] for name in kept if name != "pos"}))
    conn.execute(delete(receipt).where(receipt.c.inbox_pos == inbox_pos))
    conn.execute(insert(receipt), [row for _, row in sorted(keyed, key=itemgetter(0))])


def _kept(row: Row[Any], said: SaidReceipt, at: int) -> dict[str, Any]:
    """A receipt as it stands in the spool; the ledger has it, and its number is another spool's."""
    return {
        "id": said.id,
        "inbox_pos": row.pos,
        "status": said.status.value,
        "at": said.at.isoformat(timespec="milliseconds"),
        "seq": -said.seq,
        "express": lane_of(row.urgency) is Lane.EXPRESS,
        "gateway_version": said.gateway_version,
        "sent_at": at,
        "reason": said.reason or None,
        "attempts": said.attempts or None,
        "person": said.person or None,
        "department": said.department or None,
        "register_number": said.register_number or None,
        "code": None,
        "corrects": said.corrects,
        "undoes": said.undoes,
    }


def _move(conn: Connection, row: Row[Any], told: ToldDelivery, at: int) -> None:
    said, before = said_of(conn, told.id), Status(row.state)
    state = Status.RECALLED if told.state == Status.RECALLED else state_after(said)
    goes_back = state in steps_back(before)
    if state is before or state not in DEALT_WITH | {Status.ARRIVED} or (goes_back and not _something_was_undone(said)):
        return
    values: dict[str, Any] = {"state": state.value, "state_at": to_ms(told.state_at)}
    values["registered_at"] = _registered_at(said, told, row.registered_at)
    conn.execute(update(inbox).where(inbox.c.pos == row.pos).values(values))
    if state in OVER:
        handling.end_tasks(conn, row.pos, at)
    elif goes_back:
        handling.take_back(conn, row.pos, handling.steps_behind(state), at)


def _something_was_undone(said: Iterable[WrittenReceipt]) -> bool:
    """Whether a state before the one that is here may be the right one: else its receipts were forgotten."""
    return any(one.effect is Effect.BACK for one in said)


def _registered_at(said: Iterable[WrittenReceipt], told: ToldDelivery, before: int | None) -> int | None:
    registered = standing(said).told.get(Status.REGISTERED)
    if registered is None:
        return None
    times: Mapping[str, int] = {one.id: to_ms(one.at) for one in told.receipts}
    return before or times.get(registered.id)
