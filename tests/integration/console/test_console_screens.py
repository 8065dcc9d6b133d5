"""The console's screens over a filled ledger of either kind."""

import csv
import io
import json
import re
from html import unescape

import pytest

from router.directory import Directory
from router.ledger.engine import reading, writing
from router.ledger.people.accounts import create_account
from router.ledger.people.audit import Act
from router.ledger.queries import Filter, addressees, find_deliveries, find_delivery
from router.ledger.queries.chain import links_of
from router.ledger.recovery import forgotten
from router.ledger.scope import EVERYTHING
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.way.progress import note_held
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.line import Held, LineReport
from schemas.states import Status
from support.api_server import Organisation
from support.audited import list_entries
from support.consoles import Console
from support.ledgers import Clerk
from support.stories import DOWN

NUMBER = re.compile(r"<a href=\"([^\"]+)\"><span>[^<]*</span><strong>([\d.]+)</strong>")


def rows_of(text: str) -> int:
    """How many rows the page's list has."""
    return text.count("<tr>") + text.count("<tr data-pos") - text.count("<thead><tr>")


async def test_each_number_of_the_overview_is_a_link_to_as_many_rows(console: Console) -> None:
    async with console.as_("admin") as admin:
        text = await admin.text("/console/")
        numbers = {unescape(target): int(number.replace(".", "")) for target, number in NUMBER.findall(text)}
        assert len(numbers) == 6
        late = numbers.pop("/console/late")
        assert f'data-count="{late}"' in await admin.text("/console/late")
        for target, number in numbers.items():
            found = await admin.text(target)
            rows = found.count("<tr data-line") if "/lines" in target else rows_of(found)
            assert rows == min(number, 100), target
        below = text.partition('id="attention"')[2]
        causes = re.findall(
            r'<li class="\w+">\s*<a href="([^"]+)">.*?(\d+) đơn vị.*?(\d+) lượt chuyển', below, re.DOTALL
        )
        assert len(causes) == 5
        for target, _, count in causes:
            assert rows_of(await admin.text(unescape(target))) == min(int(count), 100), target


async def test_the_log_is_paged_newest_first_and_leaves_nothing_out(console: Console) -> None:
    async with console.as_("admin") as admin:
        place, seen = "/console/log?q=unit:LCA.02.%23", []
        while place:
            text = await admin.text(place)
            seen += [int(pos) for pos in re.findall(r'data-pos="(\d+)"', text)]
            older = re.search(r'data-older href="([^"]+)"( hidden)?>', text)
            assert older is not None
            place = "" if older[2] else unescape(older[1])
        assert seen == sorted(set(seen), reverse=True)
        exported = await admin.text("/console/log.ndjson?q=unit:LCA.02.%23")
        assert [json.loads(line)["pos"] for line in exported.splitlines()] == seen[::-1]


async def test_a_place_that_no_database_counts_to_is_refused(console: Console) -> None:
    async with console.as_("admin") as admin:
        for place in ("/log?before=", "/audit?before=", "/log/stream?after="):
            assert (await admin.get(f"/console{place}{2**80}")).status == 422


async def test_a_filter_that_cannot_be_read_says_why_and_shows_nothing(console: Console) -> None:
    async with console.as_("admin") as admin:
        for place in ("log", "deliveries", "redrives/new"):
            answer = await admin.get(f"/console/{place}?q=colour:red&cut=1")
            text = await answer.text()
            assert answer.status == 422
            assert "không phải từ khóa" in text
            assert "data-pos" not in text
        assert (await admin.get("/console/log.csv?q=colour:red")).status == 400


async def test_an_export_to_a_spreadsheet_has_its_mark_and_no_formulas(console: Console) -> None:
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        clerk.tell(console.story.district, "LCA.02.02", Status.REFUSED, reason='=HYPERLINK("http://evil")', person="@x")
    async with console.as_("admin") as admin:
        answer = await admin.get("/console/log.csv?q=state:refused+document:" + console.story.district)
        raw = await answer.read()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "attachment" in answer.headers["content-disposition"]
    table = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    assert [row["Lý do"] for row in table] == ["không thuộc thẩm quyền", '\'=HYPERLINK("http://evil")']
    assert table[1]["Người thực hiện"] == "'@x"
    with reading(console.engine) as conn:
        assert list_entries(conn, EVERYTHING, act=Act.EXPORTED)[0].entry.person == "admin"


