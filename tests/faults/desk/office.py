"""A unit's PC as it runs: gateway and desk as processes over one spool, with a router behind its line."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import ClientSession

from consumers.reading.inbox import list_inbox
from consumers.spool import Spool, open_spool
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.states import UNDELIVERED
from support.conditions import holds
from support.deliveries import UNIT
from support.desks import DeskBrowser, let_in
from support.installation import CONGVAN, START_WITHIN, Installation, Program, free_port
from support.stories import PASSWORD

NOWHERE = {"CONGVAN_GATEWAY_AMQP_URL": "amqp://127.0.0.1:9/x", "CONGVAN_GATEWAY_ORIGIN_URL": "http://127.0.0.1:9"}
"""Where a gateway without a network finds nobody."""
ISSUER = "LCA"


@dataclass(slots=True)
class Office:
    """The PC's two programs, the spool that both work on, and the router."""

    made: Installation
    spool: Spool
    router: Program
    gateway: Program
    desk: "KilledDesk"

    async def send(self, count: int) -> None:
        """Have so many documents come, the first of them urgent ones."""
        token = self.made.account(Role.ISSUER, f"{ISSUER}.#")
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for number in range(1, count + 1):
                letter: dict[str, Any] = {
                    "issuer": ISSUER,
                    "notation": f"{number}-CV/TU",
                    "subject": "Về việc phòng, chống rét",
                }
                letter |= {"addressees": [UNIT], "urgency": 3 if number <= count // 4 else 0}
                async with http.post(f"{self.made.api}/api/v1/dispatches", json=letter) as answer:
                    assert answer.status == 202, await answer.text()
        await asyncio.to_thread(self.made.wait, lambda: len(self.arrived()) == count, f"{count} documents have come")

    def arrived(self) -> list[str]:
        """The deliveries that are in the spool, whatever people did with them."""
        return [item.delivery_id for item in list_inbox(self.spool, limit=10_000) if item.state not in UNDELIVERED]

    async def close(self, *programs: Program) -> None:
        """SIGKILL, and wait for the end."""
        for program in programs:
            await asyncio.to_thread(program.kill)

    async def log_in(self, http: ClientSession) -> DeskBrowser:
        """Somebody who is everything at the unit, at the desk."""
        browser = DeskBrowser(http)
        await browser.post("/desk/login", name="hoa", password=PASSWORD)
        browser.token = (await browser.text("/desk/help")).split('name="csrf" value="', 1)[1].split('"', 1)[0]
        return browser


class KilledDesk:
    """``congvan desk`` as a process of its own, started again after each kill."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
        own = {
            "CONGVAN_GATEWAY_DATA_DIR": str(directory),
            "CONGVAN_DESK_PORT": str(port),
            "CONGVAN_LOG_LEVEL": "warning",
        }
        command = [*CONGVAN, "desk"]
        self.program = Program("desk", command, inherited | own | dict(environment or {}), directory / "desk.log")

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.program.start()
        await holds(self._listens, what="the desk listens", within=START_WITHIN)

    async def until(self, moment: float) -> None:
        """Wait until its own clock has passed a moment (seconds since 1970)."""
        await holds(lambda: self._is_past(moment), what="the desk's clock has jumped", within=START_WITHIN)

    async def _is_past(self, moment: float) -> bool:
        with suppress(aiohttp.ClientError, OSError):
            async with ClientSession() as http, http.get(f"{self.url}/desk/login") as answer:
                return parsedate_to_datetime(answer.headers["date"]).timestamp() >= moment
        return False

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        await asyncio.to_thread(self.program.kill)

    async def _listens(self) -> bool:
        self.program.require_alive()
        with suppress(aiohttp.ClientError, OSError):
            async with ClientSession() as http, http.get(f"{self.url}/desk/login") as answer:
                return answer.ok
        return False


@contextmanager
def office(made: Installation, environment: Mapping[str, str] | None = None) -> Iterator[Office]:
    """An office at :data:`UNIT`; nothing is started but the router.

    Args:
        made: with the unit in its organisation.
        environment: added to that of all programs, as a clock that jumps.
    """
    home, more = made.directory / "gateway", dict(environment or {})
    home.mkdir()
    spool = open_spool(home)
    let_in(spool, [UNIT])
    with spool.writing() as conn:
        PEOPLE.invite(conn, "hoa", [RoleGrant(role, UNIT) for role in DeskRole], now_ms=now_ms())
    desk = KilledDesk(home, more)
    made.programs.append(desk.program)
    router, gateway = made.router(), made.gateway(UNIT, sink="none", burst_linger=0.05, presence_interval=5)
    for program in (router, gateway):
        program.environment |= more
    router.start()
    made.wait_until_ready()
    try:
        yield Office(made, spool, router, gateway, desk)
    finally:
        spool.close()
