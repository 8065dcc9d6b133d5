"""A whole gateway against a real broker and a content server, and the router's side of it as a test plays it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from consumers.gateway import Gateway
from consumers.settings import GatewaySettings
from router.broker import Delivered, Outgoing, Publisher, PublishOutcome, Session, Template
from router.broker.management import Management
from router.broker.topology import BrokerAccount, apply, plan
from router.ledger.people.tokens import NewToken, new_token
from schemas.descriptor import Descriptor, encode
from schemas.dispatch import lane_of
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import Burst, Receipt
from schemas.unit import Link
from support.broker import Vhost
from support.content_server import ContentServer
from support.deliveries import TRACE
from support.organisation import a_unit
from support.sessions import session_on

CODES = ("LCA", "LCA.VP", "LCA.02", "LCA.02.05", "LCA.02.06")
PATTERN = "LCA.02.#"


@dataclass(slots=True)
class Origin:
    """The router as a gateway sees it: publishes deliveries, notes what is said."""

    vhost: Vhost
    session: Session
    publisher: Publisher
    token: NewToken
    content: ContentServer
    seqs: Counter[str] = field(default_factory=Counter)
    messages: list[Delivered] = field(default_factory=list)

    async def send(self, descriptor: Descriptor, *units: str, ids: Sequence[str] = (), seq: int = 0) -> list[str]:
        """Publish a dispatch to units; the ids of its deliveries."""
        template = Template("org.LCA", "descriptor", encode(descriptor), {"traceparent": TRACE})
        given = list(ids) or [new_id() for _ in units]
        outgoing: list[Outgoing] = []
        for unit, delivery_id in zip(units, given, strict=True):
            self.seqs[unit] += 1
            headers: dict[str, str | int] = {"unit": unit, "seq": seq or self.seqs[unit]}
            key = f"{unit}.{lane_of(descriptor.urgency).value}"
            outgoing.append(Outgoing(template, key, delivery_id, headers))
        assert set(await self.publisher.publish(outgoing)) == {PublishOutcome.CONFIRMED}
        return given

    async def note(self, batch: Sequence[Delivered]) -> Collection[int]:
        """The handler of the queue of receipts."""
        self.messages.extend(batch)
        return ()

    def said(self, status: str = "") -> dict[str, list[Receipt]]:
        """The receipts that came, by delivery, in their order; a repetition of one id counts once."""
        found: dict[str, dict[str, Receipt]] = {}
        for message in self.messages:
            if message.type != "receipts":
                continue
            for receipt in parse(Burst, message.body, what="burst").receipts:
                if not status or receipt.status.value == status:
                    found.setdefault(receipt.delivery_id, {})[receipt.id] = receipt
        return {key: list(receipts.values()) for key, receipts in found.items()}

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the messages of a type."""
        return [orjson.loads(message.body) for message in self.messages if message.type == kind]


@asynccontextmanager
async def origin_on(vhost: Vhost, content: ContentServer) -> AsyncIterator[Origin]:
    """The organisation's topology, an account for the gateway, and the router's session."""
    token = new_token()
    units = [a_unit(code) for code in CODES]
    account = BrokerAccount(f"gateway:{PATTERN}", token.hash)
    async with Management(vhost.management_url, vhost.user, vhost.password) as management:
        await apply(management, vhost.name, plan(units, [account], vhost=vhost.name, day=date(2026, 11, 22)))
    content.units = [{"code": code, "link": Link.LAN.value} for code in CODES if code.startswith("LCA.02")]
    async with session_on(vhost, name="origin") as session:
        origin = Origin(vhost, session, session.publisher(), token, content)
        session.consume(["receipts.ledger"], origin.note, prefetch=500)
        yield origin


def settings_for(origin: Origin, directory: Path, **changed: Any) -> GatewaySettings:
    """The settings of a gateway of the test's subtree."""
    given: dict[str, Any] = {
        "data_dir": directory,
        "units": PATTERN,
        "token": origin.token.text,
        "amqp_url": origin.vhost.amqp_url,
        "origin_url": origin.content.url,
        "sink": "folder",
        "burst_linger": 0.05,
        "retry_first": 0.05,
        "retry_max": 0.2,
        "disk_reserve_bytes": 0,
    }
    return GatewaySettings(**(given | changed))


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway in the test's own loop, stopped in good order at the end."""
    gateway = Gateway(settings)
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        gateway.stop()
        await asyncio.wait_for(task, 30)
