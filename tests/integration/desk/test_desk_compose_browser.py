"""A clerk writes and sends in Chromium: by the keyboard, files dropped, the plan beside it, once for two clicks."""

from collections.abc import Mapping

import pytest
from playwright.async_api import Browser, Page, expect

from consumers.spool import book_entries, desk_letters
from consumers.spool.book_entries import BookKey
from schemas.register import BookKind
from schemas.stages import Stage
from support.chromium import needs_chromium
from support.conditions import holds
from support.desk_pages import log_in
from support.desks import today
from support.offices import HERE, Office
from support.stories import PASSWORD

pytestmark = needs_chromium
BOOK = BookKey(HERE, BookKind.OUTGOING, int(today()[:4]))
PATIENCE = 60_000


async def drop(page: Page, files: Mapping[str, str]) -> None:
    """Let files fall on the place for them, as a hand does."""
    carried = await page.evaluate_handle(
        """files => {
            const carried = new DataTransfer();
            for (const [name, text] of Object.entries(files)) carried.items.add(new File([text], name));
            return carried;
        }""",
        dict(files),
    )
    for kind in ("dragenter", "dragover", "drop"):
        await page.dispatch_event("[data-drop]", kind, {"dataTransfer": carried})


def letters(office: Office) -> list[desk_letters.OutgoingLetter]:
    with office.desk.spool.reading() as conn:
        return desk_letters.listed(conn, {HERE}, limit=10)


async def test_a_document_is_written_by_the_keyboard_planned_and_sent_once_for_two_clicks(
    office: Office, chromium: Browser
) -> None:
    page = await log_in(chromium, office.desk, "hoa")
    await page.keyboard.press("g")
    await page.keyboard.press("u")
    await page.get_by_role("link", name="Soạn văn bản").focus()
    await page.keyboard.press("Enter")
    await page.focus("#unit-find")
    await page.keyboard.type("don vi 02")
    box = page.locator('[data-unit="LCA.02"] > .picks [data-rule]').first
    await expect(box).to_be_attached(timeout=PATIENCE)
    await box.focus()
    await page.keyboard.press("Space")
    await expect(page.locator("[data-tokens] code")).to_have_text("LCA.02")
    await expect(page.locator("#plan [data-count]")).to_have_attribute("data-count", "1", timeout=PATIENCE)
    await page.focus("#send-subject")
    await page.keyboard.type("Báo cáo tuần 48")
    await drop(page, {"Báo cáo.txt": "một", "Phụ lục.txt": "hai"})
    await expect(page.locator("[data-files] [data-name]")).to_have_text(["Báo cáo.txt", "Phụ lục.txt"])
    await page.dblclick("button.main[data-send]")
    await expect(page.locator("h1")).to_contain_text("1/CV", timeout=PATIENCE)
    await expect(page.locator(".title .state")).to_contain_text("Vào hệ thống", timeout=PATIENCE)
    await expect(page.locator("#track")).to_contain_text("Đơn vị LCA.02", timeout=PATIENCE)
    (sent,) = letters(office)
    assert (sent.number, sent.document.size) == (1, len("mộthai".encode()))
    assert office.sent() == ["1/CV"]


async def test_what_was_saved_with_a_dropped_file_is_sent_later_without_it_being_brought_again(
    office: Office, chromium: Browser
) -> None:
    page = await log_in(chromium, office.desk, "hoa")
    await page.goto(f"{office.desk.url}/desk/outgoing/new")
    await page.fill("#send-addressees", "LCA.02")
    await drop(page, {"Báo cáo.txt": "một"})
    await page.click('button[formaction$="do=save"]')
    await expect(page.locator("h1 small")).to_contain_text("Nguyễn Thị Hoa", timeout=PATIENCE)
    await page.fill("#send-subject", "Báo cáo tuần")
    await page.fill("#send-number", "một")
    await page.click("button.main[data-send]")
    await expect(page.locator("[data-faults]")).to_be_focused(timeout=PATIENCE)
    await expect(page.locator('input[name="keep"]')).to_have_value("Báo cáo.txt")
    await page.fill("#send-number", "1")
    await page.click("button.main[data-send]")
    await expect(page.locator("h1")).to_contain_text("1/CV", timeout=PATIENCE)
    await holds(lambda: letters(office)[0].stage is Stage.ACCEPTED, within=60)
    with office.desk.spool.reading() as conn:
        assert [entry.number for entry in book_entries.entries(conn, BOOK)] == [1]


async def test_a_recall_is_written_and_sent_without_a_script_too(office: Office, chromium: Browser) -> None:
    page = await log_in(chromium, office.desk, "hoa", script=False)
    await page.goto(f"{office.desk.url}/desk/outgoing/new")
    await page.fill("#send-addressees", "LCA.02")
    await page.fill("#send-subject", "Báo cáo tuần")
    await page.set_input_files("#send-file", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"})
    await page.click("button.main[data-send]")
    await expect(page.locator("h1")).to_contain_text("1/CV")
    await holds(lambda: letters(office)[0].stage is Stage.ACCEPTED, within=60)
    await page.reload()
    await page.click("text=Thu hồi")
    await page.fill("#reason", "Sai số liệu")
    await page.click("button.main")
    await expect(page.locator("main")).to_contain_text("Thu hồi văn bản số 1/CV: Báo cáo tuần")
    await holds(lambda: len(office.sent()) == 2, within=60)


async def test_a_letter_is_saved_with_its_file_without_a_script(office: Office, chromium: Browser) -> None:
    page = await log_in(chromium, office.desk, "hoa", script=False)
    await page.goto(f"{office.desk.url}/desk/outgoing/new")
    await page.fill("#send-subject", "Báo cáo tuần")
    await page.set_input_files("#send-file", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"})
    await page.click('button[formaction$="do=save"]')
    await expect(page.locator('input[name="keep"]')).to_have_value("a.pdf")
    await expect(page.locator("#send-subject")).to_have_value("Báo cáo tuần")
    assert letters(office) == []


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_somebody_typed_is_not_shown_to_who_logs_in_after_them(
    office: Office, chromium: Browser, *, leaves: bool
) -> None:
    page = await log_in(chromium, office.desk, "hoa")
    await page.goto(f"{office.desk.url}/desk/outgoing/new")
    await page.fill("#send-subject", "Chuyện riêng")
    await page.reload()
    await expect(page.locator("#send-subject")).to_have_value("Chuyện riêng")
    if leaves:
        await page.evaluate("document.querySelector('form[action$=\"/logout\"]').requestSubmit()")
        await page.wait_for_url("**/login**")
        assert "congvan-letter" not in await page.evaluate("JSON.stringify({...sessionStorage})")
    await page.context.clear_cookies()  # else the session just ended
    await page.goto(f"{office.desk.url}/desk/login")
    await page.fill("#name", "lan")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await expect(page.locator("nav.side")).to_be_visible()
    await page.goto(f"{office.desk.url}/desk/outgoing/new")
    await expect(page.locator("#send-subject")).to_have_value("")
    assert "Chuyện riêng" not in await page.evaluate("JSON.stringify({...sessionStorage})")
