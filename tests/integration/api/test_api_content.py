"""Attachments over HTTP: put in by who sends, fetched by who is addressed, from any byte on."""

import asyncio
import contextlib
import gc
import hashlib
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientPayloadError, ClientResponse

from router.api import auth
from router.content import ContentStore
from router.ledger.engine import writing
from router.ledger.people import accounts
from schemas.clock import now_ms
from support.api_server import (
    DISTRICT_OPERATOR,
    GATEWAY,
    ISSUER,
    OPERATOR,
    OTHER_GATEWAY,
    OTHER_ISSUER,
    Api,
    letter,
    running_api,
)
from support.conditions import holds
from support.rot import rot
from support.small_disk import small_disk

DATA = bytes(range(256)) * 1000
SHA = hashlib.sha256(DATA).hexdigest()
MIB = 1024 * 1024


async def put(api: Api, data: Any = DATA, *, sha: str = SHA, account: str = ISSUER, **headers: str) -> tuple[int, Any]:
    async with api.http.put(f"/content/{sha}", headers=api.as_(account) | headers, data=data) as answer:
        return answer.status, await answer.json(content_type=None)


async def get(
    api: Api, *, account: str = GATEWAY, sha: str = SHA, method: str = "GET", **headers: str
) -> tuple[ClientResponse, bytes]:
    named = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.http.request(method, f"/content/{sha}", headers=api.as_(account) | named) as answer:
        return answer, await answer.read()


