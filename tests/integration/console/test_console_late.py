"""The board of who is late: its figures lead to what they count, and nobody sees more of it than of the deliveries."""

import csv
import io
import re
from html import unescape

from sqlalchemy import select, update

from router.ledger.engine import reading, writing
from router.ledger.models import counted_terms, delivery
from router.ledger.models import unit as units
from router.ledger.queries import Filter, Flag, LateFor, WantedLate, find_deliveries, late_totals, late_units
from router.ledger.scope import EVERYTHING
from router.ledger.way import counting
from schemas.clock import now_ms
from schemas.duties import Duty
from schemas.office import office_terms
from schemas.states import Status
from support.consoles import Browser, Console
from support.ledgers import Clerk, unit

CELL = re.compile(r'<td class="number"[^>]*><a href="(/console/late[^"]*)"[^>]*>([\d.]+)</a>')
UNIT = re.compile(r'<td class="number"[^>]*><a href="(/console/deliveries\?q=unit[^"]+)">([\d.]+)</a>')
LISTED = re.compile(r'href="(/console/deliveries\?q=unit[^"]+)">[^<]*?([\d.]+)</a>')


def number(text: str) -> int:
    return int(text.replace(".", ""))


def listed(text: str) -> list[tuple[str, int]]:
    """Where figures lead to a list of deliveries, and what they say."""
    return [(unescape(target), number(count)) for target, count in LISTED.findall(text)]


def by_unit(text: str) -> str:
    """The page's last table."""
    return text.rsplit("<table", 1)[-1]


async def test_every_figure_leads_to_as_many_deliveries(console: Console) -> None:
    """Of each cell to its units, of each unit and of what is below it to its deliveries, whatever is chosen."""
    async with console.as_("admin") as admin:
        text = await admin.text("/console/late")
        cells = [(unescape(target), number(count)) for target, count in CELL.findall(text)]
        assert len(cells) > 2
        figures = dict(listed(text)[:3])
        for target, count in cells[:8]:
            below = await admin.text(target)
            assert sum(number(found) for _, found in UNIT.findall(by_unit(below))) == count, target
            figures |= dict([*listed(below)[:2], *listed(by_unit(below))[:2]])
        assert {"late%3A" in target for target in figures} == {True, False}
        for target, count in figures.items():
            assert f'data-count="{count}"' in await admin.text(target), target


async def test_what_is_owed_for_a_delivery_is_told_with_whose_turn_it_is_and_who_asks(console: Console) -> None:
    story = console.story
    late = story.deliveries[story.overdue, "LCA.01"]
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/deliveries/{late}")
        assert re.findall('data-owed="([^"]+)"', text) == ["register", "answer"]
        assert "Đăng ký vào sổ" in text
        assert "văn thư của đơn vị" in text
        assert "Nơi đôn đốc" in text
        assert "chậm" in await admin.text(f"/console/documents/{story.overdue}")
        with reading(console.engine) as conn:
            done = conn.scalars(select(delivery.c.id).where(delivery.c.state == Status.COMPLETED.value)).first()
        assert "data-owed" not in await admin.text(f"/console/deliveries/{done}")


async def test_the_board_is_taken_as_a_file_with_a_row_for_each_unit(console: Console) -> None:
    with reading(console.engine) as conn:
        expected = late_units(conn, EVERYTHING, WantedLate(), now_ms=now_ms(), limit=1000)
    async with console.as_("admin") as admin:
        rows = await table(admin, "/console/late.csv")
        assert [(row["Đơn vị"], int(row["Chậm"])) for row in rows] == [(item.code, item.total) for item in expected]
        (one,) = await table(admin, "/console/late.csv?unit=LCA.01.01")
        assert one["Nơi đôn đốc"] == "LCA.01"
        assert (await admin.get("/console/late?age=5-6")).status == 422


