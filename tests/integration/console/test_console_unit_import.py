"""A list of the organisation is brought to the console, looked at and taken over; rules are tried beside it."""

import base64
import re
import zlib
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from aiohttp import ClientResponse, FormData

from router.console.unit_import import MAX_LIST_BYTES
from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE
from router.ledger.scope import EVERYTHING
from router.ledger.units.unit_list import import_units, list_units
from schemas.clock import now_ms
from schemas.unit import Link, Unit
from support.audited import list_entries
from support.consoles import Browser, Console
from support.stories import PASSWORD

PLACE = "/console/units/import"
HEAD = "code,parent,name,kind,link\n"
CHANGE = (
    "LCA.02.05,LCA.02,Xã đổi tên,commune,dialup\n"
    "LCA.02.12,LCA.02,Đảng ủy xã Y Tý,commune,none\n"
    "LCA.02.99,LCA.02,Đảng ủy xã mới,commune,wan\n"
)
WHY = "Nghị quyết 12"
DAY = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
FORM = re.compile(r'<form[^>]* id="apply".*?</form>', re.DOTALL)
FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


async def bring(
    browser: Browser, text: str | bytes, *, name: str = "units.csv", day: str = "", csrf: str | None = None
) -> ClientResponse:
    """Choose a file and send the form, as a browser does."""
    form = FormData()
    form.add_field("csrf", await browser.csrf() if csrf is None else csrf)
    form.add_field("list", text.encode() if isinstance(text, str) else text, filename=name, content_type="text/csv")
    form.add_field("day", day)
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = await browser.http.post(PLACE, data=form, headers=headers, allow_redirects=False)
    await answer.read()
    return answer


def confirming(text: str) -> dict[str, str]:
    """What the second form carries, as it was shown."""
    form = FORM.search(text)
    assert form is not None, text
    return {name: unescape(value) for name, value in FIELD.findall(form[0])} | {"reason": WHY}


async def shown(browser: Browser, text: str, **more: str) -> dict[str, str]:
    answer = await bring(browser, text, **more)
    assert answer.status == 200, await answer.text()
    return confirming(await answer.text())


async def apply(browser: Browser, fields: dict[str, str]) -> ClientResponse:
    return await browser.post(f"{PLACE}/apply", None, **fields)


def units_of(console: Console) -> dict[str, Unit]:
    with reading(console.engine) as conn:
        return {unit.code: unit for unit in list_units(conn)}


def make_district_administrator(console: Console) -> None:
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "district", [PEOPLE.check_grant("admin", "LCA.02.#")], now_ms=now_ms())


async def test_a_list_is_looked_at_and_then_taken_over_as_it_was_shown(console: Console) -> None:
    before = units_of(console)
    async with console.as_("admin") as admin:
        answer = await bring(admin, HEAD + CHANGE)
        text = await answer.text()
        assert answer.status == 200
        assert "Chưa thực hiện gì" in text
        assert figures(text) == ["1", "2", "0", "0", "182"]
        renamed = row_of(text, "LCA.02.05")
        assert f"<b>tên</b>: {before['LCA.02.05'].name} → Xã đổi tên" in renamed
        assert "LCA.02.99" in text
        assert "phải chờ, vì đơn vị không còn đường truyền" in row_of(text, "LCA.02.12")
        assert re.search(r"is%3Aundelivered\">\d+ lượt chuyển", row_of(text, "LCA.02.12"))
        assert units_of(console) == before, "nothing is done by looking"
        done = await apply(admin, confirming(text))
        assert done.status == 200
        told = await done.text()
        assert "1 thêm mới, 2 thay đổi, 0 ngừng hoạt động" in told
        assert "từ nay phải chờ" in told
        audit = await admin.text("/console/audit")
        assert "nhập danh sách đơn vị" in audit
        assert "1 thêm mới, 2 thay đổi" in audit
        assert "và 3 thao tác" in audit
    after = units_of(console)
    assert (after["LCA.02.05"].name, after["LCA.02.12"].link) == ("Xã đổi tên", Link.NONE)
    assert {code: unit for code, unit in after.items() if code not in {"LCA.02.05", "LCA.02.12", "LCA.02.99"}} == {
        code: unit for code, unit in before.items() if code not in {"LCA.02.05", "LCA.02.12"}
    }
    with reading(console.engine) as conn:
        entries = [row.entry for row in list_entries(conn, EVERYTHING) if row.entry.reason == WHY]
    assert [entry.act for entry in reversed(entries)] == [
        *(Act.UNITS_IMPORTED, Act.UNIT_ADDED, Act.UNIT_CHANGED, Act.UNIT_CHANGED),
    ]
    assert {(entry.person, bool(entry.address)) for entry in entries} == {("admin", True)}
    assert entries[-1].subject == "units.csv"


