"""Sending in Chromium: picked by the keyboard, files dropped, the plan beside it, one dispatch; then recalled."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import func, select

from router.ledger.engine import reading
from router.ledger.models import delivery, dispatch
from support.chromium import faults_of, needs_chromium, take
from support.console_browsing import DROP_FILES, log_in, tab_to
from support.consoles import Console

pytestmark = [needs_chromium, pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)]


def count(console: Console, table: Any = dispatch) -> int:
    with reading(console.engine) as conn:
        return int(conn.scalar(select(func.count()).select_from(table)) or 0)


async def press(page: Page, place: str, key: str = "Space") -> None:
    await tab_to(page, place)
    await page.keyboard.press(key)


async def test_a_letter_is_picked_dropped_planned_and_sent_once_by_keyboard(
    console: Console, chromium: Browser
) -> None:
    before = count(console)
    page = await log_in(chromium, console)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{console.url}/console/send")
    await page.wait_for_load_state()
    branch = '[data-unit="LCA.02"]'
    await press(page, f'{branch} > .picks [value="LCA.02.#"]')
    await expect(page.locator("[data-tokens] code")).to_have_text(["LCA.02.#"])
    await press(page, f"{branch} > details > summary", "Enter")
    await expect(page.locator('[id="pick-LCA.02.05"]')).to_be_checked()
    await press(page, '[id="pick-LCA.02.05"]')
    await expect(page.locator("[data-tokens] code")).to_have_text(["LCA.02.#", "!LCA.02.05"])
    await expect(page.locator("#plan [data-count]")).to_have_text("23")
    await tab_to(page, "#send-notation")
    await page.keyboard.type("45-CV/VP")
    await tab_to(page, "#send-subject")
    await page.keyboard.type("Về việc họp giao ban")
    await page.evaluate(DROP_FILES, ["[data-drop]", [["Công văn.txt", "x" * 5000], ["Phụ lục.txt", "y"]]])
    await expect(page.locator("ol[data-files] [data-name]")).to_have_text(["Công văn.txt", "Phụ lục.txt"])
    await page.click("ol[data-files] li:first-child [data-down]")
    await expect(page.locator("ol[data-files] [data-name]")).to_have_text(["Phụ lục.txt", "Công văn.txt"])
    await expect(page.locator("#plan .figures")).to_contain_text("75,4 kB")  # 5 kB of files on each line
    await take(page, "send-filled")
    assert await faults_of(page) == []
    await page.evaluate(
        """() => { const form = document.querySelector("#send"); form.requestSubmit(); form.requestSubmit(); }"""
    )
    await page.wait_for_url("**/console/documents/*")
    await expect(page.locator("h1")).to_contain_text("45-CV/VP")
    await expect(page.locator(".head")).to_contain_text("Phụ lục.txt")
    assert count(console) == before + 1
    assert complaints == []


async def test_a_refused_letter_keeps_what_was_typed_and_its_files(console: Console, chromium: Browser) -> None:
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/send")
    await page.fill("#send-addressees", "LCA.99")
    await page.fill("#send-notation", "46-CV/VP")
    await page.fill("#send-subject", "Về việc họp")
    await page.evaluate(DROP_FILES, ["[data-drop]", [["a.txt", "x"]]])
    await page.click("[data-send]")
    await expect(page.locator("#problem-addressees")).to_contain_text("LCA.99")
    await expect(page.locator("#send-problems")).to_be_focused()
    await expect(page.locator("#send-notation")).to_have_value("46-CV/VP")
    await expect(page.locator("ol[data-files] [data-name]")).to_have_text(["a.txt"])
    assert await faults_of(page) == []
    await page.fill("#send-addressees", "LCA.02")
    await expect(page.locator("[data-tokens] code")).to_have_text(["LCA.02"])
    await page.click("[data-send]")
    await page.wait_for_url("**/console/documents/*")
    await expect(page.locator(".head")).to_contain_text("a.txt")


async def test_a_lost_answer_is_said_and_the_repetition_is_the_same_dispatch(
    console: Console, chromium: Browser
) -> None:
    before = count(console)
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/send")
    await page.fill("#send-addressees", "LCA.02")
    await page.fill("#send-notation", "47-CV/VP")
    await page.fill("#send-subject", "Về việc họp")
    lost: list[int] = []

    async def lose(route: Any) -> None:
        if lost:
            await route.continue_()
            return
        answer = await route.fetch(max_redirects=0)
        lost.append(answer.status)
        await route.abort()

    await page.route("**/console/send", lose)
    await page.click("[data-send]")
    await expect(page.locator("[data-lost]")).to_be_visible()
    assert lost == [303]
    await page.reload()
    await expect(page.locator("#send-notation")).to_have_value("47-CV/VP")
    await page.click("[data-send]")
    await page.wait_for_url("**/console/documents/*")
    assert count(console) == before + 1


async def test_what_is_written_over_a_letter_whose_answer_was_lost_goes_out_as_one_of_its_own(
    console: Console, chromium: Browser
) -> None:
    before = count(console)
    page = await log_in(chromium, console)
    await page.goto(f"{console.url}/console/send")
    await page.fill("#send-addressees", "LCA.02")
    await page.fill("#send-notation", "48-CV/VP")
    await page.fill("#send-subject", "Về việc họp")

    async def lose(route: Any) -> None:
        await route.fetch(max_redirects=0)
        await route.abort()

    await page.route("**/console/send", lose, times=1)
    await page.click("[data-send]")
    await expect(page.locator("[data-lost]")).to_be_visible()
    await page.fill("#send-subject", "Việc khác")
    await page.click("[data-send]")
    await expect(page.locator("#send-problems")).to_contain_text("với nội dung khác")
    await page.reload()
    await expect(page.locator("#send-subject")).to_have_value("Việc khác")
    await page.click("[data-send]")
    await page.wait_for_url("**/console/documents/*")
    assert count(console) == before + 2


async def test_a_letter_is_sent_without_javascript(console: Console, chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", "utf-8")
    page = await log_in(chromium, console, javascript=False, width=320)
    await page.goto(f"{console.url}/console/send")
    await page.fill("#unit-find", "bat xat")
    await page.click('button[form="find-units"]')
    await page.locator("#unit-tree [data-rule]").first.check()
    await page.fill("#send-notation", "48-CV/VP")
    await page.fill("#send-subject", "Về việc họp")
    await page.click("[data-plain]")
    await expect(page.locator("#plan [data-count]")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await page.set_input_files("#send-file", tmp_path / "a.txt")
    await page.click("[data-send]")
    await expect(page.locator("h1")).to_contain_text("48-CV/VP")
    await expect(page.locator(".head")).to_contain_text("a.txt")
    assert await asyncio.to_thread(count, console, delivery) > 0


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_recall_is_seen_beforehand_and_its_counts_come_true(
    console: Console, chromium: Browser, language: str
) -> None:
    page = await log_in(chromium, console, language=language)
    await page.goto(f"{console.url}/console/documents/{console.story.district}")
    await press(page, '#letter-acts [href$="/recall"]', "Enter")
    await page.wait_for_url("**/recall")
    counts = {
        str(await item.get_attribute("data-effect")): int(await item.inner_text())
        for item in await page.locator("[data-effect]").all()
    }
    assert counts["asked"] > 0
    await take(page, f"recall-{language}")
    assert await faults_of(page) == []
    await tab_to(page, "#reason")
    await page.keyboard.type("Sai phụ lục kèm theo")
    await page.keyboard.press("Enter")
    await expect(page.locator('[data-recalled="take_back_requested"]')).to_have_text(str(counts["asked"]))
    await expect(page.locator('[data-recalled="recalled"]')).to_have_text(str(counts["ends"]))
    assert await faults_of(page) == []
