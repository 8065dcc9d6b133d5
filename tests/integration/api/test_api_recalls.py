"""A recall by the HTTP door goes by who got the document, not by who exists today."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from router.directory import Directory
from router.ledger.engine import writing
from router.ledger.people import rights
from schemas.accounts import parse_account
from schemas.rights import Allowance, Rights
from support.api_server import ISSUER, OTHER_ISSUER, UNITS, Api, letter


async def submit(api: Api, **fields: Any) -> dict[str, Any]:
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=letter(**fields)) as answer:
        return dict(await answer.json(content_type=None))


@pytest.mark.parametrize("rules", [["LCA.02.01"], ["LCA.02.#"], ["LCA.02.*"]])
async def test_what_a_merged_unit_got_is_recalled_by_its_name_and_by_rule(api: Api, rules: list[str]) -> None:
    original = await submit(api, addressees=["LCA.02.01"])
    gone = {"valid_to": datetime.now(UTC).date() - timedelta(days=2), "successor": "LCA.02.02"}
    merged = [item.model_copy(update=gone) if item.code == "LCA.02.01" else item for item in UNITS]
    api.services.organisation.directory = Directory(merged)  # type: ignore[misc]
    recall = await submit(api, kind="recall", refers_to=[original["id"]], addressees=rules, subject="Thu hồi")
    assert (recall.get("status"), recall.get("addressees")) == ("accepted", 1), recall
    async with api.http.get(f"/api/v1/dispatches/{original['id']}", headers=api.as_(ISSUER)) as seen:
        assert [item["state"] for item in (await seen.json())["deliveries"]] == ["recalled"]
    async with api.http.get(f"/api/v1/dispatches/{recall['id']}", headers=api.as_(ISSUER)) as seen:
        assert [item["unit"] for item in (await seen.json())["deliveries"]] == ["LCA.02.02"]


async def test_what_a_recall_would_do_is_told_before_and_submitting_what_is_told_does_it(api: Api) -> None:
    original = await submit(api, addressees=["LCA.02.#"])
    path = f"/api/v1/dispatches/{original['id']}/recall-plan"
    async with api.http.get(path, headers=api.as_(ISSUER)) as answer:
        plan = await answer.json()
    assert answer.status == 200, plan
    assert plan["effects"]["ends"] == original["addressees"] == len(plan["deliveries"])
    assert {item["effect"] for item in plan["deliveries"]} == {"ends"}
    async with api.http.get(f"/api/v1/dispatches/{original['id']}", headers=api.as_(ISSUER)) as seen:
        assert {item["state"] for item in (await seen.json())["deliveries"]} == {"pending"}, (
            "nothing is done by looking"
        )
    letter = plan["recall"] | {"flash_text": "Sai phụ lục"}
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=letter) as answer:
        assert (answer.status, (await answer.json())["addressees"]) == (202, plan["told"])
    async with api.http.get(path, headers=api.as_(ISSUER)) as answer:
        assert (await answer.json())["effects"] == {
            "ends": 0,
            "follows": 0,
            "asked": 0,
            "nothing": original["addressees"],
        }


async def test_a_plan_of_many_is_told_page_by_page(api: Api) -> None:
    original = await submit(api, addressees=["LCA.02.#"])
    path: str | None = f"/api/v1/dispatches/{original['id']}/recall-plan?limit=2"
    told: list[str] = []
    while path is not None:
        async with api.http.get(path, headers=api.as_(ISSUER)) as answer:
            page = await answer.json()
        assert answer.status == 200, page
        assert (answer.headers.get("link") is None) is (page["next"] is None)
        assert len(page["deliveries"]) <= 2
        assert page["effects"]["ends"] == original["addressees"], "figures are of all of them"
        told += [item["unit"] for item in page["deliveries"]]
        path = page["next"]
    assert len(told) == original["addressees"] > 2
    assert told == sorted(set(told))


async def test_what_the_hour_does_not_allow_any_more_is_told_by_the_plan(api: Api) -> None:
    with writing(api.engine) as conn:
        rights.grant(conn, parse_account(ISSUER), Rights(hourly=Allowance(dispatches=2)))
    original = await submit(api, addressees=["LCA.02.#"])
    last = await submit(api, addressees=["LCA.02"], subject="Việc khác")
    assert last["status"] == "accepted"
    async with api.http.get(f"/api/v1/dispatches/{original['id']}/recall-plan", headers=api.as_(ISSUER)) as answer:
        planned = await answer.json()
    assert (answer.status, planned["type"]) == (429, "urn:congvan:problem:allowance")
    recall = await submit(api, kind="recall", refers_to=[original["id"]], addressees=["LCA.02.#"], subject="Thu hồi")
    assert recall["type"] == planned["type"]


async def test_a_recall_is_planned_for_whoever_may_recall_alone(api: Api) -> None:
    original = await submit(api, addressees=["LCA.02.#"])
    path = f"/api/v1/dispatches/{original['id']}/recall-plan"
    async with api.http.get(path, headers=api.as_(OTHER_ISSUER)) as answer:
        assert answer.status == 404
    recall = await submit(api, kind="recall", refers_to=[original["id"]], addressees=["LCA.02.#"], subject="Thu hồi")
    async with api.http.get(f"/api/v1/dispatches/{recall['id']}/recall-plan", headers=api.as_(ISSUER)) as answer:
        problem = await answer.json()
        assert (answer.status, problem["type"]) == (422, "urn:congvan:problem:references")
