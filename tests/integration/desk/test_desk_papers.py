"""What is printed: a volume of a register, the slip, the stamp; what was put right stays readable on paper."""

import base64
import re
from typing import Any

from playwright.async_api import Browser
from sqlalchemy import update

from consumers.spool import retention
from consumers.spool.models import inbox
from schemas.clock import now_ms
from support.chromium import needs_chromium
from support.deliveries import UNIT, came, inside
from support.desks import RunningDesk, today
from support.stories import PASSWORD

YEAR = int(today()[:4])
PLACE = f"/registers/{UNIT}/incoming/{YEAR}"
PAPER: dict[str, Any] = {"day": today(), "subject": "Giấy mời họp", "author": "Huyện ủy", "notation": "7-GM/HU"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_a_printed_volume_has_cover_lines_and_signatures_and_shows_what_was_put_right(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        for number in (1, 2):
            await hoa.send(f"{PLACE}/entries", **(PAPER | {"notation": f"{number}-GM/HU"}))
        right = PAPER | {"notation": "1-GM/HU", "subject": "Giấy mời họp Ban Thường vụ", "passed_on": today()}
        assert (await hoa.send(f"{PLACE}/1/correct", version=1, reason="Ghi thiếu", **right)).status == 303
        assert (await hoa.send(f"{PLACE}/2/strike", version=1, reason="Ghi hai lần")).status == 303
        page = await hoa.text(f"/desk{PLACE}/print")
        assert "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN" in page
        assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in page
        assert "<del>Công văn: Giấy mời họp</del> Công văn: Giấy mời họp Ban Thường vụ" in page
        assert "Hủy: Ghi hai lần" in page
        assert page.count('class="struck"') == 1
        assert "Từ số 1 đến số 2" in page
        assert "Khóa sổ" not in page
        assert (await hoa.send(f"{PLACE}/close")).status == 303
        page = await hoa.text(f"/desk{PLACE}/print?first=2")
        assert "Từ số 2 đến số 2" in page
        assert "người khóa sổ: Nguyễn Thị Hoa" in page


async def test_all_columns_of_a_book_can_be_filled_by_hand(desk: RunningDesk) -> None:
    filled: dict[str, Any] = {
        "position": "Chánh Văn phòng",
        "hour": "08:30",
        "pages": 3,
        "passed_on": today(),
        "file_number": "12/HS",
        "keeper": "Văn thư",
        "copies": 15,
        "recipients": "Các chi bộ",
    }
    async with desk.as_("hoa") as hoa:
        for kind in ("incoming", "outgoing"):
            place = f"/registers/{UNIT}/{kind}/{YEAR}"
            assert (await hoa.send(f"{place}/entries", **PAPER, **filled)).status == 303
            page = await hoa.text(f"/desk{place}/print")
            wanted = ["Các chi bộ", f"{int(today()[8:]):02}/"]
            wanted += ["08:30", "Huyện ủy"] if kind == "incoming" else ["Văn thư", "15"]
            assert [word for word in wanted if word not in page] == []
            form = await hoa.text(f"/desk{place}/1")
            assert 'value="12/HS"' in form, "the form that puts it right has it too"


async def test_the_book_that_follows_says_how_far_a_document_is_even_when_it_was_forgotten(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa:
        await hoa.act(delivery, "register", day=today(), subject="Về việc")
        await hoa.act(delivery, "complete", answer="45-BC/ĐU")
        for _ in ("here", "forgotten"):
            for path in ("", "/print", "/export"):
                page = await hoa.text(f"/desk{PLACE}{path}?form=following")
                assert "45-BC/ĐU" in page, path
                assert "Hoàn thành" in page, path
            with desk.spool.writing() as conn:
                conn.exec_driver_sql("UPDATE receipt SET sent_at = 1")
                conn.execute(update(inbox).values(state_at=now_ms() - 200 * 86_400_000))
                retention.forget(conn, [now_ms()])
        assert (await hoa.get(f"/desk/incoming/{delivery}")).status == 404
        assert "<dd><b>1</b>" in await hoa.text("/desk/reports")


def sizes_of(pdf: bytes) -> set[tuple[int, int]]:
    """The sizes of a PDF's pages in millimetres."""
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    return {(round(float(width) * 25.4 / 72), round(float(height) * 25.4 / 72)) for width, height in boxes}


@needs_chromium
async def test_papers_have_the_size_of_paper_and_the_stamp_that_of_the_decree(
    desk: RunningDesk, chromium: Browser
) -> None:
    delivery = came(desk.spool, attachments=(inside("Trang 1.png", PNG),))
    async with desk.as_("hoa") as hoa:
        await hoa.act(delivery, "register", day=today(), hour="08:30", subject="Về việc", author="Tỉnh ủy")
    page = await (await chromium.new_context()).new_page()
    await page.goto(f"{desk.url}/desk/login")
    await page.fill("#name", "hoa")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/desk/")
    for path, size, words in (
        (f"{PLACE}/print", (297, 210), ("SỔ ĐĂNG KÝ", "Tỉnh ủy", "(10)", "VĂN THƯ")),
        (f"/incoming/{delivery}/slip", (210, 297), ("PHIẾU GIẢI QUYẾT", "08:30", "ĐẾN")),
        (f"/incoming/{delivery}/stamp?file=1", (210, 297), ("ĐẾN", "08:30")),
        ("/reports", (210, 297), ("NGƯỜI LẬP BIỂU",)),
    ):
        await page.goto(f"{desk.url}/desk{path}")
        assert sizes_of(await page.pdf(prefer_css_page_size=True)) == {size}, path
        await page.emulate_media(media="print")
        text = await page.inner_text("body")
        await page.emulate_media(media="null")
        assert [word for word in words if word not in text] == [], (path, text)
        assert "Nhật ký" not in text, "what is no part of the paper is not printed"
    await page.goto(f"{desk.url}/desk/incoming/{delivery}/stamp?file=1")
    await page.emulate_media(media="print")
    box = await page.locator(".stamp").bounding_box()
    assert box is not None
    millimetres = [round(length * 25.4 / 96) for length in (box["width"], box["height"])]
    assert millimetres == [50, 35]
    original = await page.request.get(f"{desk.url}/desk/incoming/{delivery}/files/1")
    assert await original.body() == PNG
