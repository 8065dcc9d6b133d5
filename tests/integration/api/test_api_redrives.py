"""Redrives over HTTP: made once, seen within one's scope, and acted on by operators alone."""

from typing import Any

import pytest

from router.ledger.engine import reading, writing
from router.ledger.queries import addressees
from router.ledger.redrives.stepping import step
from router.ledger.scope import EVERYTHING
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.api_server import DISTRICT_OPERATOR, ISSUER, OPERATOR, Api, letter

ASKED: dict[str, Any] = {"filter": "is:parked", "reason": "đĩa đã được dọn", "pace": "hand"}


async def post(api: Api, path: str, json: Any = None, *, account: str = OPERATOR, key: str = "") -> tuple[int, Any]:
    headers = api.as_(account) | ({"Idempotency-Key": key} if key else {})
    async with api.http.post(f"/api/v1/redrives{path}", headers=headers, json=json) as answer:
        return answer.status, await answer.json(content_type=None)


async def get(api: Api, path: str, account: str = OPERATOR) -> tuple[int, Any]:
    async with api.http.get(f"/api/v1/redrives{path}", headers=api.as_(account)) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def parked(api: Api) -> dict[str, str]:
    """A dispatch, parked at three units: unit → delivery."""
    body = letter(addressees=["LCA.02.#", "LCA.03"])
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=body) as answer:
        dispatch_id = (await answer.json())["id"]
    with writing(api.engine) as conn:
        ids = {item.delivery.unit: item.delivery.id for item in addressees(conn, EVERYTHING, dispatch_id)}
        del ids["LCA.02.02"]
        for key in ids.values():
            apply(conn, [NewReceipt(new_id(), key, Status.PARKED, iso(0), now_ms() - 5, reason="full")], Silence())
    return ids


async def test_a_redrive_is_made_once_by_its_key_and_goes_on_as_somebody_lets_it(
    api: Api, parked: dict[str, str]
) -> None:
    status, tried = await post(api, "/dry-run", {"filter": "unit:LCA.#"})
    assert (status, tried["eligible"], tried["skipped"]) == (200, 3, {"pending": 1})
    made = [await post(api, "", ASKED, key="once") for _ in range(2)]
    assert [status for status, _ in made] == [202, 202]
    job = made[0][1]
    assert made[1][1] == job
    assert (job["state"], job["total"], job["sent"], job["made_by"]) == ("running", 3, 0, OPERATOR)
    assert (await post(api, "", ASKED | {"reason": "other"}, key="once"))[0] == 409
    assert [item["id"] for item in (await get(api, "?state=running&limit=1"))[1]["items"]] == [job["id"]]
    with writing(api.engine) as conn:
        assert step(conn, job["id"], now_ms=now_ms()).sent == 1
    for _ in range(2):
        status, after = await post(api, f"/{job['id']}/rest?seen=1")
        assert (status, after["allowed"]) == (200, 3)
    with writing(api.engine) as conn:
        assert step(conn, job["id"], now_ms=now_ms()).sent == 2
    status, items = await get(api, f"/{job['id']}/items?limit=2&outcome=watched")
    assert [item["state"] for item in items["items"]] == ["redriven", "redriven"]
    status, rest = await get(api, items["next"].removeprefix("/api/v1/redrives"))
    assert {item["delivery_id"] for item in items["items"] + rest["items"]} == set(parked.values())
    assert (await post(api, f"/{job['id']}/cancel"))[1]["state"] == "cancelled"
    assert (await post(api, f"/{job['id']}/resume"))[1]["type"] == "urn:congvan:problem:act-refused"


async def test_what_is_wrong_with_a_redrive_is_told_by_field(api: Api, parked: dict[str, str]) -> None:
    del parked
    assert (await post(api, "", ASKED))[0] == 422, "it needs a key"
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"filter": "colour:red"}, "filter"),
        ({"reason": " "}, "reason"),
        ({"pace": "rate"}, "(whole)"),
        ({"per_minute": 3}, "(whole)"),
        ({"watch_seconds": 0}, "watch_seconds"),
        ({"more": 1}, "more"),
    ]
    for wrong, field in wrongs:
        status, problem = await post(api, "", ASKED | wrong, key="k")
        assert (status, problem["errors"][0]["field"]) == (422, field), wrong
    status, problem = await post(api, "", ASKED | {"filter": "is:expired"}, key="k")
    assert (status, problem["type"]) == (422, "urn:congvan:problem:act-refused")
    assert (await get(api, ""))[1] == {"items": [], "next": None}


async def test_an_operator_sees_and_redrives_its_own_units_alone(api: Api, parked: dict[str, str]) -> None:
    _, whole = await post(api, "", ASKED, key="k")
    _, own = await post(api, "", ASKED, account=DISTRICT_OPERATOR, key="k")
    assert (whole["total"], own["total"]) == (3, 2), "the same key of another account is another redrive"
    status, seen = await get(api, f"/{whole['id']}", DISTRICT_OPERATOR)
    assert (status, seen["total"], seen["filter"]) == (200, 2, "")
    _, items = await get(api, f"/{whole['id']}/items", DISTRICT_OPERATOR)
    assert {item["unit"] for item in items["items"]} == {"LCA.02", "LCA.02.01"}
    assert (await post(api, f"/{whole['id']}/cancel", account=DISTRICT_OPERATOR))[0] == 403
    assert (await post(api, f"/{own['id']}/pause", account=DISTRICT_OPERATOR))[1]["state"] == "paused"
    only = {"filter": f"delivery:{parked['LCA.03']}"}
    _, elsewhere = await post(api, "", ASKED | only, key="other")
    assert (await get(api, f"/{elsewhere['id']}", DISTRICT_OPERATOR))[0] == 404
    assert (await post(api, "", ASKED | only, account=DISTRICT_OPERATOR, key="x"))[0] == 422
    with reading(api.engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM redrive").scalar() == 3