@pytest.fixture
async def addressed(api: Api) -> Api:
    """An API with a dispatch to LCA.02.# that has DATA as its attachment."""
    assert (await put(api))[0] == 201
    body = letter(attachments=[{"name": "a.bin", "size": len(DATA), "sha256": SHA}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 202
    return api


async def test_an_upload_is_created_once_and_then_there(api: Api) -> None:
    assert await put(api) == (201, {"sha256": SHA, "size": len(DATA)})
    assert await put(api) == (200, {"sha256": SHA, "size": len(DATA)})
    assert await put(api, account=OPERATOR) == (200, {"sha256": SHA, "size": len(DATA)})


async def test_an_upload_with_another_hash_is_refused_and_leaves_nothing(api: Api) -> None:
    status, problem = await put(api, b"other")
    assert (status, problem["type"]) == (422, "urn:congvan:problem:content-mismatch")
    assert api.content.size(SHA) is None
    assert list(api.content.incoming.iterdir()) == []


async def test_an_upload_in_pieces_or_compressed_is_refused(api: Api) -> None:
    assert (await put(api, **{"Content-Range": "bytes 0-5/10"}))[0] == 400
    assert (await put(api, **{"Content-Encoding": "br"}))[0] == 415


async def test_an_upload_above_the_limit_is_refused_before_or_while_it_comes(tmp_path: Path) -> None:
    async def unsized() -> AsyncIterator[bytes]:
        yield DATA

    async with running_api(tmp_path, max_attachment_bytes=1000) as api:
        for data in (DATA, unsized()):
            status, problem = await put(api, data)
            assert (status, problem["type"]) == (413, "urn:congvan:problem:too-large")
        assert list(api.content.incoming.iterdir()) == []


@pytest.mark.parametrize("sha", ["x", "../../etc/passwd", SHA.upper(), SHA + "0"])
async def test_a_name_that_is_no_hash_is_refused(api: Api, sha: str) -> None:
    assert (await put(api, sha=sha))[0] in {404, 422}
    assert (await get(api, sha=sha))[0].status in {404, 422}


async def test_only_senders_upload(api: Api) -> None:
    assert (await put(api, account=GATEWAY))[0] == 403


async def test_content_comes_whole_with_a_strong_etag_and_for_ever(addressed: Api) -> None:
    answer, body = await get(addressed)
    assert (answer.status, body) == (200, DATA)
    assert answer.headers["ETag"] == f'"{SHA}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Content-Encoding" not in answer.headers
    assert "Last-Modified" not in answer.headers


async def test_head_tells_the_size_and_ignores_a_range(addressed: Api) -> None:
    answer, body = await get(addressed, method="HEAD", Range="bytes=5-")
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", str(len(DATA)))


async def test_a_transfer_is_resumed_at_the_byte(addressed: Api) -> None:
    answer, body = await get(addressed, Range="bytes=100000-", If_Range=f'"{SHA}"')
    assert (answer.status, body) == (206, DATA[100_000:])
    assert answer.headers["Content-Range"] == f"bytes 100000-{len(DATA) - 1}/{len(DATA)}"
    assert answer.headers["ETag"] == f'"{SHA}"'
    assert answer.headers["Content-Length"] == str(len(DATA) - 100_000)


async def test_a_range_of_other_content_gets_the_whole(addressed: Api) -> None:
    answer, body = await get(addressed, Range="bytes=5-", If_Range='"other"')
    assert (answer.status, body) == (200, DATA)


async def test_several_ranges_come_as_parts(addressed: Api) -> None:
    answer, body = await get(addressed, Range="bytes=0-1,300-301")
    assert answer.status == 206
    assert answer.content_type == "multipart/byteranges"
    assert b"Content-Range: bytes 300-301/256000\r\n\r\n" + DATA[300:302] in body


async def test_a_range_behind_the_end_is_told_the_size(addressed: Api) -> None:
    answer, body = await get(addressed, Range="bytes=256000-")
    assert (answer.status, answer.content_type) == (416, "application/problem+json")
    assert answer.headers["Content-Range"] == "bytes */256000"
    assert b"range-not-satisfiable" in body


@pytest.mark.parametrize("text", ["bytes=5-2", "lines=1-2", "nonsense"])
async def test_what_is_no_range_gets_the_whole(addressed: Api, text: str) -> None:
    answer, body = await get(addressed, Range=text)
    assert (answer.status, body) == (200, DATA)


async def test_who_has_it_already_gets_no_byte(addressed: Api) -> None:
    answer, body = await get(addressed, If_None_Match=f'"{SHA}"')
    assert (answer.status, body) == (304, b"")
    assert answer.headers["ETag"] == f'"{SHA}"'


@pytest.mark.parametrize(
    ("account", "status"),
    [
        (GATEWAY, 200),
        (ISSUER, 200),
        (OPERATOR, 200),
        (DISTRICT_OPERATOR, 200),
        (OTHER_GATEWAY, 404),
        (OTHER_ISSUER, 404),
    ],
)
async def test_content_is_for_its_addressees_and_its_issuer_only(addressed: Api, account: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        answer, _ = await get(addressed, account=account, method=method)
        assert answer.status == status


async def test_what_is_not_there_and_what_is_not_ones_own_look_alike(addressed: Api) -> None:
    absent = "0" * 64
    _, not_there = await get(addressed, account=OTHER_GATEWAY, sha=absent)
    _, not_mine = await get(addressed, account=OTHER_GATEWAY)
    assert not_there.replace(absent.encode(), SHA.encode()) == not_mine


async def test_content_uploaded_but_not_sent_is_nobodys(api: Api) -> None:
    await put(api)
    for account in (GATEWAY, ISSUER, OPERATOR):
        assert (await get(api, account=account))[0].status == 404


async def test_content_that_the_disk_lost_is_made_again_from_a_form_of_it(addressed: Api) -> None:
    addressed.content.path(SHA).unlink()
    answer, body = await get(addressed)
    assert (answer.status, body) == (200, DATA)


async def test_content_that_is_lost_is_told_as_the_routers_trouble_until_its_bytes_come(addressed: Api) -> None:
    for path in addressed.content.path(SHA).parent.iterdir():
        path.unlink()
    answer, body = await get(addressed)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert b"content-damaged" in body
    assert [item.sha256 for item in addressed.content.damaged()] == [SHA]
    assert (await put(addressed))[0] == 201
    assert (await get(addressed))[1] == DATA
    assert addressed.content.damaged() == []


async def test_who_got_other_bytes_has_them_hashed_anew(addressed: Api) -> None:
    """Bits that rot change neither size nor time, so only the bytes tell."""
    for form in addressed.content.path(SHA).parent.glob(f"{SHA}.*"):
        form.unlink()
    addressed.content._verdicts._clock = lambda: 1e9
    rot(addressed.content.path(SHA))
    assert (await get(addressed))[1] != DATA
    answer, _ = await get(addressed, Cache_Control="no-cache")
    assert answer.status == 503
    assert (await get(addressed))[0].status == 503


async def test_a_full_disk_is_told_as_507_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=2 * MIB) as disk:
        store = ContentStore(disk / "content", reserve_bytes=MIB // 2)
        async with running_api(tmp_path, content=store) as api:
            big = os.urandom(4 * MIB)
            for data in (io.BytesIO(big), _unsized(big)):
                status, problem = await put(api, data, sha=hashlib.sha256(big).hexdigest())
                assert (status, problem["type"]) == (507, "urn:congvan:problem:content-full")
            assert list(store.incoming.iterdir()) == []
            assert (await put(api))[0] == 201


async def _unsized(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


async def test_below_the_reserve_a_submission_is_told_507(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "store", reserve_bytes=2**60)
    async with running_api(tmp_path, content=store) as api:
        status, problem = await put(api)
        assert (status, problem["type"]) == (507, "urn:congvan:problem:content-full")
        assert "CONGVAN_CONTENT_RESERVE_BYTES" in problem["hint"]


async def test_an_upload_that_breaks_off_leaves_nothing(api: Api) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield DATA
        await asyncio.Event().wait()

    call = asyncio.create_task(put(api, breaking()))
    await holds(lambda: any(api.content.incoming.iterdir()))
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    await holds(lambda: not any(api.content.incoming.iterdir()))


async def test_memory_stays_flat_while_a_large_file_comes_and_goes(api: Api) -> None:
    size, chunk = 64 * MIB, bytes(64 * 1024)
    digest = hashlib.sha256(bytes(size)).hexdigest()
    gc.collect()
    before, peak = psutil.Process().memory_info().rss, 0

    async def sized() -> AsyncIterator[bytes]:
        nonlocal peak
        for _ in range(size // len(chunk)):
            peak = max(peak, psutil.Process().memory_info().rss)
            yield chunk

    assert (await put(api, sized(), sha=digest))[0] == 201
    body = letter(attachments=[{"name": "big.bin", "size": size, "sha256": digest}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 202
    async with api.http.get(f"/content/{digest}", headers=api.as_(GATEWAY)) as answer:
        async for _ in answer.content.iter_chunked(256 * 1024):
            peak = max(peak, psutil.Process().memory_info().rss)
    assert peak - before < 24 * MIB


async def test_a_download_under_way_ends_with_its_token_and_that_of_another_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_SECONDS", 0.0)
    large = os.urandom(MIB) * 64
    sha = hashlib.sha256(large).hexdigest()
    assert (await put(api, io.BytesIO(large), sha=sha))[0] == 201
    body = letter(attachments=[{"name": "a.bin", "size": len(large), "sha256": sha}])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 202
    plain = {"Accept-Encoding": "identity"}
    async with (
        api.http.get(f"/content/{sha}", headers=api.as_(GATEWAY) | plain) as revoked,
        api.http.get(f"/content/{sha}", headers=api.as_(ISSUER) | plain) as other,
    ):
        assert len(await revoked.content.readexactly(MIB)) == MIB
        with writing(api.engine) as conn:
            accounts.revoke(conn, GATEWAY, now_ms=now_ms())
        with pytest.raises(ClientPayloadError):
            await revoked.content.read()
        assert await other.content.read() == large
