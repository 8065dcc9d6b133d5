"""The web API as it runs: uvicorn on a free port, a ledger on SQLite, the real intake and content store."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import uvicorn
from aiohttp import ClientSession
from sqlalchemy import Engine
from starlette.types import ASGIApp

from router.content import ContentStore
from router.content.encoding import Encoder
from router.content.possession import Possession
from router.content.uploads import UploadLimits, UploadStore
from router.directory import Directory
from router.faces import PartHealth, Services
from router.intake import Intake
from router.intake.rights import RightsBook
from router.ledger.engine import open_engine, upgrade, writing
from router.ledger.people.accounts import create_account
from router.ledger.units.unit_list import import_units
from router.ledger.way.holders import UnnamedLimits
from router.ledger.writer import Writer
from router.metrics import Metrics
from router.web.app import create_app
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.unit import Link
from support.conditions import holds
from support.ledgers import sqlite_ledger, unit

UNITS = (
    unit("LCA", kind="province"),
    unit("LCA.VP", kind="department"),
    unit("LCA.02", Link.WAN, kind="district"),
    unit("LCA.02.01", Link.DIALUP, kind="commune"),
    unit("LCA.02.02", Link.DIALUP, kind="commune"),
    unit("LCA.03", Link.WAN, kind="district"),
    unit("LCA.03.01", Link.NONE, kind="commune"),
    unit("LCA.04", Link.EXCLUDED, kind="district"),
)
ISSUER, OTHER_ISSUER = "issuer:LCA.VP", "issuer:LCA.03"
GATEWAY, OTHER_GATEWAY = "gateway:LCA.02.#", "gateway:LCA.03.#"
OPERATOR, DISTRICT_OPERATOR = "operator:LCA.#", "operator:LCA.02.#"
ACCOUNTS = (ISSUER, OTHER_ISSUER, GATEWAY, OTHER_GATEWAY, OPERATOR, DISTRICT_OPERATOR)
MAX_ATTACHMENT = 128 * 1024 * 1024


@dataclass(slots=True)
class Organisation:
    """A directory that does not change."""

    directory: Directory = field(default_factory=lambda: Directory(UNITS))
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


@dataclass(slots=True)
class Health:
    """What the health callable is to answer."""

    parts: dict[str, PartHealth] = field(
        default_factory=lambda: {"broker": PartHealth(up=True, state="up"), "database": PartHealth(up=True, state="up")}
    )

    async def __call__(self) -> Mapping[str, PartHealth]:
        return self.parts


@dataclass(slots=True)
class Api:
    """A running API and what is behind it."""

    url: str
    http: ClientSession
    services: Services
    engine: Engine
    content: ContentStore
    health: Health
    tokens: dict[str, str]

    def as_(self, account: str) -> dict[str, str]:
        """The headers that an account authenticates with."""
        return {"Authorization": f"Bearer {self.tokens[account]}"}


def letter(**fields: Any) -> dict[str, Any]:
    """A submission's JSON."""
    return {
        "notation": "123-CV/VP",
        "subject": "Về việc kiểm tra",
        "issuer": "LCA.VP",
        "addressees": ["LCA.02.#"],
    } | fields


@contextlib.asynccontextmanager
async def running_api(directory: Path, **options: Any) -> AsyncIterator[Api]:
    """Serve until the block ends; ``options`` replace fields of Services, ``ledger_url`` names an empty database."""
    if url := options.pop("ledger_url", ""):
        upgrade(url)
    engine = open_engine(url or sqlite_ledger(directory / "ledger.sqlite3"))
    tokens = _fill(engine)
    writer = Writer(engine)
    content = options.pop("content", None) or ContentStore(directory / "content", reserve_bytes=0)
    limits = options.pop("limits", UploadLimits(MAX_ATTACHMENT, 10, MAX_ATTACHMENT, 3600.0))
    encoder = Encoder(content, engine, seconds=options.pop("encode_seconds", 30.0))
    unnamed = options.pop("unnamed", UnnamedLimits(1000, 16 * MAX_ATTACHMENT))
    possession = Possession(engine, writer, limits=unnamed, kept=7 * 24 * 3600.0)
    health, organisation = Health(), Organisation()
    parts: dict[str, Any] = {
        "intake": Intake(
            writer=writer,
            content=content,
            possession=possession,
            encoder=encoder,
            directories=organisation,
            rights=RightsBook(engine),
        ),
        "content": content,
        "possession": possession,
        "uploads": UploadStore(content, limits),
        "encoder": encoder,
        "engine": engine,
        "organisation": organisation,
        "health": health,
        "metrics": Metrics(engine),
        "max_attachment_bytes": MAX_ATTACHMENT,
    }
    services = Services(**(parts | options))
    try:
        async with serving(services) as base, ClientSession(base) as http:
            yield Api(base, http, services, engine, content, health, tokens)
    finally:
        await asyncio.to_thread(encoder.close)
        await asyncio.to_thread(writer.close)
        engine.dispose()


@contextlib.asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    """Run uvicorn over the router's app on a free port; the base URL."""
    async with served(create_app(services)) as url:
        yield url


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Run uvicorn over an app on a free port; the base URL."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # As the router's own loop does: else the second write of every answer waits 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await holds(lambda: server.started, what="the API listens")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.end.set()
            await task


class _Server(uvicorn.Server):
    """Ends when it is told to; uvicorn by itself looks ten times a second, and a thousand tests would wait for that."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.end.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _fill(engine: Engine) -> dict[str, str]:
    with writing(engine) as conn:
        import_units(conn, UNITS, now_ms=now_ms())
        return {name: create_account(conn, parse_account(name), now_ms=now_ms()) for name in ACCOUNTS}
