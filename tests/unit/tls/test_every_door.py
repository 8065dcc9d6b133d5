"""Every door by which something of ours connects trusts what the settings name, and says whom it does not trust."""

import ast
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

import consumers
import deploy
import router
from consumers.copies.origin import copy_origin
from consumers.fetching.origin import Clients
from consumers.settings import GatewaySettings
from consumers.sinks import make_sink
from deploy.doctor import services, unit
from deploy.doctor.findings import Check, CheckOutcome, run
from router.cli.api_client import ApiClient
from router.delivery.managed_broker import management_of
from router.identity.configured import provider_of
from router.settings import RouterSettings
from router.tls.contexts import ClientContext
from router.tls.troubles import trouble_of
from router.trust.cosigning import Cosigning, WitnessAddress
from schemas.reasons import ReasonCode
from schemas.trust.notes import NoteKey, SignatureKind
from support.documents import make_document
from support.issuer import Issuer
from support.tls_server import serving

NAME = "127.0.0.1"
Door = Callable[[RouterSettings, GatewaySettings], Awaitable[object]]


async def management(settings: RouterSettings, _gateway: GatewaySettings) -> None:
    async with management_of(settings) as api:
        await api.get("overview")


async def commands(settings: RouterSettings, _gateway: GatewaySettings) -> None:
    async with ApiClient(settings) as client:
        await client.get("/api/overview")


async def identity_provider(settings: RouterSettings, _gateway: GatewaySettings) -> None:
    provider = provider_of(settings)
    assert provider is not None
    await provider.require_answer()


async def fetching(_settings: RouterSettings, gateway: GatewaySettings) -> None:
    clients = Clients(token="t", no_progress=5.0, tls=ClientContext(gateway.tls_files))
    try:
        for window in (0, 8192):
            async with clients.get(window).get(f"{gateway.origin_url}/"):
                pass
    finally:
        await clients.aclose()


async def copies(_settings: RouterSettings, gateway: GatewaySettings) -> None:
    async with copy_origin(gateway, first_pause=0.001) as origin:
        await origin.chains()


async def webhook(_settings: RouterSettings, gateway: GatewaySettings) -> None:
    sink = make_sink(gateway)
    try:
        await sink.deliver(make_document(gateway.data_dir / "document"))
    finally:
        await sink.close()


async def witness(settings: RouterSettings, _gateway: GatewaySettings) -> None:
    key = NoteKey("nhan-chung.vn", bytes(32), SignatureKind.COSIGNATURE)
    nothing = cast("Any", None)  # it is asked for nothing but the way
    cosigning = Cosigning(nothing, nothing, [], ClientContext(settings.tls_files))
    await cosigning.post(WitnessAddress(settings.api_url, key), "old 0")


def checked(check: Check[Any], *, of_gateway: bool) -> Door:
    async def door(settings: RouterSettings, gateway: GatewaySettings) -> None:
        finding = await run("check", check, gateway if of_gateway else settings)
        if finding.answer.verdict is CheckOutcome.FAILED and "tls_" in finding.answer.detail:
            raise RuntimeError(finding.answer.detail)

    return door


DOORS: dict[str, Door] = {
    "management API": management,
    "commands": commands,
    "identity provider": identity_provider,
    "fetching": fetching,
    "copies of the books": copies,
    "webhook": webhook,
    "witness": witness,
    "doctor: web API": checked(services.web_api, of_gateway=False),
    "gateway doctor: certificates": checked(unit.certificates, of_gateway=True),
    "gateway doctor: web API": checked(unit.web_api, of_gateway=True),
    "gateway doctor: webhook": checked(unit.sink, of_gateway=True),
}


@dataclass
class Answering:
    """A server that answers every request with 404, by a certificate of an authority of its own."""

    url: str
    issuer: Issuer
    asked: int = 0


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
async def answering(issuer: Issuer) -> AsyncIterator[Answering]:
    made = Answering("", issuer)

    async def refuse(_request: web.Request) -> web.Response:
        made.asked += 1
        return web.Response(status=404)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=serving(issuer.issue(NAME)))
    made.url = f"https://{NAME}:{server.port}"
    yield made
    await server.close()


def settings_of(url: str, directory: Path, authority: Path | None) -> tuple[RouterSettings, GatewaySettings]:
    router_settings = RouterSettings(
        data_dir=directory,
        api_url=url,
        management_url=url,
        amqp_url="amqp://127.0.0.1/congvan",
        oidc_issuer=url,
        oidc_client_id="console",
        token=SecretStr("t"),
        ca_file=authority,
    )
    gateway_settings = GatewaySettings(
        data_dir=directory,
        units="LCA.02",
        token=SecretStr("t"),
        origin_url=url,
        sink="webhook",
        webhook_url=f"{url}/take",
        ca_file=authority,
    )
    return router_settings, gateway_settings


@pytest.mark.parametrize("name", DOORS)
async def test_a_door_trusts_the_authority_that_the_settings_name_and_no_other(
    name: str, answering: Answering, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each door has errors of its own, all say the same
        await DOORS[name](*settings_of(answering.url, tmp_path, None))
    trouble = trouble_of(caught.value)
    told = trouble.code.value if trouble else str(caught.value)
    assert ReasonCode.TLS_UNKNOWN_CA.value in told
    assert answering.asked == 0
    error: BaseException | None = None
    try:
        await DOORS[name](*settings_of(answering.url, tmp_path, answering.issuer.authority))
    except Exception as refused:  # noqa: BLE001 - a 404 is another thing to every door
        error = refused
    assert error is None or trouble_of(error) is None
    assert answering.asked > 0 or name in LOOKS_ALONE


LOOKS_ALONE = frozenset({"gateway doctor: certificates", "gateway doctor: webhook"})
"""These end the connection when it is made."""
CONNECTING = frozenset({"create_default_context", "SSLContext", "ClientSession", "urlopen", "HTTPSConnection"})
MAKERS = {
    "router/broker/management.py": "with a context of ours",
    "router/cli/api_client.py": "with a context of ours",
    "router/identity/provider.py": "with a context of ours",
    "router/trust/cosigning.py": "with a context of ours",
    "consumers/fetching/origin.py": "with a context of ours",
    "consumers/sinks/webhook.py": "with a context of ours",
    "deploy/doctor/messages.py": "with a context of ours",
    "deploy/doctor/services.py": "with a context of ours",
    "deploy/doctor/unit.py": "with a context of ours",
    "deploy/allinone.py": "within this machine",
    "deploy/demo/__main__.py": "within this machine",
    "deploy/demo/everyday.py": "within this machine",
    "deploy/demo/office.py": "within this machine",
}


def test_nothing_else_connects_or_makes_a_context() -> None:
    root = Path(router.__path__[0]).parent
    packages = (Path(package.__path__[0]) for package in (router, consumers, deploy))
    files = [file for package in packages for file in package.rglob("*.py") if file.parent != root / "router" / "tls"]
    found = {
        file.relative_to(root).as_posix()
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CONNECTING
    }
    assert found == set(MAKERS)


def test_each_session_is_given_a_connector_of_ours_unless_it_stays_within_this_machine() -> None:
    root = Path(router.__path__[0]).parent
    for name, why in MAKERS.items():
        for node in ast.walk(ast.parse((root / name).read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "ClientSession":
                given = {keyword.arg for keyword in node.keywords}
                assert "connector" in given or why == "within this machine", f"{name}:{node.lineno}"
