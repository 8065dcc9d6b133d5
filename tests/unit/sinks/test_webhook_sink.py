"""The webhook sink against a real HTTP server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from consumers.errors import SinkRefusedError, SinkRetryError, SinkSettingsError
from consumers.sinks.webhook import WebhookSink
from schemas.trace import trace_id
from support.documents import FILES, make_document
from support.receiver import Answer, Receiver, answering, receiver


@asynccontextmanager
async def _posting_to(answer: Answer, *, timeout: float = 20.0) -> AsyncIterator[tuple[WebhookSink, Receiver]]:  # noqa: ASYNC109 - the sink's setting
    async with receiver(answer) as system:
        sink = WebhookSink(system.url, token="s3cret", timeout=timeout)
        try:
            yield sink, system
        finally:
            await sink.close()


async def _failure(answer: Answer, directory: Path) -> SinkRetryError:
    async with _posting_to(answer) as (sink, _):
        with pytest.raises(SinkRetryError) as caught:
            await sink.deliver(make_document(directory))
    return caught.value


async def test_a_system_gets_the_record_and_every_file(tmp_path: Path) -> None:
    document = make_document(tmp_path)
    async with _posting_to(answering(201)) as (sink, system):
        await sink.deliver(document)
    (parts,) = system.parts
    record = orjson.loads(parts[0].content)
    assert (parts[0].name, parts[0].media_type) == ("dispatch", "application/json")
    assert (record["delivery_id"], record["dispatch"]["id"]) == (document.delivery_id, document.descriptor.id)
    assert {part.file_name: part.content for part in parts[1:]} == FILES
    assert {(part.name, part.media_type) for part in parts[1:]} == {("file", "application/pdf")}


async def test_every_try_carries_the_same_key_the_trace_and_the_token(tmp_path: Path) -> None:
    document = make_document(tmp_path)
    async with _posting_to(answering(200)) as (sink, system):
        await sink.deliver(document)
        await sink.deliver(document)
    assert [headers["Idempotency-Key"] for headers in system.headers] == [document.delivery_id] * 2
    assert {trace_id(headers["traceparent"]) for headers in system.headers} == {trace_id(document.traceparent)}
    assert {headers["Authorization"] for headers in system.headers} == {"Bearer s3cret"}


async def test_a_document_without_attachments_is_a_form_too(tmp_path: Path) -> None:
    async with _posting_to(answering(204)) as (sink, system):
        await sink.deliver(make_document(tmp_path, files={}))
    assert [part.name for part in system.parts[0]] == ["dispatch"]


async def test_a_large_file_is_streamed_with_its_length_announced(tmp_path: Path) -> None:
    async with _posting_to(answering(200)) as (sink, system):
        await sink.deliver(make_document(tmp_path, files={"scan.pdf": b"s" * 1_500_000, "empty.txt": b""}))
    assert int(system.headers[0]["Content-Length"]) > 1_500_000
    assert [len(part.content) for part in system.parts[0][1:]] == [1_500_000, 0]


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422, 451])
async def test_an_answer_about_the_document_refuses_at_once_with_the_answer_as_reason(
    tmp_path: Path, status: int
) -> None:
    async with _posting_to(answering(status, "Số công văn\nđã có")) as (sink, _):
        with pytest.raises(SinkRefusedError, match=rf"answered {status} Số công văn đã có$"):
            await sink.deliver(make_document(tmp_path))


@pytest.mark.parametrize("status", [401, 403, 404, 408, 410, 425, 429, 500, 502, 503, 504])
async def test_an_answer_that_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    error = await _failure(answering(status, "later"), tmp_path)
    assert f"answered {status} later" in error.reason
    assert error.retry_after is None


async def test_retry_after_is_read_as_seconds_and_as_a_date(tmp_path: Path) -> None:
    assert (await _failure(answering(503, headers={"Retry-After": "17"}), tmp_path)).retry_after == 17
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    pause = (await _failure(answering(429, headers={"Retry-After": date}), tmp_path)).retry_after
    assert pause is not None
    assert 80 < pause <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert (await _failure(answering(429, headers={"Retry-After": past}), tmp_path)).retry_after == 0
    assert (await _failure(answering(429, headers={"Retry-After": "soon"}), tmp_path)).retry_after is None


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with _posting_to(answering(307, headers={"Location": "/take"})) as (sink, system):
        with pytest.raises(SinkRetryError, match="redirects are not followed"):
            await sink.deliver(make_document(tmp_path))
    assert len(system.headers) == 1


async def test_an_endless_answer_is_read_to_its_limit_only(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        while True:
            await response.write(b"no " * 1000)

    async with _posting_to(endless) as (sink, _):
        with pytest.raises(SinkRefusedError) as caught:
            await asyncio.wait_for(sink.deliver(make_document(tmp_path)), 10)
    assert len(caught.value.reason) < 400
    assert caught.value.reason.endswith("…")


@pytest.mark.parametrize("status", [200, 503])
async def test_the_status_decides_though_the_body_stays_open(tmp_path: Path, status: int) -> None:
    opened = asyncio.Event()

    async def open_ended(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(b"stored, but")
        await opened.wait()
        return response

    async with _posting_to(open_ended, timeout=15) as (sink, system):
        if status == 200:
            await asyncio.wait_for(sink.deliver(make_document(tmp_path)), 10)
        else:
            with pytest.raises(SinkRetryError, match="answered 503 stored, but"):
                await asyncio.wait_for(sink.deliver(make_document(tmp_path)), 10)
        opened.set()
    assert len(system.headers) == 1


async def test_a_200_whose_body_breaks_off_has_the_document(tmp_path: Path) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200, headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"stored")
        assert request.transport is not None
        request.transport.close()
        return response

    async with _posting_to(broken) as (sink, system):
        await sink.deliver(make_document(tmp_path))
    assert len(system.headers) == 1


async def test_a_system_that_does_not_answer_in_time_is_tried_again(tmp_path: Path) -> None:
    async with _posting_to(answering(200, after=30), timeout=0.2) as (sink, _):
        with pytest.raises(SinkRetryError, match=r"did not answer within 0\.2 s"):
            await sink.deliver(make_document(tmp_path))


async def test_a_closed_port_is_tried_again_and_the_password_is_not_shown(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = WebhookSink(f"http://user:hidden@127.0.0.1:{port}/take?key=hidden")
    with pytest.raises(SinkRetryError, match=rf"http://127.0.0.1:{port}/take cannot be reached") as caught:
        await sink.deliver(make_document(tmp_path))
    assert "hidden" not in caught.value.reason
    await sink.close()


async def test_a_connection_that_breaks_is_tried_again(tmp_path: Path) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert "cannot be reached" in (await _failure(hang_up, tmp_path)).reason


async def test_content_gone_from_the_spool_is_tried_again(tmp_path: Path) -> None:
    document = make_document(tmp_path)
    document.files[0].path.unlink()
    async with _posting_to(answering(200)) as (sink, system):
        with pytest.raises(SinkRetryError, match="cannot be read"):
            await sink.deliver(document)
    assert system.headers == []


@pytest.mark.parametrize("url", ["", "inbox", "ftp://example.org/x", "http://", "http://[::1"])
def test_a_url_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SinkSettingsError, match="needs an http or https URL"):
        WebhookSink(url)
