"""Possession, not naming: whoever names a content by whatever door has brought its bytes, or has them by a delivery."""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import FormData

from router.broker import Delivered, Publisher
from router.intake import Intake
from router.intake.amqp import IntakeDoor
from router.ledger.engine import writing
from router.ledger.models import delivery
from router.ledger.way.holders import UnnamedLimits
from schemas.ids import new_id
from schemas.states import Status
from support.api_server import GATEWAY, ISSUER, OTHER_ISSUER, Api, letter, running_api

DATA = b"ours alone " * 20_000
SHA = hashlib.sha256(DATA).hexdigest()
UNKNOWN = hashlib.sha256(b"nobody has ever had this").hexdigest()
Door = Callable[[Api, str, dict[str, Any]], Awaitable[dict[str, Any]]]


async def posted(api: Api, account: str, to: str, **body: Any) -> dict[str, Any]:
    async with api.http.post(f"/api/v1/{to}", headers=api.as_(account), **body) as answer:
        return cast("dict[str, Any]", await answer.json(content_type=None))


def form_of(body: dict[str, Any]) -> FormData:
    """The letter with a file that is not the one it names."""
    form = FormData()
    form.add_field("dispatch", json.dumps(body), content_type="application/json")
    form.add_field("file", b"another", filename="b.bin", content_type="application/octet-stream")
    return form


async def over_json(api: Api, account: str, body: dict[str, Any]) -> dict[str, Any]:
    return await posted(api, account, "dispatches", json=body)


async def as_form(api: Api, account: str, body: dict[str, Any]) -> dict[str, Any]:
    return await posted(api, account, "dispatches", data=form_of(body))


async def as_plan(api: Api, account: str, body: dict[str, Any]) -> dict[str, Any]:
    return await posted(api, account, "dispatches/plan", json=body)


async def as_planned_form(api: Api, account: str, body: dict[str, Any]) -> dict[str, Any]:
    return await posted(api, account, "dispatches/plan", data=form_of(body))


async def over_amqp(api: Api, account: str, body: dict[str, Any]) -> dict[str, Any]:
    door = IntakeDoor(cast("Intake", api.services.intake), cast("Publisher", None))
    message = Delivered(
        body=json.dumps(body).encode(),
        queue="intake",
        routing_key="",
        message_id=new_id(),
        type="submission",
        user_id=account,
        headers={},
        reply_to="",
        correlation_id="",
        redelivered=False,
    )
    answer = await door._accept(message)
    return cast("dict[str, Any]", json.loads(answer.body))


DOORS: list[Door] = [over_json, as_form, as_plan, as_planned_form, over_amqp]


def naming(sha256: str, size: int, **fields: Any) -> dict[str, Any]:
    return letter(attachments=[{"name": "a.bin", "size": size, "sha256": sha256}], subject=new_id()) | fields


async def bring(api: Api, data: bytes = DATA, account: str = ISSUER) -> int:
    sha256 = hashlib.sha256(data).hexdigest()
    async with api.http.put(f"/content/{sha256}", headers=api.as_(account), data=data) as answer:
        return answer.status


def told(problem: dict[str, Any], sha256: str) -> str:
    """A problem as it would be of any other name."""
    return json.dumps(problem).replace(sha256, "-")


def is_refused(problem: dict[str, Any]) -> bool:
    return bool(problem.get("type") == "urn:congvan:problem:unknown-attachment")


def end(api: Api, dispatch_id: str, state: Status) -> None:
    with writing(api.engine) as conn:
        conn.execute(delivery.update().where(delivery.c.dispatch_id == dispatch_id).values(state=state.value))


