"""The tree over HTTP, level by level: what a gateway on a thin line asks for while somebody picks addressees."""

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest

from router.api import directory
from router.api.packing import LEAST_BYTES
from router.directory import Directory
from router.ledger.engine import writing
from router.ledger.units.unit_list import import_units
from schemas.clock import now_ms
from schemas.unit import Link, Unit
from support.api_server import GATEWAY, ISSUER, UNITS, Api, Organisation
from support.ledgers import unit


async def ask(api: Api, query: str = "", **headers: str) -> tuple[int, dict[str, Any], Any]:
    async with api.http.get(f"/api/v1/directory{query}", headers=api.as_(GATEWAY) | headers) as answer:
        return answer.status, (await answer.json()) if answer.status == 200 else {}, answer.headers


def reorganise(api: Api, after: Directory) -> None:
    organisation = api.services.organisation
    assert isinstance(organisation, Organisation)
    organisation.directory = after


async def test_the_tree_is_told_level_by_level_with_how_many_are_below(api: Api) -> None:
    _, top, _ = await ask(api)
    assert (top["of"]["code"], top["of"]["below"]) == ("LCA", len(UNITS) - 1)
    _, level, _ = await ask(api, "?below=LCA")
    assert top == level, "there is one unit at the top"
    assert [item["code"] for item in level["units"]] == ["LCA.02", "LCA.03", "LCA.04", "LCA.VP"]
    assert level["units"][0] == {
        "code": "LCA.02",
        "name": "Đơn vị LCA.02",
        "kind": "district",
        "link": "wan",
        "below": 2,
    }
    assert not level["more"]
    assert (level["of"]["code"], level["kinds"]) == ("LCA", ["commune", "department", "district"])
    _, nobody, _ = await ask(api, "?below=LCA.99")
    assert nobody["units"] == []


async def test_units_are_found_by_words_without_accents_and_by_their_code(api: Api) -> None:
    _, found, _ = await ask(api, "?find=don+vi+lca.02")
    assert [item["code"] for item in found["units"]] == ["LCA.02", "LCA.02.01", "LCA.02.02"]
    _, found, _ = await ask(api, "?find=lca.03")
    assert [item["code"] for item in found["units"]] == ["LCA.03", "LCA.03.01"]
    _, found, _ = await ask(api, "?find=khong+co")
    assert found["units"] == []


async def test_what_is_found_is_told_page_by_page_though_many_of_it_are_gone(api: Api) -> None:
    today, most = api.services.organisation.today, directory.MOST_UNITS
    gone = [unit(f"LCA.02.G{number:04}", valid_to=today - timedelta(days=1)) for number in range(most + 1)]
    there = [unit(f"LCA.02.X{number:04}") for number in range(most + 2)]
    with writing(api.engine) as conn:
        import_units(conn, [*UNITS, *gone, *there], now_ms=now_ms())
    reorganise(api, Directory([*UNITS, *gone, *there]))
    found, after = [], ""
    while True:
        _, told, _ = await ask(api, f"?find=lca.02{after}")
        found += [item["code"] for item in told["units"]]
        assert (len(told["units"]) == most) is told["more"]
        if not told["more"]:
            break
        after = f"&after={found[-1]}"
    assert found == ["LCA.02", "LCA.02.01", "LCA.02.02", *(item.code for item in there)]


@pytest.mark.parametrize("query", ["?below=LCA", "?find=lca.02", ""])
async def test_no_question_about_a_large_organisation_holds_up_the_others(api: Api, query: str) -> None:
    class Watched(Directory):
        def within(self, head: str) -> tuple[Unit, ...]:
            threads.add(threading.get_ident())
            return super().within(head)

    threads: set[int] = set()
    reorganise(api, Watched(UNITS))
    assert (await ask(api, query))[0] == 200
    assert threads
    assert threading.get_ident() not in threads, "the loop serves everybody"


async def test_what_has_not_changed_costs_a_header_alone(api: Api) -> None:
    _, _, headers = await ask(api, "?below=LCA")
    status, _, again = await ask(api, "?below=LCA", **{"If-None-Match": headers["ETag"]})
    assert (status, again["ETag"]) == (304, headers["ETag"])
    reorganise(api, Directory([*UNITS, unit("LCA.05", Link.WAN)]))
    status, told, _ = await ask(api, "?below=LCA", **{"If-None-Match": headers["ETag"]})
    assert (status, len(told["units"])) == (200, 5)


async def test_units_of_another_day_are_not_listed(api: Api) -> None:
    today = api.services.organisation.today
    gone = unit("LCA.06", Link.WAN, valid_to=today - timedelta(days=1))
    reorganise(api, Directory([*UNITS, gone]))
    _, level, _ = await ask(api, "?below=LCA")
    assert "LCA.06" not in {item["code"] for item in level["units"]}
    assert level["of"]["below"] == len(UNITS) - 1
    reorganise(api, Directory([unit("LCA", Link.LAN), unit("HAN", Link.LAN)]))
    _, top, _ = await ask(api)
    assert (top["of"], [item["code"] for item in top["units"]]) == (None, ["HAN", "LCA"])


async def test_a_level_is_bounded_and_says_so(api: Api) -> None:
    many = [unit(f"LCA.02.X{number:04}", Link.DIALUP) for number in range(directory.MOST_UNITS + 1)]
    reorganise(api, Directory([*UNITS, *many]))
    _, level, headers = await ask(api, "?below=LCA.02")
    assert (len(level["units"]), level["more"]) == (directory.MOST_UNITS, True)
    _, rest, _ = await ask(api, f"?below=LCA.02&after={level['units'][-1]['code']}")
    assert (len(rest["units"]), rest["more"]) == (3, False)
    assert headers["Content-Encoding"] == "gzip"
    assert int(headers["Content-Length"]) < 2_500, "half a second of a line of 33.6 kbit/s"


async def test_what_people_wait_for_is_compressed_and_what_gateways_read_themselves_is_not(api: Api) -> None:
    usual = {"Accept-Encoding": "gzip, deflate"}
    plain = {"Accept-Encoding": "identity"}
    async with api.http.get("/api/v1/directory?below=LCA", headers=api.as_(GATEWAY) | plain) as answer:
        assert "Content-Encoding" not in answer.headers
        assert len(await answer.read()) > LEAST_BYTES
    async with api.http.get("/api/v1/directory?below=LCA", headers=api.as_(GATEWAY) | usual) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
    many = [unit(f"LCA.02.X{number:04}", Link.DIALUP) for number in range(50)]
    reorganise(api, Directory([*UNITS, *many]))
    body = b"a" * 10 * LEAST_BYTES
    async with api.http.put(f"/content/{sha256(body)}", data=body, headers=api.as_(ISSUER)) as answer:
        assert answer.status in {200, 201}
    wrong = {"notation": "1", "subject": "", "issuer": "x" * 50, "addressees": [], "more": 1}
    for method, path, given in (
        ("GET", "/api/v1/units", None),
        ("GET", f"/content/{sha256(body)}", None),
        ("POST", "/api/v1/dispatches", wrong),
    ):
        account = ISSUER if "content" in path else GATEWAY
        async with api.http.request(method, path, json=given, headers=api.as_(account) | usual) as answer:
            assert answer.headers.get("Content-Encoding") != "gzip", path
            assert len(await answer.read()) > LEAST_BYTES


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
