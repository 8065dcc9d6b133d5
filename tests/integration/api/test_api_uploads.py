"""Resumable uploads over HTTP (tus 1.0.0): for whom, in what words, and what a broken line leaves."""

import asyncio
import base64
import contextlib
import gc
import hashlib
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.content.uploads import UploadLimits
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_GATEWAY, OTHER_ISSUER, Api, letter, running_api
from support.conditions import holds

DATA = bytes(range(256)) * 1000
SHA = hashlib.sha256(DATA).hexdigest()
UPLOADS = "/api/v1/uploads"
MIB = 1024 * 1024


def metadata(sha: str = SHA) -> str:
    pairs = {"filename": "tờ trình.pdf", "sha256": sha}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


async def call(
    api: Api, method: str, path: str = "", *, account: str = GATEWAY, data: Any = None, **headers: str
) -> tuple[ClientResponse, dict[str, Any]]:
    said = {"Tus-Resumable": "1.0.0"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.http.request(
        method, f"{UPLOADS}{path}", headers=api.as_(account) | {k: v for k, v in said.items() if v}, data=data
    ) as answer:
        told = await answer.json(content_type=None) if answer.content_type.endswith("json") else {}
        return answer, told


async def begin(api: Api, *, sha: str = SHA, size: int = len(DATA), account: str = GATEWAY) -> ClientResponse:
    answer, told = await call(api, "POST", account=account, Upload_Length=str(size), Upload_Metadata=metadata(sha))
    assert answer.status == 201, told
    return answer


async def patch(api: Api, data: Any, offset: int, *, sha: str = SHA, **headers: str) -> tuple[ClientResponse, Any]:
    said = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": str(offset)} | headers
    return await call(api, "PATCH", f"/{sha}", data=data, **said)


async def offset_of(api: Api, sha: str = SHA) -> int:
    answer, _ = await call(api, "HEAD", f"/{sha}")
    assert answer.status == 200
    return int(answer.headers["Upload-Offset"])


async def test_a_gateway_brings_an_attachment_in_pieces_and_sends_it_for_its_unit(api: Api) -> None:
    answer = await begin(api)
    assert answer.headers["Location"] == f"{UPLOADS}/{SHA}"
    first, _ = await patch(api, DATA[:100_000], 0)
    assert (first.status, first.headers["Upload-Offset"]) == (204, "100000")
    last, _ = await patch(api, DATA[100_000:], 100_000)
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(DATA)))
    body = letter(
        issuer="LCA.02.01", addressees=["LCA.02"], attachments=[{"name": "a.bin", "size": len(DATA), "sha256": SHA}]
    )
    async with api.http.post("/api/v1/dispatches", headers=api.as_(GATEWAY), json=body) as sent:
        assert sent.status == 202, await sent.text()
        accepted = await sent.json()
    async with api.http.get(f"/api/v1/dispatches/{accepted['id']}", headers=api.as_(GATEWAY)) as seen:
        assert [item["unit"] for item in (await seen.json())["deliveries"]] == ["LCA.02"]


async def test_a_gateway_sends_for_no_unit_but_those_it_hosts(api: Api) -> None:
    for issuer in ("LCA.VP", "LCA", "LCA.03"):
        async with api.http.post("/api/v1/dispatches", headers=api.as_(GATEWAY), json=letter(issuer=issuer)) as sent:
            assert (sent.status, (await sent.json())["type"]) == (403, "urn:congvan:problem:forbidden-issuer")


async def test_a_gateway_sees_of_dispatches_only_those_its_units_have_issued(api: Api) -> None:
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=letter()) as sent:
        theirs = (await sent.json())["id"]
    body = letter(issuer="LCA.02.01", addressees=["LCA.02", "LCA.02.02"])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(GATEWAY), json=body) as sent:
        ours = (await sent.json())["id"]
    for path in (f"/api/v1/dispatches/{theirs}", f"/api/v1/dispatches/{theirs}/receipts"):
        async with api.http.get(path, headers=api.as_(GATEWAY)) as seen:
            assert seen.status == 404, "though it is addressed to its units"
    async with api.http.get("/api/v1/dispatches", headers=api.as_(GATEWAY)) as seen:
        assert [item["id"] for item in (await seen.json())["items"]] == [ours]
    async with api.http.get(f"/api/v1/dispatches/{ours}", headers=api.as_(GATEWAY)) as seen:
        assert {item["unit"] for item in (await seen.json())["deliveries"]} == {"LCA.02", "LCA.02.02"}
    async with api.http.get(f"/api/v1/dispatches/{ours}", headers=api.as_(OTHER_GATEWAY)) as seen:
        assert seen.status == 404


