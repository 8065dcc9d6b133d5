"""An older copy of the ledger is restored: what was accepted since is known to the gateways alone."""

import asyncio
import json
import subprocess
from typing import Any

from sqlalchemy import func, select

from faults.ground import Ground, keys_of
from faults.people import register_some, registered_now
from router.ledger.engine import reading
from router.ledger.models import delivery, dispatch, receipt
from router.ledger.recovery import forgotten
from schemas.states import Effect, Status, follow
from support.installation import CONGVAN
from support.snapshots import restore, snapshot

_BEFORE, _FORGOTTEN, _AFTER = 3, 9, 3


async def older_ledger_restored(laid: Ground, seed: int) -> dict[str, object]:
    """The ledger goes back to a copy; nine dispatches since, read and half of them registered, are asked back.

    One gateway takes some of them only after the restore. Router and gateways are killed while it goes on, and new
    dispatches are accepted before anybody knows that the ledger is older.
    """
    keys = keys_of(seed, _BEFORE + _FORGOTTEN + _AFTER)
    await laid.submit(keys[:_BEFORE])
    await laid.settle()
    copy = await asyncio.to_thread(snapshot, laid.made.engine)
    await laid.submit(keys[_BEFORE : _BEFORE + _FORGOTTEN - 2])
    await laid.settle()
    registered = await asyncio.to_thread(register_some, laid, laid.made.directory / laid.gateways[0].name)
    await asyncio.to_thread(laid.made.wait, lambda: registered_now(laid) >= registered, "registrations are recorded")
    laid.gateways[1].kill()
    await laid.submit(keys[_BEFORE + _FORGOTTEN - 2 : _BEFORE + _FORGOTTEN])
    await asyncio.to_thread(laid.made.wait, lambda: not laid.made.states().get("pending"), "the broker has all")
    laid.router.kill()
    await asyncio.to_thread(restore, laid.made.engine, copy)
    laid.router.start()
    await asyncio.to_thread(laid.made.wait_until_ready)
    await laid.submit(keys[_BEFORE + _FORGOTTEN :])
    await asyncio.to_thread(laid.made.wait, lambda: _missing(laid) > 0, "it is noticed")
    missing = _missing(laid)
    assert (await asyncio.to_thread(_recover, laid))["recovery"] is not None
    laid.gateways[1].start()
    for program in laid.rng.sample([laid.router, *laid.gateways], 2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        program.kill()
        program.start()
    await laid.settle()
    await asyncio.to_thread(laid.made.wait, lambda: registered_now(laid) >= registered, "registrations are known again")
    await asyncio.to_thread(laid.made.wait, lambda: not _missing(laid), "nothing is missing")
    told = await asyncio.to_thread(_recover, laid, "--end")
    assert (told["lost"], told["missing_contents"]) == ([], [])
    _require_replayed(laid)
    assert _dispatches(laid) == set(laid.accepted.values())
    return {"noticed_with": missing, "registered": len(registered)}


def _missing(laid: Ground) -> int:
    with reading(laid.made.engine) as connection:
        return forgotten.summary(connection).deliveries


def _recover(laid: Ground, *options: str) -> dict[str, Any]:
    """What ``congvan ledger recover`` tells."""
    command = [*CONGVAN, "ledger", "recover", "--json", *options]
    ended = subprocess.run(command, env=laid.router.environment, capture_output=True, check=True)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def _dispatches(laid: Ground) -> set[str]:
    with reading(laid.made.engine) as connection:
        return set(connection.scalars(select(dispatch.c.id)))


def _require_replayed(laid: Ground) -> None:
    """Each state is what the log adds up to, and no number of a unit was given twice."""
    with reading(laid.made.engine) as connection:
        rows = connection.execute(
            select(receipt.c.delivery_id, receipt.c.status)
            .where(receipt.c.effect == Effect.ADVANCE.value)
            .order_by(receipt.c.pos)
        ).all()
        states: dict[str, str] = dict(connection.execute(select(delivery.c.id, delivery.c.state)).all())
        numbers = (
            select(func.count()).select_from(delivery),
            select(func.count()).select_from(select(delivery.c.unit, delivery.c.seq).distinct().subquery()),
        )
        assert connection.scalar(numbers[0]) == connection.scalar(numbers[1])
    replayed = dict.fromkeys(states, Status.PENDING)
    for key, status in rows:
        assert follow(replayed[key], Status(status)).effect is Effect.ADVANCE
        replayed[key] = Status(status)
    assert {key: state.value for key, state in replayed.items()} == states
