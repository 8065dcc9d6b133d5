"""What an account may not send is refused at every door with the same words, and what it may send is taken."""

import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pika
import pytest
from aiohttp import FormData
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from consumers.sending import tus
from router.broker.management import Management
from router.broker.topology import BrokerAccount, apply, plan
from router.delivery.certificate_watch import CertificateWatch
from router.intake.amqp import QUEUE, IntakeDoor
from router.ledger.engine import reading, writing
from router.ledger.people import rights
from router.ledger.people.accounts import create_account, list_accounts
from router.settings import RouterSettings
from router.tls.authority import begin
from router.tls.certificates import described
from router.tls.requests import new_key
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.rights import DEFAULTS, HOUR_MS, Allowance, Rights
from support.amqp import Login, take
from support.api_server import GATEWAY, ISSUER, OPERATOR, UNITS, Api, letter, running_api
from support.broker import Vhost
from support.conditions import holds
from support.sessions import session_on

FILE = b"a file of 20 bytes.."
BOUND, ABOVE, WATCHER = "issuer:LCA.03.01", "issuer:LCA:above", "watcher:LCA.#"
TO_ALL = "LCA.#"


@dataclass(slots=True)
class Ground:
    """A running API and the AMQP door over the same intake."""

    api: Api
    vhost: Vhost


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door said: the problem's type without its prefix, or ``accepted``; the status where there is one."""

    kind: str
    status: int = 0
    body: Any = None


@pytest.fixture
async def ground(tmp_path: Path, vhost: Vhost) -> AsyncIterator[Ground]:
    authority = begin(tmp_path / "pki", "UBND", now_ms=now_ms())
    watch = CertificateWatch(RouterSettings(pki_dir=authority.directory), lambda _: None)
    async with running_api(tmp_path, certificates=watch) as api:
        with writing(api.engine) as conn:
            for name in (BOUND, ABOVE, WATCHER):
                api.tokens[name] = create_account(conn, parse_account(name), now_ms=now_ms())
            rights.grant(conn, parse_account(BOUND), DEFAULTS[parse_account(GATEWAY).role])
            rights.grant(conn, parse_account(ABOVE), Rights(over_below=True))
        with reading(api.engine) as conn:
            accounts = [BrokerAccount(row.name, row.token_hash) for row in list_accounts(conn)]
        async with Management(vhost.management_url, vhost.user, vhost.password) as management:
            await apply(management, vhost.name, plan(UNITS, accounts, vhost=vhost.name, day=date.today()))  # noqa: DTZ011 - any day
        async with session_on(vhost) as session:
            door = IntakeDoor(api.services.intake, session.publisher())  # type: ignore[arg-type] # the real one
            session.consume([QUEUE], door.handle, prefetch=10)
            yield Ground(api, vhost)


def told(status: int, body: Any) -> Answer:
    kind = body.get("status") if status == 202 else str(body.get("type", "")).removeprefix("urn:congvan:problem:")
    return Answer(str(kind), status, body)


def listed() -> list[dict[str, Any]]:
    return [{"name": "a.txt", "size": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}]


async def post(api: Api, account: str, path: str = "/api/v1/dispatches", **sent: Any) -> Answer:
    async with api.http.post(path, headers=api.as_(account), **sent) as answer:
        return told(answer.status, await answer.json(content_type=None))


