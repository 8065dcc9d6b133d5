"""The dry run over HTTP: the same body, checks and errors as a submission, and afterwards nothing is there."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from sqlalchemy import func, insert, select, update

from router.directory import Directory
from router.ledger.engine import reading, writing
from router.ledger.models import delivery, dispatch, line
from router.ledger.models import unit as unit_table
from router.planning import draft
from schemas.states import Status
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_ISSUER, Api, Organisation, letter
from support.packing import letter_bytes

OLD, NEW = letter_bytes(1), letter_bytes(2)
OLD_NAME = hashlib.sha256(OLD).hexdigest()


async def plan(api: Api, body: dict[str, Any], *files: bytes, account: str = ISSUER) -> tuple[int, dict[str, Any]]:
    form = aiohttp.FormData()
    form.add_field("dispatch", aiohttp.JsonPayload(body), content_type="application/json")
    for number, data in enumerate(files):
        form.add_field("file", data, filename=f"{number}.docx", content_type="application/msword")
    given: dict[str, Any] = {"data": form} if files else {"json": body}
    async with api.http.post("/api/v1/dispatches/plan", headers=api.as_(account), **given) as answer:
        told: dict[str, Any] = await answer.json(content_type=None)
        return answer.status, told


async def send(api: Api, data: bytes, **fields: Any) -> str:
    form = aiohttp.FormData()
    form.add_field("dispatch", aiohttp.JsonPayload(letter(**fields)), content_type="application/json")
    form.add_field("file", data, filename="a.docx", content_type="application/msword")
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), data=form) as answer:
        accepted = await answer.json()
    return str(accepted["id"])


def of_unit(told: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = [unit for unit in told["units"] if unit["unit"] == code]
    return dict(found)


def know_line(api: Api, code: str, *, rate: int | None, state: str = "up") -> None:
    told = {"since": 0, "heard_at": 0, "every_ms": 1000, "clock_skew_ms": 0}
    with writing(api.engine) as conn:
        conn.execute(insert(line).values(told | {"unit": code, "state": state, "rate_down": rate}))


def kept(api: Api) -> list[Path]:
    return [path for path in api.content.root.rglob("*") if path.is_file()]


async def test_a_plan_says_when_it_would_arrive_and_leaves_nothing_behind(api: Api) -> None:
    know_line(api, "LCA.02.01", rate=2000)
    status, told = await plan(api, letter(addressees=["LCA.02.#"]), NEW)
    assert status == 200, told
    assert (told["count"], told["never"], told["whole"]) == (3, 0, True)
    slow, usual, fast = (of_unit(told, code) for code in ("LCA.02.01", "LCA.02.02", "LCA.02"))
    assert slow["seconds"] == pytest.approx(slow["bytes"] / 2000, abs=0.01)
    assert (slow["rate"], slow["remarks"]) == (2000, [])
    assert (usual["rate"], usual["remarks"]) == (4000, ["never_heard", "rate_assumed"])
    assert fast["seconds"] < usual["seconds"] < slow["seconds"]
    assert [unit["unit"] for unit in told["units"]] == ["LCA.02", "LCA.02.02", "LCA.02.01"], "the slowest last"
    assert kept(api) == []
    with reading(api.engine) as conn:
        assert conn.scalar(select(func.count()).select_from(dispatch)) == 0


async def test_the_forms_that_would_travel_are_counted_for_who_could_read_them(api: Api) -> None:
    first = await send(api, OLD, addressees=["LCA.02.#"])
    with writing(api.engine) as conn:
        arrived = update(delivery).where(delivery.c.dispatch_id == first, delivery.c.unit != "LCA.02.02")
        conn.execute(arrived.values(state=Status.ARRIVED.value))
    before = kept(api)
    _, told = await plan(api, letter(addressees=["LCA.02.#"]), NEW)
    (file,) = told["attachments"]
    assert file["dictionary"] == OLD_NAME
    holds, lacks = of_unit(told, "LCA.02.01"), of_unit(told, "LCA.02.02")
    assert holds["bytes"] < 1000 < file["zstd_size"] < lacks["bytes"]
    assert kept(api) == before


async def test_what_is_on_its_way_already_comes_first(api: Api) -> None:
    know_line(api, "LCA.02.01", rate=1000)
    _, idle = await plan(api, letter(addressees=["LCA.02.01"]), NEW, account=OPERATOR)
    await send(api, OLD, addressees=["LCA.02.01"], urgency=1)
    _, busy = await plan(api, letter(addressees=["LCA.02.01"]), NEW, account=OPERATOR)
    _, urgent = await plan(api, letter(addressees=["LCA.02.01"], urgency=2), NEW, account=OPERATOR)
    assert busy["units"][0]["bytes_ahead"] > 50_000
    assert busy["units"][0]["seconds"] > idle["units"][0]["seconds"] + 50
    assert urgent["units"][0]["bytes_ahead"] == 0
    _, seen = await plan(api, letter(addressees=["LCA.02.01"]), NEW, account=ISSUER)
    assert seen["units"][0]["bytes_ahead"] is None, "what others send there is not this issuer's to know"


async def test_units_without_a_line_are_reached_by_hand_and_lines_that_are_down_are_said(api: Api) -> None:
    know_line(api, "LCA.02.01", rate=4000, state="down")
    _, told = await plan(api, letter(addressees=["LCA.#"]))
    by_hand = of_unit(told, "LCA.03.01")
    assert (by_hand["arrives_at"], by_hand["remarks"]) == (None, ["by_hand"])
    assert told["units"][-1] == by_hand
    assert of_unit(told, "LCA.02.01")["remarks"] == ["line_down"]
    assert [item["unit"] for item in told["left_out"]] == ["LCA.04"]
    groups = {group["link"]: group for group in told["groups"]}
    assert (groups["none"]["units"], groups["none"]["never"], groups["none"]["longest_seconds"]) == (1, 1, None)
    assert (groups["dialup"]["units"], groups["dialup"]["never"]) == (2, 0)
    assert groups["dialup"]["median_seconds"] <= groups["dialup"]["longest_seconds"]
    assert told["never"] == 1


async def test_a_paused_unit_is_not_reached_before_it_is_resumed(api: Api) -> None:
    with writing(api.engine) as conn:
        conn.execute(update(unit_table).where(unit_table.c.code == "LCA.02.01").values(paused_at=1))
    _, told = await plan(api, letter(addressees=["LCA.02.#"]))
    paused = of_unit(told, "LCA.02.01")
    assert (paused["arrives_at"], paused["remarks"]) == (None, ["paused"])
    assert (told["never"], told["count"]) == (1, 3)


async def test_a_file_that_was_uploaded_before_is_planned_and_stays(api: Api) -> None:
    async with api.http.put(f"/content/{OLD_NAME}", headers=api.as_(ISSUER), data=OLD) as answer:
        assert answer.status == 201
    before = kept(api)
    listed = {"name": "a.docx", "size": len(OLD), "sha256": OLD_NAME}
    status, told = await plan(api, letter(attachments=[listed]))
    assert (status, told["attachments"][0]["size"]) == (200, len(OLD))
    assert kept(api) == before


@pytest.mark.parametrize(
    ("fields", "account", "status", "problem"),
    [
        ({"subject": ""}, ISSUER, 422, "invalid"),
        ({"addressees": ["LCA.99"]}, ISSUER, 422, "addressing"),
        ({"secrecy": "secret"}, ISSUER, 422, "secrecy"),
        ({"kind": "recall", "refers_to": ["01a20428-7dc4-7573-8cd6-b48a9ab00e39"]}, ISSUER, 422, "references"),
        ({"attachments": [{"name": "a", "size": 1, "sha256": "0" * 64}]}, ISSUER, 422, "unknown-attachment"),
        ({}, OTHER_ISSUER, 403, "forbidden-issuer"),
        ({}, GATEWAY, 403, "forbidden-issuer"),
    ],
)
async def test_what_would_be_refused_is_refused_with_the_same_words(
    api: Api, fields: dict[str, Any], account: str, status: int, problem: str
) -> None:
    body = letter(**fields)
    planned, told = await plan(api, body, account=account)
    async with api.http.post("/api/v1/dispatches", headers=api.as_(account), json=body) as answer:
        sent = await answer.json()
    assert (planned, answer.status) == (status, status)
    assert told["type"] == sent["type"] == f"urn:congvan:problem:{problem}"
    assert told["detail"] == sent["detail"]
    assert kept(api) == []


async def test_a_letter_too_large_for_a_message_is_planned_with_its_record(api: Api) -> None:
    _, told = await plan(api, letter(flash_text="Khẩn trương. " * 120, addressees=["LCA.02.01"]), *[b"x" * 4000] * 20)
    (unit,) = told["units"]
    assert len(told["attachments"]) == 20
    assert unit["bytes"] > 4000
    assert kept(api) == []


async def test_a_draft_that_a_killed_router_left_is_swept_after_a_day(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = api.content.root / draft.DIRECTORY_NAME / "left"
    left.mkdir(parents=True)
    await plan(api, letter())
    assert left.exists(), "another router may be at work on it"
    monkeypatch.setattr(draft, "_ABANDONED_AFTER", -1.0)
    await plan(api, letter())
    assert not left.exists()


async def test_outside_a_lines_hours_only_an_express_dispatch_arrives_at_once(api: Api) -> None:
    opens, zone = datetime.now(UTC) + timedelta(hours=6), ZoneInfo(api.services.timezone)
    hours = f"{opens.astimezone(zone):%H:%M}-{opens.astimezone(zone) + timedelta(hours=1):%H:%M}"
    organisation = api.services.organisation
    assert isinstance(organisation, Organisation)
    organisation.directory = Directory(
        item.model_copy(update={"opening": hours}) if item.code == "LCA.02.01" else item
        for item in organisation.directory.all
    )
    seconds: dict[tuple[int, str], float] = {}
    for urgency in (0, 2):
        _, told = await plan(api, letter(addressees=["LCA.02.#"], urgency=urgency), NEW)
        seconds |= {(urgency, unit["unit"]): unit["seconds"] for unit in told["units"]}
    assert seconds[0, "LCA.02.01"] > 5 * 3600
    assert max(seconds[2, "LCA.02.01"], seconds[0, "LCA.02.02"]) < 3600


async def test_a_plan_counts_files_that_are_yet_to_come_and_lists_as_many_units_as_are_wanted(api: Api) -> None:
    know_line(api, "LCA.02.01", rate=2000)
    body = letter(addressees=["LCA.02.#"])
    sizes = []
    for more in (0, 50_000):
        query = f"?more_bytes={more}&most_units=2"
        async with api.http.post(f"/api/v1/dispatches/plan{query}", headers=api.as_(ISSUER), json=body) as answer:
            told = await answer.json()
        assert (told["count"], [unit["unit"] for unit in told["units"]]) == (3, ["LCA.02.02", "LCA.02.01"])
        sizes.append(of_unit(told, "LCA.02.01")["bytes"])
    assert sizes[1] - sizes[0] == 50_000
    async with api.http.post("/api/v1/dispatches/plan?more_bytes=-1", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 422
