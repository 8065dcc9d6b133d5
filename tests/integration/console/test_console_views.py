"""Filters kept under a name: one's own and shared ones, bounded, and what they show is what the person sees now."""

from typing import Any

import pytest

from router.ledger.engine import reading, writing
from router.ledger.people.persons import PEOPLE, PersonRole
from router.ledger.people.views import MOST, SavedView, Screen, views_of
from schemas.clock import now_ms
from support.consoles import Browser, Console

WHERE = {
    "log": {"q": "unit:LCA.02.# state:parked"},
    "deliveries": {"q": "is:parked since:2h"},
    "stuck": {"unit": "LCA.02.#"},
    "units": {"find": "bát xát", "problems": "true"},
}


async def keep(browser: Browser, screen: str, query: str, name: str = "sáng thứ hai", **form: Any) -> int:
    fields = {"csrf": await browser.csrf(), "screen": screen, "query": query, "name": name} | form
    return (await browser.post("/console/views", None, **fields)).status


def kept_of(console: Console, name: str) -> list[SavedView]:
    with reading(console.engine) as conn:
        person = PEOPLE.find(conn, name)
        assert person is not None
        return [view for view in views_of(conn, person) if view.owner == name]


@pytest.mark.parametrize("screen", list(Screen))
async def test_a_filter_is_kept_opened_renamed_and_deleted(console: Console, screen: Screen) -> None:
    asked = "&".join(f"{key}={value.replace('#', '%23')}" for key, value in WHERE[screen.value].items())
    async with console.as_("district") as district:
        before = await district.text(f"/console/{screen.value}?{asked}")
        assert 'id="view-name"' in before
        assert 'id="view-name"' not in await district.text(f"/console/{screen.value}")
        made = await district.post(
            "/console/views",
            None,
            csrf=await district.csrf(),
            screen=screen.value,
            query=f"{asked}&before=5&colour=red",
            name="sáng thứ hai",
        )
        assert made.status == 303
        opened = made.headers["location"]
        assert "before" not in opened
        assert "colour" not in opened
        again = await district.text(opened)
        link = opened.replace("&", "&amp;")
        assert f'href="{link}" aria-current="true">sáng thứ hai' in again
        assert f'href="{link}"' in await district.text(f"/console/{screen.value}"), "it is on the shelf of the screen"
        (view,) = kept_of(console, "district")
        csrf = await district.csrf()
        renamed = await district.post(f"/console/views/{view.id}/name", None, csrf=csrf, name="sáng")
        assert renamed.status == 303
        assert ">sáng</a>" in await district.text("/console/views")
        assert (await district.post(f"/console/views/{view.id}/delete", None, csrf=csrf)).status == 303
        assert (await district.post(f"/console/views/{view.id}/delete", None, csrf=csrf)).status == 303
    assert kept_of(console, "district") == []


async def test_a_shared_view_is_there_for_those_who_see_the_same_units_now_and_for_nobody_else(
    console: Console,
) -> None:
    async with console.as_("district") as district, console.as_("auditor") as same, console.as_("admin") as above:
        await keep(district, "log", "q=unit:LCA.02.05", name="của tôi")
        await keep(district, "log", "q=unit:LCA.02.12", name="của chung", shared="true")
        for place in ("/console/views", "/console/log"):
            assert "của chung" in await same.text(place)
            assert "của tôi" not in await same.text(place)
            assert "của chung" not in await above.text(place)
        shared, mine = kept_of(console, "district")
        csrf = await same.csrf()
        for act, form in (("name", {"name": "x"}), ("share", {"shared": "false"})):
            assert (await same.post(f"/console/views/{shared.id}/{act}", None, csrf=csrf, **form)).status == 404
        await same.post(f"/console/views/{shared.id}/delete", None, csrf=csrf)
        assert len(kept_of(console, "district")) == 2, "who has it shared does not delete it"
        with writing(console.engine) as conn:
            PEOPLE.invite(conn, "auditor", [PEOPLE.check_grant("viewer", "LCA.03")], now_ms=now_ms())
        assert "của chung" not in await same.text("/console/views"), "the auditor sees more now"
        csrf = await district.csrf()
        await district.post(f"/console/views/{mine.id}/share", None, csrf=csrf, shared="true")
        assert [view.shared for view in kept_of(console, "district")] == [True, True]


async def test_a_view_of_what_is_no_longer_the_persons_shows_nothing_of_it(console: Console) -> None:
    async with console.as_("district") as district:
        await keep(district, "deliveries", "q=unit:LCA.02.%23")
        (view,) = kept_of(console, "district")
        assert "LCA.02.12" in await district.text(f"/console/deliveries?{view.query}")
        with writing(console.engine) as conn:
            PEOPLE.invite(conn, "district", [PEOPLE.check_grant("operator", "LCA.03.#")], now_ms=now_ms())
            PEOPLE.withdraw(conn, "district", PEOPLE.check_grant(PersonRole.OPERATOR, "LCA.02.#"))
        assert "LCA.02.12" not in await district.text(f"/console/deliveries?{view.query}")


async def test_what_cannot_be_kept_is_said_with_what_was_typed(console: Console) -> None:
    async with console.as_("district") as district:
        assert await keep(district, "log", "q=unit:LCA.02") == 303
        fields = {"csrf": await district.csrf(), "screen": "log", "query": "q=state:parked", "name": "sáng thứ hai"}
        taken = await district.post("/console/views", None, **fields)
        assert taken.status == 422
        text = await taken.text()
        assert "Đã có bộ lọc mang tên này" in text
        assert 'value="sáng thứ hai"' in text
        assert 'value="q=state%3Aparked"' in text
        assert await keep(district, "log", "q=state:parked", name=" ") == 422
        assert await keep(district, "log", "q=state:blue", name="sai") == 400
        assert await keep(district, "log", "", name="không") == 400
        assert await keep(district, "audit", "q=x", name="không") == 422
        for number in range(MOST - 1):
            assert await keep(district, "deliveries", "q=is:parked", name=f"số {number}") == 303
        assert await keep(district, "deliveries", "q=is:parked", name="thừa") == 422
    assert len(kept_of(console, "district")) == MOST