async def by_json(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    return await post(ground.api, account, json=body)


async def by_form(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    form = FormData()
    form.add_field("dispatch", json.dumps(body))
    form.add_field("file", FILE, filename="a.txt", content_type="text/plain")
    return await post(ground.api, account, data=form)


async def by_tus(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    api = ground.api
    sha256 = hashlib.sha256(FILE).hexdigest()
    begun = tus.announcement(sha256, len(FILE))
    async with api.http.post("/api/v1/uploads", headers=api.as_(account) | begun) as answer:
        assert answer.status == 201
        offset = int(answer.headers["Upload-Offset"])
    headers = (
        api.as_(account)
        | tus.VERSION
        | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    )
    if offset < len(FILE):
        async with api.http.patch(f"/api/v1/uploads/{sha256}", headers=headers, data=FILE[offset:]) as answer:
            assert answer.status == 204
    return await post(api, account, json=body | {"attachments": listed()})


async def by_amqp(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    return await asyncio.to_thread(_ask, ground, account, body)


def _ask(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    login = Login(ground.vhost, account, ground.api.tokens[account])
    with login.channel() as channel:
        answers: list[tuple[pika.BasicProperties, bytes]] = []
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *call: answers.append(call[2:]), auto_ack=True)
        key = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        properties = pika.BasicProperties(user_id=account, reply_to="amq.rabbitmq.reply-to", message_id=key)
        channel.basic_publish("intake", "intake", json.dumps(body).encode(), properties, mandatory=True)
        while not answers:
            channel.connection.process_data_events(time_limit=30)
        found = json.loads(answers[0][1])
    return told(202 if answers[0][0].type == "accepted" else 0, found)


async def by_command(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    environ |= {"CONGVAN_API_URL": ground.api.url, "CONGVAN_ISSUER_TOKEN": ground.api.tokens[account]}
    environ |= {"CONGVAN_TOKEN": ground.api.tokens[OPERATOR]}
    file = ground.api.content.root / "letter.json"
    file.write_text(json.dumps(body))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.main", "send", "--file", str(file), "--json"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode == 0:
        return Answer("accepted", 202, json.loads(out))
    text = err.decode()
    known = {"may not": "rights", "was issued by": "references", "of 1 an hour": "allowance"}
    return Answer(next((kind for words, kind in known.items() if words in text), text), process.returncode or 0)


async def by_plan(ground: Ground, account: str, body: dict[str, Any]) -> Answer:
    answer = await post(ground.api, account, "/api/v1/dispatches/plan", json=body)
    return Answer("accepted", 202, answer.body) if answer.status == 200 else answer


Door = Callable[[Ground, str, dict[str, Any]], Awaitable[Answer]]
DOORS = [by_json, by_form, by_tus, by_amqp, by_command, by_plan]
OPEN_TO_GATEWAYS = [by_json, by_form, by_tus, by_command, by_plan]


def of(issuer: str, **fields: Any) -> dict[str, Any]:
    return letter(issuer=issuer, **{"addressees": ["LCA.03"]} | fields)


@pytest.mark.parametrize("door", DOORS)
async def test_an_account_addresses_whom_it_may_and_nobody_else(ground: Ground, door: Door) -> None:
    refused = await door(ground, BOUND, of("LCA.03.01", addressees=[TO_ALL]))
    assert refused.kind == "rights"
    assert (await door(ground, BOUND, of("LCA.03.01"))).kind == "accepted"
    assert (await door(ground, ISSUER, of("LCA.VP", addressees=[TO_ALL], urgency=3))).kind == "accepted"


@pytest.mark.parametrize("door", OPEN_TO_GATEWAYS)
async def test_a_gateway_sends_to_what_is_about_it_and_no_more_urgently_than_it_may(ground: Ground, door: Door) -> None:
    assert (await door(ground, GATEWAY, of("LCA.02.01", addressees=[TO_ALL]))).kind == "rights"
    assert (await door(ground, GATEWAY, of("LCA.02.01", addressees=["LCA.02"], urgency=3))).kind == "rights"
    assert (await door(ground, GATEWAY, of("LCA.02.01", addressees=["LCA.02.*"], urgency=2))).kind == "accepted"


@pytest.mark.parametrize("door", DOORS)
async def test_an_urgency_that_was_not_granted_is_refused(ground: Ground, door: Door) -> None:
    assert (await door(ground, BOUND, of("LCA.03.01", urgency=3))).kind == "rights"


@pytest.mark.parametrize("kind", ["recall", "update", "replace"])
@pytest.mark.parametrize("door", DOORS)
async def test_only_the_issuer_or_a_unit_above_with_that_right_changes_a_dispatch(
    ground: Ground, door: Door, kind: str
) -> None:
    original = (await by_json(ground, BOUND, of("LCA.03.01", addressees=["LCA.03"]))).body["id"]
    changed = {"kind": kind, "refers_to": [original], "addressees": ["LCA.03"]}
    assert (await door(ground, ISSUER, of("LCA.VP", **changed))).kind == "references"
    assert (await door(ground, BOUND, of("LCA.03.01", **changed))).kind == "accepted"
    assert (await door(ground, ABOVE, of("LCA", **changed))).kind == "accepted"


@pytest.mark.parametrize("door", [by_json, by_form, by_tus, by_command])
async def test_an_operators_token_sends_nothing(ground: Ground, door: Door) -> None:
    assert (await door(ground, OPERATOR, of("LCA.VP"))).kind == "rights"
    assert (await by_plan(ground, OPERATOR, of("LCA.VP"))).kind == "accepted", "it may look"


@pytest.mark.parametrize("door", [door for door in DOORS if door is not by_plan])
async def test_what_is_sent_in_an_hour_is_bounded_and_a_repetition_costs_nothing(ground: Ground, door: Door) -> None:
    with writing(ground.api.engine) as conn:
        rights.grant(conn, parse_account(BOUND), Rights(hourly=Allowance(dispatches=1)))
    # A dispatch that an hour ends behind may be counted in either of two.
    await holds(lambda: HOUR_MS - now_ms() % HOUR_MS > 60_000, within=90)
    body = of("LCA.03.01")
    assert (await door(ground, BOUND, body)).kind == "accepted"
    assert (await door(ground, BOUND, body)).kind == "accepted"
    assert (await door(ground, BOUND, of("LCA.03.01", subject="Another"))).kind == "allowance"


async def test_what_is_too_much_now_says_when_it_is_not(ground: Ground) -> None:
    with writing(ground.api.engine) as conn:
        rights.grant(conn, parse_account(BOUND), Rights(hourly=Allowance(deliveries=1)))
    assert (await by_json(ground, BOUND, of("LCA.03.01"))).kind == "accepted"
    again, headers = of("LCA.03.01", subject="2"), ground.api.as_(BOUND)
    async with ground.api.http.post("/api/v1/dispatches", json=again, headers=headers) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
    never = await by_json(ground, BOUND, of("LCA.03.01", addressees=["LCA.03.#"]))
    assert (never.status, never.kind) == (403, "rights")


async def test_what_is_too_much_over_amqp_lies_in_dead_and_its_sender_is_told_when_to_send_it_again(
    ground: Ground,
) -> None:
    with writing(ground.api.engine) as conn:
        rights.grant(conn, parse_account(BOUND), Rights(hourly=Allowance(dispatches=1)))
    await holds(lambda: HOUR_MS - now_ms() % HOUR_MS > 60_000, within=90)
    assert (await by_amqp(ground, BOUND, of("LCA.03.01"))).kind == "accepted"
    again = of("LCA.03.01", subject="2")
    refused = await by_amqp(ground, BOUND, again)
    assert refused.kind == "allowance"
    assert re.search(r"send it again in \d+ s with the same idempotency key", refused.body["hint"])
    with Login(ground.vhost, ground.vhost.user, ground.vhost.password).channel() as channel:
        properties, _ = take(channel, "dead")
    assert refused.body["hint"] in properties.headers["reason"]
    assert (await by_amqp(ground, ISSUER, of("LCA.VP", addressees=[TO_ALL]))).kind == "accepted", "others go on"


async def test_a_refusal_names_the_fields(ground: Ground) -> None:
    refused = await by_json(
        ground, GATEWAY, of("LCA.02.01", addressees=[TO_ALL], urgency=4, due="2031-01-01T00:00:00Z")
    )
    assert refused.status == 403
    assert [item["field"] for item in refused.body["errors"]] == ["addressees", "urgency"]
    assert "LCA.02.01 may not address LCA.03" in refused.body["errors"][0]["problem"]


async def test_the_dry_run_tells_whom_an_account_may_not_address(ground: Ground) -> None:
    asked = {"addressees": ["LCA.02.#", "LCA.03"], "issuer": "LCA.02.01"}
    found = await post(ground.api, GATEWAY, "/api/v1/resolve", json=asked)
    assert found.body["not_allowed"] == ["LCA.03"]
    assert (await post(ground.api, ISSUER, "/api/v1/resolve", json={"addressees": [TO_ALL]})).body["not_allowed"] == []
    assert (await post(ground.api, GATEWAY, "/api/v1/resolve", json=asked | {"issuer": "LCA.03"})).status == 403


async def test_a_certificate_is_given_to_whom_the_broker_knows_and_for_nobody_but_itself(ground: Ground) -> None:
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OPERATOR)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256()).public_bytes(Encoding.DER)
    for account, given in {GATEWAY: True, ISSUER: True, BOUND: True, OPERATOR: False, WATCHER: False}.items():
        headers = ground.api.as_(account) | {"Content-Type": "application/pkcs10"}
        async with ground.api.http.post("/api/v1/certificates", data=asked, headers=headers) as answer:
            assert answer.status == (201 if given else 403), account
            told = await answer.read()
        if given:
            assert described(x509.load_pem_x509_certificates(told)[0]).subject == account


async def test_a_refused_message_lies_in_dead_with_its_reason(ground: Ground) -> None:
    await by_amqp(ground, BOUND, of("LCA.03.01", urgency=3))
    with Login(ground.vhost, ground.vhost.user, ground.vhost.password).channel() as channel:
        properties, _ = take(channel, "dead")
    assert "above 2, the highest" in str(properties.headers)
