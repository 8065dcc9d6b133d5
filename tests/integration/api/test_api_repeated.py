"""A repetition is known as one before anything is judged that can change with time, at every door."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from router.broker import Delivered, Outgoing, PublishOutcome
from router.directory import Directory
from router.intake.amqp import IntakeDoor
from schemas.ids import new_id
from schemas.keys import read_key
from support.api_server import GATEWAY, ISSUER, UNITS, Api, letter

PDF = b"%PDF-1.7 text"
SHA256 = hashlib.sha256(PDF).hexdigest()
Answer = dict[str, Any]
Door = Callable[[Api, str], Awaitable[Answer]]
LISTED = {"name": "a.pdf", "media_type": "application/pdf", "size": len(PDF), "sha256": SHA256}


async def post(api: Api, key: str = "", *, account: str = ISSUER, **options: Any) -> Answer:
    headers = api.as_(account) | ({"Idempotency-Key": key} if key else {})
    async with api.http.post("/api/v1/dispatches", headers=headers, **options) as answer:
        return dict(await answer.json(content_type=None))


async def upload(api: Api, account: str) -> None:
    """By tus, as a gateway does, in one piece."""
    headers = api.as_(account) | {"Tus-Resumable": "1.0.0"}
    named = {"Upload-Metadata": f"sha256 {b64encode(SHA256.encode()).decode()}", "Upload-Length": str(len(PDF))}
    async with api.http.post("/api/v1/uploads", headers=headers | named) as answer:
        assert answer.status == 201
    piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with api.http.patch(answer.headers["Location"], headers=headers | piece, data=PDF) as answer:
        assert answer.status == 204


async def by_json(api: Api, key: str) -> Answer:
    return await post(api, key, json=letter())


async def by_json_without_a_key(api: Api, _key: str) -> Answer:
    return await post(api, json=letter())


async def by_form(api: Api, key: str) -> Answer:
    data = FormData()
    data.add_field("dispatch", json.dumps(letter()), content_type="application/json")
    data.add_field("file", PDF, filename="a.pdf", content_type="application/pdf")
    return await post(api, key, data=data)


async def by_json_with_an_upload(api: Api, key: str) -> Answer:
    return await post(api, key, json=letter(attachments=[LISTED]))


async def by_a_gateway(api: Api, key: str) -> Answer:
    return await post(api, key, account=GATEWAY, json=letter(issuer="LCA.02", attachments=[LISTED]))


async def by_amqp(api: Api, key: str) -> Answer:
    carrier = Carrier()
    body = json.dumps(letter()).encode()
    message = Delivered(
        body, "q", "k", key, "submission", ISSUER, {}, f"upstream.{ISSUER}.answers", "", redelivered=False
    )
    await IntakeDoor(api.services.intake, carrier).handle([message])  # type: ignore[arg-type]
    return dict(json.loads(carrier.sent[-1].template.body))


class Carrier:
    """Takes what is published and confirms it: no broker is asked here."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        self.sent += messages
        return [PublishOutcome.CONFIRMED] * len(messages)


def abolish(api: Api) -> None:
    """All that can be said against a submission later: nobody is reached, its files are gone."""
    kept = [item for item in UNITS if not item.code.startswith("LCA.02")]
    api.services.organisation.directory = Directory(kept)  # type: ignore[misc]
    for path in Path(api.content.root).rglob(SHA256):
        path.unlink()


DOORS: Sequence[Door] = (
    by_json,
    by_json_without_a_key,
    by_form,
    by_json_with_an_upload,
    by_a_gateway,
    by_amqp,
)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_a_repetition_gets_the_first_answer_though_its_addressees_are_abolished(api: Api, door: Door) -> None:
    if door in {by_json_with_an_upload, by_a_gateway}:
        await upload(api, GATEWAY if door is by_a_gateway else ISSUER)
    first = await door(api, "key-1")
    assert first.get("duplicate") is False, first
    abolish(api)
    again = await door(api, "key-1")
    assert again == first | {"duplicate": True}
    if door is not by_json_without_a_key:
        assert (await door(api, "key-2"))["status"] == 422


async def test_another_submission_under_a_known_key_is_a_conflict_whatever_else_is_wrong_with_it(api: Api) -> None:
    await by_json(api, "key-1")
    abolish(api)
    problem = await post(api, "key-1", json=letter(subject="Another"))
    assert (problem["status"], problem["type"]) == (409, "urn:congvan:problem:idempotency-conflict")


@pytest.mark.parametrize("key", ["công văn 1", "x" * 201, "\x7f", '""'])
async def test_a_key_that_not_every_door_carries_is_refused_at_every_door(api: Api, key: str) -> None:
    assert (await by_amqp(api, key)).get("status") == 400
    if key.isprintable() and key.isascii():
        assert (await by_json(api, key)).get("status") == 400


@pytest.mark.parametrize("written", ["key-1", '"key-1"', " key-1 "])
async def test_a_key_names_the_same_submission_by_whatever_door_it_comes(api: Api, written: str) -> None:
    first = await by_json(api, "key-1")
    assert (await by_amqp(api, written))["id"] == first["id"]
    assert (await by_json(api, written))["id"] == first["id"]


def test_quotes_inside_a_quoted_key_are_its_own() -> None:
    assert read_key('"a\\"b"') == 'a"b'
    key = new_id()
    assert read_key(key) == key
