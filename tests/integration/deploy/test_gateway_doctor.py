"""The gateway's doctor beside a real gateway, broker and router: all well, and each way to be ill."""

import contextlib
import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumers.settings import GatewaySettings
from consumers.spool import open_spool
from consumers.spool.people import PEOPLE, DeskRole
from deploy.doctor.desk import people
from deploy.doctor.findings import CheckAnswer, CheckOutcome
from deploy.doctor.unit import CHECKS, examine
from deploy.exits import ExitCode
from router.pages.people import RoleGrant
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.dispatch import Secrecy
from schemas.unit import Link, Unit
from support.broker import Vhost
from support.deliveries import UNIT, came
from support.desks import OTHER, let_in
from support.installation import CONGVAN, Installation, installation

UNITS = [
    Unit(code="LCA", name="Tỉnh ủy Lào Cai", kind="province", link=Link.LAN),
    Unit(code="LCA.01", parent="LCA", name="Thành ủy Lào Cai", kind="district", link=Link.WAN),
]


async def answers(settings: GatewaySettings) -> dict[str, CheckAnswer]:
    return {found.check: found.answer for found in await examine(settings)}


def test_everything_is_well_beside_a_running_gateway(vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, UNITS) as made:
        gateway = made.gateway("LCA.01")
        router = made.router()
        router.start()
        made.wait_until_ready()
        gateway.start()
        made.wait(lambda: "gateway_seen" in router.log.read_text("utf-8"), "the router knows the gateway")
        made.wait((tmp_path / "gateway/status.json").exists, "the gateway tells how it stands")
        command = [*CONGVAN, "gateway", "doctor", "--json"]
        done = subprocess.run(command, env=gateway.environment, capture_output=True, text=True, check=False)
    found = {item["check"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    assert list(found) == list(CHECKS)
    assert {name for name, item in found.items() if item["verdict"] != "ok"} == {"certificates"}
    assert found["broker"]["detail"] == "logged in as gateway:LCA.01"
    assert found["web API"]["detail"].startswith("1 units")
    assert str(gateway.pid) in found["gateway"]["detail"]


async def test_a_gateway_that_was_never_told_anything_says_what_is_missing(tmp_path: Path) -> None:
    found = await answers(GatewaySettings(data_dir=tmp_path))
    assert found["settings"].code is ExitCode.USAGE
    for variable in ("CONGVAN_GATEWAY_UNITS", "CONGVAN_GATEWAY_AMQP_URL", "CONGVAN_GATEWAY_TOKEN"):
        assert variable in found["settings"].detail
    assert found["spool"].verdict is CheckOutcome.NOTE


async def test_a_token_that_is_not_good_is_told_by_broker_and_router(
    vhost: Vhost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.doctor.unit._ANSWERS_WITHIN", 5.0)
    with installation(tmp_path, vhost, UNITS) as made:
        made.router().start()
        made.wait_until_ready()
        found = await answers(settings_of(made, token="cv1.none.none"))
    assert found["web API"].detail == "the router does not know the token"
    assert "ACCESS_REFUSED" in found["broker"].detail


def settings_of(made: Installation, **changes: Any) -> GatewaySettings:
    fields: dict[str, Any] = {
        "data_dir": made.directory / "gateway",
        "units": "LCA.01",
        "token": made.account(Role.GATEWAY, "LCA.01"),
        "amqp_url": made.vhost.amqp_url,
        "origin_url": made.api,
    }
    return GatewaySettings(**fields | changes)


def _damage(directory: Path) -> None:
    open_spool(directory).close()
    file = directory / "spool.sqlite3"
    data = bytearray(file.read_bytes())
    data[4096 * 2 : 4096 * 4] = b"\xa5" * 4096 * 2
    file.write_bytes(data)


@dataclasses.dataclass(frozen=True, slots=True)
class Illness:
    """Something that is wrong: what does it, the settings it takes, the check that sees it, and its words."""

    check: str
    says: str
    settings: dict[str, Any]
    cause: Callable[[Path], None] = lambda _directory: None


ILLNESSES = {
    "a damaged spool": Illness("spool", "", {}, _damage),
    "no room": Illness("disk", "below the reserve", {"disk_reserve_bytes": 2**60}),
    "no such program": Illness("sink", "no program", {"sink": "command", "command": ("/nowhere/take",)}),
    "a webhook that nobody serves": Illness(
        "sink", "", {"sink": "webhook", "webhook_url": "http://127.0.0.1:1/x", "webhook_token": "t"}
    ),
    "a name that is not found": Illness("names", "is not found", {"amqp_url": "amqps://broker.invalid/congvan"}),
    "a broker that is away": Illness("broker", "", {"amqp_url": "amqp://127.0.0.1:1/congvan", "token": "cv1.a.b"}),
    "a router that is away": Illness("web API", "", {"origin_url": "http://127.0.0.1:1", "token": "cv1.a.b"}),
}


@pytest.mark.parametrize("illness", ILLNESSES.values(), ids=ILLNESSES.keys())
async def test_each_illness_is_told_by_its_check(
    illness: Illness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.doctor.unit._ANSWERS_WITHIN", 2.0)
    illness.cause(tmp_path)
    found = await answers(GatewaySettings(data_dir=tmp_path, **({"units": "LCA.01"} | illness.settings)))
    assert found[illness.check].verdict is CheckOutcome.FAILED
    assert illness.says in found[illness.check].detail


async def test_an_answer_that_is_not_the_routers_is_known_as_such(tmp_path: Path) -> None:
    async def portal(_request: web.Request) -> web.Response:
        return web.Response(text="<h1>please log in</h1>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", portal)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        found = await answers(GatewaySettings(data_dir=tmp_path, units="LCA.01", token="cv1.a.b", origin_url=url))
    assert "is that the router?" in found["web API"].detail


async def test_a_unit_where_nobody_can_deal_with_what_comes_is_named(tmp_path: Path) -> None:
    settings = GatewaySettings(data_dir=tmp_path)
    with contextlib.closing(open_spool(tmp_path)) as spool:
        assert (await people(settings)).detail == "nobody uses the desk here"
        let_in(spool)
        assert (await people(settings)).verdict is CheckOutcome.OK
        came(spool, secrecy=Secrecy.SECRET)
        found = await people(settings)
        assert (found.verdict, found.detail[:24]) == (CheckOutcome.NOTE, "1 state secrets wait at ")
        with spool.writing() as conn:
            PEOPLE.invite(conn, "hoa", [RoleGrant(DeskRole.CLEARED, UNIT)], now_ms=now_ms())
            PEOPLE.withdraw(conn, "khac", RoleGrant(DeskRole.CLERK, OTHER))
        assert (await people(settings)).detail == f"nobody registers for {OTHER}"
