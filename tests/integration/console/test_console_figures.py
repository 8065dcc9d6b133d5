"""Every figure of every screen leads to a list that counts the same, for who sees all and for who sees a part."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from router.ledger.engine import reading, writing
from router.ledger.models import line
from router.ledger.queries import Filter, Flag, count_lines, find_deliveries, overview, undelivered
from router.ledger.scope import EVERYTHING, Scope
from router.rules.outages import LineState
from schemas.clock import now_ms
from schemas.states import UNDELIVERED, Status
from support.consoles import Browser, Console
from support.ledgers import Clerk

_LINK = re.compile(
    r'<a [^>]*href="(/console/(?:deliveries|log|lines|documents|redrives)[^"]*)"[^>]*>(.*?)</a>', re.DOTALL
)
_WHOLE = re.compile(r"\s*(?:<span>[^<]*</span>)?\s*(?:<strong>)?([\d.]+)(?:</strong>.*)?\s*", re.DOTALL)
_COUNTED = re.compile(r"([\d.]+) lượt chuyển")
_CHIP = re.compile(r"<b>([\d.]+)</b>\s*$")
SCREENS = (
    "/",
    "/today",
    "/units?open=LCA,LCA.02,LCA.03",
    "/units/LCA",
    "/units/LCA.02",
    "/units/LCA.02/retire",
    "/lines",
    "/stuck",
)


def figures(text: str) -> Iterator[tuple[str, int]]:
    """The links that show a number, each with it; the menu and the units' names show none."""
    main = text.partition("<main")[2]
    for target, inner in _LINK.findall(main):
        if 'class="code"' in inner:
            continue
        found = _WHOLE.fullmatch(inner) or _COUNTED.search(inner) or _CHIP.search(inner)
        if found:
            yield unescape(target), int(found[1].replace(".", ""))


async def counted(browser: Browser, target: str) -> int:
    """How many things the list behind a link counts."""
    path = target.partition("#")[0]
    text = await browser.text(path)
    if "/log" not in path and "/redrives" not in path:
        found = re.search(r'data-count="(\d+)"', text)
        assert found, path
        return int(found[1])
    if "/log" in path:
        assert "data-older" in text
        assert "hidden>Cũ hơn" in text, "the test's ledger is small: one page"
        return text.count("data-pos=")
    return text.count('<th scope="row">')


@pytest.mark.parametrize("name", ["admin", "district"])
async def test_every_figure_leads_to_a_list_with_the_same_count(console: Console, name: str) -> None:
    scope_screens = SCREENS if name == "admin" else tuple(place for place in SCREENS if place != "/units/LCA")
    documents = tuple(f"/documents/{key}" for key in (console.story.district, console.story.province))
    walked = 0
    async with console.as_(name) as browser:
        for place in (*scope_screens, *documents):
            if name == "district" and place.endswith("/retire"):
                continue
            for target, number in figures(await browser.text(f"/console{place}")):
                assert await counted(browser, target) == number, (place, target)
                walked += 1
    assert walked > 40


async def test_what_is_undelivered_is_one_thing_in_every_query(console: Console) -> None:
    now = now_ms()
    for scope in (EVERYTHING, Scope(units=("LCA.02.#",), issuers=("LCA.02.#",))):
        with reading(console.engine) as conn:
            listed = find_deliveries(
                conn, scope, Filter(flags=frozenset({Flag.UNDELIVERED})), now_ms=now, limit=100_000
            )
            assert overview(conn, scope, now_ms=now).undelivered == len(listed)
            assert undelivered(conn, scope, now_ms=now).count == len(listed)
        assert {row.state for row in listed} <= UNDELIVERED | {Status.PARKED}
        assert any(row.state is Status.PARKED for row in listed)


async def test_a_unit_with_a_parked_document_is_not_said_to_have_everything(console: Console) -> None:
    with reading(console.engine) as conn:
        parked = find_deliveries(conn, EVERYTHING, Filter(flags=frozenset({Flag.PARKED})), now_ms=now_ms())
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        code = parked[0].unit
        for row in find_deliveries(conn, EVERYTHING, Filter(units=(code,)), now_ms=now_ms()):
            if row.state in UNDELIVERED:
                clerk.tell(row.dispatch_id, code, Status.ARRIVED)
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/units/{code}")
    assert "đơn vị đã nhận đủ" not in text
    assert "bị giữ lại" in text


async def test_what_was_recalled_is_arrived_nowhere_on_a_documents_page(console: Console) -> None:
    key = console.story.overdue
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        units = [unit for (dispatch, unit) in console.story.deliveries if dispatch == key]
        clerk.tell(key, units[0], Status.RECALLED)
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/documents/{key}")
    share = re.search(r"<strong>(\d+)</strong> / (\d+)", text)
    assert share is not None
    assert f"{share[1]} trên {share[2]} đã đến" in text
    assert int(share[1]) < len(units)


async def test_all_lines_down_is_an_incident_on_the_overview(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert "data-incident" not in await admin.text("/console/")
        with writing(console.engine) as conn:
            conn.execute(line.update().values(state=LineState.DOWN.value))
            lines = sum(count_lines(conn, EVERYTHING).values())
        text = await admin.text("/console/")
    assert "data-incident" in text
    assert f"Sự cố: {lines} trên {lines} đường truyền" in text


async def test_availability_counts_only_the_time_that_was_observed(console: Console) -> None:
    now = now_ms()
    hour = 3_600_000
    with writing(console.engine) as conn:
        # Its gateway reported first two hours ago and was down for one of them.
        of_unit = line.c.unit == "LCA.02.12"
        conn.execute(line.update().where(of_unit).values(known_since=now - 2 * hour, since=now - hour))
        conn.exec_driver_sql("DELETE FROM outage WHERE unit = 'LCA.02.12'")
        conn.exec_driver_sql(
            "INSERT INTO outage (unit, began_at, ended_at, told_by)"  # noqa: S608 - numbers of this test
            f" VALUES ('LCA.02.12', {now - hour}, NULL, 'silence')"
        )
    async with console.as_("admin") as admin:
        week = await admin.text("/console/lines?span=7d&unit=LCA.02.12")
        share = re.search(r"data-name=\"Tỷ lệ thông tuyến\">([\d,]+)%", week)
        assert share is not None
        assert 49 <= float(share[1].replace(",", ".")) <= 51