async def test_a_document_shows_every_recipient_below_its_head(console: Console) -> None:
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/documents/{console.story.district}")
        assert "6 trên 24 đã đến" in text
        assert text.count('<th scope="row">') == 24
        parked = await admin.text(f"/console/documents/{console.story.district}?state=parked")
        assert parked.count('<th scope="row">') == 4
        assert (await admin.get("/console/documents/01a203b4-534c-749d-ae46-f303c470a0de")).status == 404
        assert (await admin.get("/console/documents/nonsense")).status == 422


async def test_a_delivery_tells_its_journey_and_what_can_be_done(console: Console) -> None:
    key = next(value for (dispatch, _), value in console.story.deliveries.items() if dispatch == console.story.district)
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/deliveries/{key}")
        steps = re.findall(r"<li class=\"\w+\">\s*<p><span class=\"state", text)
        assert len(steps) == 6
        assert "số đến 512" in text
        assert "Trần Thị B" in text
        assert "Gửi lại …" not in text


async def test_the_tree_opens_where_the_address_says_and_adds_up(console: Console) -> None:
    async with console.as_("admin") as admin:
        text = await admin.text("/console/units?open=LCA,LCA.02")
        assert text.count("depth2") == 23
        counts = {
            code: int(number or 0)
            for code, number in re.findall(
                r'<b class="code">([A-Z0-9.]+)</b>.*?<td class="number">(?:<a[^>]*>|<span class="off">)([\d.]+)',
                text,
                re.DOTALL,
            )
        }
        with reading(console.engine) as conn:
            open_ = Filter(
                units=("LCA.02.#",),
                states=frozenset({Status.PENDING, Status.QUEUED, Status.TAKEN, Status.PARKED, Status.REDRIVEN}),
            )
            found = find_deliveries(conn, EVERYTHING, open_, now_ms=now_ms(), limit=1000)
        assert counts["LCA.02"] == len(found)
        assert counts["LCA"] >= counts["LCA.02"] > counts["LCA.02.03"]
        closed = await admin.text("/console/units?open=,")
        assert closed.count('<th scope="row">') == 1


