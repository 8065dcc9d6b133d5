"""What is done to a thin line while documents travel on it; every seed draws its own mixture."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from faults.thin_line.ground import Count, Ground, Run, a_run
from rig.proxy import PORTALS

Fault = Callable[[Run], Awaitable[None]]
BROKER_EVERY = 5
"""The broker is killed in each fifth run: it takes seconds to come back."""


async def run(laid: Ground, seed: int) -> Count:
    """One seed: fifty documents, the line's own drops, and the faults, from the first submission to the count."""
    began = time.monotonic()
    async with a_run(laid, seed) as made:
        dropping = asyncio.create_task(made.wire.follow_schedule())
        names = _draw(made)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.submit())
            for name in names:
                await asyncio.sleep(made.rng.uniform(0.2, 1.2))
                await FAULTS[name](made)
        again = await made.send_again()
        await asyncio.sleep(made.rng.uniform(0.5, 2.0))
        dropping.cancel()
        made.wire.switch(up=True)
        await made.settle()
        count = made.count()
    count.seconds = round(time.monotonic() - began, 1)
    count.notes = {"faults": names, "drops": made.wire.drops, "spoilt": made.http.spoilt, "sent_again": again}
    if disk_full.__name__ in names:  # a full disk is an error of the sink, too, and is rightly counted by it
        count.notes["sink_tries"], count.attempts = count.attempts, 0
    return count


def _draw(made: Run) -> list[str]:
    names = [made.rng.choice([name for name in FAULTS if name != killed_broker.__name__]) for _ in range(4)]
    return [*names, killed_broker.__name__] if made.seed % BROKER_EVERY == 0 else names


async def killed_gateway(made: Run) -> None:
    """kill -9, and its supervisor starts it again."""
    await asyncio.to_thread(made.gateway.kill)
    await asyncio.sleep(made.rng.uniform(0, 0.5))
    made.gateway.start()


async def killed_broker(made: Run) -> None:
    """kill -9 of the whole node, and it comes back."""
    await asyncio.to_thread(made.ground.node.kill)
    await asyncio.to_thread(made.ground.node.start)


async def black_hole(made: Run) -> None:
    """For a moment bytes vanish on one of the two ways, and the connections of that time stay dead."""
    proxy = made.rng.choice((made.http, made.amqp))
    proxy.black_hole()
    await asyncio.sleep(made.rng.uniform(0.1, 0.5))
    proxy.heal()


async def portal(made: Run) -> None:
    """For a moment a captive portal answers for the router; the broker cannot be reached through it."""
    made.http.portal(made.rng.choice(PORTALS))
    made.amqp.refuse()
    made.amqp.cut()
    await asyncio.sleep(made.rng.uniform(0.3, 1.5))
    made.http.portal()
    made.amqp.refuse(refuse=False)


async def reset(made: Run) -> None:
    """All connections of one way are reset."""
    made.rng.choice((made.http, made.amqp)).cut()


async def spoilt_bytes(made: Run) -> None:
    """A bit turns in what is fetched."""
    made.http.spoil(made.rng.randint(1, 2))


async def duplicates(made: Run) -> None:
    """Every descriptor so far comes again."""
    await made.send_again()


async def disk_full(made: Run) -> None:
    """The gateway finds no room beside its reserve, then there is some."""
    await asyncio.to_thread(made.gateway.kill)
    made.gateway.environment["CONGVAN_GATEWAY_DISK_RESERVE_BYTES"] = str(1 << 60)
    made.gateway.start()
    await asyncio.sleep(made.rng.uniform(1.0, 3.0))
    await asyncio.to_thread(made.gateway.kill)
    del made.gateway.environment["CONGVAN_GATEWAY_DISK_RESERVE_BYTES"]
    made.gateway.start()


async def clock_jump(made: Run) -> None:
    """The gateway's clock goes wrong by up to two days, either way, and stays so."""
    made.clock.jump(made.rng.choice((-1, 1)) * made.rng.randint(1, 172_800))


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        killed_gateway,
        killed_broker,
        black_hole,
        portal,
        reset,
        spoilt_bytes,
        duplicates,
        disk_full,
        clock_jump,
    )
}
