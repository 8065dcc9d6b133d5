"""The HTTP door: a submission goes in once, with its files, or is refused with every field that is wrong."""

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, FormData, MultipartWriter

from router.ledger.engine import writing
from router.ledger.people.accounts import create_account
from schemas.accounts import parse_account
from schemas.clock import now_ms
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_ISSUER, Api, letter, running_api
from support.conditions import holds

SCAN, PDF = b"scan" * 50_000, b"%PDF-1.7 text"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def form(body: dict[str, Any], *files: tuple[str, bytes, str]) -> FormData:
    data = FormData()
    data.add_field("dispatch", json.dumps(body), content_type="application/json")
    for name, content, media_type in files:
        data.add_field("file", content, filename=name, content_type=media_type)
    return data


async def post(api: Api, *, account: str = ISSUER, **options: Any) -> tuple[ClientResponse, Any]:
    headers = api.as_(account) | options.pop("headers", {})
    async with api.http.post("/api/v1/dispatches", headers=headers, **options) as answer:
        return answer, await answer.json(content_type=None)


async def upload(api: Api, data: bytes, account: str = ISSUER) -> int:
    async with api.http.put(f"/content/{sha(data)}", headers=api.as_(account), data=data) as answer:
        return answer.status


async def show(api: Api, dispatch_id: str) -> Any:
    async with api.http.get(f"/api/v1/dispatches/{dispatch_id}", headers=api.as_(ISSUER)) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_a_dispatch_is_taken_in_and_can_be_looked_at_where_the_answer_says(api: Api) -> None:
    answer, accepted = await post(api, json=letter())
    assert answer.status == 202
    assert accepted | {"id": ""} == {"id": "", "addressees": 3, "duplicate": False, "status": "accepted"}
    assert answer.headers["Location"] == f"/api/v1/dispatches/{accepted['id']}"
    seen = await show(api, accepted["id"])
    assert [item["unit"] for item in seen["deliveries"]] == ["LCA.02", "LCA.02.01", "LCA.02.02"]


async def test_the_same_submission_again_gives_the_same_id_without_any_key(api: Api) -> None:
    _, first = await post(api, json=letter())
    answer, again = await post(api, json=letter())
    assert (answer.status, again["id"], again["duplicate"]) == (202, first["id"], True)
    _, other = await post(api, json=letter(subject="Another"))
    assert other["id"] != first["id"]


@pytest.mark.parametrize("again", ["key-1", '"key-1"'])
async def test_the_same_key_gives_the_same_id_and_with_another_submission_a_conflict(api: Api, again: str) -> None:
    _, first = await post(api, json=letter(), headers={"Idempotency-Key": "key-1"})
    _, second = await post(api, json=letter(), headers={"Idempotency-Key": again})
    assert second["id"] == first["id"]
    answer, problem = await post(api, json=letter(subject="Another"), headers={"Idempotency-Key": again})
    assert (answer.status, problem["type"]) == (409, "urn:congvan:problem:idempotency-conflict")
    assert first["id"] in problem["detail"]


async def test_two_calls_at_once_with_one_key_make_one_dispatch(api: Api) -> None:
    answers = await asyncio.gather(*(post(api, json=letter(), headers={"Idempotency-Key": "k"}) for _ in range(10)))
    assert {answer.status for answer, _ in answers} == {202}
    assert len({body["id"] for _, body in answers}) == 1
    assert [body["duplicate"] for _, body in answers].count(False) == 1