async def test_issuers_and_operators_upload_too_and_nobody_sees_anothers(api: Api) -> None:
    for account in (ISSUER, OPERATOR):
        await begin(api, account=account)
    for account in (OTHER_ISSUER, OTHER_GATEWAY):
        assert (await call(api, "HEAD", f"/{SHA}", account=account))[0].status == 404
    async with api.http.post(UPLOADS, headers={"Tus-Resumable": "1.0.0"}) as answer:
        assert (answer.status, answer.headers["Tus-Resumable"]) == (401, "1.0.0")


async def test_options_tell_what_is_spoken(api: Api) -> None:
    for path in ("", f"/{SHA}"):
        answer, _ = await call(api, "OPTIONS", path, Tus_Resumable="")
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Extension"] == "creation,expiration,termination"
        assert int(answer.headers["Tus-Max-Size"]) > 0


@pytest.mark.parametrize("version", ["", "0.2.2", "1.0"])
async def test_another_version_is_refused_with_the_one_that_is_spoken(api: Api, version: str) -> None:
    await begin(api)
    for method in ("POST", "HEAD", "PATCH", "DELETE"):
        answer, _ = await call(api, method, "" if method == "POST" else f"/{SHA}", Tus_Resumable=version)
        assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
        assert answer.headers["Tus-Resumable"] == "1.0.0"


async def test_head_tells_offset_length_metadata_and_expiry_and_is_not_cached(api: Api) -> None:
    await begin(api)
    await patch(api, DATA[:7], 0)
    answer, _ = await call(api, "HEAD", f"/{SHA}")
    assert (answer.headers["Upload-Offset"], answer.headers["Upload-Length"]) == ("7", str(len(DATA)))
    assert answer.headers["Upload-Metadata"] == metadata()
    assert answer.headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(answer.headers["Upload-Expires"]).tzinfo is not None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload_Length": "5"}, 400),
        ({"Upload_Metadata": metadata()}, 400),
        ({"Upload_Length": "-1", "Upload_Metadata": metadata()}, 400),
        ({"Upload_Length": "٣", "Upload_Metadata": metadata()}, 400),
        ({"Upload_Length": "9" * 30, "Upload_Metadata": metadata()}, 400),
        ({"Upload_Length": "5", "Upload_Metadata": "sha256 !!"}, 400),
        ({"Upload_Length": "5", "Upload_Metadata": metadata("../../etc/passwd")}, 400),
        ({"Upload_Length": "5", "Upload_Metadata": metadata(SHA.upper())}, 400),
        ({"Upload_Length": "5", "Upload_Metadata": f"{metadata()},{metadata()}"}, 400),
        ({"Upload_Length": "5", "Upload_Metadata": f"{metadata()},x {'A' * 5000}"}, 400),
        ({"Upload_Defer_Length": "1", "Upload_Metadata": metadata()}, 400),
        ({"Upload_Length": str(10**12), "Upload_Metadata": metadata()}, 413),
    ],
)
async def test_an_upload_announced_wrongly_is_refused_with_what_is_wrong(
    api: Api, headers: dict[str, str], status: int
) -> None:
    answer, told = await call(api, "POST", **headers)
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert told["detail"]


