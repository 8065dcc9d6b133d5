"""The parts of a gateway that send and copy, on one line, in the test's own loop; no broker is needed for either."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from consumers.copies import key
from consumers.copies.assembly import assemble_copies
from consumers.copies.key import Identity
from consumers.copies.standing import CopyStanding, Place, standing_of
from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Precedence, Side
from consumers.line.state import Line
from consumers.sending.assembly import assemble_upward, outbox_of
from consumers.settings import GatewaySettings
from consumers.spool import Spool, Writer, open_spool
from router.broker import SessionState
from support.deliveries import UNIT


@dataclass(slots=True)
class Copier:
    """What runs."""

    settings: GatewaySettings
    spool: Spool
    line: Line
    down: Side
    """What comes down has this side of the line."""

    @property
    def outbox(self) -> Path:
        return outbox_of(self.settings)

    @property
    def standing(self) -> CopyStanding:
        return standing_of(self.settings.data_dir, Place.ROUTER)


def settings_of(directory: Path, url: str, token: str, **changed: Any) -> GatewaySettings:
    given: dict[str, Any] = {"data_dir": directory, "units": "LCA.02.#", "token": SecretStr(token), "origin_url": url}
    return GatewaySettings(**(given | {"no_progress_timeout": 2.0} | changed))


def with_key(spool: Spool) -> Identity:
    """Make a recovery key; what is on its sheet."""
    identity = key.new_identity()
    with spool.writing() as conn:
        key.keep_recipient(conn, str(identity.to_public()))
    return identity


@asynccontextmanager
async def copier(directory: Path, url: str, token: str, **changed: Any) -> AsyncIterator[Copier]:
    """Run until the block ends."""
    settings = settings_of(directory, url, token, **changed)
    spool = open_spool(directory)
    writer = Writer(spool)
    clients = Clients(token=token, no_progress=settings.no_progress_timeout)
    line = Line(LinePace(), patience=settings.no_progress_timeout)
    line.broker_is(SessionState.UP)  # no broker is here to say it
    precedence, openings = Precedence(), Openings()
    down, up = precedence.side(), precedence.side()
    upward = assemble_upward(settings, spool, writer, clients, line=line, side=up, openings=openings)
    copies = assemble_copies(
        settings,
        spool,
        clients,
        line=line,
        pace=upward.pace,
        side=precedence.side(),
        openings=openings,
        units=lambda: [UNIT],
        rests=lambda: False,
    )
    tasks = [asyncio.create_task(run()) for run in (upward.run, copies.run)]
    try:
        yield Copier(settings, spool, line, down)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await clients.aclose()
        writer.close()
        spool.close()