async def test_after_a_merger_the_page_names_the_same_unit_that_asks_as_the_board(console: Console) -> None:
    with writing(console.engine) as conn:
        conn.execute(update(units).where(units.c.code == "LCA.01.01").values(parent="LCA.03"))
        late = delivery.c.unit == "LCA.01.01", delivery.c.late_at < now_ms()
        (key,) = conn.scalars(select(delivery.c.id).where(*late).limit(1))
    async with console.as_("admin") as admin:
        (row,) = await table(admin, "/console/late.csv?unit=LCA.01.01")
        page = await admin.text(f"/console/deliveries/{key}")
    asked = page.split("Nơi đôn đốc", 1)[1].split("</div>", 1)[0]
    assert (row["Nơi đôn đốc"], "/units/LCA.03" in asked, "LCA.01" in asked) == ("LCA.03", True, False)


async def test_a_month_is_taken_as_a_file_with_what_was_in_time(console: Console) -> None:
    async with console.as_("admin") as admin:
        rows = await table(admin, "/console/statistics.csv?unit=LCA.02")
        assert rows[-1]["Đơn vị"] == "LCA.02"
        accepted, *others = [int(row["Vào hệ thống"]) for row in reversed(rows)]
        assert accepted == sum(others) > 0
        assert {"Đăng ký đúng hạn", "Đăng ký chậm", "Hoàn thành chậm"} <= rows[-1].keys()
        report = await admin.text("/console/statistics/report?unit=LCA.02")
        assert "Đăng ký đúng hạn" in report


async def table(browser: Browser, path: str) -> list[dict[str, str]]:
    answer = await browser.get(path)
    assert answer.status == 200, path
    return list(csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig"))))


async def test_nobody_sees_more_of_it_than_of_the_deliveries(console: Console) -> None:
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms() - 20 * 86_400_000)
        clerk.tell(clerk.dispatch("LCA.VP", [unit("LCA.02.05")]), "LCA.02.05", Status.QUEUED, Status.ARRIVED)
        everything = late_totals(conn, EVERYTHING, "", now_ms=now_ms())
    async with console.as_("district") as district:
        text = await district.text("/console/late")
        own = int(re.findall(r'data-count="(\d+)"', text)[0])
        assert 0 < own < everything.total
        for foreign in ("/console/late?unit=LCA.01", "/console/late?after=LCA.02.99"):
            assert not UNIT.findall(by_unit(await district.text(foreign)))
        assert all(row["Đơn vị"].startswith("LCA.02") for row in await table(district, "/console/late.csv"))


async def test_while_the_terms_are_counted_anew_the_board_says_so(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert "đang tính lại" in await admin.text("/console/late")
        with writing(console.engine) as conn:
            while not counting.step(conn, [counting.Turn(office_terms())])[0].is_done:
                pass
            assert conn.scalar(select(counted_terms.c.counted))
        assert "đang tính lại" not in await admin.text("/console/late")


async def test_the_filter_finds_what_is_late_with_something(console: Console) -> None:
    with reading(console.engine) as conn:
        now = now_ms()
        by_duty = {
            duty: len(find_deliveries(conn, EVERYTHING, Filter(late=frozenset({duty})), now_ms=now, limit=1000))
            for duty in Duty
        }
        late = find_deliveries(conn, EVERYTHING, Filter(flags=frozenset({Flag.LATE})), now_ms=now, limit=1000)
        totals = late_totals(conn, EVERYTHING, "", now_ms=now)
    assert sum(by_duty.values()) == len(late) == totals.total
    assert {duty: totals.of([duty], LateFor) for duty in Duty} == by_duty
    async with console.as_("admin") as admin:
        assert f'data-count="{by_duty[Duty.REGISTER]}"' in await admin.text("/console/deliveries?q=cham:dang-ky-vao-so")


async def test_a_units_page_counts_what_is_late_there_and_below_and_leads_to_it(console: Console) -> None:
    async with console.as_("admin") as admin:
        for code in ("LCA", "LCA.01"):
            with reading(console.engine) as conn:
                count = late_totals(conn, EVERYTHING, code, now_ms=now_ms()).total
            assert count
            text = await admin.text(f"/console/units/{code}")
            found = re.search(rf'href="/console/late\?unit={code}"><span>Chậm</span><strong>([\d.]+)</strong>', text)
            assert found is not None
            assert number(found[1]) == count
