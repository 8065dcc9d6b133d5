"""The console in Chromium: every screen in both languages, light and dark, wide and narrow; axe finds nothing serious.

Pictures are taken when CONGVAN_ARTIFACTS names a directory for them.
"""

import asyncio
import re
from itertools import product
from pathlib import Path

import pytest
from playwright.async_api import Browser, Request, expect

from router.ledger.engine import writing
from schemas.clock import now_ms
from schemas.states import Status
from support.chromium import complaints_of, faults_of, needs_chromium, take
from support.console_browsing import log_in, tab_to
from support.console_scenes import arrive_again, begin_redrive, gone, keep_views, make_account, take_care
from support.consoles import Console
from support.ledgers import Clerk

pytestmark = [needs_chromium, pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)]


def screens(console: Console) -> dict[str, str]:
    """The address of each screen."""
    story = console.story
    parked = story.deliveries[story.district, "LCA.02.12"]
    return {
        "overview": "/",
        "notices": "/notices",
        "today": "/today",
        "log": "/log",
        "log-filtered": "/log?q=unit:LCA.02.%23+state:parked+colour:red",
        "deliveries": "/deliveries?q=is:parked",
        "delivery": f"/deliveries/{parked}",
        "certificate": f"/deliveries/{story.deliveries[story.district, 'LCA.02']}/certificate",
        "certificate-of-all": f"/documents/{story.district}/certificate",
        "documents": "/search",
        "document": f"/documents/{story.district}",
        "document-of-many": f"/documents/{story.province}",
        "left-out": f"/documents/{story.province}/left-out",
        "certificate-of-many": f"/documents/{story.province}/certificate",
        "units": "/units?open=LCA,LCA.02",
        "unit-retire": "/units/LCA.02/retire",
        "unit": "/units/LCA.02",
        "units-acts": "/units/acts?unit=LCA.02&unit=LCA.03.01",
        "units-import": "/units/import",
        "units-rules": "/units/rules?rules=LCA.*%7Bdistrict%7D%0A!LCA.02%0ALCA.02.%23&day=2026-11-30",
        "units-rules-wrong": "/units/rules?rules=lca%0ALCA.99&day=soon",
        "unit-waiting": f"/units/{gone(console)}/waiting",
        "stuck": "/stuck?unit=LCA.%23",
        "stuck-group": f"/stuck/{take_care(console)}",
        "late": "/late?unit=LCA&duty=register",
        "late-nothing": "/late?unit=LCA.09.23&age=30-",
        "views": "/views",
        "log-kept": f"/log?{keep_views(console)}",
        "tokens": "/tokens",
        "token": f"/tokens/one?name={make_account(console)}",
        "sessions": "/sessions",
        "people": "/people",
        "redrive": "/redrives/new?q=is:parked",
        "redrives": "/redrives",
        "redrive-job": f"/redrives/{begin_redrive(console)}",
        "search": "/search?q=bat+xat",
        "lines": "/lines",
        "lines-month": "/lines?span=30d&state=down",
        "commune": "/units/LCA.05.02?span=24h",
        "statistics": "/statistics",
        "statistics-empty": "/statistics?month=2020-01&unit=LCA.02",
        "report": "/statistics/report?unit=LCA.02",
        "send": "/send",
        "send-branch": "/send?of=LCA.02",
        "send-answer": f"/send?answers={story.district}",
        "recall": f"/documents/{story.district}/recall",
        "audit": "/audit",
        "help": "/help",
        "nothing": "/documents/01a203b4-534c-749d-ae46-f303c470a0de",
    }


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_screen_is_sound_and_fits_in_light_and_dark_wide_and_narrow(
    console: Console, chromium: Browser, language: str
) -> None:
    page = await log_in(chromium, console, language=language)
    places = {name: f"{console.url}/console{place}" for name, place in screens(console).items()}
    complaints = await complaints_of(page, places, language)
    assert complaints == []


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_list_is_chosen_looked_at_and_taken_over_without_javascript(
    console: Console, chromium: Browser, tmp_path: Path, language: str
) -> None:
    page = await log_in(chromium, console, language=language, width=320, javascript=False)
    checked = await log_in(chromium, console, language=language)
    for some, name in product((page, checked), ("wrong", "shown")):
        lines = {"wrong": "LCA.02.98,LCA.02,Xã,commune,fax\nLCA.02.97\n", "shown": "LCA.02.12,LCA.02,Xã,commune,none\n"}
        (tmp_path / "units.csv").write_text(f"code,parent,name,kind,link\n{lines[name]}", "utf-8")
        await some.goto(f"{console.url}/console/units/import")
        await some.set_input_files("#list", tmp_path / "units.csv")
        await some.fill("#day", "2030-06-30")
        await some.click("main button")
        await take(some, f"units-import-{name}-{language}-{some is page}")
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
        assert some is page or await faults_of(checked) == []
    await page.fill("#why-apply", "Nghị quyết 12")
    await page.click("main button")
    await expect(page.locator("#done")).to_be_visible()


