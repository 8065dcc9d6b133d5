"""Copies of books over HTTP: pieces in order, for the account that brought them alone, the newest chains kept."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from router.content.collecting import Collector
from router.ledger.models import content_holder, delivery, dispatch
from router.ledger.units import copies
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.copies import CHAINS_OF_SPOOL, MAX_CHAINS
from schemas.ids import new_id
from schemas.states import Status
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_GATEWAY, Api, letter, running_api
from support.rot import rot

SPOOL = new_id()
COPIES = "/api/v1/copies"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def bring(api: Api, data: bytes, account: str = GATEWAY) -> str:
    """The bytes by an upload; their name."""
    sha256 = hashlib.sha256(data).hexdigest()
    name = base64.b64encode(sha256.encode()).decode()
    tus = api.as_(account) | {"Tus-Resumable": "1.0.0"}
    begin = {"Upload-Length": str(len(data)), "Upload-Metadata": f"sha256 {name}"}
    async with api.http.post("/api/v1/uploads", headers=tus | begin) as begun:
        assert begun.status == 201, await begun.text()
    go_on = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with api.http.patch(f"/api/v1/uploads/{sha256}", headers=tus | go_on, data=data) as sent:
        assert sent.status == 204, await sent.text()
    return sha256


async def add(
    api: Api, chain: str, number: int, data: bytes, *, account: str = GATEWAY, spool: str = SPOOL, brought: bool = True
) -> tuple[int, dict[str, Any]]:
    sha256 = await bring(api, data, account) if brought else hashlib.sha256(data).hexdigest()
    body = {"sha256": sha256, "size": len(data), "spool_id": spool}
    async with api.http.put(f"{COPIES}/{chain}/{number}", headers=api.as_(account), json=body) as answer:
        return answer.status, await answer.json()


async def listed(api: Api, account: str = GATEWAY) -> list[dict[str, Any]]:
    async with api.http.get(COPIES, headers=api.as_(account)) as answer:
        assert answer.status == 200
        told: list[dict[str, Any]] = await answer.json()
        return told


async def fetch(api: Api, chain: str, number: int, *, account: str = GATEWAY, **headers: str) -> tuple[int, bytes]:
    async with api.http.get(f"{COPIES}/{chain}/{number}", headers=api.as_(account) | headers) as answer:
        return answer.status, await answer.read()


async def test_pieces_come_back_as_they_came_also_from_a_byte_on(api: Api) -> None:
    chain = new_id()
    for number, data in enumerate((b"everything", b"what changed")):
        assert (await add(api, chain, number, data))[0] == 201
    assert await fetch(api, chain, 0) == (200, b"everything")
    assert await fetch(api, chain, 1, Range="bytes=5-") == (206, b"changed")
    (told,) = await listed(api)
    assert (told["chain"], told["spool_id"]) == (chain, SPOOL)
    assert [(piece["number"], piece["size"]) for piece in told["pieces"]] == [(0, 10), (1, 12)]


async def test_the_same_piece_again_changes_nothing(api: Api) -> None:
    chain = new_id()
    assert (await add(api, chain, 0, b"everything"))[0] == 201
    assert (await add(api, chain, 0, b"everything", brought=False))[0] == 200
    assert len((await listed(api))[0]["pieces"]) == 1


async def test_a_piece_that_does_not_go_on_with_its_chain_is_refused(api: Api) -> None:
    chain = new_id()
    status, told = await add(api, chain, 1, b"what changed")
    assert (status, told["type"].rpartition(":")[2]) == (409, "copy-chain")
    assert (await add(api, chain, 0, b"everything"))[0] == 201
    assert (await add(api, chain, 0, b"something else"))[0] == 409
    assert (await add(api, chain, 2, b"a hole before it"))[0] == 409
    assert len((await listed(api))[0]["pieces"]) == 1


async def test_bytes_that_did_not_come_are_asked_for(api: Api) -> None:
    status, told = await add(api, new_id(), 0, b"never sent", brought=False)
    assert (status, told["type"].rpartition(":")[2]) == (422, "unknown-attachment")
    await bring(api, b"another's", OTHER_GATEWAY)
    assert (await add(api, new_id(), 0, b"another's", brought=False))[0] == 409
    assert await listed(api) == []


async def test_nobody_else_reads_or_adds_to_a_copy(api: Api) -> None:
    chain = new_id()
    await add(api, chain, 0, b"everything")
    assert await listed(api, OTHER_GATEWAY) == []
    assert (await fetch(api, chain, 0, account=OTHER_GATEWAY))[0] == 404
    assert (await add(api, chain, 1, b"forged", account=OTHER_GATEWAY))[0] == 409
    for account in (ISSUER, OPERATOR):
        assert (await fetch(api, chain, 0, account=account))[0] == 403
    async with api.http.get(COPIES) as answer:
        assert answer.status == 401
    sha256 = hashlib.sha256(b"everything").hexdigest()
    for account in (GATEWAY, OTHER_GATEWAY, ISSUER):
        async with api.http.get(f"/content/{sha256}", headers=api.as_(account)) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sha256": "0" * 63, "size": 1, "spool_id": SPOOL},
        {"sha256": "0" * 64, "size": 2**40, "spool_id": SPOOL},
        {"sha256": "0" * 64, "size": 1, "spool_id": "mine"},
    ],
)
async def test_a_body_that_is_wrong_is_told_field_by_field(api: Api, body: dict[str, Any]) -> None:
    async with api.http.put(f"{COPIES}/{new_id()}/0", headers=api.as_(GATEWAY), json=body) as answer:
        told = await answer.json()
        assert (answer.status, bool(told["errors"])) == (422, True)


async def test_the_newest_chain_of_a_spool_stays_and_the_one_before_it(api: Api) -> None:
    chains = [new_id() for _ in range(4)]
    for chain in chains:
        await add(api, chain, 0, chain.encode())
    assert [one["chain"] for one in await listed(api)] == chains[::-1][:CHAINS_OF_SPOOL]


async def test_lost_spools_copies_stay_for_a_time_and_the_newest_always(api: Api) -> None:
    chains = []
    for _ in range(MAX_CHAINS + 3):
        chains.append(new_id())
        await add(api, chains[-1], 0, chains[-1].encode(), spool=new_id())
    assert [one["chain"] for one in await listed(api)] == chains[::-1][:MAX_CHAINS]


async def test_the_bytes_of_a_copy_are_not_removed_as_unnamed_and_go_with_their_chain(api: Api) -> None:
    chains = [new_id() for _ in range(3)]
    await add(api, chains[0], 0, b"first")
    collector = Collector(api.engine, api.content, kept=-1.0)
    assert collector.run() == 0
    for chain in chains[1:]:
        await add(api, chain, 0, chain.encode())
    assert collector.run() == 1
    assert (await fetch(api, chains[2], 0))[0] == 200


async def test_a_piece_that_was_damaged_here_ends_its_chain_before_anybody_needs_it(api: Api) -> None:
    chain = new_id()
    await add(api, chain, 0, b"everything")
    name = hashlib.sha256(b"everything").hexdigest()
    rot(api.content.path(name))
    api.content.verify(name)  # as the slow rounds do
    status, told = await add(api, chain, 1, b"what changed")
    assert (status, told["type"].rpartition(":")[2]) == (409, "copy-chain")
    assert "piece 0" in told["detail"]
    assert (await add(api, new_id(), 0, b"everything once more"))[0] == 201


async def test_a_chain_never_grows_beyond_what_an_account_may_have(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MAX_ACCOUNT_BYTES", 20)
    chain = new_id()
    assert (await add(api, chain, 0, b"x" * 15))[0] == 201
    status, told = await add(api, chain, 1, b"y" * 6)
    assert (status, "at most 20 are kept" in told["detail"]) == (409, True)
    assert (await add(api, chain, 1, b"z" * 5))[0] == 201


async def test_the_same_piece_at_the_same_moment_is_answered_as_there(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = new_id()
    assert (await add(api, chain, 0, b"everything"))[0] == 201
    monkeypatch.setattr(copies, "chain_of", lambda *_: None)  # what either sees before the other's commit
    assert (await add(api, chain, 0, b"everything", brought=False))[0] == 200
    assert (await add(api, chain, 0, b"something else"))[0] == 409


async def test_who_brought_a_forgotten_piece_is_forgotten_unless_something_else_names_it(api: Api) -> None:
    await add(api, new_id(), 0, b"first")
    chains = [new_id() for _ in range(2)]
    for chain in chains:
        await add(api, chain, 0, chain.encode())
    left = {hashlib.sha256(chain.encode()).hexdigest() for chain in chains}
    with api.engine.begin() as conn:
        assert set(conn.scalars(select(content_holder.c.sha256).where(content_holder.c.account == GATEWAY))) == left


def say_registered(api: Api, unit: str, seq: int, number: str, person: str) -> None:
    """Record what a unit's gateway says of a delivery: that it arrived, and under which number it was registered."""
    with api.engine.begin() as conn:
        rows = select(delivery.c.id, dispatch.c.content_sha256).join(dispatch)
        key, content = conn.execute(rows.where(delivery.c.unit == unit, delivery.c.seq == seq)).one()
        said = NewReceipt(
            new_id(), key, Status.ARRIVED, iso(now_ms()), now_ms(), unit, seq=2 * seq - 1, content_sha256=content
        )
        again = said._replace(id=new_id(), status=Status.REGISTERED, seq=2 * seq, person=person, register_number=number)
        apply(conn, [said, again], Silence())


