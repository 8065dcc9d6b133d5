"""``congvan desk``: who is let in by commands, where the desk listens, and that it ends in good order."""

import asyncio
import json
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from typer.testing import CliRunner, Result

from consumers.cli import desk as command
from consumers.desk.service import Desk
from consumers.errors import GatewaySettingsError, SpoolMissingError
from consumers.settings import DeskSettings, GatewaySettings
from consumers.spool import journal, open_spool
from consumers.spool.people import PEOPLE
from router.pages.errors import GrantMissingError, UnknownPersonError
from router.pages.people import passwords
from schemas.duties import Terms
from schemas.working_calendar import WorkingCalendar
from support.certificates import certificates
from support.conditions import holds
from support.consoles import Browser
from support.deliveries import UNIT
from support.desks import HERE, let_in
from support.installation import free_port
from support.pages import ROOT, clean_environment
from support.stories import LIGHT, PASSWORD

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(command.people, arguments)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_somebody_is_let_in_listed_and_let_go_by_commands(run: Run, tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    roles = ("--role", "clerk", "--role", "staff", "--on", UNIT)
    (made,) = objects(run("invite", "hoa", *roles, "--full-name", "Nguyễn Thị Hoa", "--json"))
    assert made["link"].startswith("http://127.0.0.1:8480/desk/welcome?token=")
    assert objects(run("list", "--json")) == [
        {
            "person": "hoa",
            "full_name": "Nguyễn Thị Hoa",
            "state": "invited",
            "roles": f"clerk on {UNIT}, staff on {UNIT}",
        }
    ]
    again = run("invite", "hoa")
    assert again.stdout.strip() != made["link"]
    assert objects(run("list", "--json"))[0]["full_name"] == "Nguyễn Thị Hoa", "another way in changes no name"
    assert run("revoke", "hoa", "--role", "clerk", "--on", UNIT).exit_code == 0
    assert objects(run("list", "--json"))[0]["roles"] == f"staff on {UNIT}"
    assert run("revoke", "hoa").exit_code == 0
    assert objects(run("list", "--json"))[0]["state"] == "revoked"
    spool = open_spool(tmp_path)
    with spool.reading() as conn:
        told = [entry.act.value for _, entry in journal.entries(conn, [UNIT], also_of_none=True)]
        assert PEOPLE.find(conn, "hoa") is None
    spool.close()
    assert told == ["revoked", "withdrawn", "invited", "invited"]


def test_what_cannot_be_done_says_so(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("list").exception, SpoolMissingError)
    open_spool(tmp_path).close()
    for wrong in (
        ("invite", "Không Phải"),
        ("invite", "hoa", "--role", "clerk"),
        ("invite", "hoa", "--on", UNIT),
        ("invite", "hoa", "--role", "king", "--on", UNIT),
        ("invite", "hoa", "--role", "clerk", "--on", "lca"),
    ):
        assert run(*wrong).exit_code == 2, wrong
    assert isinstance(run("revoke", "hoa").exception, UnknownPersonError)
    assert run("invite", "hoa").exit_code == 0
    assert isinstance(run("revoke", "hoa", "--role", "clerk", "--on", UNIT).exception, GrantMissingError)


@asynccontextmanager
async def running(directory: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A desk as the command runs it, on a free port."""
    desk = Desk(DeskSettings(port=0, **settings), GatewaySettings(data_dir=directory), Terms(WorkingCalendar(HERE)))
    with patch.object(passwords, "_hasher", LIGHT):
        task = asyncio.create_task(desk.run())
        await holds(lambda: bool(desk.url) or task.done(), what="the desk listens")
        try:
            yield desk
        finally:
            desk.stop()
            await task


async def test_it_serves_until_it_is_told_to_stop_and_leaves_the_port(tmp_path: Path) -> None:
    async with running(tmp_path) as desk, ClientSession() as http:
        async with http.get(desk.url) as answer:
            assert answer.status == 200
            assert "Đăng nhập" in await answer.text()
        url = desk.url
    async with ClientSession() as http:
        with pytest.raises(OSError, match="Connect"):
            await http.get(url)


async def test_over_tls_its_cookies_are_of_this_host_alone_and_go_over_nothing_else(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    let_in(spool)
    spool.close()
    made = certificates(tmp_path, ["127.0.0.1"])
    trust = ssl.create_default_context(cafile=made.authority)
    async with running(tmp_path, certificate=made.chain, certificate_key=made.key) as desk:
        assert desk.url.startswith("https://")
        connector = TCPConnector(ssl=trust)
        async with ClientSession(connector=connector, cookie_jar=CookieJar(unsafe=True)) as http:
            answer = await Browser(http).post(f"{desk.url}login", name="hoa", password=PASSWORD)
            assert answer.status == 303
            set_cookies = answer.headers.getall("set-cookie")
            assert all(text.startswith("__Host-congvan-desk-") and "Secure" in text for text in set_cookies)
            assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "192.0.2.1"}, {"certificate": Path("server.pem")}],  # noqa: S104
)
async def test_beyond_its_machine_it_listens_with_a_certificate_alone(tmp_path: Path, settings: dict[str, Any]) -> None:
    desk = Desk(DeskSettings(port=0, **settings), GatewaySettings(data_dir=tmp_path), Terms(WorkingCalendar(HERE)))
    with pytest.raises(GatewaySettingsError, match="CONGVAN_DESK_CERTIFICATE"):
        await desk.run()


async def test_where_the_way_is_protected_otherwise_it_may_be_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, host="0.0.0.0", allow_plaintext=True) as desk:  # noqa: S104
        assert desk.url.startswith("http://0.0.0.0:")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_beside_a_gateway_it_serves_comes_back_and_goes_with_it(tmp_path: Path, how: signal.Signals) -> None:
    """`congvan gateway run --desk`, the line down all the time."""
    port, nobody = free_port(), free_port()
    environment = clean_environment(tmp_path, Path(sys.executable).parent) | {
        "CONGVAN_GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "CONGVAN_GATEWAY_UNITS": UNIT,
        "CONGVAN_GATEWAY_TOKEN": "a secret of the gateway alone",
        "CONGVAN_GATEWAY_AMQP_URL": f"amqp://127.0.0.1:{nobody}/congvan",
        "CONGVAN_GATEWAY_ORIGIN_URL": f"http://127.0.0.1:{nobody}",
        "CONGVAN_GATEWAY_SINK": "none",
        "CONGVAN_DESK_PORT": str(port),
    }
    command = [sys.executable, "-P", "-m", "deploy.main", "gateway", "run", "--desk"]
    gateway = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await holds(lambda: _answers(port), what="the desk answers")
        (child,) = psutil.Process(gateway.pid).children()
        assert "desk" in child.cmdline()
        assert "a secret" not in str(child.environ())
        child.kill()
        await holds(lambda: _answers(port) and _another(gateway.pid, child.pid), what="the desk is back")
        (child,) = psutil.Process(gateway.pid).children()
        gateway.send_signal(how)
        assert await gateway.wait() == (0 if how is signal.SIGTERM else -how)
        await holds(lambda: not child.is_running(), what="the desk has gone, too")
    finally:
        if gateway.returncode is None:
            gateway.kill()
            await gateway.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _another(pid: int, old: int) -> bool:
    return [child.pid for child in psutil.Process(pid).children() if child.pid != old] != []