async def test_what_the_list_does_not_name_is_retired_only_with_a_day_and_it_is_told_what_waits(
    console: Console,
) -> None:
    rest = "".join(line_of(unit) for code, unit in units_of(console).items() if code != "LCA.02.12")
    async with console.as_("admin") as admin:
        without = await (await bring(admin, HEAD + rest)).text()
        assert "Không có trong danh sách, giữ nguyên" in without
        text = await (await bring(admin, HEAD + rest, day=DAY)).text()
        assert figures(text)[2] == "1"
        assert "sẽ chờ và vẫn được liệt kê" in row_of(text, "LCA.02.12")
        assert "data-past" not in text
        assert "data-past" in await (await bring(admin, HEAD + rest, day="2025-06-30")).text()
        assert (await apply(admin, confirming(text))).status == 200
        assert "/console/units/LCA.02.12/retire" in await admin.text("/console/units/LCA.02.12")
    assert units_of(console)["LCA.02.12"].valid_to == date.fromisoformat(DAY)


async def test_when_the_organisation_changes_meanwhile_it_is_shown_anew_and_nothing_is_done(console: Console) -> None:
    async with console.as_("admin") as admin:
        fields = await shown(admin, HEAD + CHANGE)
        with writing(console.engine) as conn:
            renamed = units_of(console)["LCA.02.05"].model_copy(update={"name": "Tên của người khác"})
            import_units(conn, [renamed], now_ms=now_ms())
        answer = await apply(admin, fields)
        text = await answer.text()
        assert answer.status == 422
        assert "Trong lúc đó tổ chức đã thay đổi" in text
        assert "<b>tên</b>: Tên của người khác → Xã đổi tên" in text
        assert f'value="{WHY}"' in text
        assert units_of(console)["LCA.02.05"].name == "Tên của người khác"
        assert (await apply(admin, confirming(text))).status == 200
        again = await apply(admin, confirming(text))
        assert again.status == 422, "a second click"
        assert "Không có gì thay đổi" in await again.text()
    assert units_of(console)["LCA.02.05"].name == "Xã đổi tên"


async def test_every_wrong_line_is_named_with_how_to_mend_it_and_nothing_is_taken(console: Console) -> None:
    before = units_of(console)
    wrong = "LCA.02.98,LCA.02,Xã,commune,fax\nLCA.02.97,LCA,Xã,commune,wan\nLCA.02.96,LCA.02,Xã,commune\n"
    async with console.as_("admin") as admin:
        answer = await bring(admin, HEAD + CHANGE + wrong, day=DAY)
        text = await answer.text()
        assert answer.status == 422
        faults = text.partition('id="faults"')[2].partition("</table>")[0]
        assert re.findall(r"<td>(dòng \d+)(?: <code>(\w+)</code>)?</td>", faults) == [
            *(("dòng 5", "link"), ("dòng 6", "parent"), ("dòng 7", "")),
        ]
        assert "phải là một trong" in faults
        assert "phải là LCA.02, đơn vị gần nhất" in faults
        assert "Hãy thêm hoặc bớt dấu phân cách" in faults
        assert 'lang="en"' not in faults
        assert 'id="apply"' not in text
        assert f'value="{DAY}"' in text
        admin.http.cookie_jar.update_cookies({"congvan-language": "en"})
        english = await (await bring(admin, HEAD + CHANGE + wrong)).text()
        assert "line 6" in english
        assert "has to be LCA.02, the nearest unit above LCA.02.97 by its code" in english
    assert units_of(console) == before


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("units.xlsx", b"PK", "tên tệp phải kết thúc bằng .csv hoặc .json"),
        ("units.csv", "code,parent,name,kind,link\nLCA,,Tỉnh,p,lan".encode("utf-16"), "không phải mã UTF-8"),
        ("units.csv", b"", "dòng tiêu đề thiếu các cột"),
        ("units.csv", b"," * 700_000, "dòng tiêu đề thiếu các cột"),
        ("units.json", b"[" * 100_000, "JSON"),
        ("units.json", b'[{"codes":[' + b"{}," * 2000 + b"{}]}]", "dấu phẩy"),
        ("units.csv", b"x" * (MAX_LIST_BYTES + 1), "Tệp quá lớn"),
        ("", b"", "Hãy chọn tệp"),
        ("C:\\danh sách\u202e/../units.csv", HEAD.encode(), "không có đơn vị nào"),
    ],
)
async def test_what_is_no_list_is_told_in_words(console: Console, name: str, data: bytes, says: str) -> None:
    async with console.as_("admin") as admin:
        answer = await bring(admin, data, name=name)
        assert answer.status == 422
        assert says in await answer.text()
        if says == "Hãy chọn tệp":
            again = await admin.post(PLACE, None, csrf=await admin.csrf())
            assert (again.status, says in await again.text()) == (422, True), "a form without a file"


async def test_a_list_may_be_longer_than_other_forms_and_no_longer_than_that(console: Console) -> None:
    names = "".join(f"LCA.02.N{number},LCA.02,Đảng ủy xã số {number},commune,wan\n" for number in range(3000))
    async with console.as_("admin") as admin:
        fields = await shown(admin, HEAD + names)
        assert (await bring(admin, b"x" * 2_000_000)).status == 413
        done = await apply(admin, fields)
        assert done.status == 200
        assert "3.000 thêm mới" in await done.text()


