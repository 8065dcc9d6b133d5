"""Tells the router what the spool holds, when its ledger was restored from an older copy and it asks.

A question is answered by one page; the router asks for the next when it has that in its ledger. So nothing of it has to
be kept here: a question that a crash loses is put again after the gateway's next hello.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import orjson
import structlog

from consumers.errors import ReceiptsHeldError
from consumers.reporting.reporter import EXCHANGE, as_told, retrying_held
from consumers.spool import Spool, recount
from consumers.spool.outbox import Unsent
from consumers.spool.recount import HeldDelivery
from router.broker import Outgoing, Publisher, PublishOutcome, Session, Template
from schemas.descriptor import MAX_DESCRIPTOR_BYTES
from schemas.events import Event
from schemas.ids import new_id
from schemas.receipt import TYPE_HELLO
from schemas.recount import MAX_KEPT, MAX_PAGE_BYTES, TYPE_KEPT, Recount

log = structlog.get_logger()


class Recounting:
    """Answers the router's questions of what is held, one page at a time.

    Args:
        spool: whose deliveries.
        session: waited for while it is down.
        publisher: on that session.
    """

    def __init__(self, spool: Spool, session: Session, publisher: Publisher) -> None:
        self._spool = spool
        self._session = session
        self._publisher = publisher
        self._asked: dict[str, Recount] = {}
        self._some = asyncio.Event()

    def note(self, questions: Sequence[Recount]) -> None:
        """Answer these soon; of those for one unit only the last counts."""
        self._asked |= {item.unit: item for item in questions}
        self._some.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._asked:
                await self._answer(self._asked.pop(next(iter(self._asked))))

    async def _answer(self, asked: Recount) -> None:
        async for attempt in retrying_held(self._session):
            with attempt:
                body, count = await asyncio.to_thread(self._page, asked)
                await self._session.ready()
                outcome = (await self._publisher.publish([_message(asked.unit, body)]))[0]
                if outcome is not PublishOutcome.CONFIRMED:
                    raise ReceiptsHeldError(f"what is held of {asked.unit} was {outcome.value}")
                log.info(Event.KEPT_TOLD, unit=asked.unit, deliveries=count, size=len(body))

    def _page(self, asked: Recount) -> tuple[bytes, int]:
        with self._spool.reading() as conn:
            found = recount.held(conn, asked)
            highest = recount.memory(conn, [asked.unit]).highest.get(asked.unit, 0)
        return page(asked, found, spool_id=self._spool.id, highest=highest)


def page(asked: Recount, found: Sequence[HeldDelivery], *, spool_id: str, highest: int) -> tuple[bytes, int]:
    """The answer to a question as it travels, and how many of the deliveries are in it: as many as fit, at least one.

    Args:
        asked: the question.
        found: what follows in the spool; of more than a page holds some are left out.
        spool_id: the spool's.
        highest: the highest sequence number that was taken for the unit.
    """
    parts: list[bytes] = []
    size = 0
    for item in found[:MAX_KEPT]:
        part = _kept(item)
        if parts and size + len(part) > MAX_PAGE_BYTES:
            break
        parts.append(part)
        size += len(part)
    through = found[len(parts) - 1].pos if parts else asked.after
    around = {
        "unit": asked.unit,
        "spool_id": spool_id,
        "after": asked.after,
        "through": through,
        "more": len(parts) < len(found),
        "highest": highest,
        "deliveries": [orjson.Fragment(part) for part in parts],
    }
    return orjson.dumps(around), len(parts)


def _kept(item: HeldDelivery) -> bytes:
    """A delivery as it travels (:class:`schemas.recount.KeptDelivery`).

    Of a letter that is too long for a message the spool holds the content that its record names.
    """
    told: dict[str, object] = {"id": item.delivery_id, "dispatch_id": item.dispatch_id, "seq": item.seq}
    if len(item.body) <= MAX_DESCRIPTOR_BYTES:
        told["descriptor"] = orjson.Fragment(item.body)
    else:
        told["record"] = hashlib.sha256(item.body).hexdigest()
    if item.recalled_by:
        told["recalled_by"] = item.recalled_by
    if item.traceparent:
        told["traceparent"] = item.traceparent
    told["receipts"] = [_kept_receipt(row) for row in item.receipts]
    return orjson.dumps(told)


def _kept_receipt(row: Unsent) -> dict[str, object]:
    told = as_told(row) | ({"code": row.code} if row.code else {})
    return told | ({"seq": -row.seq, "elsewhere": True} if row.seq < 0 else {})


def _message(unit: str, body: bytes) -> Outgoing:
    """Under the key of a hello, which every gateway may write."""
    return Outgoing(Template(EXCHANGE, TYPE_KEPT, body), f"{unit}.{TYPE_HELLO}", new_id())
