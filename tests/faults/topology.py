"""Somebody tidies up at the broker: queues, exchanges, permissions, logins, the whole vhost, while documents travel."""

import asyncio
import urllib.error
from urllib.parse import quote

from faults.ground import DISPATCHES, HUBS, PER_HUB, Ground, keys_of, submitting
from support.broker import call

_DELETIONS = 12
_NOT_THERE = {401, 404}
"""401: the vhost that it was in is one that the login may not enter just now."""


async def deleted_topology(laid: Ground, seed: int) -> dict[str, object]:
    """Twelve deletions at random, of which one takes all."""
    keys = keys_of(seed, DISPATCHES // 2)
    victims = [laid.rng.choice(_places(laid)) for _ in range(_DELETIONS - 1)]
    victims.insert(laid.rng.randrange(_DELETIONS), _vhost(laid))
    async with submitting(laid, keys, pause=0.1):
        for victim in victims:
            await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
            await asyncio.to_thread(_delete, laid, victim)
    await laid.settle()
    return {"deleted": victims}


def _places(laid: Ground) -> list[str]:
    """What may be deleted, each kind about as often as the others."""
    vhost = laid.made.vhost.name
    hub = laid.rng.choice(HUBS)
    unit = f"{hub}.{laid.rng.randrange(1, PER_HUB + 1):02d}"
    gateway = quote(f"gateway:{hub}.#", safe="")
    return [
        f"queues/{vhost}/unit.{unit}.normal",
        f"queues/{vhost}/unit.{unit}.express",
        f"queues/{vhost}/receipts.ledger",
        f"queues/{vhost}/{laid.rng.choice(['intake', 'dead'])}",
        f"exchanges/{vhost}/{laid.rng.choice(['org.LCA', f'org.{hub}'])}",
        f"exchanges/{vhost}/{laid.rng.choice(['receipts', 'dead', 'intake'])}",
        f"permissions/{vhost}/{gateway}",
        f"topic-permissions/{vhost}/{gateway}",
        f"permissions/{vhost}/{quote(laid.made.vhost.user, safe='')}",
        f"users/{gateway}",
    ]


def _vhost(laid: Ground) -> str:
    return f"vhosts/{laid.made.vhost.name}"


def _delete(laid: Ground, what: str) -> None:
    """Delete it; what an earlier deletion has taken is not there."""
    try:
        call(laid.made.vhost, "DELETE", what)
    except urllib.error.HTTPError as error:
        if error.code not in _NOT_THERE:
            raise
