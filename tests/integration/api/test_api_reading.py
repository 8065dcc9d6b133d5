"""What became of dispatches, as who sent them and operators may see it."""

from pathlib import Path
from typing import Any

import pytest

from router.delivery.hellos import Greeting, note
from router.directory import Directory
from router.ledger.engine import reading, writing
from router.ledger.queries import addressees
from router.ledger.scope import EVERYTHING
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.progress import note_held
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.accounts import parse_account
from schemas.clock import iso, now_ms
from schemas.health import EVERYWHERE, HEADER_BEFORE, HEADER_ELSEWHERE, HEADER_REPLACES, HEADER_SPOOL
from schemas.ids import new_id
from schemas.line import Held, LineReport
from schemas.receipt import Hello
from schemas.states import Status
from schemas.unit import Link
from support.api_server import (
    DISTRICT_OPERATOR,
    GATEWAY,
    ISSUER,
    OPERATOR,
    OTHER_GATEWAY,
    OTHER_ISSUER,
    Api,
    Organisation,
    letter,
    running_api,
)
from support.ledgers import unit


async def send(api: Api, *, account: str = ISSUER, **fields: Any) -> str:
    async with api.http.post("/api/v1/dispatches", headers=api.as_(account), json=letter(**fields)) as answer:
        assert answer.status == 202
        return str((await answer.json())["id"])


async def get(api: Api, path: str, *, account: str = ISSUER) -> tuple[int, Any, Any]:
    async with api.http.get(path, headers=api.as_(account)) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


def tell(api: Api, dispatch_id: str, unit: str, *states: Status, **fields: str) -> None:
    with reading(api.engine) as conn:
        (key,) = [it.delivery.id for it in addressees(conn, EVERYTHING, dispatch_id) if it.delivery.unit == unit]
    with writing(api.engine) as conn:
        for status in states:
            entry = NewReceipt(new_id(), key, status, iso(now_ms()), now_ms(), **fields)  # type: ignore[arg-type]
            apply(conn, [entry], Silence())


