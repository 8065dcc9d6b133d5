"""The sending half of a gateway, what its desk asks too, in the test's own loop or in a process that dies at a point.

``python -m support.senders POINT`` sends as the environment's settings say, and is killed (SIGKILL) when it first comes
to the point. No broker is needed: what a unit sends goes over HTTP alone.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from consumers.asking.inquirer import Inquirer
from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Precedence
from consumers.line.state import Line
from consumers.reading import answering
from consumers.reporting.reporter import watch_commands
from consumers.sending.assembly import Upward, assemble_upward, outbox_of
from consumers.sending.folder import OutboxFolder
from consumers.sending.submit import Submitter
from consumers.sending.upload import Uploader
from consumers.settings import GatewaySettings
from consumers.spool import Spool, Writer, open_spool, sending
from router.broker import SessionState
from support.dying_gateway import die, dies_after, dies_behind_commit_of

POINTS = (
    "claimed, not in the spool",
    "in the spool, nothing up",
    "some of it up",
    "all of it up, not submitted",
    "accepted, not noted",
    "noted, not filed",
    "filed, its place not removed",
)


class Sender:
    """The sending half of a gateway, in the test's own loop."""

    def __init__(self, settings: GatewaySettings, spool: Spool, upward: Upward, line: Line) -> None:
        self.settings = settings
        self.spool = spool
        self.upward = upward
        self.line = line
        self.outbox = outbox_of(settings)

    def stages(self) -> list[str]:
        with self.spool.reading() as conn:
            return [item.state for item in sending.listed(conn, stages=(), limit=100)]

    def accepted(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = orjson.loads((self.outbox / "sent" / name / "accepted.json").read_bytes())
        return told


@asynccontextmanager
async def sender(directory: Path, url: str, token: str, **changed: Any) -> AsyncIterator[Sender]:
    given: dict[str, Any] = {"data_dir": directory, "units": "LCA.02.#", "token": SecretStr(token), "origin_url": url}
    settings = GatewaySettings(**(given | {"no_progress_timeout": 1.0} | changed))
    spool = open_spool(directory)
    writer = Writer(spool)
    clients = Clients(token=token, no_progress=settings.no_progress_timeout)
    line = Line(LinePace(), patience=settings.no_progress_timeout)
    line.broker_is(SessionState.UP)  # no broker is here to say it
    precedence, openings = Precedence(), Openings()
    side = precedence.side()
    upward = assemble_upward(
        settings, spool, writer, clients, line=line, side=side, openings=openings, accept=answering.accept
    )
    inquirer = Inquirer(
        spool,
        writer,
        clients,
        origin_url=url,
        line=line,
        pace=upward.pace,
        side=precedence.side(),
        lets=openings.lets,
    )
    wakes = [upward.courier.wake, inquirer.wake]
    parts = (upward.run(), inquirer.run(), watch_commands(spool, wakes))
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield Sender(settings, spool, upward, line)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await clients.aclose()
        writer.close()
        spool.close()


def arrange(point: str) -> None:
    """Prepare the death."""
    if point == "claimed, not in the spool":
        claim = OutboxFolder.claim
        OutboxFolder.claim = lambda self, path: (claim(self, path), die())[0]  # type: ignore[method-assign]
    elif point == "in the spool, nothing up":
        dies_behind_commit_of(sending.take)
    elif point == "some of it up":
        Uploader._patch = dies_after(Uploader._patch)  # type: ignore[assignment, method-assign]
    elif point == "all of it up, not submitted":
        Submitter.submit = die  # type: ignore[method-assign]
    elif point == "accepted, not noted":
        Submitter.submit = dies_after(Submitter.submit)  # type: ignore[assignment, method-assign]
    elif point == "noted, not filed":
        dies_behind_commit_of(answering.accept)
    elif point == "filed, its place not removed":
        OutboxFolder._sweep = die  # type: ignore[method-assign]


async def _send(settings: GatewaySettings) -> None:
    token = settings.token.get_secret_value()
    async with sender(settings.data_dir, settings.origin_url, token, units=settings.units):
        await asyncio.Event().wait()


if __name__ == "__main__":
    arrange(sys.argv[1])
    asyncio.run(_send(GatewaySettings()))