def make_secret(api: Api, unit: str, seq: int) -> None:
    """Have a letter be what a deployment for classified documents would have taken."""
    with api.engine.begin() as conn:
        rows = select(dispatch.c.id, dispatch.c.submission).join(delivery)
        key, body = conn.execute(rows.where(delivery.c.unit == unit, delivery.c.seq == seq)).one()
        told = orjson.dumps(orjson.loads(body) | {"secrecy": "secret"})
        conn.execute(update(dispatch).where(dispatch.c.id == key).values(submission=told))


async def told_of(api: Api, code: str, account: str = GATEWAY, **query: int) -> tuple[int, dict[str, Any]]:
    url = f"/api/v1/units/{code}/deliveries"
    async with api.http.get(url, headers=api.as_(account), params=query) as answer:
        return answer.status, await answer.json()


async def test_a_gateway_is_told_what_its_unit_said_page_by_page(api: Api) -> None:
    for number in range(3):
        headers = api.as_(ISSUER) | {"Idempotency-Key": str(number)}
        async with api.http.post("/api/v1/dispatches", headers=headers, json=letter(subject=f"Số {number}")) as sent:
            assert sent.status == 202
    for seq, given in ((1, "56"), (2, "57"), (3, "58")):
        say_registered(api, "LCA.02.01", seq, given, "Nguyễn Thị Hoa")
    make_secret(api, "LCA.02.01", 2)
    status, page = await told_of(api, "LCA.02.01", limit=2)
    assert (status, [one["subject"] for one in page["items"]], page["next"]) == (200, ["Số 0", "Số 1"], 2)
    one, issuer = page["items"][1], api.services.organisation.directory.get("LCA.VP")
    assert issuer is not None
    assert (one["state"], one["author"], one["notation"]) == ("registered", issuer.name, "123-CV/VP")
    assert [item["secrecy"] for item in page["items"]] == ["none", "secret"]
    said = {item["status"]: item for item in one["receipts"]}
    assert (said["registered"]["register_number"], said["registered"]["person"]) == ("57", "Nguyễn Thị Hoa")
    _, rest = await told_of(api, "LCA.02.01", limit=2, after=2)
    assert ([item["subject"] for item in rest["items"]], rest["next"]) == (["Số 2"], None)


