"""The console as it runs, over a ledger in which something of everything has happened, and people who look at it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import ClientResponse, ClientSession, CookieJar
from sqlalchemy import Engine

from router.content import ContentStore
from router.content.encoding import Encoder
from router.content.possession import Possession
from router.content.uploads import UploadLimits, UploadStore
from router.delivery.certificate_watch import CertificateWatch
from router.delivery.periodic import periodically
from router.delivery.redriver import LOOK_EVERY, Redriver
from router.directory import Directory
from router.faces import Services
from router.identity import Provider
from router.intake import Intake
from router.ledger.way.holders import UnnamedLimits
from router.ledger.writer import Writer
from router.metrics import Metrics
from router.pages.people import passwords
from router.settings import RouterSettings
from schemas.dispatch import Secrecy
from support.api_server import Health, Organisation, serving
from support.stories import LIGHT, PASSWORD, Story, example_units


@dataclass(slots=True)
class Console:
    """A running console, and what is behind it."""

    url: str
    engine: Engine
    services: Services
    story: Story

    @contextlib.asynccontextmanager
    async def as_(self, name: str) -> AsyncIterator["Browser"]:
        """A person's browser, logged in."""
        async with ClientSession(self.url, cookie_jar=CookieJar(unsafe=True)) as http:
            browser = Browser(http)
            answer = await browser.post("/console/login", name=name, password=PASSWORD)
            assert answer.status == 303, await answer.text()
            yield browser


@dataclass(slots=True)
class Browser:
    """Asks as a browser does: from a page of the console itself, without following redirects."""

    http: ClientSession

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await _read(await self.http.get(path, headers=headers, allow_redirects=False))

    async def text(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status == 200, (path, answer.status, await answer.text())
        return await answer.text()

    async def post(self, path: str, headers: Mapping[str, str] | None = None, **form: Any) -> ClientResponse:
        sent = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        several = [
            (name, item) for name, value in form.items() for item in (value if isinstance(value, list) else [value])
        ]
        return await _read(await self.http.post(path, data=several, headers=sent, allow_redirects=False))

    async def csrf(self) -> str:
        return (await self.text("/console/help")).split('name="csrf" value="', 1)[1].split('"', 1)[0]


async def _read(answer: ClientResponse) -> ClientResponse:
    """The answer, its connection free for the next request."""
    await answer.read()
    return answer


@contextlib.asynccontextmanager
async def running_console(
    engine: Engine,
    directory: Path,
    story: Story,
    *,
    provider: Provider | None = None,
    secrecies: tuple[Secrecy, ...] = (Secrecy.NONE,),
) -> AsyncIterator[Console]:
    """Serve until the block ends, over a ledger in which a story is told."""
    units = example_units()
    writer = Writer(engine)
    content = ContentStore(directory / "content", reserve_bytes=0)
    organisation = Organisation(Directory(units))
    encoder = Encoder(content, engine, seconds=0)
    possession = Possession(engine, writer, limits=UnnamedLimits(10, 1024 * 1024), kept=7 * 24 * 3600.0)
    services = Services(
        intake=Intake(
            writer=writer,
            content=content,
            possession=possession,
            encoder=encoder,
            directories=organisation,
            allow_secrecy=len(secrecies) > 1,
        ),
        content=content,
        possession=possession,
        uploads=UploadStore(content, UploadLimits(1024 * 1024, 10, 1024 * 1024, 3600.0)),
        encoder=encoder,
        engine=engine,
        organisation=organisation,
        health=Health(),
        metrics=Metrics(engine),
        max_attachment_bytes=1024 * 1024,
        secrecies=secrecies,
        provider=provider,
        certificates=CertificateWatch(RouterSettings(), lambda _: None),
    )
    redriver = Redriver(engine, writer, lambda: None)
    redriving = asyncio.create_task(periodically(redriver.look, LOOK_EVERY))
    try:
        with patch.object(passwords, "_hasher", LIGHT):
            async with serving(services) as url:
                try:
                    yield Console(url, engine, services, story)
                finally:
                    services.stopping.set()
    finally:
        redriving.cancel()
        await asyncio.to_thread(writer.close)