async def test_the_trace_of_the_caller_goes_on(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, accepted = await post(api, json=letter(), headers={"traceparent": trace})
    assert (await show(api, accepted["id"]))["traceparent"].startswith(trace[:36])


async def test_files_that_come_with_the_letter_are_its_attachments_in_order(api: Api) -> None:
    files = ("Quyết định 12.pdf", PDF, "application/pdf"), ("bản quét.tif", SCAN, "image/tiff")
    _, accepted = await post(api, data=form(letter(), *files))
    attachments = (await show(api, accepted["id"]))["submission"]["attachments"]
    assert attachments == [
        {"name": "Quyết định 12.pdf", "media_type": "application/pdf", "size": len(PDF), "sha256": sha(PDF)},
        {"name": "bản quét.tif", "media_type": "image/tiff", "size": len(SCAN), "sha256": sha(SCAN)},
    ]
    assert api.content.path(sha(SCAN)).read_bytes() == SCAN


async def test_the_letter_may_list_files_by_name_by_hash_or_not_at_all(api: Api) -> None:
    assert await upload(api, b"before") == 201
    before = {"name": "before.txt", "media_type": "text/plain", "size": 6, "sha256": sha(b"before")}
    listed = letter(attachments=[{"name": "b.bin", "media_type": "image/tiff"}, before])
    files = ("a.pdf", PDF, "application/pdf"), ("b.bin", SCAN, "application/octet-stream")
    _, accepted = await post(api, data=form(listed, *files))
    attachments = (await show(api, accepted["id"]))["submission"]["attachments"]
    assert [(item["name"], item["media_type"]) for item in attachments] == [
        ("b.bin", "image/tiff"),
        ("before.txt", "text/plain"),
        ("a.pdf", "application/pdf"),
    ]


async def test_the_same_form_again_gives_the_same_id(api: Api) -> None:
    ids = [(await post(api, data=form(letter(), ("a.pdf", PDF, "application/pdf"))))[1]["id"] for _ in range(2)]
    assert ids[0] == ids[1]


async def test_a_file_that_is_not_the_one_listed_is_refused(api: Api) -> None:
    listed = letter(attachments=[{"name": "a.pdf", "sha256": sha(b"other"), "size": 5}])
    answer, problem = await post(api, data=form(listed, ("a.pdf", PDF, "application/pdf")))
    assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:content-mismatch")
    assert [item["field"] for item in problem["errors"]] == ["attachments.0.size", "attachments.0.sha256"]


async def test_a_file_that_is_listed_and_does_not_come_is_named(api: Api) -> None:
    answer, problem = await post(api, data=form(letter(attachments=[{"name": "a.pdf"}])))
    assert answer.status == 422
    assert [item["field"] for item in problem["errors"]] == ["attachments.0"]
    assert "'a.pdf' did not come" in problem["errors"][0]["problem"]


async def test_an_attachment_that_nobody_uploaded_is_named_with_its_field(api: Api) -> None:
    missing = {"name": "a.pdf", "size": 5, "sha256": sha(b"other")}
    answer, problem = await post(api, json=letter(attachments=[missing]))
    assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:unknown-attachment")
    assert problem["errors"][0]["field"] == "attachments.0.sha256"
    assert sha(b"other") in problem["errors"][0]["problem"]
    assert "PUT /content" in problem["hint"]


async def test_an_invalid_letter_names_each_field(api: Api) -> None:
    wrong = letter(urgency=9, issuer="lca", extra=1, subject="")
    for options in ({"json": wrong}, {"data": form(wrong, ("a.pdf", PDF, "application/pdf"))}):
        answer, problem = await post(api, **options)
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"
        assert {item["field"] for item in problem["errors"]} == {"urgency", "issuer", "extra", "subject"}
    assert api.content.size(sha(PDF)) is None  # the letter was refused before the file was read


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"{", "(whole)"), (b"[]", "(whole)"), (b'"x"', "(whole)"), (b'{"attachments": 3}', "notation")],
)
async def test_a_body_that_is_no_letter_is_refused(api: Api, body: bytes, field: str) -> None:
    answer, problem = await post(api, data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 422
    assert field in {item["field"] for item in problem["errors"]}
    answer, problem = await post(api, **raw_form(b'Content-Disposition: form-data; name="dispatch"\r\n\r\n' + body))
    assert answer.status == 422
    assert field in {item["field"] for item in problem["errors"]}


async def test_rules_that_reach_nobody_are_refused(api: Api) -> None:
    for rules in (["LCA.99"], ["LCA.04"], ["!LCA.02"], ["LCA.02.#", "not a rule"]):
        answer, problem = await post(api, json=letter(addressees=rules))
        assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:addressing")


async def test_a_classified_dispatch_is_refused(api: Api) -> None:
    answer, problem = await post(api, json=letter(secrecy="secret"))
    assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:secrecy")


async def test_an_account_sends_for_its_own_units_only(api: Api) -> None:
    answer, problem = await post(api, account=OTHER_ISSUER, json=letter())
    assert (answer.status, problem["type"]) == (403, "urn:congvan:problem:forbidden-issuer")
    assert (await post(api, account=GATEWAY, json=letter()))[0].status == 403
    assert (await post(api, account=OPERATOR, json=letter()))[0].status == 403


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, {}],
)
async def test_another_kind_of_body_is_refused(api: Api, headers: dict[str, str]) -> None:
    answer, problem = await post(api, data=b"{}", headers=headers)
    assert (answer.status, problem["type"]) == (415, "urn:congvan:problem:unsupported-media-type")