async def test_a_unit_is_told_of_no_letter_that_never_came_to_it(api: Api) -> None:
    for number in range(4):
        headers = api.as_(ISSUER) | {"Idempotency-Key": str(number)}
        async with api.http.post("/api/v1/dispatches", headers=headers, json=letter(subject=f"Số {number}")) as sent:
            assert sent.status == 202
    say_registered(api, "LCA.02.01", 3, "57", "Nguyễn Thị Hoa")
    with api.engine.begin() as conn:
        of_unit = select(delivery.c.seq, delivery.c.id).where(delivery.c.unit == "LCA.02.01")
        keys = {row.seq: row.id for row in conn.execute(of_unit)}
        wrong = NewReceipt(new_id(), keys[2], Status.ARRIVED, iso(now_ms()), now_ms(), "LCA.02.01", seq=9)
        by_us = NewReceipt(new_id(), keys[1], Status.PARKED, iso(now_ms()), now_ms(), reason="x")
        apply(conn, [wrong._replace(content_sha256="0" * 64), by_us], Silence())
    _, page = await told_of(api, "LCA.02.01")
    assert [item["subject"] for item in page["items"]] == ["Số 2"]


async def test_a_gateway_is_told_of_its_own_units_alone(api: Api) -> None:
    assert (await told_of(api, "LCA.02.01", OTHER_GATEWAY))[0] == 404
    for account in (ISSUER, OPERATOR):
        assert (await told_of(api, "LCA.02.01", account))[0] == 403
    assert (await told_of(api, "LCA.02.01", limit=201))[0] == 422
