"""Every door by which bytes come, and every way in which a stored copy can be wrong: afterwards it is right."""

import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from router.content import ContentStore
from router.ledger.engine import reading
from router.ledger.models import dispatch_attachment
from schemas.encoding import zstd
from support.api_server import GATEWAY, ISSUER, Api, letter
from support.packing import letter_bytes
from support.rot import rot

DATA = os.urandom(50_000)  # nothing that shrinks: there is no form to mend it from
SHA = hashlib.sha256(DATA).hexdigest()
Door = Callable[[Api], Awaitable[int]]
Damage = Callable[[ContentStore], None]


async def by_put(api: Api) -> int:
    async with api.http.put(f"/content/{SHA}", headers=api.as_(ISSUER), data=DATA) as answer:
        return answer.status


async def by_form(api: Api) -> int:
    form = FormData()
    form.add_field("dispatch", json.dumps(letter()), content_type="application/json")
    form.add_field("file", DATA, filename="a.bin", content_type="application/octet-stream")
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), data=form) as answer:
        return answer.status


async def by_tus(api: Api) -> int:
    said = {"Tus-Resumable": "1.0.0"} | api.as_(ISSUER)
    named = {"Upload-Metadata": f"sha256 {base64.b64encode(SHA.encode()).decode()}", "Upload-Length": str(len(DATA))}
    async with api.http.post("/api/v1/uploads", headers=said | named) as answer:
        assert answer.headers["Upload-Offset"] == "0", "what is damaged counts as not there"
    head = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    async with api.http.patch(f"/api/v1/uploads/{SHA}", headers=said | head, data=DATA) as answer:
        return answer.status


def is_missing(store: ContentStore) -> None:
    store.path(SHA).unlink()


def is_truncated(store: ContentStore) -> None:
    os.truncate(store.path(SHA), 1000)


def is_empty(store: ContentStore) -> None:
    os.truncate(store.path(SHA), 0)


def has_rotted(store: ContentStore) -> None:
    rot(store.path(SHA))


def has_other_bytes(store: ContentStore) -> None:
    store.path(SHA).write_bytes(os.urandom(len(DATA)))


def is_put_aside(store: ContentStore) -> None:
    rot(store.path(SHA))
    store.verify(SHA)


DOORS: list[Door] = [by_put, by_form, by_tus]
DAMAGES: list[Damage] = [is_missing, is_truncated, is_empty, has_rotted, has_other_bytes, is_put_aside]


async def fetch(api: Api, sha256: str = SHA, **headers: str) -> tuple[int, bytes]:
    said = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.http.get(f"/content/{sha256}", headers=api.as_(GATEWAY) | said) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("door", DOORS)
async def test_whatever_door_the_bytes_come_by_they_mend_what_was_wrong(api: Api, door: Door, damage: Damage) -> None:
    assert await by_form(api) == 202
    damage(api.content)
    api.content._verdicts._right.clear()  # as after a restart: rot alone changes nothing that can be seen
    status, body = await fetch(api)
    assert (status, body == DATA) == (503, False)
    assert await door(api) in {201, 202, 204}
    assert api.content.path(SHA).read_bytes() == DATA
    assert api.content.path(SHA).stat().st_mode & 0o777 == 0o440
    assert await fetch(api) == (200, DATA)
    assert api.content.damaged() == []


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_finished_upload_whose_content_was_damaged_since_is_asked_for_again(api: Api, damage: Damage) -> None:
    assert await by_put(api) == 201
    damage(api.content)
    assert await by_tus(api) == 204
    damage(api.content)
    api.content._verdicts._right.clear()
    assert await by_tus(api) == 204
    assert api.content.path(SHA).read_bytes() == DATA


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_submission_that_names_what_is_damaged_is_told_to_bring_it(api: Api, damage: Damage) -> None:
    assert await by_put(api) == 201
    damage(api.content)
    api.content._verdicts._right.clear()
    body = letter(attachments=[{"name": "a.bin", "size": len(DATA), "sha256": SHA}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        problem: dict[str, Any] = await answer.json(content_type=None)
    assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:unknown-attachment")
    assert await by_put(api) == 201
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 202


async def test_a_small_file_that_rotted_never_rides_inside_a_letter(api: Api) -> None:
    small = b"Ngay hop: 01/12"
    sha256 = hashlib.sha256(small).hexdigest()
    async with api.http.put(f"/content/{sha256}", headers=api.as_(ISSUER), data=small) as answer:
        assert answer.status == 201
    rot(api.content.path(sha256))
    api.content._verdicts._right.clear()
    body = letter(attachments=[{"name": "a.txt", "size": len(small), "sha256": sha256}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 422


@pytest.mark.parametrize("spoilt", ["the content", "the form"])
async def test_content_and_form_mend_each_other(api: Api, spoilt: str) -> None:
    text = letter_bytes(7)
    sha256 = hashlib.sha256(text).hexdigest()
    form = FormData()
    form.add_field("dispatch", json.dumps(letter()), content_type="application/json")
    form.add_field("file", text, filename="a.doc", content_type="application/msword")
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), data=form) as answer:
        assert answer.status == 202
    (packed,) = api.content.path(sha256).parent.glob(f"{sha256}.zstd.*")
    assert packed.stat().st_mode & 0o777 == 0o440
    rot(api.content.path(sha256) if spoilt == "the content" else packed, at=10)
    status, body = await fetch(api, sha256, Cache_Control="no-cache", Accept_Encoding="zstd")
    assert status == 200
    assert text in (body, zstd.decompress(body) if body[:4] == b"\x28\xb5\x2f\xfd" else b"")
    api.content._verdicts._clock = lambda: 1e9  # a minute later
    status, body = await fetch(api, sha256, Cache_Control="no-cache")
    assert (status, body) == (200, text)


async def test_a_hard_link_into_a_draft_never_becomes_a_way_to_write(api: Api) -> None:
    """A plan links what is stored: what lies there is as read-only as the rest."""
    assert await by_put(api) == 201
    body = letter(attachments=[{"name": "a.bin", "size": len(DATA), "sha256": SHA}])
    async with api.http.post("/api/v1/dispatches/plan", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 200
    files = [path for path in (api.content.root).rglob("*") if path.is_file() and len(path.name) == len(SHA)]
    assert [path for path in files if path.stat().st_mode & 0o222] == []
    assert Path(api.content.path(SHA)).read_bytes() == DATA


async def test_the_record_of_a_long_letter_which_nobody_can_send_again_is_made_again_from_the_ledger(api: Api) -> None:
    body = letter(flash_text="", attachments=[]) | {"subject": "Về việc " + "kiểm tra " * 50}
    files = [os.urandom(10) for _ in range(40)]
    form = FormData()
    form.add_field("dispatch", json.dumps(body), content_type="application/json")
    for number, data in enumerate(files):
        form.add_field("file", data, filename=f"{number}.bin", content_type="application/octet-stream")
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), data=form) as answer:
        assert answer.status == 202
    with reading(api.engine) as conn:
        rows = dispatch_attachment.select().where(dispatch_attachment.c.position == -1)
        record = conn.execute(rows).one()
    path = api.content.path(record.sha256)
    before = path.read_bytes()
    for kept in path.parent.glob(f"{record.sha256}*"):
        kept.unlink()
    assert await fetch(api, record.sha256) == (200, before)