async def test_the_login_is_sound_too(console: Console, chromium: Browser) -> None:
    page = await chromium.new_page()
    await page.goto(f"{console.url}/console/login")
    await take(page, "login")
    assert await faults_of(page) == []


async def test_pages_are_read_without_javascript(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console, javascript=False)
    await page.click('nav.side a[href="/console/units"]')
    await page.click("#open-LCA\\.02")
    await expect(page.locator("tr.depth2")).to_have_count(23)
    await page.click('nav.side a[href="/console/log"]')
    await expect(page.locator("[data-live]")).to_be_hidden()
    await page.click("[data-older]")
    await expect(page.locator("[data-rows] tr").first).to_be_visible()


async def test_new_rows_come_to_the_top_and_are_counted_while_one_reads(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/log")
    await expect(page.locator(".live.on")).to_be_visible()
    top = page.locator("[data-rows] tr").first

    def tell() -> None:
        with writing(console.engine) as conn:
            clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
            clerk.tell(console.story.district, "LCA.02.05", Status.QUEUED, reason="mới")

    before = await top.get_attribute("data-pos")
    await asyncio.to_thread(tell)
    await expect(top).not_to_have_attribute("data-pos", str(before))
    await page.keyboard.press("p")
    shown = str(await top.get_attribute("data-pos"))
    for _ in range(3):
        await asyncio.to_thread(tell)
    await expect(page.locator("[data-news]")).to_have_text("3 dòng mới ▲")
    await expect(top).to_have_attribute("data-pos", shown)
    await page.click("[data-news]")
    await expect(top).to_have_attribute("data-pos", str(int(shown) + 3))


async def test_units_are_found_while_one_types_and_the_tree_opens_in_place(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/units")
    loads: list[Request] = []
    page.on("request", lambda request: loads.append(request) if request.is_navigation_request() else None)
    await page.focus("#open-LCA\\.02")
    await page.keyboard.press("Enter")
    await expect(page.locator("tr.depth2")).to_have_count(23)
    await expect(page.locator("#open-LCA\\.02")).to_be_focused()
    assert "LCA.02" in page.url
    await page.type("#find-unit", "cam duong")
    await expect(page.locator("#tree tbody tr")).to_have_count(1)
    assert loads == []


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_redrive_is_done_by_the_keyboard_alone(console: Console, chromium: Browser, language: str) -> None:
    page = await log_in(chromium, console, language=language)
    await page.goto(f"{console.url}/console/log?q=unit:LCA.02.%23+state:parked")
    await page.keyboard.press("r")
    await page.wait_for_url("**/redrives/new?q=unit%3ALCA.02.%23+state%3Aparked&cut=*")
    await tab_to(page, "#pace-hand")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#pace-canary")).to_be_checked()
    await page.keyboard.press("ArrowUp")
    await tab_to(page, "#watch")
    await page.keyboard.type("5")
    await tab_to(page, "#reason")
    await page.keyboard.type("đĩa đã được dọn")
    await take(page, f"redrive-wizard-{language}")
    assert await faults_of(page) == []
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/redrives/0*")
    await expect(page.locator(".share")).to_contain_text("1 / 4")
    await asyncio.to_thread(arrive_again, console)
    await expect(page.locator("#act-ten.main")).to_be_visible()
    await tab_to(page, "#act-ten")
    await page.keyboard.press("Enter")
    await expect(page.locator(".share")).to_contain_text("4 / 4")
    await take(page, f"redrive-job-{language}")
    assert await faults_of(page) == []
    await asyncio.to_thread(arrive_again, console)
    await expect(page.locator("#job [role=status]")).to_contain_text("đã gửi hết" if language == "vi" else "done")


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_unit_is_paused_by_the_keyboard_alone_and_shows_it(
    console: Console, chromium: Browser, language: str
) -> None:
    page = await log_in(chromium, console, language=language)
    await page.goto(f"{console.url}/console/units/LCA.02.12")
    await tab_to(page, "#acts summary")
    await page.keyboard.press("Enter")
    await tab_to(page, "#why-pause")
    await page.keyboard.type("trụ sở đang chuyển")
    await take(page, f"unit-acts-{language}")
    assert await faults_of(page) == []
    await tab_to(page, "#act-pause button")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1 .tag.warn")).to_have_text("tạm dừng" if language == "vi" else "paused")
    await take(page, f"unit-paused-{language}")
    assert await faults_of(page) == []


async def test_rows_are_chosen_by_the_keyboard_and_acted_on_together(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/deliveries?q=is:parked+unit:LCA.02.%23")
    for key in "jxjx":
        await page.keyboard.press(key)
    await expect(page.locator(".pick input:checked")).to_have_count(2)
    await page.keyboard.press("r")
    await page.wait_for_url("**/redrives/new?q=delivery%3A*")
    await expect(page.locator(".figures strong").first).to_have_text("2")
    await page.goto(f"{console.url}/console/units?open=LCA,LCA.02")
    for key in "jjxjx":
        await page.keyboard.press(key)
    await page.keyboard.press("p")
    await page.wait_for_url("**/units/acts?unit=*&unit=*")
    await tab_to(page, "#why-pause")
    await page.keyboard.type("mạng đang sửa")
    await tab_to(page, "#act-pause button")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/units?open=*")
    await expect(page.locator("#tree .tag.warn")).to_have_count(2)


async def test_single_keys_do_nothing_when_they_are_turned_off(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/log")
    await page.click(".menu summary")
    await page.click('.menu button[name="keys"][value="off"]')
    await expect(page.locator("html")).to_have_attribute("data-keys", "off")
    await expect(page.locator(".live.on")).to_be_visible()
    for key in "prjk?":
        await page.keyboard.press(key)
    await expect(page.locator("[data-pause]")).to_have_attribute("aria-pressed", "false")
    assert page.url.endswith("/console/log")


async def test_keys_go_where_they_say_and_can_be_turned_off(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.keyboard.press("/")
    await expect(page.locator("#find")).to_be_focused()
    await page.keyboard.type("gl?")
    await expect(page.locator("#find")).to_have_value("gl?")
    await page.locator("#find").blur()
    await page.keyboard.type("gl")
    await page.wait_for_url("**/console/log")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/units/*")
    await page.click(".menu summary")
    await page.click('.menu button[name="keys"][value="off"]')
    await page.keyboard.press("?")
    await page.keyboard.type("gs")
    await expect(page.locator('nav.side a[href="/console/units"]')).to_have_attribute("aria-current", "page")


async def test_the_report_for_leaders_is_printed_on_one_page(console: Console, chromium: Browser) -> None:
    for language in ("vi", "en"):
        page = await log_in(chromium, console, language=language, theme="dark")
        await page.goto(f"{console.url}/console/statistics/report")
        printed = await page.pdf(prefer_css_page_size=True)
        assert re.findall(rb"/Count (\d+)", printed) == [b"1"]


async def test_the_theme_is_switched_and_stays(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.click(".menu summary")
    await page.click('.menu button[name="theme"][value="dark"]')
    await page.goto(f"{console.url}/console/log")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light


async def test_the_strip_of_screens_is_scrolled_to_the_one_that_is_shown(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console, width=360)
    for place in ("/audit", "/", "/statistics"):
        await page.goto(f"{console.url}/console{place}")
        await expect(page.locator('.side [aria-current="page"]')).to_be_in_viewport(ratio=0.9)


async def test_who_logs_out_ends_the_live_log_of_the_other_tabs(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    log = await page.context.new_page()
    await log.goto(f"{console.url}/console/log")
    await expect(log.locator("[data-live].on")).to_be_visible()
    await page.click(".menu summary")
    await page.click('form[action$="/logout"] button')
    await expect(log.locator("#password")).to_be_visible()


async def test_times_have_their_labels_on_a_narrow_screen(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console, width=360)
    await page.goto(f"{console.url}/console/documents/{console.story.district}")
    cells = page.locator(".matrix td.time:not(:empty)")
    said = await cells.evaluate_all("all => all.map(cell => getComputedStyle(cell, '::before').content)")
    assert said
    assert all(len(label) > len('""') for label in said)
