"""Units paused, muted, opened and retired in the console."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

from router.ledger.engine import reading, writing
from router.ledger.people.accounts import create_account
from router.ledger.people.audit import Act
from router.ledger.queries import Filter, Flag, find_deliveries, find_units
from router.ledger.scope import EVERYTHING
from router.ledger.units.unit_list import list_units
from schemas.accounts import parse_account
from schemas.clock import now_ms
from support.audited import list_entries
from support.consoles import Browser, Console
from support.ledgers import Clerk

CODE = "LCA.02.12"
PLACE = f"/console/units/{CODE}"
WHY = "trụ sở đang chuyển"
FULL_TOLD = "Ổ đĩa của thư mục nhận đã đầy"


async def act(browser: Browser, name: str, code: str | list[str] = CODE, **form: Any) -> int:
    fields = {"csrf": await browser.csrf(), "unit": code, "act": name, "reason": WHY} | form
    return (await browser.post("/console/units/acts", None, **fields)).status


async def test_a_paused_unit_says_so_wherever_its_documents_are_and_goes_on_when_opened(console: Console) -> None:
    async with console.as_("district") as district:
        assert [await act(district, "pause") for _ in range(2)] == [303, 303]
        unit = next(item for item in _units(console) if item.code == CODE)
        with writing(console.engine) as conn:
            clerk = Clerk(conn, now=now_ms())
            key = clerk.dispatch("LCA.VP", [unit])
        delivery_id = clerk.deliveries[key, CODE]
        text = await district.text(f"/console/deliveries/{delivery_id}")
        assert "tạm dừng bởi district từ" in text
        assert WHY in text
        assert "Tự gửi ngay khi đơn vị được mở lại" in text
        assert 'is%3Apaused"' in await district.text("/console/")
        assert "tạm dừng</span>" in await district.text("/console/units?open=LCA.02")
        page = await district.text(PLACE)
        assert 'id="act-open"' in page
        assert 'id="act-pause"' not in page
        assert await act(district, "open") == 303
        assert "tạm dừng bởi" not in await district.text(f"/console/deliveries/{delivery_id}")
    with reading(console.engine) as conn:
        entries = [row.entry for row in list_entries(conn, EVERYTHING) if row.entry.unit == CODE]
        waiting = find_deliveries(conn, EVERYTHING, Filter(flags=frozenset({Flag.PAUSED})), now_ms=now_ms())
    acts = [(entry.act, entry.person, entry.reason) for entry in entries]
    assert acts == [(Act.UNIT_OPENED, "district", WHY), (Act.UNIT_PAUSED, "district", WHY)]
    assert waiting == []


async def test_a_muted_unit_leaves_the_overview_and_stays_among_the_stuck(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert FULL_TOLD in await admin.text("/console/")
        day = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
        for code in ("LCA.02.08", "LCA.02.10", "LCA.02.12", "LCA.02.13"):
            assert await act(admin, "mute", code, day=day) == 303
        overview = await admin.text("/console/")
        assert "HTTP 507" not in overview
        assert FULL_TOLD not in overview
        assert "Các đơn vị tạm ngừng cảnh báo" in overview
        assert "is%3Aunmuted" in overview
        stuck = await admin.text("/console/stuck")
        assert FULL_TOLD in stuck
        group = re.search(rf'href="(/console/deliveries\?[^"]*)">{re.escape(FULL_TOLD)}', stuck)
        assert group is not None
        listed = await admin.text(unescape(group[1]))
        assert 'title="HTTP 507' in listed
        one = re.search(r'href="(/console/deliveries/[^"]*)"', listed)
        assert one is not None
        assert '<code lang="en">HTTP 507' in await admin.text(one[1])
        assert "tạm ngừng cảnh báo</span>" in stuck
        assert await act(admin, "mute", day="2001-01-01") == 422


async def test_only_who_may_and_says_why_acts_on_a_unit(console: Console) -> None:
    async with console.as_("viewer") as viewer:
        assert await act(viewer, "pause") == 403
        assert 'id="acts"' not in await viewer.text(PLACE)
    async with console.as_("district") as district:
        assert await act(district, "pause", "LCA.03.01") == 404
        assert await act(district, "pause", reason="  ") == 400
        assert await act(district, "retire", day="2030-01-01") == 422
        assert await retire(district, day="2030-01-01") == 403
        assert await act(district, "mute", day="soon") == 400
        assert "/retire" not in await district.text(PLACE)
        assert (await district.get(f"{PLACE}/retire")).status == 403
    with reading(console.engine) as conn:
        assert [row for row in list_entries(conn, EVERYTHING) if row.entry.act is Act.UNIT_PAUSED] == []


async def test_units_chosen_in_the_tree_are_paused_together_with_all_below_them_or_none_is(console: Console) -> None:
    async with console.as_("district") as district:
        tree = await district.text("/console/units?open=LCA.02")
        assert f'name="unit" value="{CODE}"' in tree
        chosen = await district.text(f"/console/units/acts?unit={CODE}&unit=LCA.02.13")
        pausing = chosen.partition('id="act-pause"')[2].partition("</form>")[0]
        assert pausing.count('type="hidden" name="unit"') == 2
        assert 'name="below"' not in chosen
        assert 'name="below"' in await district.text("/console/units/acts?unit=LCA.02")
        assert await act(district, "pause", [CODE, "LCA.03"]) == 404
        assert _paused(console) == set()
        assert await act(district, "pause", [CODE, "LCA.02.13"]) == 303
        assert _paused(console) == {CODE, "LCA.02.13"}
        assert await act(district, "pause", "LCA.02", below="true") == 303
        assert len(_paused(console)) == 24
        assert await act(district, "open", ["LCA.02"], below="true") == 303
        assert _paused(console) == set()
        assert (await district.get("/console/units/acts?unit=LCA.03")).status == 404
        assert (await district.get("/console/units/acts")).status == 422
    async with console.as_("viewer") as viewer:
        assert 'name="unit"' not in await viewer.text("/console/units?open=LCA.02")
        assert (await viewer.get(f"/console/units/acts?unit={CODE}")).status == 403


def _paused(console: Console) -> set[str]:
    with reading(console.engine) as conn:
        return {
            row.code for row in find_units(conn, EVERYTHING, [item.code for item in _units(console)]) if row.paused_at
        }


async def retire(browser: Browser, *, way: str = "retire", **form: Any) -> int:
    fields = {"csrf": await browser.csrf(), "reason": WHY} | form
    return (await browser.post(f"{PLACE}/{way}", None, **fields)).status


async def test_an_administrator_retires_a_unit_with_its_successor_and_takes_it_back(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert await retire(admin, day="2030-06-30", successor="lca.02.13") == 303
        text = await admin.text(PLACE)
        assert "30/06/2030" in text
        assert "sau đó LCA.02.13" in text
        assert 'id="keep"' in await admin.text(f"{PLACE}/retire")
        unit = next(item for item in _units(console) if item.code == CODE)
        assert (unit.valid_to, unit.successor) == (date(2030, 6, 30), "LCA.02.13")
        assert await retire(admin, way="keep", reason=" ") == 422
        assert await retire(admin, way="keep") == 303
        assert "30/06/2030" not in await admin.text(PLACE)


async def test_a_retirement_that_cannot_be_is_refused_with_what_was_typed_and_changes_nothing(console: Console) -> None:
    yesterday = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    async with console.as_("admin") as admin:
        for wrong in (
            {"day": "0001-01-01"},
            {"day": yesterday},
            {"day": "soon"},
            {"day": "2030-06-30", "reason": ""},
            {"day": "2030-06-30", "successor": "LCA.99"},
            {"day": "2030-06-30", "successor": CODE},
        ):
            assert await retire(admin, **wrong) == 422, wrong
        again = await admin.post(
            f"{PLACE}/retire", None, csrf=await admin.csrf(), day=yesterday, reason=WHY, successor="LCA.02.13"
        )
        shown = await again.text()
        assert all(typed in shown for typed in (f'value="{WHY}"', 'value="LCA.02.13"', "Ngày đó đã qua"))
    assert all(unit.valid_to is None for unit in _units(console))


async def test_the_page_that_retires_says_what_follows_in_figures_of_the_lists(console: Console) -> None:
    with writing(console.engine) as conn:
        create_account(conn, parse_account(f"gateway:{CODE}"), now_ms=now_ms())
    async with console.as_("admin") as admin:
        text = await admin.text(f"{PLACE}/retire")
        assert f"<code>gateway:{CODE}</code>" in text
        assert 'min="' in text
        assert "23 đơn vị" in await admin.text("/console/units/LCA.02/retire")
        unit_page = await admin.text(PLACE)
        assert f"{PLACE}/retire" in unit_page


async def test_no_form_with_a_field_has_two_buttons_so_enter_does_one_thing(console: Console) -> None:
    forms = re.compile(r"<form.*?</form>", re.DOTALL)
    typed = re.compile(r'<input(?![^>]*type="(?:hidden|checkbox|radio)")|<textarea')
    places = ("/", "/log", "/deliveries", "/units", "/units/LCA.02", "/units/LCA.02/retire", "/audit", "/statistics")
    more = (
        "/units/acts?unit=LCA.02",
        "/units/import",
        "/units/rules",
        "/redrives/new?q=is:parked&cut=9999999999999",
        "/search",
        "/lines",
        "/stuck",
    )
    async with console.as_("admin") as admin:
        assert await act(admin, "pause", "LCA.02") == 303
        seen = [form for place in (*places, *more) for form in forms.findall(await admin.text(f"/console{place}"))]
    with_fields = [form for form in seen if typed.search(form)]
    assert len(with_fields) > len(places)
    assert [form for form in with_fields if form.count("<button") != 1 and 'role="search"' not in form] == []
    assert [form for form in with_fields if form.count("<button") > 1] == []


def _units(console: Console) -> Any:
    with reading(console.engine) as conn:
        return list_units(conn)
