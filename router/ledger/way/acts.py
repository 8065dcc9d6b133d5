"""What an operator does to deliveries by hand: have them sent again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from router.ledger.models import delivery
from router.ledger.way import retention
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Recorded, Result, apply
from router.rules.schedule import Silence
from router.storage.statements import chunks
from schemas.clock import iso
from schemas.ids import new_id
from schemas.states import Effect, Status


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of a redrive: ids of the deliveries that are sent again, and for the others the reason why not."""

    redriven: tuple[str, ...]
    refused: Mapping[str, str]


def redrive(conn: Connection, delivery_ids: Sequence[str], *, who: str, reason: str, now_ms: int) -> Redriven:
    """Have parked or expired deliveries sent again, due at once; the receipt says who asked for it and why.

    Args:
        conn: a transaction that writes.
        delivery_ids: which; the caller has checked that they are its own to act on.
        who: the operator.
        reason: why it may work now.
        now_ms: the present, UTC milliseconds.
    """
    lacking = _lacking(conn, delivery_ids)
    entries = [
        NewReceipt(new_id(), key, Status.REDRIVEN, iso(now_ms), now_ms, reason=reason, person=who)
        for key in delivery_ids
        if key not in lacking
    ]
    results = lacking | {item.entry.delivery_id: _refusal(item) for item in apply(conn, entries, Silence())}
    return Redriven(
        redriven=tuple(key for key, refusal in results.items() if not refusal),
        refused={key: refusal for key, refusal in results.items() if refusal},
    )


def _lacking(conn: Connection, delivery_ids: Sequence[str]) -> dict[str, str]:
    """The deliveries whose unit could not get all of the document any more, and why."""
    of: dict[str, str] = {}
    for some in chunks(delivery_ids):
        rows = conn.execute(select(delivery.c.id, delivery.c.dispatch_id).where(delivery.c.id.in_(some)))
        of.update((row[0], row[1]) for row in rows)
    lacking = retention.want_again(conn, set(of.values()))
    return {key: lacking[dispatch_id] for key, dispatch_id in of.items() if dispatch_id in lacking}


def _refusal(result: Result) -> str:
    if not isinstance(result, Recorded):
        return result.reason
    if result.step.effect is Effect.ADVANCE:
        return ""
    return result.step.reason or "it is redriven already"
