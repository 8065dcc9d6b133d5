"""Wrong certificates before a whole gateway: it waits, says why at both doors, and goes on by itself when mended."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from consumers import status
from consumers.reading.inbox import list_inbox
from consumers.spool import open_spool
from consumers.status import status_path
from deploy.doctor import unit as doctor
from deploy.doctor.findings import CheckOutcome, run
from schemas.reasons import ReasonCode
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor, by_reference
from support.gateways import Origin, origin_on, running, settings_for
from support.issuer import DAY, Issuer, Pair
from support.tls_front import TlsFront, tls_front

NAME = "127.0.0.1"
SCAN = b"scan" * 50_000


@dataclass
class Doors:
    """The two doors of a gateway, encrypted, and who vouches for them."""

    origin: Origin
    issuer: Issuer
    broker: TlsFront
    router: TlsFront

    def show(self, pair: Pair) -> None:
        for front in (self.broker, self.router):
            front.show(pair)

    def settings(self, directory: Path) -> Any:
        urls = {"amqp_url": self.broker.url, "origin_url": self.router.url}
        return settings_for(self.origin, directory, ca_file=self.issuer.authority, **urls)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
async def doors(vhost: Vhost, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    monkeypatch.setattr(status, "EVERY", 0.1)
    async with AsyncExitStack() as stack:
        content = await stack.enter_async_context(content_server())
        origin = await stack.enter_async_context(origin_on(vhost, content))
        pair = issuer.issue(NAME)
        broker, router = [
            await stack.enter_async_context(tls_front(url, pair)) for url in (vhost.amqp_url, content.url)
        ]
        yield Doors(origin, issuer, broker, router)


def told(directory: Path) -> dict[str, str]:
    """Which certificates stand in the way, as the status file has it: to what → the code."""
    try:
        found = orjson.loads(status_path(directory).read_bytes())
    except FileNotFoundError:
        return {}
    return {item["to"]: item["code"] for item in found["tls"]}


def expired(issuer: Issuer, _other: Issuer) -> Pair:
    return issuer.issue(NAME, shift=-10 * DAY)


def not_begun(issuer: Issuer, _other: Issuer) -> Pair:
    return issuer.issue(NAME, shift=10 * DAY)


def for_another_name(issuer: Issuer, _other: Issuer) -> Pair:
    return issuer.issue("broker.tinh.vn")


def by_another_authority(_issuer: Issuer, other: Issuer) -> Pair:
    return other.issue(NAME)


WRONG: tuple[tuple[Callable[[Issuer, Issuer], Pair], ReasonCode], ...] = (
    (expired, ReasonCode.TLS_EXPIRED),
    (not_begun, ReasonCode.TLS_NOT_YET_VALID),
    (for_another_name, ReasonCode.TLS_OTHER_NAME),
    (by_another_authority, ReasonCode.TLS_UNKNOWN_CA),
)


@pytest.mark.parametrize(("wrong", "code"), WRONG, ids=lambda item: getattr(item, "__name__", ""))
async def test_a_wrong_certificate_is_told_at_both_doors_costs_no_try_and_is_over_when_mended(
    doors: Doors, tmp_path: Path, wrong: Callable[[Issuer, Issuer], Pair], code: ReasonCode
) -> None:
    doors.origin.content.put(SCAN)
    doors.show(wrong(doors.issuer, Issuer(tmp_path / "other", "other")))
    directory = tmp_path / "gateway"
    settings = doors.settings(directory)
    ids = await doors.origin.send(a_descriptor(attachments=(by_reference("a.pdf", SCAN),)), "LCA.02", "LCA.02.05")
    async with running(settings):
        await holds(lambda: told(directory) == {"broker": code.value, "router": code.value})
        finding = await run("gateway", doctor.process, settings)
        assert finding.answer.verdict is CheckOutcome.FAILED
        assert code.value in finding.answer.detail
        doors.show(doors.issuer.issue(NAME))
        await holds(lambda: set(doors.origin.said("arrived")) == set(ids))
        await holds(lambda: told(directory) == {})
    assert attempts(directory) == {1}, "the hand-over that succeeded"
    assert set(doors.origin.said()) == set(ids)


async def test_an_authority_that_is_changed_on_one_side_only_stops_a_running_gateway_until_the_other_has_it(
    doors: Doors, tmp_path: Path
) -> None:
    trusted, directory = tmp_path / "ca.pem", tmp_path / "gateway"
    doors.issuer.write_authority(trusted)
    renewed = Issuer(tmp_path / "renewed", "renewed")
    settings = doors.settings(directory).model_copy(update={"ca_file": trusted})
    async with running(settings):
        first = await doors.origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: set(doors.origin.said("arrived")) == set(first))
        doors.show(renewed.issue(NAME))
        await holds(lambda: told(directory).get("broker") == ReasonCode.TLS_UNKNOWN_CA.value)
        second = await doors.origin.send(a_descriptor(), "LCA.02", "LCA.02.06")
        renewed.write_authority(trusted)
        await holds(lambda: set(doors.origin.said("arrived")) == {*first, *second})
    assert attempts(directory) == {1}, "the hand-over that succeeded"


async def test_a_certificate_of_the_router_alone_is_told_to_the_router_over_the_broker(
    doors: Doors, tmp_path: Path
) -> None:
    directory = tmp_path / "gateway"
    doors.origin.content.put(SCAN)
    async with running(doors.settings(directory)):
        first = await doors.origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: set(doors.origin.said("arrived")) == set(first))
        doors.router.show(expired(doors.issuer, doors.issuer))
        second = await doors.origin.send(a_descriptor(attachments=(by_reference("a.pdf", SCAN),)), "LCA.02")
        await holds(lambda: told(directory) == {"router": ReasonCode.TLS_EXPIRED.value})
        doors.router.show(doors.issuer.issue(NAME))
        await holds(lambda: set(doors.origin.said("arrived")) == {*first, *second})


def attempts(directory: Path) -> set[int]:
    """The tries of each document."""
    spool = open_spool(directory)
    try:
        return {entry.attempts for entry in list_inbox(spool)}
    finally:
        spool.close()
