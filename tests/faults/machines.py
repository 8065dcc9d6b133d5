"""Faults of machines: a database that fails over, stands still or is pooled; processes without file descriptors."""

import asyncio
import resource
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pika
from sqlalchemy import select

from faults.ground import FEW, Ground, keys_of, submitting
from router.ledger.engine import reading
from router.ledger.models import dispatch
from schemas.accounts import Role
from schemas.dispatch import Submission
from support.amqp import Login
from support.installation import Program
from support.sessions import depth

FROZEN_SECONDS = 40
WITHOUT_SECONDS = 30


async def database_failed_over(laid: Ground, seed: int) -> dict[str, object]:
    """The primary is killed and its standby promoted only after a while; submissions come over HTTP and AMQP."""
    pair = laid.database.pair
    assert pair is not None
    unpromoted = laid.rng.uniform(5, 15)
    over_amqp = [f"amqp{seed}-{number}" for number in range(8)]
    dead = depth(laid.made.vhost, "dead")
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(_hand_in_over_amqp, laid, over_amqp)
        await asyncio.to_thread(_wait_for_readiness, laid, 503)
        await asyncio.sleep(unpromoted)
        laid.router.require_alive()
        await asyncio.to_thread(pair.promote)
    await asyncio.to_thread(_note_accepted, laid, over_amqp)
    await laid.settle()
    await asyncio.to_thread(_wait_for_readiness, laid, 200)
    assert depth(laid.made.vhost, "dead") == dead, "an accepted submission went to dead"
    laid.router.require_alive()
    pair.rebuild()  # in this thread: the server ends with the thread that started it
    return {"unpromoted_s": round(unpromoted, 1), "over_amqp": len(over_amqp)}


async def database_frozen(laid: Ground, seed: int) -> dict[str, object]:
    """PostgreSQL is stopped by SIGSTOP, so that its connections stand and nothing answers, and goes on after 40 s."""
    server = laid.database.server
    assert server is not None
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        server.freeze(frozen=True)
        try:
            await asyncio.to_thread(_wait_for_readiness, laid, 503)
            await asyncio.sleep(FROZEN_SECONDS)
            laid.router.require_alive()
        finally:
            server.freeze(frozen=False)
    await laid.settle()
    laid.router.require_alive()
    return {"frozen_s": FROZEN_SECONDS}


async def pooler_restarted(laid: Ground, seed: int) -> dict[str, object]:
    """The ledger lies behind PgBouncer in transaction mode, which is restarted again and again."""
    bouncer = laid.database.bouncer
    assert bouncer is not None
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
        for _ in range(3):
            await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
            bouncer.stop()
            await asyncio.sleep(laid.rng.uniform(0.0, 2.0))
            bouncer.start()
    await laid.settle()
    laid.router.require_alive()
    return {"restarts": 3}


async def router_without_descriptors(laid: Ground, seed: int) -> dict[str, object]:
    """The router may open nothing more for 30 s, and loses its connection to the broker meanwhile."""
    return await _without_descriptors(laid, seed, laid.router)


async def gateway_without_descriptors(laid: Ground, seed: int) -> dict[str, object]:
    """A gateway may open nothing more for 30 s while documents come with files to fetch and to hand over."""
    return await _without_descriptors(laid, seed, laid.rng.choice(laid.gateways))


async def _without_descriptors(laid: Ground, seed: int, victim: Program) -> dict[str, object]:
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        with _no_descriptors(victim.pid):
            await asyncio.sleep(WITHOUT_SECONDS)
            victim.require_alive()
    await laid.settle()
    victim.require_alive()
    return {"without_s": WITHOUT_SECONDS, "victim": victim.name}


@contextmanager
def _no_descriptors(pid: int) -> Iterator[None]:
    """Let a process open no file and no socket beside those that it has."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    has = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(has, 16), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def _hand_in_over_amqp(laid: Ground, keys: Sequence[str]) -> None:
    user = "issuer:LCA.#"
    with Login(laid.made.vhost, user, laid.made.account(Role.ISSUER, "LCA.#")).channel() as channel:
        for key in keys:
            letter = Submission(notation="1-CV/TU", subject=key, issuer="LCA", addressees=("LCA.01.*", "LCA.02.*"))
            properties = pika.BasicProperties(message_id=key, type="submission", user_id=user, delivery_mode=2)
            body = letter.model_dump_json(exclude_defaults=True).encode()
            channel.basic_publish("intake", "intake", body, properties, mandatory=True)


def _note_accepted(laid: Ground, keys: Sequence[str]) -> None:
    """Wait until the ledger has what was handed in over AMQP, and count it with the rest."""
    asked = select(dispatch.c.idempotency_key, dispatch.c.id).where(dispatch.c.idempotency_key.in_(list(keys)))

    def all_there() -> bool:
        with reading(laid.made.engine) as connection:
            found: dict[str, str] = {key: found for key, found in connection.execute(asked)}  # noqa: C416 - rows of the driver's
        laid.accepted.update(found)
        return len(found) == len(keys)

    laid.made.wait(all_there, f"{len(keys)} submissions over AMQP are accepted", 120)


def _wait_for_readiness(laid: Ground, status: int) -> None:
    laid.made.wait(lambda: _readiness(laid) == status, f"/readyz answers {status}", 90)


def _readiness(laid: Ground) -> int:
    try:
        with urllib.request.urlopen(f"{laid.made.api}/readyz?need=database", timeout=10) as answer:  # noqa: S310 - http, ours
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
