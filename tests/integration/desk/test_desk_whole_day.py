"""A clerk's whole day in Chromium, over a real gateway whose line drops every few seconds; the tutorial's pictures.

``CONGVAN_PICTURES`` names the directory that gets the pictures of ``docs/tutorial``.
"""

import asyncio
import csv
import io
import os
import zipfile
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from consumers.line.hook import FILE_NAME, tell
from consumers.spool import open_spool
from consumers.spool.models import receipt as spooled
from rig.profiles import PROFILES
from rig.proxy import Proxy
from rig.wire import Wire
from router.ledger.engine import reading
from router.ledger.models import delivery, dispatch, receipt
from schemas.accounts import Role
from schemas.states import BY_UNIT
from schemas.unit import Link, Unit
from support.broker import Vhost
from support.chromium import needs_chromium, saved, take
from support.conditions import holds
from support.console_browsing import DROP_FILES
from support.desks import today
from support.installation import CONGVAN, Installation, Program, free_port, installation
from support.stories import PASSWORD
from support.uploads import submit

pytestmark = needs_chromium
UNIT = "LCA.02.05"
UNITS = [
    Unit(code="LCA", name="Tỉnh ủy Lào Cai", kind="province", link=Link.WAN),
    Unit(code="LCA.02", name="Huyện ủy Bát Xát", kind="district", link=Link.WAN),
    Unit(code=UNIT, name="Đảng ủy xã Mường Hum", kind="commune", link=Link.DIALUP),
]
PEOPLE = {
    "hoa": ("Nguyễn Thị Hoa", "Văn thư", "clerk"),
    "nam": ("Trần Văn Nam", "Bí thư", "leader"),
    "lan": ("Lê Thị Lan", "Chuyên viên", "staff"),
}
PATIENCE = 120_000
"""Milliseconds: the line is down every few seconds, and the machine may be busy."""
SCALE = 20.0
"""A line of 33.6 kbit/s that drops every two to four minutes becomes one of 672 kbit/s, minutes become seconds."""
_BY_THE_UNIT = (
    select(receipt.c.id)
    .join(delivery, delivery.c.id == receipt.c.delivery_id)
    .where(delivery.c.unit == UNIT, receipt.c.status.in_(BY_UNIT))
    .order_by(receipt.c.pos)
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n" * 400


@dataclass(slots=True)
class Day:
    """The installation, the unit's gateway with its desk, the line between them, and who sits at the desk."""

    made: Installation
    gateway: Program
    wire: Wire
    chromium: Browser
    desk: str
    pages: dict[str, Page] = field(default_factory=dict)

    async def comes(self, name: str, subject: str, *, flash_text: str = "") -> None:
        """The centre sends a document with a file."""
        await asyncio.to_thread(
            submit, self.made, UNIT, name, PDF, file="Toàn văn.pdf", flash_text=flash_text, subject=subject
        )

    async def is_recalled(self, notation: str, why: str) -> None:
        """The centre wants a document back."""
        with reading(self.made.engine) as conn:
            of = conn.scalar(select(dispatch.c.id).where(dispatch.c.notation == notation))
        recall: Mapping[str, Any] = {"kind": "recall", "refers_to": [str(of)], "subject": f"Thu hồi {notation}: {why}"}
        await asyncio.to_thread(submit, self.made, UNIT, "15-TB/TU", why.encode(), flash_text=why, **recall)

    async def lets_in(self, name: str) -> Page:
        """Somebody opens the one-time link of the command, and chooses a password."""
        full_name, title, role = PEOPLE[name]
        words = ["desk", "people", "invite", name, "--role", role, "--on", UNIT, "--full-name", full_name]
        made = await asyncio.create_subprocess_exec(
            *CONGVAN, *words, "--title", title, env=self.gateway.environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await made.communicate()
        assert made.returncode == 0
        context = await self.chromium.new_context(viewport={"width": 1180, "height": 760}, locale="vi-VN")
        await context.add_cookies([{"name": "congvan-language", "value": "vi", "url": self.desk}])
        page = self.pages[name] = await context.new_page()
        page.set_default_timeout(PATIENCE)
        await page.goto(out.decode().split()[-1])
        await page.fill("#password", PASSWORD)
        await page.fill("#again", PASSWORD)
        await picture(page, "welcome")
        await page.press("#again", "Enter")
        await expect(page.locator("nav.side")).to_be_visible(timeout=PATIENCE)
        await page.wait_for_load_state()
        return page

    def states(self) -> Mapping[str, str]:
        """What the ledger knows of each document that goes to the unit, by its notation."""
        rows = select(dispatch.c.notation, delivery.c.state).join(dispatch, dispatch.c.id == delivery.c.dispatch_id)
        with reading(self.made.engine) as conn:
            return {row[0]: row[1] for row in conn.execute(rows.where(delivery.c.unit == UNIT))}

    async def ledger_says(self, notation: str, state: str) -> None:
        await asyncio.to_thread(
            self.made.wait, lambda: self.states().get(notation) == state, f"{notation} is {state} at the centre"
        )

    def said(self) -> list[str]:
        """The unit's receipts, in the order in which they were said at the desk and its gateway."""
        home = Path(self.gateway.environment["CONGVAN_GATEWAY_DATA_DIR"])
        with closing(open_spool(home)) as spool, spool.reading() as conn:
            return [str(one) for one in conn.scalars(select(spooled.c.id).order_by(spooled.c.pos))]

    def recorded(self) -> list[str]:
        with reading(self.made.engine) as conn:
            return [str(one) for one in conn.scalars(_BY_THE_UNIT)]


async def picture(page: Page, name: str) -> None:
    """Of what is on the screen: for whoever looks at the run, and for the tutorial."""
    await take(page, f"day-{name}")
    if kept := os.environ.get("CONGVAN_PICTURES"):
        session = await page.context.new_cdp_session(page)
        made = await session.send("Page.captureScreenshot", {"format": "webp", "quality": 70})
        (Path(kept) / f"{name}.webp").write_bytes(b64decode(made["data"]))


@pytest.fixture
async def day(vhost: Vhost, tmp_path: Path, chromium: Browser) -> AsyncIterator[Day]:
    wire = Wire(PROFILES["A"].faster(SCALE), 9)
    with installation(tmp_path, vhost, UNITS) as made:
        made.account(Role.ISSUER, "LCA.#")
        made.router(silence_dialup=12, silence_max=24, relay_lease=5, confirm_timeout=4).start()
        await asyncio.to_thread(made.wait_until_ready)
        async with Proxy(made.api, wire) as http, Proxy(vhost.amqp_url, wire) as amqp:
            port = free_port()
            ways = {"amqp_url": amqp.url, "origin_url": http.url}
            gateway = made.gateway(UNIT, sink="none", no_progress_timeout=2.0, presence_interval=5, **ways)
            gateway.command.append("--desk")
            gateway.environment |= {"CONGVAN_DESK_PORT": str(port)}
            wire.on_change = lambda up: _hook(made.directory / "gateway", up=up)
            dropping = asyncio.create_task(wire.follow_schedule())
            gateway.start()
            await asyncio.to_thread(made.wait_until_seen, [UNIT])
            yield Day(made, gateway, wire, chromium, f"http://127.0.0.1:{port}")
            dropping.cancel()
            with suppress(asyncio.CancelledError):
                await dropping
            await asyncio.to_thread(gateway.kill)


def _hook(home: Path, *, up: bool) -> None:
    """What pppd runs when it has dialled, and when the line has dropped."""
    if (home / FILE_NAME).exists():
        tell(home, up=up)


async def test_a_clerks_whole_day_over_a_line_that_drops(day: Day) -> None:
    hoa, nam, lan = [await day.lets_in(name) for name in PEOPLE]
    await _registers_what_is_urgent(day, hoa)
    await _submits_and_directs(day, hoa, nam)
    await _answers(day, hoa, lan)
    await _sends_back_what_is_not_ours(day, hoa)
    await _gives_back_what_is_recalled(day, hoa)
    await _keeps_the_book(day, hoa)
    said = day.said()
    await holds(lambda: set(said) <= set(day.recorded()), within=180, what=day.gateway.tail())
    assert len(day.recorded()) == len(set(day.recorded()))
    assert day.wire.drops > 1


async def _registers_what_is_urgent(day: Day, hoa: Page) -> None:
    """It calls for attention by itself; j, Enter, Enter."""
    await expect(hoa).to_have_title("Hôm nay · congvan", timeout=PATIENCE)
    flash = "Từ 19 giờ hôm nay mưa rất to; sơ tán dân ở các khe suối trước 17 giờ."
    await day.comes("12-CĐ/TU", "Công điện về ứng phó mưa lũ, sạt lở đất", flash_text=flash)
    await expect(hoa).to_have_title("(1) Hôm nay · congvan", timeout=PATIENCE)
    await day.ledger_says("12-CĐ/TU", "arrived")
    await hoa.goto(f"{day.desk}/desk/")
    await expect(hoa.locator("#to-register ~ *").first).to_contain_text("12-CĐ/TU")
    await picture(hoa, "today")
    await hoa.keyboard.press("j")
    await hoa.keyboard.press("Enter")
    await expect(hoa.locator("h1")).to_contain_text("12-CĐ/TU", timeout=PATIENCE)
    await picture(hoa, "register")
    await hoa.focus("#author")
    await hoa.keyboard.press("Enter")
    await expect(hoa.locator(".title .state")).to_contain_text("Đã vào sổ", timeout=PATIENCE)
    await day.ledger_says("12-CĐ/TU", "registered")


async def _submits_and_directs(day: Day, hoa: Page, nam: Page) -> None:
    await hoa.fill("#submit-words", "Kính trình đồng chí Bí thư")
    await hoa.click("#submit button.main")
    await nam.goto(f"{day.desk}/desk/")
    await picture(nam, "leader")
    await nam.click("text=12-CĐ/TU")
    await nam.fill("#instruction", "Triển khai ngay, báo cáo Tỉnh ủy trước 17 giờ.")
    await nam.select_option("#lead", "lan")
    await nam.select_option("#know", "hoa")
    await nam.fill("#until", today())
    await picture(nam, "direct")
    await nam.click("#direct button.main")
    await expect(nam.locator(".title .state")).to_contain_text("Đã chỉ đạo", timeout=PATIENCE)
    await day.ledger_says("12-CĐ/TU", "assigned")


async def _answers(day: Day, hoa: Page, lan: Page) -> None:
    """The work is begun, the answer written and sent; what it answers completes itself."""
    await lan.goto(f"{day.desk}/desk/")
    await lan.click("text=12-CĐ/TU")
    await lan.fill("#process-words", "Đã gọi các thôn, đang sơ tán 12 hộ")
    await lan.click("#process button")
    await expect(lan.locator(".title .state")).to_contain_text("Đang xử lý", timeout=PATIENCE)
    await hoa.reload()
    await hoa.click("text=Trả lời")
    await hoa.wait_for_load_state()
    await hoa.fill("#send-subject", "Báo cáo kết quả ứng phó mưa lũ")
    await hoa.evaluate(DROP_FILES, ["[data-drop]", [["Báo cáo.txt", "Đã sơ tán 12 hộ. " * 2000]]])
    await hoa.check("#completes")
    await picture(hoa, "answer")
    await hoa.click("button.main[data-send]")
    await expect(hoa.locator(".title .state")).to_contain_text("Vào hệ thống", timeout=PATIENCE)
    await picture(hoa, "sent")
    await day.ledger_says("12-CĐ/TU", "completed")
    await lan.reload()
    await expect(lan.locator(".title .state")).to_contain_text("Hoàn thành", timeout=PATIENCE)
    await picture(lan, "way")


async def _sends_back_what_is_not_ours(day: Day, hoa: Page) -> None:
    await day.comes("13-GM/TU", "Giấy mời họp của huyện bên")
    await day.ledger_says("13-GM/TU", "arrived")
    await hoa.goto(f"{day.desk}/desk/incoming?need=register")
    await hoa.click("text=13-GM/TU")
    await hoa.click("summary:has-text('Trả lại')")
    await hoa.select_option("#refuse-reason", "Gửi sai nơi nhận")
    await hoa.click("#refuse button.main")
    await expect(hoa.locator(".title .state")).to_contain_text("Đã trả lại", timeout=PATIENCE)
    await day.ledger_says("13-GM/TU", "refused")


async def _gives_back_what_is_recalled(day: Day, hoa: Page) -> None:
    await day.comes("14-CV/TU", "Về việc rà soát hộ nghèo")
    await day.ledger_says("14-CV/TU", "arrived")
    await hoa.goto(f"{day.desk}/desk/incoming?need=register")
    await hoa.click("text=14-CV/TU")
    await hoa.click("#register button.main")
    await expect(hoa.locator(".title .state")).to_contain_text("Đã vào sổ", timeout=PATIENCE)
    await day.ledger_says("14-CV/TU", "registered")
    await day.is_recalled("14-CV/TU", "Sai phụ lục")
    await day.ledger_says("14-CV/TU", "take_back_requested")
    await hoa.goto(f"{day.desk}/desk/")
    await expect(hoa.locator("#to-answer")).to_be_visible(timeout=PATIENCE)
    await picture(hoa, "recall-asked")
    await hoa.click('section[aria-labelledby="to-answer"] a')
    await expect(hoa.locator("h1")).to_contain_text("14-CV/TU", timeout=PATIENCE)
    await hoa.click("#recall button.main")
    await expect(hoa.locator(".title .state")).to_contain_text("Đã thu hồi", timeout=PATIENCE)
    await day.ledger_says("14-CV/TU", "recalled")


async def _keeps_the_book(day: Day, hoa: Page) -> None:
    """Paper gets the next number; the book is printed and exported."""
    await hoa.goto(f"{day.desk}/desk/registers")
    await hoa.click("main a:has-text('Sổ văn bản đến')")
    await hoa.click("summary:has-text('Vào sổ văn bản giấy')")
    for name, value in {"author": "Công ty Thủy điện", "notation": "7-CV/TĐ", "subject": "Về việc xả lũ"}.items():
        await hoa.fill(f"#paper [name={name}]", value)
    await hoa.click("#paper button.main")
    await expect(hoa.locator("table.register")).to_contain_text("Về việc xả lũ", timeout=PATIENCE)
    await picture(hoa, "book")
    async with hoa.expect_download() as brought:
        await hoa.click("a:has-text('CSV')")
    lines = list(csv.reader(io.StringIO((await saved(await brought.value, day.made.directory)).read_text("utf-8-sig"))))
    assert [line[1] for line in lines[-3:]] == ["1", "2", "3"]
    assert lines[-2][2] == "Tỉnh ủy Lào Cai", "its name was learnt as soon as it had sent something"
    async with hoa.expect_download() as brought:
        await hoa.click("a:has-text('XLSX')")
    with zipfile.ZipFile(await saved(await brought.value, day.made.directory)) as workbook:
        assert "Về việc xả lũ" in workbook.read("xl/worksheets/sheet1.xml").decode()
    await hoa.click("a:has-text('Bản in')")
    await expect(hoa.locator("h1")).to_have_text("SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", timeout=PATIENCE)
    assert (await hoa.pdf()).startswith(b"%PDF")
