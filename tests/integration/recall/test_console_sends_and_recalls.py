"""From a person's browser to the units and back: sent once over a real broker, recalled as it was shown before."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import func, select

from router.ledger.engine import reading, writing
from router.ledger.models import delivery, dispatch
from router.ledger.people.persons import PEOPLE
from schemas.clock import now_ms
from schemas.unit import Link
from support.broker import Vhost
from support.chromium import needs_chromium
from support.console_browsing import DROP_FILES, tab_to
from support.installation import CONGVAN, Installation, installation
from support.ledgers import unit
from support.stories import PASSWORD

pytestmark = needs_chromium
HAS, OFF, NO_LINE = "LCA.01", "LCA.02", "LCA.03"
UNITS = [unit("LCA"), unit("LCA.VP"), unit(HAS), unit(OFF), unit(NO_LINE, Link.NONE)]
PATIENT = 60_000
"""Milliseconds: the machine may be busy."""


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, UNITS) as laid:
        laid.router().start()
        laid.wait_until_ready()
        yield laid


@pytest.fixture
async def page(made: Installation, chromium: Browser) -> Page:
    """Of a person who sends for one unit, let in by a one-time link."""
    with writing(made.engine) as conn:
        token = PEOPLE.invite(conn, "hoa", [PEOPLE.check_grant("issuer", "LCA.VP")], now_ms=now_ms())
    found = await chromium.new_page()
    found.set_default_timeout(PATIENT)
    await found.goto(f"{made.api}/console/welcome?token={token}")
    await found.fill("#password", PASSWORD)
    await found.fill("#again", PASSWORD)
    await found.click("main button")
    await expect(found.locator("nav.side")).to_be_visible(timeout=PATIENT)
    return found


def states(made: Installation, notation: str) -> Mapping[str, str]:
    rows = select(delivery.c.unit, delivery.c.state).join(dispatch, dispatch.c.id == delivery.c.dispatch_id)
    with reading(made.engine) as conn:
        return {row[0]: row[1] for row in conn.execute(rows.where(dispatch.c.notation == notation))}


async def comes_to(made: Installation, notation: str, wanted: Mapping[str, str]) -> None:
    await asyncio.to_thread(made.wait, lambda: states(made, notation) == wanted, f"{notation} is {wanted}")


async def say(environment: Mapping[str, str], *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *CONGVAN, "gateway", "receipt", *words, env=dict(environment), stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


async def test_what_a_person_sends_and_recalls_in_the_browser_happens_at_the_units(
    made: Installation, page: Page
) -> None:
    has = made.gateway(HAS, "has")
    has.start()
    await asyncio.to_thread(made.wait_until_seen, [HAS])

    await page.goto(f"{made.api}/console/send")
    await page.wait_for_load_state()
    for code in (HAS, OFF, NO_LINE):
        await tab_to(page, f'[id="pick-{code}"]')
        await page.keyboard.press("Space")
    await expect(page.locator("[data-tokens] code")).to_have_text([HAS, OFF, NO_LINE])
    await expect(page.locator("#plan [data-count]")).to_have_text("3", timeout=PATIENT)
    await page.fill("#send-notation", "45-CV/VP")
    await page.fill("#send-subject", "Về việc họp giao ban")
    await page.evaluate(DROP_FILES, ["[data-drop]", [["Công văn.txt", "x" * 50_000], ["Phụ lục.txt", "y"]]])
    await page.evaluate(
        "() => { for (let click = 0; click < 2; click++) document.querySelector('#send').requestSubmit(); }"
    )
    await page.wait_for_url("**/console/documents/*")
    await comes_to(made, "45-CV/VP", {HAS: "arrived", OFF: "queued", NO_LINE: "pending"})
    with reading(made.engine) as conn:
        assert conn.scalar(select(func.count()).select_from(dispatch)) == 1
    assert {path.name for path in (made.directory / "has" / "inbox").rglob("*.txt")} == {"Công văn.txt", "Phụ lục.txt"}

    await page.click('#letter-acts [href$="/recall"]')
    counts = {effect: page.locator(f'[data-effect="{effect}"]') for effect in ("ends", "follows", "asked", "nothing")}
    for effect, count in {"ends": 1, "follows": 1, "asked": 1, "nothing": 0}.items():
        await expect(counts[effect]).to_have_text(str(count))
    await page.fill("#reason", "Sai phụ lục kèm theo")
    await page.click("#recall button")
    await page.wait_for_url("**#recalls")
    for state in ("recalled", "take_back_requested", "queued"):
        await expect(page.locator(f'[data-recalled="{state}"]')).to_have_text("1")

    off = made.gateway(OFF, "off")
    off.start()
    await comes_to(made, "45-CV/VP", {HAS: "take_back_requested", OFF: "recalled", NO_LINE: "recalled"})
    await asyncio.to_thread(
        made.wait, lambda: states(made, "(không số)").get(HAS) == "arrived", "the recall is at the unit"
    )
    await say(has.environment, "45-CV/VP", "recalled", "--person", "Nguyễn Thị Lan")
    await comes_to(made, "45-CV/VP", {HAS: "recalled", OFF: "recalled", NO_LINE: "recalled"})
    await page.reload()
    await expect(page.locator('[data-recalled="recalled"]')).to_have_text("3")