@given(
    offset=st.one_of(
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12), st.integers().map(str)
    ),
    kind=st.sampled_from(["application/offset+octet-stream", "application/octet-stream", "text/plain", ""]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_patch_with_any_wrong_header_changes_nothing(api: Api, offset: str, kind: str) -> None:
    await begin(api)
    answer, _ = await patch(api, b"x", 0, Upload_Offset=offset, Content_Type=kind or "x/y")
    right = kind == "application/offset+octet-stream" and offset.strip() == "0"
    if right:
        assert answer.status == 204
        assert (await call(api, "DELETE", f"/{SHA}"))[0].status == 204
    else:
        assert answer.status in {400, 409, 415}
        assert await offset_of(api) == 0


async def test_a_patch_at_the_wrong_byte_is_told_the_right_one(api: Api) -> None:
    await begin(api)
    await patch(api, DATA[:10], 0)
    answer, told = await patch(api, DATA[:10], 0)
    assert (answer.status, answer.headers["Upload-Offset"]) == (409, "10")
    assert told["type"] == "urn:congvan:problem:offset-conflict"


async def test_more_bytes_than_announced_are_refused(api: Api) -> None:
    async def unsized() -> AsyncIterator[bytes]:
        yield DATA + b"x"

    await begin(api)
    for data in (DATA + b"x", unsized()):
        answer, _ = await patch(api, data, 0)
        assert answer.status == 413
    assert await offset_of(api) == 0


async def test_wrong_bytes_are_answered_460_and_begin_again(api: Api) -> None:
    await begin(api)
    answer, told = await patch(api, b"x" * len(DATA), 0)
    assert (answer.status, told["status"], answer.headers["Tus-Resumable"]) == (460, 460, "1.0.0")
    assert await offset_of(api) == 0
    assert (await patch(api, DATA, 0))[0].status == 204
    assert api.content.path(SHA).read_bytes() == DATA


async def test_what_had_come_when_the_line_broke_stays(api: Api) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield DATA[:5000]
        await asyncio.Event().wait()

    await begin(api)
    part = api.content.root / "uploads" / GATEWAY.replace(":", "_") / f"{SHA}.part"
    request = asyncio.create_task(patch(api, breaking(), 0))
    await holds(lambda: part.exists() and part.stat().st_size == 5000, what="silence keeps nothing back")
    request.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await request
    assert await offset_of(api) == 5000


async def test_who_comes_back_need_not_wait_for_the_request_that_hangs(api: Api) -> None:
    more = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield DATA[:5000]
        await more.wait()
        yield DATA[5000:9000]

    await begin(api)
    part = api.content.root / "uploads" / GATEWAY.replace(":", "_") / f"{SHA}.part"
    hung = asyncio.create_task(patch(api, hanging(), 0))
    await holds(lambda: part.exists() and part.stat().st_size == 5000)
    at = await offset_of(api)
    answer, _ = await patch(api, DATA[at:], at)
    assert answer.status == 204
    more.set()
    late, _ = await hung
    assert late.status in {404, 409}
    assert api.content.path(SHA).read_bytes() == DATA


async def test_a_stalled_request_is_answered_408_and_keeps_what_came(tmp_path: Path) -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield DATA[:5000]
        await asyncio.Event().wait()

    async with running_api(tmp_path, idle_timeout=0.2) as api:
        await begin(api)
        assert (await patch(api, silent(), 0))[0].status == 408
        assert await offset_of(api) == 5000


async def test_a_proxy_that_knows_only_post_is_served(api: Api) -> None:
    await begin(api)
    said = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0", "X_HTTP_Method_Override": "PATCH"}
    answer, _ = await call(api, "POST", f"/{SHA}", data=DATA[:10], **said)
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, "10")


async def test_a_terminated_upload_is_gone(api: Api) -> None:
    await begin(api)
    assert (await call(api, "DELETE", f"/{SHA}"))[0].status == 204
    for method in ("HEAD", "DELETE"):
        assert (await call(api, method, f"/{SHA}"))[0].status == 404


async def test_too_many_unfinished_uploads_are_answered_507(tmp_path: Path) -> None:
    async with running_api(tmp_path, limits=UploadLimits(10**6, 1, 10**6, 3600.0)) as api:
        await begin(api)
        other = hashlib.sha256(b"other").hexdigest()
        answer, told = await call(api, "POST", Upload_Length="5", Upload_Metadata=metadata(other))
        assert (answer.status, told["type"]) == (507, "urn:congvan:problem:upload-quota")
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert "DELETE" in told["hint"]


async def test_memory_stays_flat_while_a_large_upload_comes(api: Api) -> None:
    size, chunk = 64 * MIB, bytes(64 * 1024)
    digest = hashlib.sha256(bytes(size)).hexdigest()
    await begin(api, sha=digest, size=size)
    gc.collect()
    before, peak = psutil.Process().memory_info().rss, 0

    async def coming() -> AsyncIterator[bytes]:
        nonlocal peak
        for _ in range(size // len(chunk)):
            peak = max(peak, psutil.Process().memory_info().rss)
            yield chunk

    assert (await patch(api, coming(), 0, sha=digest))[0].status == 204
    assert api.content.size(digest) == size
    assert peak - before < 24 * MIB


async def test_a_finished_upload_bears_every_further_request_and_its_content_stays_whole(api: Api) -> None:
    """One empty PATCH at its end, or a refused one that is too long and a HEAD, once left the stored file empty."""
    await begin(api)
    assert (await patch(api, DATA, 0))[0].status == 204

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    for data, status in ((b"", 204), (nothing(), 204), (b"x", 413), (b"x" * 300_000, 413)):
        answer, _ = await patch(api, data, len(DATA))
        assert answer.status == status
        assert await offset_of(api) == len(DATA)
        assert api.content.path(SHA).read_bytes() == DATA
    requests = asyncio.gather(*(patch(api, b"", len(DATA)) for _ in range(5)))
    assert await offset_of(api) == len(DATA)
    await begin(api)
    assert {answer.status for answer, _ in await requests} <= {204, 409}
    assert (await call(api, "DELETE", f"/{SHA}"))[0].status == 204
    assert api.content.path(SHA).read_bytes() == DATA
