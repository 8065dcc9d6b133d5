"""The fault that senders make: messages that nobody can read."""

import asyncio
from typing import Any

import pika

from faults.ground import FEW, HUBS, Ground, keys_of, submitting
from support.amqp import Login
from support.sessions import depth


async def poison_among_good(laid: Ground, seed: int) -> dict[str, object]:
    """Messages that nobody can read stand among good ones in the intake, in unit queues and among receipts."""
    poison = [b"", b"{", b'{"v":1}', b"\xff\xfe", b"[" * 3000, b'{"receipts":[]}', b"{" + b'"a":1,' * 20_000]
    before = depth(laid.made.vhost, "dead")
    async with submitting(laid, keys_of(seed, FEW), pause=0.05):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(_publish_poison, laid, poison)
    await laid.settle()
    expected = before + len(poison) * 3 + len(ODD) * 2
    await asyncio.to_thread(laid.made.wait, lambda: depth(laid.made.vhost, "dead") >= expected, f"{expected} in dead")
    return {"dead": depth(laid.made.vhost, "dead") - before, "poison": expected - before}


ODD: list[dict[str, Any]] = [
    *({name: b"\xff" * 255} for name in ("message_id", "correlation_id", "reply_to", "app_id", "content_type")),
    {"type": b"\xff" * 86},
    {"timestamp": 2**64 - 1},
    {"reply_to": "amq.rabbitmq.reply-to.a.b"},
    {"headers": {"a": "x" * 120_000, "b": [{"c": None}]}},
]
"""Properties, one odd one in each."""


def _publish_poison(laid: Ground, bodies: list[bytes]) -> None:
    issuer, gateway = "issuer:LCA.#", f"gateway:{HUBS[0]}.#"
    targets = [
        (issuer, "intake", "intake", "submission"),
        (laid.made.vhost.user, f"org.{HUBS[0]}", f"{HUBS[0]}.01.normal", "descriptor"),
        (gateway, "receipts", f"LCA.{HUBS[0]}.01.arrived", "receipts"),
    ]
    for user, exchange, key, kind in targets:
        with Login(laid.made.vhost, user, laid.made.tokens.get(user, laid.made.vhost.password)).channel() as channel:
            for number, body in enumerate(bodies):
                properties = pika.BasicProperties(
                    message_id=f"poison-{number}", type=kind, user_id=user, delivery_mode=2
                )
                channel.basic_publish(exchange, key, body, properties, mandatory=True)
            for odd in ODD if user != laid.made.vhost.user else ():
                known = {"message_id": "odd", "type": kind, "user_id": user, "delivery_mode": 2}
                channel.basic_publish(exchange, key, b"{", pika.BasicProperties(**(known | odd)), mandatory=True)