async def test_a_letter_that_is_too_long_is_refused(api: Api) -> None:
    long = json.dumps(letter(signer="x" * 2**20)).encode()
    for options in (
        {"data": io.BytesIO(long), "headers": {"Content-Type": "application/json"}},
        {"data": _slowly(long), "headers": {"Content-Type": "application/json"}},
        {"data": form(letter(signer="x" * 2**20))},
    ):
        answer, problem = await post(api, **options)
        assert (answer.status, problem["type"]) == (413, "urn:congvan:problem:too-large")


async def _slowly(data: bytes) -> Any:
    """Without a Content-Length."""
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


async def test_a_key_of_unprintable_or_endless_characters_is_refused(api: Api) -> None:
    for key in ("x" * 201, "x" * 300, "a\tb"):
        answer, _ = await post(api, json=letter(), headers={"Idempotency-Key": key})
        assert answer.status in {400, 422}


def raw_form(*parts: bytes, end: bytes = b"--B--\r\n") -> dict[str, Any]:
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + end
    return {"data": body, "headers": {"Content-Type": "multipart/form-data; boundary=B"}}


LETTER = b'Content-Disposition: form-data; name="dispatch"\r\n\r\n' + json.dumps(letter()).encode()
FILE = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc'


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        ({"data": b"x", "headers": {"Content-Type": f"multipart/form-data; boundary={'B' * 300}"}}, "boundary"),
        ({"data": b"nonsense", "headers": {"Content-Type": "multipart/form-data; boundary=B"}}, "cannot be read"),
        (raw_form(), "no part 'dispatch'"),
        (raw_form(FILE, LETTER), "has to be 'dispatch'"),
        (raw_form(LETTER, b'Content-Disposition: form-data; name="note"\r\n\r\nabc'), "is no file"),
        (raw_form(LETTER, b"Content-Type: text/plain\r\n\r\nabc"), "no name"),
        (raw_form(LETTER, FILE, end=b""), "before its closing boundary"),
        (raw_form(LETTER, b'Content-Disposition: form-data; name="f"; filename="\xff"\r\n\r\nabc'), "not UTF-8"),
        (raw_form(LETTER, b"X: 1\r\n" * 20 + FILE), "header count"),
        (raw_form(LETTER, b"X: " + b"1" * 5000 + b"\r\n" + FILE), "header size"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_and_leaves_nothing_half_written(
    api: Api, options: dict[str, Any], words: str
) -> None:
    answer, problem = await post(api, **options)
    assert (answer.status, problem["type"]) == (400, "urn:congvan:problem:malformed")
    assert words in problem["detail"]
    assert list(api.content.incoming.iterdir()) == []


async def test_two_files_of_one_name_and_a_type_that_is_none_are_refused(api: Api) -> None:
    answer, problem = await post(api, data=form(letter(), ("a", b"1", "text/plain"), ("a", b"2", "text/plain")))
    assert answer.status == 422
    assert "same name" in problem["errors"][0]["problem"]
    bad = FILE.replace(b"\r\n\r\n", b"\r\nContent-Type: so so\r\n\r\n")
    answer, problem = await post(api, **raw_form(LETTER, bad))
    assert (answer.status, problem["errors"][0]["field"]) == (422, "part 2.media_type")


async def test_more_files_than_a_dispatch_may_have_are_refused(api: Api) -> None:
    files = [(f"{number}.txt", b"%d" % number, "text/plain") for number in range(51)]
    answer, problem = await post(api, data=form(letter(), *files))
    assert (answer.status, problem["type"]) == (413, "urn:congvan:problem:too-large")


async def test_a_file_name_from_outside_is_made_safe(api: Api) -> None:
    _, accepted = await post(api, data=form(letter(), ("../../etc/passwd", b"x", "text/plain")))
    attachments = (await show(api, accepted["id"]))["submission"]["attachments"]
    assert "/" not in attachments[0]["name"]


async def test_a_file_above_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with running_api(tmp_path, max_attachment_bytes=1000) as api:
        answer, problem = await post(api, data=form(letter(), ("a.tif", SCAN, "image/tiff")))
        assert (answer.status, problem["type"]) == (413, "urn:congvan:problem:too-large")
        assert list(api.content.incoming.iterdir()) == []
        assert api.content.size(sha(SCAN)) is None


async def test_a_sender_that_goes_away_leaves_nothing_half_written(api: Api) -> None:
    with MultipartWriter("form-data") as body:
        body.append(json.dumps(letter())).set_content_disposition("form-data", name="dispatch")
        body.append(_never_ending()).set_content_disposition("form-data", name="f", filename="a.bin")
    call = asyncio.create_task(post(api, data=body))
    await holds(lambda: any(api.content.incoming.iterdir()))
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await holds(lambda: not any(api.content.incoming.iterdir()))


async def _never_ending() -> Any:
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0.005)


