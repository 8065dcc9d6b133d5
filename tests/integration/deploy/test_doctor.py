"""The doctor against real parts: all well, and each way to be ill."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pika
import pytest

from deploy.doctor.examine import CHECKS, examine
from deploy.doctor.findings import CheckAnswer, CheckOutcome
from deploy.exits import ExitCode
from router.content import ContentStore
from router.ledger.engine import open_engine, writing
from router.ledger.way import counting
from router.settings import RouterSettings
from schemas.accounts import Role
from schemas.office import office_terms
from schemas.unit import Link, Unit
from support.amqp import administrator
from support.broker import Vhost
from support.identity_provider import running_provider
from support.installation import Installation, installation
from support.ledgers import Clerk, attachment, sqlite_ledger
from support.rot import rot
from support.sessions import declare, depth

UNITS = [
    Unit(code="LCA", name="Tỉnh ủy Lào Cai", kind="province", link=Link.LAN),
    Unit(code="LCA.01", parent="LCA", name="Thành ủy Lào Cai", kind="district", link=Link.WAN),
]


def settings_of(vhost: Vhost, made: Installation, **changes: Any) -> RouterSettings:
    fields: dict[str, Any] = {
        "data_dir": made.directory / "router",
        "ledger_url": made.ledger_url,
        "amqp_url": vhost.amqp_url,
        "amqp_user": vhost.user,
        "amqp_password": vhost.password,
        "management_url": vhost.management_url,
        "broker_file_handles": 20_000,
        "api_url": made.api,
        "token": made.account(Role.OPERATOR, "LCA.#"),
    }
    return RouterSettings(**fields | changes)


async def answers(settings: RouterSettings) -> dict[str, CheckAnswer]:
    return {found.check: found.answer for found in await examine(settings)}


async def test_everything_is_well_with_a_running_router(vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, UNITS) as made:
        made.account(Role.OPERATOR, "LCA.#")
        router = made.router()
        router.start()
        made.wait_until_ready()
        settings = settings_of(vhost, made)
        made.wait(lambda: "topology_applied" in router.log.read_text("utf-8"), "the topology stands")
        found = await answers(settings)
    assert {name: answer for name, answer in found.items() if answer.verdict is not CheckOutcome.OK} == {}
    assert list(found) == list(CHECKS)
    assert "RabbitMQ 3." in found["management"].detail or "RabbitMQ 4." in found["management"].detail
    assert found["token"].detail == "the token of operator:LCA.#"
    assert "2 units" in found["ledger"].detail


async def test_what_lies_in_dead_is_told_with_its_reasons(vhost: Vhost, tmp_path: Path) -> None:
    declare(vhost)
    with administrator(vhost).channel() as channel:
        for number, reason in enumerate(["not JSON", "not JSON", "no sender"]):
            properties = pika.BasicProperties(headers={"reason": reason}, timestamp=1_790_000_000 + number)
            channel.basic_publish("dead", "", b"x" * 10_000, properties)
    found = await answers(RouterSettings(data_dir=tmp_path, **broker_of(vhost)))
    told = found["dead letters"]
    assert told.verdict is CheckOutcome.NOTE
    assert told.detail.startswith("3 messages in the queue dead: 1 x 'no sender' (2026-")
    assert "2 x 'not JSON'" in told.detail
    assert depth(vhost, "dead") == 3, "they stay"
    assert found["messages set apart"].verdict is CheckOutcome.NOTE


def broker_of(vhost: Vhost) -> dict[str, Any]:
    return {
        "amqp_url": vhost.amqp_url,
        "amqp_user": vhost.user,
        "amqp_password": vhost.password,
        "management_url": vhost.management_url,
        "api_url": "http://127.0.0.1:1",
    }


async def test_a_broker_that_stands_otherwise_than_planned_is_told(vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, UNITS) as made:
        found = await answers(settings_of(vhost, made))
    assert found["topology"].verdict is CheckOutcome.FAILED
    assert "to make" in found["topology"].detail
    assert "congvan topology plan" in found["topology"].hint


async def test_a_broker_without_file_handles_for_all_queues_is_told_with_how_many_it_needs(
    vhost: Vhost, tmp_path: Path
) -> None:
    with installation(tmp_path, vhost, UNITS) as made:
        found = await answers(settings_of(vhost, made, broker_file_handles=110))
        unknown = await answers(settings_of(vhost, made, broker_file_handles=0))
    assert found["broker capacity"].verdict is CheckOutcome.FAILED
    assert "7 queues planned" in found["broker capacity"].detail
    assert "give the broker 124 file handles" in found["broker capacity"].hint
    assert unknown["broker capacity"].verdict is CheckOutcome.NOTE


async def test_what_does_not_answer_is_unavailable(
    vhost: Vhost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.doctor.services._BROKER_WITHIN", 1.0)
    with installation(tmp_path, vhost, UNITS) as made:
        found = await answers(
            settings_of(
                vhost,
                made,
                amqp_url="amqp://127.0.0.1:1/none",
                management_url="http://127.0.0.1:1",
                ledger_url="postgresql://127.0.0.1:1/none",
            )
        )
    for name in ("broker", "management", "topology", "ledger", "web API", "token"):
        assert found[name].verdict is CheckOutcome.FAILED, name
        assert found[name].code is ExitCode.UNAVAILABLE, name
    assert found["clock"].verdict is CheckOutcome.NOTE


async def test_a_token_that_is_nobodys_is_told(vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, UNITS) as made:
        found = await answers(settings_of(vhost, made, token="cv1.nobody.nothing"))
    assert found["token"].verdict is CheckOutcome.FAILED
    assert "unknown, expired or revoked" in found["token"].detail


async def test_an_identity_provider_that_answers_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    async with running_provider() as provider:
        there = RouterSettings(data_dir=tmp_path, oidc_issuer=provider.url, oidc_client_id="console")
        answer = (await answers(there))["identity provider"]
        assert (answer.verdict, answer.detail) == (CheckOutcome.OK, f"{provider.url} answers with its keys")
    gone = (await answers(there))["identity provider"]
    assert (gone.verdict, gone.code) == (CheckOutcome.FAILED, ExitCode.UNAVAILABLE)
    assert f"{provider.url}/.well-known/openid-configuration does not answer" in gone.detail


async def test_before_the_first_start_nothing_is_wrong_but_the_web_api(tmp_path: Path) -> None:
    found = await answers(RouterSettings(data_dir=tmp_path / "new", api_url="http://127.0.0.1:1"))
    failed = [name for name, answer in found.items() if answer.verdict is CheckOutcome.FAILED]
    assert failed == ["web API"]
    assert not (tmp_path / "new").exists()


async def test_a_full_disk_is_told_before_it_refuses(tmp_path: Path) -> None:
    full = RouterSettings(data_dir=tmp_path, content_reserve_bytes=10**18)
    assert (await answers(full))["disk"].verdict is CheckOutcome.FAILED


async def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "incoming").write_text("not a directory")
    found = await answers(RouterSettings(data_dir=tmp_path))
    assert found["content store"].verdict is CheckOutcome.FAILED


async def test_terms_by_which_what_is_owed_is_counted_elsewhere_are_told(tmp_path: Path) -> None:
    settings, terms = RouterSettings(data_dir=tmp_path), office_terms()
    engine = open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3"))
    for by, verdict in (
        (None, CheckOutcome.NOTE),
        (replace(terms, at_once=60.0), CheckOutcome.FAILED),
        (terms, CheckOutcome.OK),
    ):
        if by is not None:
            with writing(engine) as conn:
                counting.step(conn, [counting.Turn(by)])
        assert (await answers(settings))["deadlines"].verdict is verdict
    engine.dispose()


async def test_a_damaged_or_missing_content_is_told(tmp_path: Path) -> None:
    settings = RouterSettings(data_dir=tmp_path)
    engine = open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3"))
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    name = (await store.put(b"on its way")).sha256
    with writing(engine) as conn:
        clerk = Clerk(conn)
        clerk.dispatch("LCA", UNITS, attachments=[attachment(b"on its way")])
    engine.dispose()
    found = (await answers(settings))["contents"]
    assert (found.verdict, found.detail[:14]) == (CheckOutcome.OK, "the 1 contents")
    store.path(name).unlink()
    missing = (await answers(settings))["contents"]
    assert (missing.verdict, name in missing.detail) == (CheckOutcome.FAILED, True)
    await store.put(b"on its way")
    rot(store.path(name))
    store.verify(name)
    damaged = (await answers(settings))["contents"]
    assert (damaged.verdict, damaged.detail[:21]) == (CheckOutcome.FAILED, "1 contents are damage")
    assert "congvan content verify" in damaged.hint
