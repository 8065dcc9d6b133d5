"""What leaves the console: exports in words with one named zone, certificates; the audit by day, unit and redrive."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act, Wanted, find_entries
from router.ledger.queries import Filter, find_deliveries
from router.ledger.scope import EVERYTHING
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.conditions import holds
from support.consoles import Console
from support.ledgers import Clerk

LISTS = ("log", "deliveries", "documents", "units", "lines", "stuck", "redrives", "audit")
ZONE = "Asia/Ho_Chi_Minh"


async def table(console: Console, name: str, path: str) -> list[dict[str, str]]:
    async with console.as_(name) as browser:
        answer = await browser.get(f"/console{path}")
        assert answer.status == 200, await answer.text()
        assert "attachment" in answer.headers["content-disposition"]
        raw = await answer.read()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", LISTS)
async def test_every_list_is_exported_in_words_with_one_named_zone(console: Console, name: str) -> None:
    async with console.as_("admin") as admin:
        fields = {"csrf": await admin.csrf(), "q": "state:parked", "cut": str(now_ms()), "once": new_id()}
        made = await admin.post("/console/redrives", None, **fields, pace="hand", reason="đĩa đã được dọn")
        assert made.status == 303
        page = {"documents": "search"}.get(name, name)
        assert f'href="/console/{name}.csv' in await admin.text(f"/console/{page}")
    rows = await table(console, "admin", f"/{name}.csv")
    assert rows
    columns = list(rows[0])
    assert not [column for column in columns if re.fullmatch(r"[a-z_ ]+", column)], columns
    zones = {match[1] for column in columns if (match := re.search(r"\((\w+/\w+)\)", column))}
    assert zones <= {ZONE}
    assert all(
        "+07:00" not in value and value[-1:] != "Z" for row in rows for value in row.values() if value[:2] == "20"
    )
    with reading(console.engine) as conn:
        taken = find_entries(conn, EVERYTHING, Wanted(act=Act.EXPORTED))
    assert taken[0].entry.subject.startswith(f"{name} csv")


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_every_list_comes_with_the_separator_that_a_person_chose_and_runs_nothing(console: Console) -> None:
    with writing(console.engine) as conn:
        unit = console.services.organisation.directory.get("LCA.02.05")
        assert unit is not None
        clerk = Clerk(conn, now=now_ms())
        letter = clerk.dispatch("LCA.VP", [unit], notation="=1+1", subject='x;=cmd|"/c calc"!A1,@SUM(1)')
        clerk.tell(letter, "LCA.02.05", Status.QUEUED, Status.TAKEN, Status.PARKED, reason="-2+3;+4")
        more = [f"/documents/{letter}/recipients.csv"]
    started = re.compile(r"(?:^|[,;\"\t])[=+@-]")
    async with console.as_("admin") as admin:
        await admin.post("/console/preferences", None, separator="semicolon")
        for place in [*(f"/{name}.csv" for name in LISTS), *more]:
            answer = await admin.get(f"/console{place}")
            raw = await answer.read()
            assert raw.startswith(b"\xef\xbb\xbf"), place
            text = raw.decode("utf-8-sig")
            rows = list(csv.reader(io.StringIO(text), delimiter=";"))
            assert {len(row) for row in rows} == {len(rows[0])}, place
            assert len(rows[0]) > 5, place
            assert [line for line in text.splitlines() if started.search(line)] == [], place
        await admin.post("/console/preferences", None, separator="comma")
        again = (await (await admin.get("/console/units.csv")).read()).decode("utf-8-sig")
    assert again.splitlines()[0].count(",") > 5


async def test_exports_name_units_and_subjects_and_keep_to_what_the_person_sees(console: Console) -> None:
    for path in ("/log.csv", "/deliveries.csv", f"/documents/{console.story.province}/recipients.csv"):
        mine = await table(console, "district", path)
        assert mine
        assert {row["Đơn vị"][:6] for row in mine} == {"LCA.02"}, path
        assert all(row["Tên đơn vị"] and row["Trích yếu"] for row in mine), path


async def test_a_certificate_of_a_part_says_so_and_gives_reasons_arrival_numbers_and_room_to_sign(
    console: Console,
) -> None:
    place = f"/console/documents/{console.story.province}/certificate"
    async with console.as_("admin") as admin:
        whole = await admin.text(place)
    assert "data-part" not in whole
    assert "Số đến</th>" in whole
    assert "Không kết nối được với hệ thống của đơn vị" in whole
    assert "Xác nhận của cơ quan" in whole
    assert "Tỉnh ủy Lào Cai" in whole.partition("<article")[2].partition("</header>")[0]
    async with console.as_("district") as district:
        part = await district.text(place)
        vietnamese, english = part.find("Chỉ gồm phần bạn được xem"), part.find("Only your part")
        assert 0 < vietnamese < english
        assert "data-part" in await district.text("/console/statistics/report")
        assert "data-part" in await district.text(f"/console/documents/{console.story.province}")


async def test_a_number_that_a_unit_gave_twice_is_marked_on_both_certificates(console: Console) -> None:
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        arrived = Filter(states=frozenset({Status.ARRIVED}), dispatch_id=console.story.province)
        row, other = find_deliveries(conn, EVERYTHING, arrived, now_ms=now_ms(), limit=2)
        unit = console.services.organisation.directory.get(row.unit)
        assert unit is not None
        again = clerk.dispatch("LCA.VP", [unit])
        clerk.tell(again, row.unit, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
        for key in (console.story.province, again):
            clerk.tell(key, row.unit, Status.REGISTERED, register_number="77/2026")
        clerk.tell(console.story.province, other.unit, Status.REGISTERED, register_number="77/2026")
    async with console.as_("admin") as admin:
        for key in (console.story.province, again):
            text = await admin.text(f"/console/documents/{key}/certificate")
            assert text.count("số này đã cấp hai lần") == 1
        one = await admin.text(f"/console/deliveries/{row.id}/certificate")
    assert "số này đã cấp hai lần" in one


async def test_one_redrive_is_one_row_of_the_audit_that_opens(console: Console) -> None:
    async with console.as_("admin") as admin:
        fields = {"csrf": await admin.csrf(), "q": "state:parked", "cut": str(now_ms()), "once": new_id()}
        await admin.post("/console/redrives", None, **fields, pace="rate", per_minute="6000", reason="đĩa đã được dọn")

        async def is_folded() -> bool:
            return "data-more" in await admin.text("/console/audit")

        await holds(is_folded)
        text = await admin.text("/console/audit")
        assert text.count('id="job-') == 1
        link = re.search(r'href="(/console/audit\?[^"]*opened=[^"#]*)', text)
        assert link is not None
        parts = await admin.text(unescape(link[1]))
        more = re.search(r'data-more="(\d+)"', parts)
        assert more is not None
        assert parts.count("gửi lại thủ công") >= int(more[1])


async def test_the_audit_is_asked_by_day_unit_and_tells_what_a_retirement_set(console: Console) -> None:
    today = datetime.now(UTC).date()
    async with console.as_("admin") as admin:
        csrf = await admin.csrf()
        form = {"csrf": csrf, "reason": "QĐ 12", "day": "2031-06-30", "successor": "LCA.02.13"}
        assert (await admin.post("/console/units/LCA.02.12/retire", None, **form)).status == 303
        of_unit = await admin.text("/console/audit?unit=LCA.02.%23")
        assert "30/06/2031" in of_unit
        assert "sau đó LCA.02.13" in of_unit
        assert "đăng nhập" not in of_unit.partition("<tbody")[2]
        past = (today - timedelta(days=30)).isoformat()
        assert "Không có gì phù hợp" in await admin.text(f"/console/audit?until={past}")
        since = (today - timedelta(days=1)).isoformat()
        assert "30/06/2031" in await admin.text(f"/console/audit?since={since}&until=2099-01-01")


WRONG = ("since=soon", "until=2026-13-01", "act=unit_sold", "unit=lca..%23")
RIGHT = ("person=admin", "act=logged_in", "unit=lca.02.%23", f"since={datetime.now(UTC).date()}", "until=2099-12-31")


@pytest.mark.parametrize("asked", [*WRONG, *RIGHT])
async def test_the_page_and_the_file_of_the_audit_read_what_is_asked_for_alike(console: Console, asked: str) -> None:
    async with console.as_("admin") as admin:
        csrf = await admin.csrf()
        for code in ("LCA.02.12", "LCA.03.01"):
            form = {"csrf": csrf, "reason": "QĐ 12", "unit": code, "act": "pause"}
            assert (await admin.post("/console/units/acts", None, **form)).status == 303
        page, file = await admin.get(f"/console/audit?{asked}"), await admin.get(f"/console/audit.csv?{asked}")
    if asked in WRONG:
        assert (page.status, file.status) == (422, 400)
        assert 'role="alert"' in await page.text()
        return
    assert (page.status, file.status) == (200, 200)
    rows = csv.DictReader(io.StringIO((await file.read()).decode("utf-8-sig")))
    told = [
        row for row in rows if row["Thao tác"] != "xuất danh sách"
    ]  # taking the file away is noted before it is read
    assert len(told) == (await page.text()).count("<tr>") - 1 > 0
