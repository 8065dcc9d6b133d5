"""Whatever fails at a door, no line of the log holds what the caller came in with."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
import structlog
from aiohttp import ClientSession, CookieJar
from sqlalchemy import Engine

from deploy.logs import configure_logs
from deploy.settings import LogSettings
from router.identity import Provider, ProviderClient
from router.ledger import queries
from router.ledger.people import accounts
from router.pages.people import Sessions, passwords
from router.settings import RouterSettings
from support.api_server import ISSUER, Api
from support.consoles import Console, running_console
from support.identity_provider import CLIENT_ID, SECRET, running_provider
from support.stories import PASSWORD, Story

STRANGE = "mật khẩu \"lạ\" \\ 'và' dài"


@pytest.fixture(params=["json", "pretty"])
def logs(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs(LogSettings(log_format=request.param), program="router", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def console(ledger: Engine, tmp_path: Path, story: Story) -> AsyncIterator[Console]:
    async with running_provider() as provider:
        client = ProviderClient(provider.url, CLIENT_ID, SECRET)
        async with running_console(ledger, tmp_path, story, provider=Provider(client)) as running:
            yield running


def failing(*told: Any) -> Any:
    """A function that fails as the worst would: with everything it knows in its variables and in its message."""

    def fail(*args: Any, **named: Any) -> NoReturn:
        held = [*told, *args, *named.values()]
        raise RuntimeError(f"broken with {held!r}")

    return fail


def require_clean(logs: io.StringIO, *secrets: str) -> None:
    text = logs.getvalue()
    assert "RuntimeError" in text, "nothing failed"
    for secret in secrets:
        for written in (secret, repr(secret)[1:-1], quote(secret), secret.replace('"', '\\"')):
            assert written not in text


async def test_a_token_of_the_api(api: Api, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = api.as_(ISSUER)
    token = headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setattr(accounts, "authenticate", failing(token, headers))
    async with api.http.get("/api/v1/dispatches", headers=headers) as answer:
        assert answer.status == 500
    monkeypatch.undo()
    monkeypatch.setattr(queries, "list_dispatches", failing(token, headers))
    async with api.http.get("/api/v1/dispatches", headers=headers) as answer:
        assert answer.status == 500
    require_clean(logs, token.rpartition(".")[2])


async def test_a_token_that_looks_like_none(api: Api, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "authenticate", failing())
    async with api.http.get("/api/v1/dispatches", headers={"Authorization": "Bearer someoldpassword"}) as answer:
        assert answer.status == 500
    require_clean(logs, "someoldpassword")


async def test_a_cookie_of_the_console(console: Console, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console.as_("admin") as browser:
        (cookie,) = (item for item in browser.http.cookie_jar if "session" in item.key)
        monkeypatch.setattr(Sessions, "find", failing({"congvan-session": cookie.value}))
        assert (await browser.get("/console/")).status == 500
    require_clean(logs, cookie.value)


@pytest.mark.parametrize("password", [PASSWORD, STRANGE])
async def test_a_password_of_the_login(
    console: Console, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setattr(passwords, "is_password", failing())
    async with ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http:
        sent = {"name": "admin", "password": password}
        async with http.post("/console/login", data=sent, headers={"Sec-Fetch-Site": "same-origin"}) as answer:
            assert answer.status == 500
    require_clean(logs, password)


async def test_a_one_time_link(console: Console, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.pages.people.People.invited", failing())
    async with ClientSession(console.url) as http, http.get("/console/welcome?token=einmal-und-nie-wieder") as answer:
        assert answer.status == 500
    require_clean(logs, "einmal-und-nie-wieder")


async def test_a_code_of_the_identity_provider(
    console: Console, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.console.provider_login._proven", failing())
    async with (
        ClientSession(console.url) as http,
        http.get("/console/login/provider/back?code=ein-code-fuer-alles&state=der-zustand") as answer,
    ):
        assert answer.status == 500
    require_clean(logs, "ein-code-fuer-alles", "der-zustand")


@pytest.mark.parametrize(
    "url",
    ["amqp://router:k9x-geheim@broker:5672/congvan", "postgresql+psycopg://congvan:k9x-geheim@db/congvan"],
)
def test_a_password_in_an_address(logs: io.StringIO, url: str) -> None:
    try:
        failing(url)()
    except RuntimeError:
        structlog.get_logger().exception("broker_lost", url=url)
        logging.getLogger("asyncio").exception("never retrieved: %s", url)
    require_clean(logs, "k9x-geheim")


def test_a_secret_of_the_settings(logs: io.StringIO, tmp_path: Path) -> None:
    settings = RouterSettings(data_dir=tmp_path, oidc_client_secret="das-ist-geheim")
    try:
        failing(settings.oidc_client_secret.get_secret_value())()
    except RuntimeError:
        structlog.get_logger().exception("provider_lost")
    require_clean(logs, "das-ist-geheim")


@pytest.mark.parametrize("debug", [(), ("--debug",)])
async def test_a_command_that_fails_says_no_secret(tmp_path: Path, debug: tuple[str, ...]) -> None:
    environ = {
        "CONGVAN_DATA_DIR": str(tmp_path),
        "CONGVAN_LEDGER_URL": "oracle://congvan:k9x-geheim@db/congvan",
        "CONGVAN_TOKEN": "cv1.abcdefghijkl." + "g" * 43,
    }
    command = [sys.executable, "-m", "deploy.main", *debug, "token", "list"]
    done = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "k9x-geheim" not in done.stdout + done.stderr
    assert "g" * 43 not in done.stdout + done.stderr
