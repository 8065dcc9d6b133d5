"""The desk in Chromium: a clerk's morning by the keyboard, and every screen in eight ways without a serious fault."""

from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from consumers.spool import book_entries, sending
from consumers.spool.book_entries import BookKey
from consumers.spool.people import PEOPLE, DeskRole
from consumers.spool.sending import Sent
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Urgency
from schemas.ids import new_id
from schemas.register import BookKind
from support.chromium import complaints_of, needs_chromium
from support.deliveries import UNIT, came, inside
from support.desk_pages import log_in
from support.desks import RunningDesk, today

pytestmark = needs_chromium
YEAR = int(today()[:4])


async def fill(desk: RunningDesk) -> dict[str, str]:
    """Documents in every state, entries of every kind; the address of each screen."""
    pdf = inside("Công điện.pdf", b"%PDF-1.4")
    fresh = came(desk.spool, urgency=Urgency.EXPRESS, flash_text="Rét đậm từ ngày 23.", attachments=(pdf,))
    entered, done = (came(desk.spool, seq=seq, notation=f"{seq}-CV/TU") for seq in (2, 3))
    place = f"/registers/{UNIT}/incoming/{YEAR}"
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam, desk.as_("lan") as lan:
        for delivery in (entered, done):
            await hoa.act(delivery, "register", day=today(), subject="Về việc phòng, chống rét", author="Tỉnh ủy")
        await hoa.act(entered, "submit", leader="nam", words="Kính trình đồng chí")
        await nam.act(done, "direct", lead="lan", know="hoa", instruction="Triển khai", until="2026-12-05")
        await lan.act(done, "complete", answer="45-BC/ĐU")
        await hoa.send(f"{place}/entries", day=today(), subject="Giấy mời", author="Huyện ủy", notation="7-GM/HU")
        await hoa.send(f"{place}/3/correct", version=1, day=today(), subject="Giấy mời họp", reason="Ghi thiếu")
        await hoa.send(f"{place}/reserve", count=1, reason="Chờ ký")
    draft, sent = new_id(), new_id()
    pdf_file = ("Báo cáo.pdf", b"%PDF-1.4")
    async with desk.as_("hoa") as hoa:
        await hoa.compose(draft, pdf_file, do="save", subject="Bản nháp")
        await hoa.compose(sent, pdf_file)
        with desk.spool.writing() as conn:
            sending.accept(conn, [Sent(sent, new_id(), 1)])
        await hoa.compose(new_id(), number="2", notation="2/CV")
    places = {
        "outgoing": "/outgoing",
        "outgoing-drafts": "/outgoing?stage=draft",
        "outgoing-none": "/outgoing?stage=rejected",
        "compose": "/outgoing/new",
        "draft": f"/outgoing/drafts/{draft}",
        "sent": f"/outgoing/{sent}",
        "recall": f"/outgoing/{sent}/recall",
        "letter-form": "/outgoing/form",
        "today": "/",
        "incoming": "/incoming",
        "incoming-none": "/incoming?q=khong+co",
        "document-new": f"/incoming/{fresh}",
        "document-entered": f"/incoming/{entered}",
        "document-done": f"/incoming/{done}",
        "slip": f"/incoming/{done}/slip",
        "line": "/line",
        "registers": "/registers",
        "register": place,
        "register-following": f"{place}?form=following",
        "register-print": f"{place}/print",
        "entry": f"{place}/3",
        "incoming-filtered": "/incoming?need=register&state=arrived&urgency=1&issuer=LCA.VP&due=week",
        "entered": f"/incoming/entered?id={entered}&id={done}",
        "document-checked": f"/incoming/{fresh}?check=true",
        "stamp": f"/incoming/{entered}/stamp",
        "completeness": "/completeness?issuer=LCA.VP&pattern=-CV/TU",
        "reports": "/reports",
        "reports-year": f"/reports?year={YEAR}&month=0",
        "journal": "/journal",
        "people": "/people",
        "help": "/help",
        "sessions": "/sessions",
        "notices": "/notices",
        "nothing": "/incoming/01a203b4-534c-749d-ae46-f303c470a0de",
    }
    return {f"desk-{name}": f"{desk.url}/desk{path}" for name, path in places.items()}


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_screen_is_sound_and_fits_in_light_and_dark_wide_and_narrow(
    desk: RunningDesk, chromium: Browser, language: str
) -> None:
    screens = await fill(desk)
    with desk.spool.writing() as conn:
        for role in DeskRole:
            PEOPLE.invite(conn, "hoa", [RoleGrant(role, UNIT)], now_ms=now_ms())
    page = await log_in(chromium, desk, "hoa", language=language)
    assert await complaints_of(page, screens, language) == []


async def test_an_urgent_document_is_registered_by_the_keyboard_alone(desk: RunningDesk, chromium: Browser) -> None:
    came(desk.spool)
    came(desk.spool, seq=2, notation="9-CĐ/TU", subject="Ứng phó mưa lũ", urgency=Urgency.EXPRESS)
    page = await log_in(chromium, desk, "hoa")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("9-CĐ/TU")
    await page.focus("#author")
    await page.keyboard.press("Enter")
    await expect(page.locator(".title .state")).to_contain_text("Đã vào sổ")
    with desk.spool.reading() as conn:
        (entry,) = book_entries.entries(conn, BookKey(UNIT, BookKind.INCOMING, YEAR))
    assert entry.fields is not None
    assert (entry.fields.subject, entry.fields.hour is not None) == ("Ứng phó mưa lũ", True)


