"""What only people said, lost with a broker's disk: no document is sent again for it, so nothing repeats it unasked."""

import asyncio
from pathlib import Path

from sqlalchemy import select

from consumers.reading.inbox import InboxEntry, add_person_receipt, list_inbox
from consumers.spool import open_spool, outbox
from faults.ground import Ground, keys_of
from router.ledger.engine import reading
from router.ledger.models import delivery, receipt
from schemas.states import Status

_DOCUMENTS = 5


async def peoples_receipts_wiped(laid: Ground, seed: int) -> dict[str, object]:
    """People register documents while the router is off; the broker confirms it, and loses its disk."""
    await laid.submit(keys_of(seed, _DOCUMENTS))
    await laid.settle()
    laid.router.stop()
    registered = registered_now(laid)
    for program in laid.gateways:
        registered |= await asyncio.to_thread(register_some, laid, laid.made.directory / program.name)
    await asyncio.to_thread(laid.node.kill)
    await asyncio.to_thread(laid.node.wipe)
    await asyncio.to_thread(laid.node.start)
    laid.router.start()
    await asyncio.to_thread(
        laid.made.wait, lambda: registered_now(laid) == registered, "every registration is recorded"
    )
    return {"registered": len(registered), "receipts": _count_receipts(laid)}


def register_some(laid: Ground, data_dir: Path) -> set[str]:
    """Registers half of a gateway's documents, and returns when the broker has confirmed all of it."""
    spool = open_spool(data_dir)
    try:
        entries: list[InboxEntry] = [item for item in list_inbox(spool, limit=1000) if item.state is Status.ARRIVED]
        chosen = laid.rng.sample(entries, len(entries) // 2)
        for number, entry in enumerate(chosen, 1):
            add_person_receipt(spool, entry.delivery_id, Status.REGISTERED, register_number=str(number))

        def all_confirmed() -> bool:
            with spool.reading() as conn:
                return outbox.count_unsent(conn) == 0

        laid.made.wait(all_confirmed, "the broker has confirmed what people said")
        return {entry.delivery_id for entry in chosen}
    finally:
        spool.close()


def registered_now(laid: Ground) -> set[str]:
    with reading(laid.made.engine) as connection:
        return set(connection.scalars(select(delivery.c.id).where(delivery.c.state == Status.REGISTERED)))


def _count_receipts(laid: Ground) -> int:
    """Registrations recorded: each once, however often it was sent."""
    with reading(laid.made.engine) as connection:
        return len(connection.scalars(select(receipt.c.id).where(receipt.c.status == Status.REGISTERED)).all())
