"""An issuer's own queue in a whole installation: it gets what the ledger has recorded, and nothing that was forged."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pika
import pytest
from sqlalchemy import select

from router.ledger.engine import reading
from router.ledger.models import delivery
from schemas.accounts import Role
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import Burst
from support.amqp import Login, administrator
from support.broker import Vhost
from support.conditions import holds
from support.installation import Installation, installation
from support.ledgers import unit

UNITS = [unit(code) for code in ("LCA", "LCA.01", "LCA.02")]
QUEUE = "upstream.issuer:LCA.#.receipts"


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, UNITS) as laid:
        laid.account(Role.ISSUER, "LCA.#")
        laid.account(Role.GATEWAY, "LCA.02")
        laid.router().start()
        laid.wait_until_ready()
        laid.gateway("LCA.01").start()
        laid.wait_until_seen(["LCA.01"])
        yield laid


async def submit(made: Installation, addressee: str) -> str:
    letter = {"notation": f"1-{addressee}", "subject": "Về việc họp", "issuer": "LCA", "addressees": [addressee]}
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}", "Idempotency-Key": new_id()}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{made.api}/api/v1/dispatches", json=letter) as answer,
    ):
        return str((await answer.json())["id"])


def forge(login: Login, delivery_id: str, dispatch_id: str) -> None:
    """A gateway tells of another's delivery, with every routing key that an issuer's queue might be bound by."""
    receipt = {
        "id": new_id(),
        "delivery_id": delivery_id,
        "dispatch_id": dispatch_id,
        "unit": "LCA.02",
        "status": "completed",
        "at": iso(now_ms()),
        "seq": 1,
    }
    key = "LCA.LCA.02.completed"
    for header in ("CC", "BCC"):
        properties = pika.BasicProperties(type="receipts", user_id=login.user, headers={header: [key, QUEUE]})
        with login.channel() as channel:
            channel.basic_publish("receipts", key, json.dumps({"receipts": [receipt]}).encode(), properties)


def received(login: Login) -> list[tuple[str, str]]:
    with login.channel() as channel:
        found: list[tuple[str, str]] = []
        while (answer := channel.basic_get(QUEUE, auto_ack=True))[0] is not None:
            told = parse(Burst, answer[2] or b"", what="burst").receipts
            found += [(item.dispatch_id, item.status.value) for item in told]
        return found


async def test_an_issuer_gets_what_is_recorded_and_nothing_that_is_forged(made: Installation, vhost: Vhost) -> None:
    issuer = Login(vhost, "issuer:LCA.#", made.account(Role.ISSUER, "LCA.#"))
    await holds(lambda: issuer.may(lambda channel: channel.queue_declare(QUEUE, durable=True)))
    # Bound as it was before there was `receipts.recorded`: the router moves it at its next start.
    with administrator(vhost).channel() as channel:
        channel.queue_bind(QUEUE, "receipts", "LCA.#")
    router = made.programs[0]
    router.kill()
    router.start()
    made.wait_until_ready()
    made.wait(lambda: "bindings_moved" in router.log.read_text("utf-8"), "the binding is moved")
    sent = await submit(made, "LCA.01")
    with reading(made.engine) as conn:
        key = conn.scalar(select(delivery.c.id).where(delivery.c.dispatch_id == sent))
    assert key is not None
    await asyncio.to_thread(forge, Login(vhost, "gateway:LCA.02", made.account(Role.GATEWAY, "LCA.02")), key, sent)
    got: list[tuple[str, str]] = []

    def all_came() -> bool:
        got.extend(received(issuer))
        return {(sent, "taken"), (sent, "arrived")} <= set(got)

    await holds(all_came, within=60)
    made.wait(lambda: "message_dead" in router.log.read_text("utf-8"), "the forged ones are in dead")
    got.extend(received(issuer))
    assert set(got) == {(sent, "taken"), (sent, "arrived")}
