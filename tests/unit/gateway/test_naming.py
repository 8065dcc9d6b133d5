"""What units are called that have sent something: asked for once, as soon as they have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from consumers.errors import SpoolUnavailableError
from consumers.fetching.origin import open_http
from consumers.spool import Spool, Writer
from consumers.spool.units import names_of
from consumers.taking.naming import Naming
from support.conditions import holds
from support.content_server import ContentServer, content_server
from support.deliveries import came
from support.stand_ins import StandInSession


@dataclass(slots=True)
class PausingSession(StandInSession):
    """Its pauses end when the test says so."""

    pausing: int = 0
    again: asyncio.Event = field(default_factory=asyncio.Event)

    async def up_anew(self, timeout: float, /) -> None:  # noqa: ASYNC109 - as the session has it
        del timeout
        self.pausing += 1
        await self.again.wait()


@asynccontextmanager
async def naming(server: ContentServer, spool: Spool, writer: Writer) -> AsyncIterator[tuple[Naming, PausingSession]]:
    session = PausingSession()
    async with open_http(token="t", no_progress=5, window=0) as http:
        made = Naming(spool, writer, http, session, origin_url=server.url)
        task = asyncio.create_task(made.run())
        yield made, session
        task.cancel()


def known(spool: Spool, *codes: str) -> dict[str, str]:
    with spool.reading() as conn:
        return names_of(conn, codes)


async def test_units_that_sent_something_are_asked_for_their_names_once(spool: Spool, writer: Writer) -> None:
    came(spool, issuer="LCA.VP")
    came(spool, seq=2, issuer="LCA.99")
    async with content_server() as server, naming(server, spool, writer) as (made, _):
        server.names = {"LCA.VP": "Văn phòng Tỉnh ủy", "LCA.01": "Ban Dân vận"}
        await holds(lambda: known(spool, "LCA.VP", "LCA.99") == {"LCA.VP": "Văn phòng Tỉnh ủy"}, what="a name")
        came(spool, seq=3, issuer="LCA.VP")
        made.wake()
        came(spool, seq=4, issuer="LCA.01")
        made.wake()
        await holds(lambda: known(spool, "LCA.01") == {"LCA.01": "Ban Dân vận"}, what="the next one's")
        assert server.named == [["LCA.99", "LCA.VP"], ["LCA.01"]]


async def test_nobody_is_asked_while_the_line_is_down_and_who_cannot_say_is_asked_again(
    spool: Spool, writer: Writer
) -> None:
    async with content_server() as server, naming(server, spool, writer) as (made, session):
        session.up.clear()
        server.names = None
        came(spool, issuer="LCA.VP")
        made.wake()
        assert not session.pausing
        session.up.set()
        await holds(lambda: session.pausing == 1, what="the first answer said nothing")
        server.names = {"LCA.VP": "Văn phòng Tỉnh ủy"}
        session.again.set()
        await holds(lambda: known(spool, "LCA.VP") == {"LCA.VP": "Văn phòng Tỉnh ủy"}, what="the name")


@dataclass(slots=True)
class FailingWriter:
    """A writer whose disk is full at first."""

    writer: Writer
    failures: int = 1

    async def run(self, act: Any, value: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise SpoolUnavailableError("the disk is full")
        return await self.writer.run(act, value)


async def test_a_disk_that_is_full_ends_nothing(spool: Spool, writer: Writer) -> None:
    failing = FailingWriter(writer)
    async with content_server() as server, naming(server, spool, cast("Writer", failing)) as (_, session):
        server.names = {"LCA.VP": "Văn phòng Tỉnh ủy"}
        came(spool, issuer="LCA.VP")
        await holds(lambda: session.pausing == 1, what="the name could not be kept")
        session.again.set()
        await holds(lambda: known(spool, "LCA.VP") == {"LCA.VP": "Văn phòng Tỉnh ủy"}, what="the name")
