"""The forms of a content over HTTP: negotiated, with ranges and validators of their own, for who may have them."""

import hashlib
import random
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from sqlalchemy import select, update

from router.content.encoding import forms
from router.ledger.engine import reading, writing
from router.ledger.models import delivery, dispatch
from schemas.descriptor import Descriptor
from schemas.encoding import Encoding, as_available_dictionary
from schemas.model import parse
from schemas.states import Status
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_GATEWAY, Api, letter
from support.conditions import holds
from support.packing import letter_bytes

OLD, NEW = letter_bytes(1), letter_bytes(2)
TEXT = random.Random(3).randbytes(50_000).hex().encode()
OLD_NAME, NEW_NAME, TEXT_NAME = (hashlib.sha256(data).hexdigest() for data in (OLD, NEW, TEXT))
ZSTD = {"Accept-Encoding": "zstd"}
DCZ = {"Accept-Encoding": "dcz, zstd", "Available-Dictionary": as_available_dictionary(OLD_NAME)}


async def send(api: Api, data: bytes, *, to: str = "LCA.02.#") -> str:
    """Upload a file and send it; the dispatch's id."""
    name = hashlib.sha256(data).hexdigest()
    async with api.http.put(f"/content/{name}", headers=api.as_(ISSUER), data=data) as answer:
        assert answer.status in {200, 201}
    body = letter(addressees=[to], attachments=[{"name": "a.docx", "size": len(data), "sha256": name}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 202
        accepted: dict[str, Any] = await answer.json()
    return str(accepted["id"])


def arrive(api: Api, dispatch_id: str) -> None:
    """Every addressee has it."""
    with writing(api.engine) as conn:
        arrived = update(delivery).where(delivery.c.dispatch_id == dispatch_id).values(state=Status.ARRIVED.value)
        conn.execute(arrived)


def told(api: Api, dispatch_id: str) -> Descriptor:
    """What travels for a dispatch."""
    with reading(api.engine) as conn:
        body = conn.scalar(select(dispatch.c.body).where(dispatch.c.id == dispatch_id))
    return parse(Descriptor, body or b"", what="descriptor")


async def get(api: Api, name: str, headers: dict[str, str], *, account: str = GATEWAY) -> tuple[ClientResponse, bytes]:
    async with (
        ClientSession(api.url, auto_decompress=False, skip_auto_headers={"Accept-Encoding"}) as http,
        http.get(f"/content/{name}", headers=api.as_(account) | headers) as answer,
    ):
        return answer, await answer.read()


@pytest.fixture
async def sent(api: Api) -> str:
    """Two letters of one template to LCA.02.#, the first of which has arrived; the second's id."""
    arrive(api, await send(api, OLD))
    return await send(api, NEW)


async def test_the_descriptor_tells_the_forms_and_their_sizes(api: Api, sent: str) -> None:
    (file,) = told(api, sent).attachments
    kept = {form.encoding: form for form in forms.find(api.content, NEW_NAME)}
    assert file.zstd_size == kept[Encoding.ZSTD].size
    assert (file.dcz_size, file.dictionary) == (kept[Encoding.DCZ].size, OLD_NAME)
    assert kept[Encoding.DCZ].size < len(NEW) / 50


@pytest.mark.usefixtures("sent")
async def test_a_form_comes_with_its_coding_its_own_etag_and_what_it_varies_by(api: Api) -> None:
    for headers, encoding in ((ZSTD, Encoding.ZSTD), (DCZ, Encoding.DCZ)):
        (form,) = [form for form in forms.find(api.content, NEW_NAME) if form.encoding is encoding]
        answer, body = await get(api, NEW_NAME, headers)
        assert (answer.status, body) == (200, form.path.read_bytes())
        assert answer.headers["Content-Encoding"] == encoding
        assert answer.headers["ETag"] == f'"{form.etag}"'
        assert answer.headers["Vary"] == "Accept-Encoding, Available-Dictionary"
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.usefixtures("sent")
async def test_without_a_wish_the_content_comes_as_it_is(api: Api) -> None:
    for headers in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip, br, zstd;q=0"}):
        answer, body = await get(api, NEW_NAME, headers)
        assert body == NEW
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["ETag"] == f'"{NEW_NAME}"'
        assert answer.headers["Vary"] == "Accept-Encoding, Available-Dictionary"


@pytest.mark.usefixtures("sent")
async def test_ranges_are_those_of_the_form_and_of_no_other(api: Api) -> None:
    whole, body = await get(api, NEW_NAME, ZSTD)
    etag = whole.headers["ETag"]
    answer, rest = await get(api, NEW_NAME, ZSTD | {"Range": "bytes=1000-", "If-Range": etag})
    assert (answer.status, rest) == (206, body[1000:])
    assert answer.headers["Content-Encoding"] == "zstd"
    assert answer.headers["Content-Range"] == f"bytes 1000-{len(body) - 1}/{len(body)}"
    answer, other = await get(api, NEW_NAME, {"Range": "bytes=1000-", "If-Range": etag})
    assert (answer.status, other) == (200, NEW), "the validator of one form is none of another"
    answer, other = await get(api, NEW_NAME, ZSTD | {"Range": "bytes=1000-", "If-Range": f'"{NEW_NAME}"'})
    assert (answer.status, other) == (200, body)


@pytest.mark.usefixtures("sent")
async def test_who_has_a_form_already_gets_no_byte(api: Api) -> None:
    whole, _ = await get(api, NEW_NAME, DCZ)
    etag = whole.headers["ETag"]
    answer, body = await get(api, NEW_NAME, DCZ | {"If-None-Match": etag})
    assert (answer.status, body, answer.headers["ETag"]) == (304, b"", etag)
    answer, _ = await get(api, NEW_NAME, {"If-None-Match": etag})
    assert answer.status == 200


@pytest.mark.usefixtures("sent")
async def test_another_dictionary_than_the_one_kept_gets_the_other_form(api: Api) -> None:
    for held in (as_available_dictionary(NEW_NAME), as_available_dictionary("0" * 64), "nonsense", ":AAAA:"):
        answer, _ = await get(api, NEW_NAME, DCZ | {"Available-Dictionary": held})
        assert (answer.status, answer.headers["Content-Encoding"]) == (200, "zstd")


async def test_the_difference_to_what_one_may_not_have_is_not_told(api: Api) -> None:
    """The other district's gateway has a right to the new letter, and none to the one before."""
    arrive(api, await send(api, OLD))
    dispatch_id = await send(api, NEW, to="LCA.#")
    assert told(api, dispatch_id).attachments[0].dictionary == OLD_NAME
    for account, encoding in ((GATEWAY, "dcz"), (OTHER_GATEWAY, "zstd"), (ISSUER, "dcz"), (OPERATOR, "dcz")):
        answer, _ = await get(api, NEW_NAME, DCZ, account=account)
        assert (answer.status, answer.headers["Content-Encoding"]) == (200, encoding)


async def test_a_recalled_dictionary_is_no_right_any_more(api: Api) -> None:
    first = await send(api, OLD)
    arrive(api, first)
    await send(api, NEW)
    with writing(api.engine) as conn:
        recalled = update(delivery).where(delivery.c.dispatch_id == first).values(state=Status.RECALLED.value)
        conn.execute(recalled)
    answer, _ = await get(api, NEW_NAME, DCZ)
    assert answer.headers["Content-Encoding"] == "zstd"


async def test_a_form_is_for_who_may_have_the_content(api: Api) -> None:
    await send(api, TEXT)
    assert (await get(api, TEXT_NAME, ZSTD))[0].status == 200
    assert (await get(api, TEXT_NAME, ZSTD, account=OTHER_GATEWAY))[0].status == 404


async def test_a_form_that_was_lost_or_spoilt_is_done_without_and_made_anew(api: Api) -> None:
    await send(api, TEXT)
    (form,) = forms.find(api.content, TEXT_NAME)
    for harm in (form.path.unlink, lambda: form.path.write_bytes(b"?" * form.size)):
        harm()
        answer, body = await get(api, TEXT_NAME, ZSTD)
        assert (answer.status, body) == (200, TEXT)
        await holds(lambda: forms.find(api.content, TEXT_NAME) == [form], what="the form is there again")
        answer, body = await get(api, TEXT_NAME, ZSTD)
        assert (answer.headers["ETag"], len(body)) == (f'"{form.etag}"', form.size)


async def test_a_letter_too_large_for_a_message_travels_packed_too(api: Api) -> None:
    body = letter(flash_text="Khẩn trương. " * 120, addressees=["LCA.02.#"])
    files = [{"name": f"{number}.bin", "size": len(TEXT), "sha256": TEXT_NAME} for number in range(20)]
    await send(api, TEXT)
    async with api.http.post(
        "/api/v1/dispatches", headers=api.as_(ISSUER), json=body | {"attachments": files}
    ) as answer:
        accepted = await answer.json()
    record = told(api, accepted["id"]).record
    assert record is not None
    assert record.zstd_size is not None
    answer, packed = await get(api, record.sha256, ZSTD)
    assert len(packed) == record.zstd_size < record.size / 2


async def test_a_classified_dispatch_gets_no_forms(api: Api) -> None:
    api.services.intake._allow_secrecy = True  # type: ignore[attr-defined]
    name = hashlib.sha256(TEXT).hexdigest()
    async with api.http.put(f"/content/{name}", headers=api.as_(ISSUER), data=TEXT) as answer:
        assert answer.status == 201
    body = letter(secrecy="secret", attachments=[{"name": "a", "size": len(TEXT), "sha256": name}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        accepted = await answer.json()
    (file,) = told(api, accepted["id"]).attachments
    assert (file.zstd_size, file.dcz_size) == (None, None)
    assert forms.find(api.content, name) == []