async def test_a_dispatch_shows_its_roll_up_and_each_addressee(api: Api) -> None:
    dispatch_id = await send(api, addressees=["LCA.02.#", "LCA.03.01"], urgency=2)
    tell(api, dispatch_id, "LCA.02", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    tell(api, dispatch_id, "LCA.02", Status.REGISTERED, register_number="57")
    tell(api, dispatch_id, "LCA.02.01", Status.QUEUED)
    status, seen, _ = await get(api, f"/api/v1/dispatches/{dispatch_id}")
    assert status == 200
    assert (seen["addressees"], seen["arrived"], seen["lane"]) == (4, 1, "express")
    assert seen["states"] == {"pending": 2, "queued": 1, "registered": 1}
    first = seen["deliveries"][0]
    assert (first["unit"], first["state"], first["register_number"]) == ("LCA.02", "registered", "57")
    assert list(first["times"]) == ["queued", "taken", "arrived", "registered"]
    by_unit = {item["unit"]: item for item in seen["deliveries"]}
    assert (by_unit["LCA.03.01"]["reason"], by_unit["LCA.03.01"]["next_due_at"]) == ("no_line", None)
    assert seen["submission"]["subject"] == "Về việc kiểm tra"
    assert seen["next"] is None


async def test_a_dispatch_shows_how_far_it_has_come_and_whose_line_is_down(api: Api) -> None:
    dispatch_id = await send(api)
    for code in ("LCA.02", "LCA.02.01", "LCA.02.02"):
        tell(api, dispatch_id, code, Status.QUEUED, Status.TAKEN)
    with writing(api.engine) as conn:
        keys = {it.delivery.unit: it.delivery.id for it in addressees(conn, EVERYTHING, dispatch_id)}
        note_held(conn, "LCA.02.01", [Held(delivery_id=keys["LCA.02.01"], held=3_100, total=5_000)], now_ms())
        for code in ("LCA.02", "LCA.02.01"):
            presence.note_report(conn, [code], Report(LineReport(every=60), 60_000, 60_000))
        presence.note_silent(conn, Listening(now_ms(), 0))
        note_held(conn, "LCA.02", [Held(delivery_id=keys["LCA.02"], held=5, total=5)], now_ms())
    tell(api, dispatch_id, "LCA.02", Status.ARRIVED)
    _, seen, _ = await get(api, f"/api/v1/dispatches/{dispatch_id}")
    assert seen["transfers"] == {"bytes_held": 3_100, "bytes_total": 5_000, "lines_down": 1}
    shown = {it["unit"]: (it["bytes_held"], it["bytes_total"], it["line_down_since"]) for it in seen["deliveries"]}
    assert shown == {
        "LCA.02": (None, None, None),
        "LCA.02.01": (3_100, 5_000, iso(60_000)),
        "LCA.02.02": (None, None, None),
    }


async def test_what_is_owed_is_told_and_what_is_late_is_found(api: Api) -> None:
    """An express one is parked for two hours, which is seen to at once; the other has all its time."""
    at, ahead = now_ms() - 7_200_000, iso(now_ms() + 10 * 86_400_000)
    parked = await send(api, addressees=["LCA.02.01"], urgency=3)
    other = await send(api, addressees=["LCA.02.#"], due=ahead)
    tell(api, other, "LCA.02.01", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    with writing(api.engine) as conn:
        (key,) = [item.delivery.id for item in addressees(conn, EVERYTHING, parked)]
        apply(conn, [NewReceipt(new_id(), key, Status.PARKED, iso(at), at, reason="x")], Silence())
    _, seen, _ = await get(api, f"/api/v1/dispatches/{parked}")
    (owed,) = seen["deliveries"][0]["owed"]
    assert (owed["duty"], owed["by"], owed["since"]) == ("send_again", "operator", iso(at))
    assert owed["latest"] == owed["soon"] == iso(at + 1_800_000)
    assert owed["late_seconds"] >= 5_400
    _, seen, _ = await get(api, f"/api/v1/dispatches/{other}")
    by_unit = {item["unit"]: item["owed"] for item in seen["deliveries"]}
    assert [(item["duty"], item["by"]) for item in by_unit["LCA.02.01"]] == [("register", "clerk"), ("answer", "clerk")]
    assert [item["late_seconds"] for item in by_unit["LCA.02.01"]] == [0, 0]
    assert by_unit["LCA.02.01"][1]["latest"] == ahead
    _, page, _ = await get(api, "/api/v1/dispatches?late=true")
    assert [item["id"] for item in page["items"]] == [parked]
    _, late, _ = await get(api, f"/api/v1/dispatches/{parked}?late=true")
    _, none, _ = await get(api, f"/api/v1/dispatches/{other}?late=true")
    assert ([it["unit"] for it in late["deliveries"]], none["deliveries"]) == (["LCA.02.01"], [])


async def test_addressees_come_in_pages_that_name_the_next(api: Api) -> None:
    dispatch_id = await send(api)
    path: str | None = f"/api/v1/dispatches/{dispatch_id}?limit=2"
    units: list[str] = []
    while path:
        _, seen, headers = await get(api, path)
        units += [item["unit"] for item in seen["deliveries"]]
        path = seen["next"]
        assert ("Link" in headers) is (path is not None)
    assert units == ["LCA.02", "LCA.02.01", "LCA.02.02"]


async def test_addressees_are_filtered_by_state(api: Api) -> None:
    dispatch_id = await send(api)
    tell(api, dispatch_id, "LCA.02.01", Status.ARRIVED)
    _, seen, _ = await get(api, f"/api/v1/dispatches/{dispatch_id}?state=arrived&state=refused")
    assert [item["unit"] for item in seen["deliveries"]] == ["LCA.02.01"]


async def test_receipts_come_in_the_order_of_the_log_and_can_be_followed(api: Api) -> None:
    dispatch_id = await send(api)
    tell(api, dispatch_id, "LCA.02", Status.QUEUED, Status.TAKEN)
    _, page, headers = await get(api, f"/api/v1/dispatches/{dispatch_id}/receipts")
    assert [(item["unit"], item["status"], item["effect"]) for item in page["items"]] == [
        ("LCA.02", "queued", "advance"),
        ("LCA.02", "taken", "advance"),
    ]
    assert headers["Link"] == f'<{page["next"]}>; rel="next"'
    tell(api, dispatch_id, "LCA.02.01", Status.QUEUED)
    _, later, _ = await get(api, page["next"])
    assert [item["unit"] for item in later["items"]] == ["LCA.02.01"]
    _, nothing, _ = await get(api, later["next"])
    assert (nothing["items"], nothing["next"]) == ([], later["next"])


async def test_the_list_is_paged_from_the_latest_to_the_first(api: Api) -> None:
    sent = [await send(api, subject=f"Số {number}") for number in range(5)]
    path: str | None = "/api/v1/dispatches?limit=2"
    seen: list[str] = []
    while path:
        _, page, headers = await get(api, path)
        seen += [item["id"] for item in page["items"]]
        path = page["next"]
        assert (f'<{path}>; rel="next"' == headers.get("Link")) is (path is not None)
    assert seen == sent[::-1]


async def test_the_list_is_filtered_by_text_without_accents_issuer_state_and_time(api: Api) -> None:
    plan = await send(api, subject="Kế hoạch phòng chống lũ", notation="7-KH/TU")
    other = await send(api, subject="Đường giao thông", issuer="LCA.02", account=GATEWAY, addressees=["LCA.02.#"])
    tell(api, plan, "LCA.02", Status.ARRIVED)
    _, whole, _ = await get(api, f"/api/v1/dispatches/{plan}", account=OPERATOR)
    accepted = whole["accepted_at"].replace("Z", "%2B00:00")
    for query, expected in (
        ("q=phong chong lu", [plan]),
        ("q=duong", [other]),
        ("q=7-kh", [plan]),
        ("q=%25", []),
        ("issuer=LCA.02", [other]),
        ("issuer=LCA.%23", [other, plan]),
        ("state=arrived", [plan]),
        ("state=arrived&state=pending", [other, plan]),
        (f"until={accepted}", []),
        (f"since={accepted}&q=phong", [plan]),
    ):
        _, page, _ = await get(api, f"/api/v1/dispatches?{query}", account=OPERATOR)
        assert [item["id"] for item in page["items"]] == expected, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("since=yesterday", "since"),
        ("until=0.5", "until"),
        ("since=2026-11-22T05:04:03", "since"),
        ("state=lost", "state.0"),
        ("issuer=x", "issuer"),
        ("colour=red", "colour"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_named(api: Api, query: str, field: str) -> None:
    status, problem, _ = await get(api, f"/api/v1/dispatches?{query}")
    assert (status, problem["type"]) == (422, "urn:congvan:problem:invalid")
    assert [item["field"] for item in problem["errors"]] == [field]


async def test_a_cursor_of_somebody_elses_making_is_refused(api: Api) -> None:
    for cursor in ("x", "eDp5", "%00"):
        status, problem, _ = await get(api, f"/api/v1/dispatches?cursor={cursor}")
        assert (status, problem["type"]) == (400, "urn:congvan:problem:malformed")


async def test_an_issuer_sees_its_own_dispatches_and_an_operator_those_of_its_pattern(api: Api) -> None:
    dispatch_id = await send(api)
    elsewhere = await send(api, addressees=["LCA.03"])
    for account, expected in (
        (ISSUER, {dispatch_id, elsewhere}),
        (OTHER_ISSUER, set()),
        (OPERATOR, {dispatch_id, elsewhere}),
        (DISTRICT_OPERATOR, {dispatch_id}),
    ):
        _, page, _ = await get(api, "/api/v1/dispatches", account=account)
        assert {item["id"] for item in page["items"]} == expected
        for path in (f"/api/v1/dispatches/{dispatch_id}", f"/api/v1/dispatches/{dispatch_id}/receipts"):
            status, _, _ = await get(api, path, account=account)
            assert status == (200 if dispatch_id in expected else 404)


async def test_an_operator_sees_only_the_addressees_within_its_pattern(api: Api) -> None:
    dispatch_id = await send(api, addressees=["LCA.02", "LCA.03"])
    _, seen, _ = await get(api, f"/api/v1/dispatches/{dispatch_id}", account=DISTRICT_OPERATOR)
    assert [item["unit"] for item in seen["deliveries"]] == ["LCA.02"]


async def test_a_dispatch_that_is_not_there_is_not_found_and_an_id_that_is_none_is_invalid(api: Api) -> None:
    assert (await get(api, f"/api/v1/dispatches/{new_id()}"))[0] == 404
    assert (await get(api, f"/api/v1/dispatches/{new_id()}/receipts"))[0] == 404
    assert (await get(api, "/api/v1/dispatches/x"))[0] == 422


async def test_an_account_lists_the_units_it_stands_for(api: Api) -> None:
    async def codes(path: str, account: str) -> list[str]:
        _, units, _ = await get(api, path, account=account)
        return [unit["code"] for unit in units]

    assert await codes("/api/v1/units", GATEWAY) == ["LCA.02", "LCA.02.01", "LCA.02.02"]
    assert await codes("/api/v1/units?within=LCA.02.01", GATEWAY) == ["LCA.02.01"]
    assert await codes("/api/v1/units?within=LCA.02.%23", OTHER_GATEWAY) == []
    assert await codes("/api/v1/units", ISSUER) == ["LCA.VP"]
    assert len(await codes("/api/v1/units", OPERATOR)) == 8
    _, units, _ = await get(api, "/api/v1/units?within=LCA.02.01", account=GATEWAY)
    named = {"code": "LCA.02.01", "name": "Đơn vị LCA.02.01", "kind": "commune", "link": "dialup"}
    assert units == [named | {"opening": None}]


async def test_a_gateway_that_names_its_spool_learns_for_which_units_another_one_works(api: Api) -> None:
    mine, other = new_id(), new_id()

    async def elsewhere(headers: dict[str, str], account: str = GATEWAY, within: str = "LCA.02.%23") -> str | None:
        asked = {**api.as_(account), **headers}
        async with api.http.get(f"/api/v1/units?within={within}", headers=asked) as answer:
            assert answer.status == 200, await answer.text()
            return answer.headers.get(HEADER_ELSEWHERE)

    def works(spool_id: str, *units: str) -> None:
        said = {"units": units, "spool_id": spool_id, "at": iso(now_ms()), "line": {"every": 60}}
        with writing(api.engine) as conn:
            note(0, conn, [Greeting(Hello.model_validate(said), parse_account("gateway:LCA.02.#"), None, 0)])

    assert await elsewhere({HEADER_SPOOL: mine}) is None
    works(other, "LCA.02.01")
    assert await elsewhere({HEADER_SPOOL: mine}) == "LCA.02.01"
    assert await elsewhere({HEADER_SPOOL: other}) is None, "its own unit"
    assert await elsewhere({HEADER_SPOOL: mine, HEADER_REPLACES: other}) is None, "it lies in the other's place"
    assert await elsewhere({}) is None, "it names no spool"
    assert await elsewhere({HEADER_SPOOL: mine}, OPERATOR) is None, "no gateway"
    assert await elsewhere({HEADER_SPOOL: mine}, within="LCA.02.01") == EVERYWHERE
    works(other, "LCA.02", "LCA.02.02")
    assert await elsewhere({HEADER_SPOOL: mine}) == EVERYWHERE


async def test_a_gateway_learns_whose_books_lie_in_another_spool_alive_or_lost(api: Api) -> None:
    mine, lost = new_id(), new_id()

    async def before(spool_id: str, replaces: str = "") -> str | None:
        said = {HEADER_SPOOL: spool_id} | ({HEADER_REPLACES: replaces} if replaces else {})
        async with api.http.get("/api/v1/units?within=LCA.02.%23", headers={**api.as_(GATEWAY), **said}) as answer:
            return answer.headers.get(HEADER_BEFORE)

    assert await before(mine) is None
    said = {"units": ["LCA.02.01"], "spool_id": lost, "at": iso(now_ms())}  # it never said how often it comes
    with writing(api.engine) as conn:
        note(0, conn, [Greeting(Hello.model_validate(said), parse_account("gateway:LCA.02.#"), None, 0)])
    assert await before(mine) == "LCA.02.01"
    assert await before(mine, replaces=lost) == "LCA.02.01", "the books that lay in its place are lost, too"
    assert await before(lost) is None


@pytest.mark.parametrize("name", ["Congvan-Spool", "Congvan-Replaces"])
async def test_a_spool_that_is_no_id_is_refused_and_named(api: Api, name: str) -> None:
    async with api.http.get("/api/v1/units", headers={**api.as_(GATEWAY), name: "x"}) as answer:
        problem = await answer.json(content_type=None)
    assert answer.status == 422
    assert [error["field"].lower() for error in problem["errors"]] == [name.lower()]


async def test_a_gateway_learns_the_hours_of_its_units_lines_with_their_list(tmp_path: Path) -> None:
    listed = Organisation(Directory([unit("LCA"), unit("LCA.02", Link.DIALUP, opening="18:00-21:00")]))
    async with running_api(tmp_path, organisation=listed, timezone="Asia/Bangkok") as api:
        _, units, _ = await get(api, "/api/v1/units", account=GATEWAY)
        _, one, _ = await get(api, "/api/v1/units/LCA.02", account=GATEWAY)
    assert [item["opening"] for item in (*units, one)] == [{"hours": "18:00-21:00", "timezone": "Asia/Bangkok"}] * 2


async def test_a_unit_is_shown_with_its_line_and_its_latest_outages(api: Api) -> None:
    _, silent, _ = await get(api, "/api/v1/units/LCA.02.01", account=GATEWAY)
    assert (silent["parent"], silent["line"], silent["outages"]) == ("LCA.02", None, [])
    now = now_ms()
    down = {"down_at": iso(now - 60_000), "up_at": iso(now - 30_000)}
    said = LineReport.model_validate({"every": 60, "rate_down": 4035, "outages": [down]})
    with writing(api.engine) as conn:
        presence.note_report(conn, ["LCA.02.01"], Report(said, now, now))
    _, seen, _ = await get(api, "/api/v1/units/LCA.02.01", account=DISTRICT_OPERATOR)
    assert (seen["line"]["state"], seen["line"]["rate_down"], seen["line"]["rate_up"]) == ("up", 4035, None)
    assert seen["line"]["since"] == iso(now - 30_000)
    assert seen["outages"] == [{"began_at": iso(now - 60_000), "ended_at": iso(now - 30_000), "told_by": "gateway"}]


@pytest.mark.parametrize(("path", "account"), [("LCA.99", OPERATOR), ("LCA.03", DISTRICT_OPERATOR), ("LCA.02", ISSUER)])
async def test_a_unit_that_is_not_there_or_not_the_accounts_is_not_found(api: Api, path: str, account: str) -> None:
    status, problem, _ = await get(api, f"/api/v1/units/{path}", account=account)
    assert (status, problem["type"]) == (404, "urn:congvan:problem:not-found")


async def test_rules_are_tried_without_sending(api: Api) -> None:
    rules = {"addressees": ["LCA.#", "!LCA.02.01"]}
    async with api.http.post("/api/v1/resolve", headers=api.as_(ISSUER), json=rules) as answer:
        assert answer.status == 200
        seen = await answer.json()
    assert seen["count"] == len(seen["included"]) == 6
    assert {item["unit"]: item["reason"] for item in seen["left_out"]} == {
        "LCA.02.01": "excluded_by_rule",
        "LCA.04": "own_network",
    }
    assert [(item["unit"], item["code"]) for item in seen["notes"]] == [("LCA.03.01", "no_line")]
    assert (await get(api, "/api/v1/dispatches"))[1]["items"] == []


@pytest.mark.parametrize("body", [{}, {"addressees": []}, {"addressees": ["LCA.99"]}, {"addressees": 1, "x": 2}])
async def test_rules_that_cannot_be_tried_are_refused(api: Api, body: dict[str, Any]) -> None:
    async with api.http.post("/api/v1/resolve", headers=api.as_(ISSUER), json=body) as answer:
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"


async def test_whoever_has_a_token_learns_what_units_are_called_and_nothing_of_those_that_never_were(api: Api) -> None:
    for account in (ISSUER, GATEWAY, OPERATOR):
        status, found, _ = await get(api, "/api/v1/names?code=LCA.02.01&code=LCA.VP&code=LCA.98.76", account=account)
        assert status == 200
        assert set(found) == {"LCA.02.01", "LCA.VP"}
        assert all(found.values())
    for wrong in ("", "?code=lca", "?" + "&".join(f"code=LCA.{number}" for number in range(101))):
        status, told, _ = await get(api, f"/api/v1/names{wrong}")
        assert (status, told["type"]) == (422, "urn:congvan:problem:invalid"), wrong
    async with api.http.get("/api/v1/names?code=LCA") as answer:
        assert answer.status == 401