async def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def stalling() -> Any:
        yield b'{"notation":'
        await never.wait()

    async with running_api(tmp_path, idle_timeout=0.2) as api:
        answer, problem = await post(api, data=stalling(), headers={"Content-Type": "application/json"})
        assert (answer.status, problem["type"]) == (408, "urn:congvan:problem:stalled")


async def test_the_outcomes_are_counted(api: Api) -> None:
    await post(api, json=letter())
    await post(api, json=letter())
    await post(api, json=letter(urgency=9))
    await post(api, json=letter(secrecy="secret"))
    text = api.services.metrics.exposition().decode()
    for outcome in ("accepted", "duplicate", "invalid", "secrecy"):
        assert f'congvan_intake_total{{door="http",outcome="{outcome}"}} 1.0' in text


async def test_a_term_that_has_passed_and_an_issuer_that_is_nowhere_are_refused_by_their_field(api: Api) -> None:
    late = letter(urgency=4, due="2020-01-01T00:00:00+07:00")
    answer, problem = await post(api, json=late)
    assert (answer.status, [item["field"] for item in problem["errors"]]) == (422, ["due"])
    with writing(api.engine) as conn:
        api.tokens["issuer:LCA.#"] = create_account(conn, parse_account("issuer:LCA.#"), now_ms=now_ms())
    answer, problem = await post(api, account="issuer:LCA.#", json=letter(issuer="LCA.77"))
    assert (answer.status, [item["field"] for item in problem["errors"]]) == (422, ["issuer"])


async def test_every_rule_that_cannot_be_followed_is_named_by_its_place(api: Api) -> None:
    for rules in (["LCA.02", "not a rule", "*"], ["LCA.02", "LCA.98", "LCA.99"]):
        _, problem = await post(api, json=letter(addressees=rules))
        assert [item["field"] for item in problem["errors"]] == ["addressees.1", "addressees.2"]
