"""The registers at the desk: paper and electronic in one series, reserved, put right, struck, closed, exported."""

import csv
import io
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

from consumers.reading.registers import Form, headings
from consumers.spool import book_entries
from consumers.spool.book_entries import BookKey, EntryState
from schemas.register import BookKind
from support.deliveries import UNIT, came
from support.desks import RunningDesk, today

YEAR = int(today()[:4])
PLACE = f"/registers/{UNIT}/incoming/{YEAR}"
BOOK = BookKey(UNIT, BookKind.INCOMING, YEAR)
PAPER: dict[str, Any] = {"day": today(), "subject": "Giấy mời họp", "author": "Huyện ủy", "notation": "7-GM/HU"}
_NS = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def states(desk: RunningDesk) -> list[tuple[int, EntryState]]:
    with desk.spool.reading() as conn:
        return [(entry.number, entry.state) for entry in book_entries.entries(conn, BOOK)]


async def test_paper_and_electronic_are_one_series_and_a_reserved_number_is_used_later(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa:
        assert (await hoa.send(f"{PLACE}/entries", **PAPER)).status == 303
        assert (await hoa.act(delivery, "register", day=today(), subject="Về việc")).status == 303
        assert (await hoa.send(f"{PLACE}/reserve", count=2, reason="Chờ ký")).status == 303
        assert (await hoa.send(f"{PLACE}/entries", number=4, **PAPER)).status == 303
        assert (await hoa.send(f"{PLACE}/entries", number=9, **PAPER)).status == 409
        assert (await hoa.send(f"{PLACE}/entries", **(PAPER | {"day": f"{YEAR + 36}-01-01"}))).status == 422
        assert states(desk) == [
            (1, EntryState.ENTERED),
            (2, EntryState.ENTERED),
            (3, EntryState.RESERVED),
            (4, EntryState.ENTERED),
        ]
        other = came(desk.spool, seq=2, notation="124-CV/TU")
        assert "Số đã lấy trước, chưa dùng: 3" in await hoa.text(f"/desk/incoming/{other}")
        assert (await hoa.send(f"{PLACE}/close")).status == 409, "a number is still reserved"
        assert (await hoa.send(f"{PLACE}/3/strike", version=1, reason="Không ký")).status == 303
        assert (await hoa.send(f"{PLACE}/close")).status == 303
        assert (await hoa.send(f"{PLACE}/entries", **PAPER)).status == 409


async def test_an_entry_is_put_right_and_struck_with_a_reason_and_all_that_it_said_stays_readable(
    desk: RunningDesk,
) -> None:
    async with desk.as_("hoa") as hoa:
        await hoa.send(f"{PLACE}/entries", **PAPER)
        right = PAPER | {"subject": "Giấy mời họp Ban Thường vụ"}
        assert (await hoa.send(f"{PLACE}/1/correct", version=1, **right)).status == 409, "without a reason"
        assert (await hoa.send(f"{PLACE}/1/correct", version=1, reason="Ghi thiếu", **right)).status == 303
        assert (await hoa.send(f"{PLACE}/1/strike", version=1, reason="Nhầm")).status == 409, "of what was before"
        page = await hoa.text(f"/desk{PLACE}/1")
        assert "Giấy mời họp Ban Thường vụ" in page
        assert page.count("Giấy mời họp") > page.count("Giấy mời họp Ban Thường vụ")
        assert "Ghi thiếu" in page
        assert (await hoa.send(f"{PLACE}/1/strike", version=2, reason="Đăng ký hai lần")).status == 303
        listed = await hoa.text(f"/desk{PLACE}")
        assert "Hủy: Đăng ký hai lần" in listed
        assert (await hoa.get(f"/desk{PLACE}/2")).status == 404
    assert states(desk) == [(1, EntryState.STRUCK)]


async def test_the_exports_have_the_decrees_columns_and_no_cell_that_is_a_formula(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        await hoa.send(f"{PLACE}/entries", **(PAPER | {"author": "=HYPERLINK(1)", "note": "+1"}))
        answer = await hoa.get(f"/desk{PLACE}/export")
        rows = list(csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
        assert rows[0] == headings(Form.INCOMING)
        assert rows[1][1:4] == ["1", "'=HYPERLINK(1)", "7-GM/HU"]
        answer = await hoa.get(f"/desk{PLACE}/export?xlsx=true")
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as book:
            sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
        assert sheet.findall(".//x:f", _NS) == []
        said = ["".join(item.itertext()) for item in sheet.findall(".//x:is", _NS)]
        assert said[: len(rows[0])] == rows[0]
        assert "=HYPERLINK(1)" in said, "as a text it is kept as it was written"
        following = await hoa.get(f"/desk{PLACE}/export?form=following")
        assert (await following.text()).splitlines()[0].startswith("\ufeffSố đến,")


async def test_a_book_begins_where_the_one_on_paper_ends_and_a_range_of_it_is_shown(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        assert (await hoa.send(f"{PLACE}/begin", first=512)).status == 303
        assert (await hoa.send(f"{PLACE}/begin", first=1)).status == 409
        for number in range(512, 516):
            assert (await hoa.send(f"{PLACE}/entries", **(PAPER | {"notation": f"{number}-GM/HU"}))).status == 303
        page = await hoa.text(f"/desk{PLACE}?first=513&last=514")
        assert [number for number in range(511, 517) if f"{number}-GM/HU" in page] == [513, 514]


async def test_only_a_clerk_of_the_unit_writes_and_each_act_stands_in_the_journal(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        await hoa.send(f"{PLACE}/entries", **PAPER)
    for name in ("nam", "lan", "quan", "xem", "khac"):
        async with desk.as_(name) as person:
            for what, form in {
                "entries": PAPER,
                "reserve": {"count": 1, "reason": "x"},
                "1/correct": PAPER | {"version": 1, "reason": "x"},
                "1/strike": {"version": 1, "reason": "x"},
                "begin": {"first": 5},
                "close": {},
            }.items():
                assert (await person.send(f"{PLACE}/{what}", **form)).status == 403, (name, what)
    assert states(desk) == [(1, EntryState.ENTERED)]
    async with desk.as_("xem") as viewer:
        assert "hoa" in await viewer.text("/desk/journal")