async def test_the_title_counts_what_is_urgent_and_a_sound_is_off_until_somebody_wants_it(
    desk: RunningDesk, chromium: Browser
) -> None:
    page = await log_in(chromium, desk, "hoa")
    await expect(page).to_have_title("Hôm nay · congvan")
    came(desk.spool, notation="9-CĐ/TU", urgency=Urgency.EXPRESS)
    await page.evaluate("htmx.ajax('GET', location.pathname, {target: '#now', select: '#now', swap: 'outerHTML'})")
    await expect(page).to_have_title("(1) Hôm nay · congvan")
    sound = page.locator("[data-sound]")
    await expect(sound).to_have_attribute("aria-pressed", "false")
    await sound.click()
    await expect(sound).to_have_attribute("aria-pressed", "true")


async def test_every_page_learns_of_what_is_urgent_without_being_loaded_again(
    desk: RunningDesk, chromium: Browser
) -> None:
    page = await log_in(chromium, desk, "hoa")
    await page.goto(f"{desk.url}/desk/journal")
    await expect(page).to_have_title("Nhật ký · congvan")
    came(desk.spool, urgency=Urgency.URGENT)
    await expect(page).to_have_title("(1) Nhật ký · congvan", timeout=60_000)


async def test_a_page_goes_on_asking_whatever_fails_with_growing_pauses(desk: RunningDesk, chromium: Browser) -> None:
    page = await log_in(chromium, desk, "hoa")
    await page.add_init_script(
        "window.pauses = []; const wait = window.setTimeout;"
        "window.setTimeout = (act, ms, ...more) => {"
        " if (ms >= 10000) pauses.push(ms / 1000); return wait(act, Math.min(ms, 50), ...more); }"
    )
    failures: list[dict[str, Any] | None] = [
        {"status": 503, "body": "later"},
        None,
        {"status": 303, "headers": {"location": "/desk/login"}},
        {"status": 200, "body": "<p>Xin đăng nhập vào Wi-Fi</p>"},
        {"status": 401},
        {"status": 500},
        {"status": 429},
    ]

    async def fail(route: Route) -> None:
        failure = failures.pop(0) if failures else {}
        await (route.abort() if failure is None else route.fulfill(**failure) if failure else route.continue_())

    await page.route("**/desk/attention", fail)
    await page.goto(f"{desk.url}/desk/journal")
    came(desk.spool, urgency=Urgency.URGENT)
    await expect(page).to_have_title("(1) Nhật ký · congvan")
    assert (await page.evaluate("pauses"))[:8] == [20, 40, 80, 160, 300, 300, 300, 10]


async def test_a_browser_that_keeps_nothing_counts_what_is_urgent_all_the_same(
    desk: RunningDesk, chromium: Browser
) -> None:
    page = await log_in(chromium, desk, "hoa")
    await page.add_init_script(
        "const denied = () => { throw new DOMException('denied', 'SecurityError'); };"
        "Object.defineProperty(window, 'localStorage', { get: denied });"
    )
    came(desk.spool, urgency=Urgency.URGENT)
    await page.goto(f"{desk.url}/desk/journal")
    await expect(page).to_have_title("(1) Nhật ký · congvan")


async def test_a_message_on_the_screen_is_asked_for_on_a_click_alone_and_told_once(
    desk: RunningDesk, chromium: Browser
) -> None:
    page = await log_in(chromium, desk, "hoa")
    await page.context.grant_permissions(["notifications"], origin=desk.url)
    await page.add_init_script(
        "window.shown = []; const Real = window.Notification;"
        "window.Notification = class extends Real {"
        " constructor(title, more) { super(title, more); shown.push(more.body); } }"
    )
    await page.goto(f"{desk.url}/desk/notices")
    desktop = page.locator("[data-desktop]")
    await expect(desktop).to_have_attribute("aria-pressed", "false")
    await desktop.click()
    await expect(desktop).to_have_attribute("aria-pressed", "true")
    came(desk.spool, urgency=Urgency.URGENT)
    await expect(page).to_have_title("(1) Thông báo · congvan", timeout=60_000)
    assert await page.evaluate("shown") == ["Văn bản khẩn đang chờ bạn: 1"]
    await page.goto(f"{desk.url}/desk/")
    await expect(page).to_have_title("(1) Hôm nay · congvan")
    assert await page.evaluate("shown") == [], "the next page does not tell it again"
    await page.goto(f"{desk.url}/desk/notices")
    await desktop.click()
    await expect(desktop).to_have_attribute("aria-pressed", "false")


async def test_the_desk_works_without_javascript(desk: RunningDesk, chromium: Browser) -> None:
    came(desk.spool)
    page = await log_in(chromium, desk, "hoa", script=False)
    await page.click("text=123-CV/TU")
    await page.click("#register button.main")
    await expect(page.locator(".title .state")).to_contain_text("Đã vào sổ")
