"""A month without the network: people go on at the desk, then the line is there, and the router hears all.

The machine's clock and the router's go ahead together, so that what waits, waits for a month.
"""

import random
import time

from aiohttp import ClientSession, CookieJar

from faults.desk.ground import PAPER, Count, check, form_of, send, told
from faults.desk.office import NOWHERE, office
from rig.clock import Clock
from support.installation import Installation

DAY = 86_400
EVERY = 3
"""Days from one that people work to the next."""
_KILLED_EVERY = 6
"""Days between two kills of the desk."""


async def run_month(made: Installation, seed: int, *, days: int, acts: int, documents: int) -> Count:
    """What was counted, and what did not hold.

    Args:
        made: an installation with the unit in it.
        seed: of what people do.
        days: without the network.
        acts: on each of EVERY days.
        documents: that had come before.
    """
    chance, count, clock = random.Random(seed), Count(seed), Clock(made.directory / "clock")
    with office(made, clock.environment) as pc:
        pc.gateway.start()
        await pc.send(documents)
        ids, answered = pc.arrived(), []
        await pc.close(pc.gateway)
        online = dict(pc.gateway.environment)
        pc.gateway.environment |= NOWHERE
        pc.gateway.start()
        await pc.desk.start()
        for day in range(EVERY, days + 1, EVERY):
            clock.jump(day * DAY)
            await pc.desk.until(time.time() + (day - 1) * DAY + DAY / 2)
            if not day % _KILLED_EVERY:
                await pc.desk.kill()
                await pc.desk.start()
            async with ClientSession(pc.desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
                browser = await pc.log_in(http)
                for number in range(1, acts + 1):
                    marker = f"act {day}.{number}."
                    form = await form_of(browser, pc.spool, chance, chance.choice([*ids, PAPER]), marker)
                    if count.note(marker, await send(browser, form)):
                        answered.append(marker)
        await pc.close(pc.desk.program, pc.gateway)
        pc.gateway.environment = online
        pc.gateway.start()
        count.answered = len(answered)
        count.wrong += [*check(pc.spool, ids, answered, count), *await told(pc, count)]
    return count