async def test_only_who_administers_units_imports_and_by_a_form_of_the_session(console: Console) -> None:
    for name in ("viewer", "district", "auditor"):
        async with console.as_(name) as browser:
            assert (await browser.get(PLACE)).status == 403
            assert (await bring(browser, HEAD + CHANGE)).status == 403
            assert (await apply(browser, {"csrf": await browser.csrf()})).status == 403
            assert PLACE not in await browser.text("/console/units")
    async with console.as_("admin") as admin:
        assert PLACE in await admin.text("/console/units")
        fields = await shown(admin, HEAD + CHANGE)
        assert (await bring(admin, HEAD + CHANGE, csrf="0" * 64)).status == 403
        assert (await apply(admin, fields | {"csrf": ""})).status == 403
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await admin.post(f"{PLACE}/apply", foreign, **fields)).status == 403
        assert (await admin.get(f"{PLACE}/apply")).status == 405
        admin.http.cookie_jar.clear()
        assert (await bring(admin, b"x" * 5_000_000, csrf="")).status in {303, 401}
    assert "LCA.02.99" not in units_of(console)


async def test_who_administers_a_part_imports_and_retires_in_it_alone(console: Console) -> None:
    make_district_administrator(console)
    before = units_of(console)
    async with console.as_("district") as district:
        assert "Chỉ gồm phần tổ chức bạn được xem" in await district.text(PLACE)
        foreign = "LCA.03.01,LCA.03,Xã,commune,wan\nLCA.03.99,LCA.03,Xã,commune,wan\nYBA,,Tỉnh,province,lan\n"
        answer = await bring(district, HEAD + CHANGE + foreign)
        text = await answer.text()
        assert answer.status == 422
        assert text.count("không thuộc các đơn vị bạn quản trị; hãy bỏ dòng này") == 3
        text = await (await bring(district, HEAD + CHANGE, day=DAY)).text()
        assert figures(text)[2] == str(sum(code.startswith("LCA.02") for code in before) - 2)
        assert "LCA.03" not in text
        assert (await apply(district, confirming(text))).status == 200
    after = units_of(console)
    assert {code for code, unit in after.items() if unit != before.get(code)} == {
        code for code in after if code.startswith("LCA.02")
    }


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"reason": " "}, 422, "Hãy nêu lý do"),
        ({"seal": ""}, 422, "Trong lúc đó tổ chức đã thay đổi"),
        ({"seal": "0" * 64}, 422, "Trong lúc đó tổ chức đã thay đổi"),
        ({"seal": "x" * 100}, 422, "seal"),
        ({"kept": ""}, 422, "Danh sách gửi lại không đúng"),
        ({"kept": "%%%"}, 422, "Danh sách gửi lại không đúng"),
        ({"kept": "đ"}, 422, "Danh sách gửi lại không đúng"),
        ({"kept": base64.urlsafe_b64encode(zlib.compress(b"x" * 50_000_000)).decode()}, 422, "không đúng"),
        ({"kept": base64.urlsafe_b64encode(zlib.compress(b"x")).decode()}, 422, "dòng tiêu đề"),
        ({"day": "soon"}, 422, "Đó không phải là một ngày"),
        ({"day": "2030-01-01" * 2}, 422, "day"),
        ({"name": "units.xlsx"}, 422, ".csv hoặc .json"),
        ({"reason": "a\x00b"}, 422, "reason"),
        ({"reason": "x" * 501}, 422, "reason"),
    ],
)
async def test_what_is_confirmed_otherwise_than_it_was_shown_changes_nothing(
    console: Console, change: dict[str, str], status: int, says: str
) -> None:
    before = units_of(console)
    async with console.as_("admin") as admin:
        answer = await apply(admin, await shown(admin, HEAD + CHANGE) | change)
        text = await answer.text()
        assert (answer.status, says in text) == (status, True), text
    assert units_of(console) == before


async def test_a_confirmation_whose_session_has_ended_is_there_again_after_the_login(console: Console) -> None:
    async with console.as_("admin") as admin:
        fields = await shown(admin, HEAD + CHANGE)
        admin.http.cookie_jar.clear()
        answer = await apply(admin, fields)
        kept = re.search(r'name="kept" value="([^"]*)"', await answer.text())
        assert (answer.status, kept is not None) == (401, True)
        assert kept is not None
        again = await admin.post("/console/login", name="admin", password=PASSWORD, kept=unescape(kept[1]))
        text = await again.text()
        form = {name: unescape(value) for name, value in FIELD.findall(text.partition('id="again-form"')[2])}
        assert form["reason"] == WHY
        assert (await apply(admin, form)).status == 200
    assert "LCA.02.99" in units_of(console)


def figures(text: str) -> list[str]:
    return re.findall(r"<strong>([\d.]+)</strong>", text.partition('id="difference"')[2].partition("</ul>")[0])


def row_of(text: str, code: str) -> str:
    (row,) = [found[0] for found in re.finditer(r"<tr>.*?</tr>", text, re.DOTALL) if f">{code}</b>" in found[0]]
    return row


def line_of(unit: Unit) -> str:
    return f'{unit.code},{unit.parent or ""},"{unit.name}",{unit.kind},{unit.link.value}\n'