@pytest.mark.parametrize("door", DOORS)
async def test_naming_what_another_brought_is_answered_as_what_never_was(api: Api, door: Door) -> None:
    assert await bring(api) == 201
    answers = [
        told(await door(api, OTHER_ISSUER, naming(name, size, issuer="LCA.03")), name)
        for name, size in ((SHA, len(DATA)), (SHA, 1), (UNKNOWN, len(DATA)), (UNKNOWN, 1))
    ]
    assert len(set(answers)) == 1
    assert is_refused(json.loads(answers[0]))
    assert str(len(DATA)) not in answers[0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ended", [Status.RECALLED, Status.EXPIRED])
async def test_a_delivery_gives_the_right_as_long_as_it_stands(api: Api, door: Door, ended: Status) -> None:
    await bring(api)
    sent = await over_json(api, ISSUER, naming(SHA, len(DATA), addressees=["LCA.03"]))
    forwarded = naming(SHA, len(DATA), issuer="LCA.03", addressees=["LCA.03.*"])
    end(api, sent["id"], ended)
    refused = await door(api, OTHER_ISSUER, forwarded)
    assert is_refused(refused)
    assert told(refused, SHA) == told(
        await door(api, OTHER_ISSUER, naming(UNKNOWN, 1, issuer="LCA.03", addressees=["LCA.03.*"])), UNKNOWN
    )
    end(api, sent["id"], Status.ARRIVED)
    assert not is_refused(await door(api, OTHER_ISSUER, forwarded))


@pytest.mark.parametrize("door", DOORS)
async def test_who_brought_the_bytes_may_name_them_and_is_told_their_size(api: Api, door: Door) -> None:
    await bring(api)
    wrong = await door(api, ISSUER, naming(SHA, 1))
    assert str(len(DATA)) in wrong["detail"]
    assert not is_refused(await door(api, ISSUER, naming(SHA, len(DATA))))


async def test_whoever_brings_the_same_bytes_too_has_the_same_right(api: Api) -> None:
    await bring(api)
    assert await bring(api, account=OTHER_ISSUER) == 200
    assert "id" in await over_json(api, OTHER_ISSUER, naming(SHA, len(DATA), issuer="LCA.03"))


async def test_an_upload_announced_by_name_alone_gives_no_right(api: Api) -> None:
    await bring(api)
    encoded = base64.b64encode(SHA.encode()).decode()
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(DATA)), "Upload-Metadata": f"sha256 {encoded}"}
    async with api.http.post("/api/v1/uploads", headers=api.as_(GATEWAY) | said) as answer:
        assert (answer.status, answer.headers["Upload-Offset"]) == (201, "0")
    assert is_refused(await over_json(api, GATEWAY, naming(SHA, len(DATA), issuer="LCA.02")))


async def test_what_nobody_names_is_bounded_for_each_account_and_what_is_sent_counts_no_more(tmp_path: Path) -> None:
    limits = UnnamedLimits(contents=2, total=3 * len(DATA))
    files = [DATA + bytes([number]) for number in range(4)]
    async with running_api(tmp_path, unnamed=limits) as api:
        assert [await bring(api, data) for data in files[:3]] == [201, 201, 507]
        assert await bring(api, files[0]) == 200, "what it has brought it may bring again"
        assert await bring(api, files[2], OTHER_ISSUER) == 201, "others have bounds of their own"
        async with api.http.put(
            f"/content/{hashlib.sha256(files[3]).hexdigest()}", headers=api.as_(ISSUER), data=_unsized(files[3])
        ) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["type"]) == (507, "urn:congvan:problem:content-quota")
        assert api.content.size(hashlib.sha256(files[3]).hexdigest()) is None, "nothing of it stays"
        first = naming(hashlib.sha256(files[0]).hexdigest(), len(files[0]))
        assert "id" in await over_json(api, ISSUER, first)
        assert await bring(api, files[3]) == 201


async def _unsized(data: bytes) -> Any:
    yield data


async def test_a_right_that_ends_while_the_submission_is_made_ready_is_no_right(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(api)
    sent = await over_json(api, ISSUER, naming(SHA, len(DATA), addressees=["LCA.03"]))
    prepare = Intake._prepare

    async def recalled_meanwhile(self: Intake, *arguments: Any) -> Any:
        end(api, sent["id"], Status.RECALLED)
        return await prepare(self, *arguments)

    monkeypatch.setattr(Intake, "_prepare", recalled_meanwhile)
    forwarded = naming(SHA, len(DATA), issuer="LCA.03", addressees=["LCA.03.*"])
    assert is_refused(await over_json(api, OTHER_ISSUER, forwarded))