async def test_units_are_found_without_accents_and_by_code(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert "Đảng ủy xã Cam Đường" in await admin.text("/console/units?find=cam+duong")
        assert "Huyện ủy Bát Xát" in await admin.text("/console/search?q=bat+xat")
        assert (await admin.text("/console/units?find=lca.02.0")).count('<th scope="row">') == 9
        assert "Không có đơn vị nào" in await admin.text("/console/units?find=%25")


async def test_an_id_in_the_search_leads_straight_there(console: Console) -> None:
    key = next(iter(console.story.deliveries.values()))
    async with console.as_("admin") as admin:
        assert (await admin.get(f"/console/search?q={key}")).headers["location"] == f"/console/deliveries/{key}"
        there = await admin.get(f"/console/search?q={console.story.province}")
        assert there.headers["location"] == f"/console/documents/{console.story.province}"


async def test_each_group_of_what_is_stuck_leads_to_as_many_rows_and_to_its_redrive(console: Console) -> None:
    group = re.compile(
        r'<td><a href="([^"]+)">.*?data-name="Lượt chuyển">(\d+)<.*?data-redrive href="([^"]+)"', re.DOTALL
    )
    async with console.as_("admin") as admin:
        groups = group.findall(await admin.text("/console/stuck"))
        assert sum(int(count) for _, count, _ in groups) == 6
        for target, count, redrive in groups:
            assert rows_of(await admin.text(unescape(target))) == int(count)
            there = await admin.get(unescape(redrive))
            assert f"<strong>{count}</strong>" in await admin.text(there.headers["location"])


@pytest.mark.parametrize("place", ["/console/", "/console/stuck"])
async def test_a_ledger_that_is_older_than_its_gateways_is_said_to_be_to_those_who_see_the_units(
    console: Console, place: str
) -> None:
    async with console.as_("admin") as admin, console.as_("district") as district:
        assert "data-forgotten" not in await admin.text(place)
        with writing(console.engine) as conn:
            forgotten.note(conn, {new_id(): "LCA.03"}, now_ms())
        text = await admin.text(place)
        assert "congvan ledger recover" in text.partition("data-forgotten")[2]
        assert "Sổ cái cũ hơn" in text
        assert "hàng đợi dead" in text
        assert "data-forgotten" not in await district.text(place)


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_screen_speaks_the_language_that_was_chosen(console: Console, language: str) -> None:
    async with console.as_("admin") as admin:
        answer = await admin.post("/console/preferences", None, language=language, back="/console/units?find=a")
        assert answer.headers["location"] == "/console/units?find=a"
        for place in (
            *("/", "/log", "/units", "/lines", "/stuck", "/redrives", "/search", "/statistics", "/audit", "/help"),
        ):
            text = await admin.text(f"/console{place}")
            assert f'<html lang="{language}"' in text
            assert ("Tổng quan" in text) == (language == "vi")


async def test_lines_show_what_is_down_first_and_each_outage_in_a_table(console: Console) -> None:
    async with console.as_("admin") as admin:
        text = await admin.text("/console/lines")
        units = re.findall(r'<tr data-line><td><a class="unit" href="/console/units/([^"]+)"', text)
        assert set(units[:3]) == DOWN
        assert "15 đường truyền trong 60 giây" in text
        assert "dưới LCA.02 (có 16)" in text
        assert text.count("do cổng báo") >= 15
        week = await admin.text("/console/lines?span=7d&unit=LCA.02.%23&state=down")
        assert re.findall(r"data-line", week) == ["data-line"]
        assert (await admin.get("/console/lines?span=8d")).status == 422
    async with console.as_("district") as district:
        assert "LCA.05" not in await district.text("/console/lines")
        assert "LCA.05" not in await district.text("/console/lines?unit=LCA.%23")


async def test_a_units_sheet_tells_of_its_line_gateway_and_people(console: Console) -> None:
    with writing(console.engine) as conn:
        create_account(conn, parse_account("gateway:LCA.05.#"), now_ms=now_ms(), expires_at=now_ms() + 86_400_000)
    async with console.as_("admin") as admin:
        text = await admin.text("/console/units/LCA.05.02?span=24h")
        assert "mất kết nối" in text
        assert "5 lần mất kết nối" in text
        assert "gateway:LCA.05.#" in text
        assert '<rect class="whole"' in text
        sheet = await admin.text("/console/units/LCA.02.05")
        waiting = re.search(r'href="([^"]+)">(\d+) lượt chuyển</a>', sheet)
        assert waiting
        assert rows_of(await admin.text(unescape(waiting[1]))) == int(waiting[2])
        assert "chưa có: cổng không kết nối được" in sheet


async def test_a_certificate_names_the_number_the_hashes_and_the_end_of_the_chain(console: Console) -> None:
    key = console.story.deliveries[console.story.district, "LCA.02"]
    with reading(console.engine) as conn:
        found = find_delivery(conn, EVERYTHING, key)
    assert found is not None
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/deliveries/{key}/certificate")
        assert "số đến 512" in text
        assert all(row.id in text for row in found.receipts)
        assert list(links_of(key, found.receipts))[-1] in text
        of_all = await admin.text(f"/console/documents/{console.story.district}/certificate")
        assert rows_of(of_all) == 24
        assert f"/console/deliveries/{key}/certificate" in of_all
        assert (await admin.get(f"/console/deliveries/{console.story.district}/certificate")).status == 404
    async with console.as_("district") as district:
        assert (await district.get(f"/console/documents/{console.story.overdue}/certificate")).status == 404


async def test_the_journey_shows_that_the_line_is_down_and_what_comes_next(console: Console) -> None:
    key = console.story.deliveries[console.story.province, "LCA.02.12"]
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/deliveries/{key}")
    journey = text.partition('id="journey"')[2]
    assert "vẫn đang mất" in journey
    assert "Tự đi tiếp khi có lại đường truyền" in text


async def test_statistics_lead_from_unit_to_unit_and_from_month_to_month(console: Console) -> None:
    async with console.as_("admin") as admin:
        text = await admin.text("/console/statistics")
        assert '<b class="code">LCA</b>' in text
        below = re.search(r'href="([^"]+unit=LCA.02)"', text)
        before = re.search(r'rel="prev" href="([^"]+)"', text)
        assert below
        assert before
        assert '<b class="code">LCA.02.05</b>' in await admin.text(unescape(below[1]))
        assert "Huyện ủy Bát Xát" in await admin.text("/console/statistics/report?unit=LCA.02")
        assert rows_of(await admin.text(f"{unescape(before[1])}&stage=completed")) > 0
        assert (await admin.get("/console/statistics?month=2026-13")).status == 422
    async with console.as_("district") as district:
        text = await district.text("/console/statistics")
        assert '<b class="code">LCA.02</b>' in text
        assert "LCA.03" not in await district.text("/console/statistics?unit=LCA")


async def test_metrics_name_the_consoles_pages_by_their_routes(console: Console) -> None:
    async with console.as_("admin") as admin:
        await admin.text("/console/units/LCA.02")
        await admin.get("/console/nowhere")
        counted = await admin.text("/metrics")
    assert 'congvan_http_seconds_count{method="GET",route="/console/units/{code}",status="200"} 1.0' in counted
    assert "nowhere" not in counted


async def test_the_matrix_shows_how_far_a_document_has_come_and_whose_line_is_down(console: Console) -> None:
    with writing(console.engine) as conn:
        key = console.story.district
        rows = [it.delivery for it in addressees(conn, EVERYTHING, key, states=[Status.TAKEN])]
        code = rows[0].unit
        told = Held(delivery_id=rows[0].id, held=3_100, total=5_000)
        note_held(conn, code, [told], now_ms())
        presence.note_report(conn, [code], Report(LineReport(every=60), now_ms(), 0))
        presence.note_silent(conn, Listening(now_ms(), 0))
    async with console.as_("admin") as admin:
        text = re.sub(r"<[^>]+>", "", await admin.text(f"/console/documents/{key}?state=taken"))
    assert re.search(r"62%, mất kết nối từ \d", text)


async def test_the_sheet_of_a_unit_shows_its_lines_hours(console: Console) -> None:
    services = console.services
    listed = [
        item.model_copy(update={"opening": "18:00-21:00"}) if item.code == "LCA.02.05" else item
        for item in services.organisation.directory.all
    ]
    assert isinstance(services.organisation, Organisation)
    services.organisation.directory = Directory(listed)
    async with console.as_("admin") as admin:
        assert "18:00-21:00" in await admin.text("/console/units/LCA.02.05")
        assert "18:00-21:00" not in await admin.text("/console/units/LCA.02.06")


async def test_a_document_of_many_is_paged_by_head_filtered_and_redriven_from_its_page(console: Console) -> None:
    place = f"/console/documents/{console.story.province}"
    async with console.as_("admin") as admin:
        text = await admin.text(place)
        assert text.count('<th scope="row">') == 30
        heads = re.findall(r'href="([^"]*below=LCA\.02[^"]*)"[^>]*>[^<]* (\d+)/(\d+)</a>', text)
        assert len(heads) == 1
        below = await admin.text(unescape(heads[0][0]))
        assert below.count('<th scope="row">') == int(heads[0][2])
        parked = await admin.text(f"{place}?state=parked&below=LCA.02")
        target = re.search(r'data-redrive href="([^"]+)"', parked)
        assert target is not None
        wizard = await admin.get(unescape(target[1]))
        assert "state%3Aparked" in wizard.headers["location"]
        listed = re.search(r'href="(/console/deliveries\?q=document[^"]+)"', text)
        assert listed is not None
        total = re.search(r"<strong>\d+</strong> / (\d+)", text)
        assert total is not None
        assert f'data-count="{total[1]}"' in await admin.text(unescape(listed[1]))


async def test_a_document_tells_who_was_left_out_and_why_within_what_is_seen(console: Console) -> None:
    place = f"/console/documents/{console.story.province}"
    async with console.as_("admin") as admin:
        assert f"{place}/left-out" in await admin.text(place)
        assert "mạng riêng" in await admin.text(f"{place}/left-out")
    async with console.as_("district") as district:
        text = (await district.text(f"{place}/left-out")).partition("<main")[2]
        assert not re.search(r"LCA\.0[13-9]\.", text)


async def test_a_recalled_recipient_is_marked_in_words_and_leads_to_the_recall(console: Console) -> None:
    key = console.story.overdue
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        unit = next(code for (dispatch, code) in console.story.deliveries if dispatch == key)
        clerk.tell(key, unit, Status.RECALLED, reason=f"recalled by dispatch {console.story.province}")
    async with console.as_("admin") as admin:
        text = await admin.text(f"/console/documents/{key}")
    assert f'thu hồi theo <a href="/console/documents/{console.story.province}">văn bản này</a>' in text
    assert "recalled by" not in text
