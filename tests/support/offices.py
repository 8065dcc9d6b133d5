"""A unit's office: its desk, its gateway's way up, a line that can break, and a real router behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from sqlalchemy import select

from consumers.spool import desk_letters, open_spool
from rig.proxy import Proxy
from router.ledger.engine import reading
from router.ledger.models import dispatch
from schemas.stages import Stage
from support.api_server import GATEWAY, Api, running_api
from support.conditions import holds
from support.desks import DeskBrowser, RunningDesk, let_in, running_desk
from support.senders import Sender, sender

HERE = "LCA.02.01"


@dataclass(slots=True)
class Office:
    """A unit's desk and gateway, the line, and the router behind it."""

    api: Api
    line: Proxy
    desk: RunningDesk
    hoa: DeskBrowser
    unit: Sender

    async def compose(self, once: str, *files: tuple[str, bytes], **form: Any) -> ClientResponse:
        """Send a document of the unit."""
        return await self.hoa.compose(once, *files, **({"issuer": HERE} | form))

    def stage(self, once: str) -> Stage:
        """How far a document is."""
        with self.desk.spool.reading() as conn:
            return desk_letters.get(conn, once, {HERE}).stage

    async def page_has(self, path: str, text: str) -> None:
        """Look at a page, as it does itself, until it shows a text."""

        async def shown() -> bool:
            return text in await self.hoa.text(f"/desk{path}")

        await holds(shown, what=f"{path} shows {text}", within=60)

    def sent(self) -> list[str]:
        """The notations that the router has."""
        with reading(self.api.engine) as conn:
            return sorted(conn.scalars(select(dispatch.c.notation)))


@asynccontextmanager
async def office_in(directory: Path) -> AsyncIterator[Office]:
    spool = open_spool(directory / "unit")
    let_in(spool, [HERE], at=HERE)
    async with (
        running_api(directory / "router") as api,
        Proxy(api.url) as line,
        sender(directory / "unit", line.url, api.tokens[GATEWAY]) as unit,
        running_desk(spool) as desk,
        desk.as_("hoa") as hoa,
    ):
        yield Office(api, line, desk, hoa, unit)
    spool.close()
