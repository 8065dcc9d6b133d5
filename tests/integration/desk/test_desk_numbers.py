"""Numbers in full, reports, and what a document's page says beside its form."""

import csv
import io
import re
from typing import Any

import pytest

from consumers.spool import gaps
from consumers.spool.gaps import MAX_ASKS, Asked
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Kind
from schemas.ids import new_id
from support.deliveries import UNIT, by_reference, came, inside
from support.desks import OTHER, RunningDesk, today

YEAR = int(today()[:4])


async def test_a_number_that_never_came_is_named_and_asked_for_anew_by_one_click(desk: RunningDesk) -> None:
    for seq in (1, 2, 5):
        came(desk.spool, seq=seq, notation=f"{seq}-CV/TU")
    with desk.spool.writing() as conn:
        for _ in range(MAX_ASKS):
            gaps.note_asked(conn, [Asked(UNIT, (3, 4), 1000)])
        assert (gaps.count(conn), gaps.due(conn, pause_ms=1000)) == (0, {}), "asked for no more by itself"
        PEOPLE.invite(conn, "hoa", [RoleGrant(DeskRole.CLEARED, UNIT)], now_ms=now_ms())
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/completeness")
        assert "Thiếu 2 số" in page
        assert "không tự yêu cầu nữa" in page
        assert (await hoa.send("/completeness/ask", unit=UNIT)).status == 303
        assert "sẽ yêu cầu ngay khi có đường truyền" in await hoa.text("/desk/completeness")
        assert (await hoa.send("/completeness/ask", unit=OTHER)).status == 403
        assert "Yêu cầu gửi lại số thiếu" in await hoa.text("/desk/journal")
    with desk.spool.reading() as conn:
        assert gaps.due(conn, pause_ms=1000) == {UNIT: [3, 4]}
    came(desk.spool, seq=3)
    came(desk.spool, seq=4)
    async with desk.as_("xem") as viewer, desk.as_("hoa") as hoa:
        assert "Đủ các số đến số 5." in await hoa.text("/desk/completeness")
        assert "Không thiếu số nào." in await viewer.text("/desk/completeness"), "of the series as much as can be said"
        assert (await viewer.send("/completeness/ask", unit=UNIT)).status == 403


async def test_the_holes_in_an_issuers_numbers_are_named_for_each_notation(desk: RunningDesk) -> None:
    for seq, notation in enumerate(("7-CV/TU", "8-CV/TU", "12-CV/TU", "3-BC/TU", "không số"), 1):
        came(desk.spool, seq=seq, notation=notation)
    came(desk.spool, unit=OTHER, notation="9-CV/TU")
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/completeness?issuer=LCA.VP&pattern=-CV/TU")
        assert "chưa có: 9\u201311" in " ".join(page.split())
        assert page.count('class="number" data-name="Đã có"') == 2, "two series"
        assert "không số" not in page


async def test_a_report_counts_a_month_and_is_taken_along_as_a_file(desk: RunningDesk) -> None:
    ids = [came(desk.spool, seq=seq, type="báo cáo") for seq in (1, 2)]
    came(desk.spool, unit=OTHER, notation="9-CV/TU")
    async with desk.as_("hoa") as hoa:
        await hoa.act(ids[0], "register", day=today(), subject="Về việc")
        place = f"/registers/{UNIT}/outgoing/{YEAR}"
        await hoa.send(f"{place}/entries", day=today(), subject="Về việc", type="tờ trình")
        for query in ("", f"?year={YEAR}&month=0", f"?unit={UNIT}", f"?unit={OTHER}"):
            page = await hoa.text(f"/desk/reports{query}")
            assert "báo cáo" in page, query
            assert "tờ trình" in page, query
        answer = await hoa.get(f"/desk/reports/export?year={YEAR}&month={int(today()[5:7])}")
        rows = list(csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
        assert ["Theo tên loại", "báo cáo", "2"] in rows
        assert ["Văn bản đi", "tờ trình", "1"] in rows
        assert (await hoa.get("/desk/reports?month=13")).status == 422
        empty = await hoa.text(f"/desk/reports?year={YEAR - 1}&month=0")
        assert "báo cáo</td>" not in empty


async def test_a_documents_page_leads_to_what_it_refers_to_and_to_what_refers_to_it(desk: RunningDesk) -> None:
    first = came(desk.spool, id=(dispatch := new_id()), notation="1-CV/TU")
    second = came(desk.spool, seq=2, notation="2-CV/TU", kind=Kind.REPLACE, refers_to=(dispatch,))
    stranger = came(desk.spool, seq=3, notation="3-CV/TU", refers_to=(new_id(),))
    came(desk.spool, unit=OTHER, notation="4-CV/TU", refers_to=(dispatch,))
    async with desk.as_("hoa") as hoa:
        page = await hoa.text(f"/desk/incoming/{first}")
        assert "Được thay thế bởi" in page
        assert f'href="/desk/incoming/{second}"' in page
        assert "4-CV/TU" not in page, "of another unit"
        page = await hoa.text(f"/desk/incoming/{second}")
        assert "Thay thế" in page
        assert f'href="/desk/incoming/{first}"' in page
        assert "văn bản chưa có ở đây" in await hoa.text(f"/desk/incoming/{stranger}")


@pytest.mark.parametrize(
    ("name", "media_type", "frame"),
    [
        ("a.pdf", "application/pdf", '<iframe class="file"'),
        ("a.png", "image/png", " sandbox>"),
        ("a.svg", "image/svg+xml", ""),
        ("a.html", "text/html", ""),
        ("a.js", "text/javascript", ""),
        ("a.pdf", "text/html", ""),
    ],
)
async def test_only_what_runs_nothing_is_framed_and_all_else_is_saved(
    desk: RunningDesk, name: str, media_type: str, frame: str
) -> None:
    file = inside(name, b"<svg onload='alert(1)'/>").model_copy(update={"media_type": media_type})
    delivery = came(desk.spool, attachments=(file,))
    async with desk.as_("hoa") as hoa:
        page = await hoa.text(f"/desk/incoming/{delivery}")
        assert ("<iframe" in page) is bool(frame)
        assert frame in page
        answer = await hoa.get(f"/desk/incoming/{delivery}/files/1")
        disposition, policy = answer.headers["content-disposition"], answer.headers["content-security-policy"]
        assert disposition.startswith("inline" if frame else "attachment")
        assert answer.content_type == (media_type if frame else "application/octet-stream")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in policy
        assert ("sandbox" in policy) is (media_type != "application/pdf")


async def test_files_are_hashed_again_at_a_click(desk: RunningDesk) -> None:
    lost, damaged = by_reference("mất.docx", b"lost"), by_reference("sai.docx", b"right")
    content = desk.spool.path.parent / "content"
    content.mkdir(exist_ok=True)
    (content / damaged.sha256).write_bytes(b"wrong")
    delivery = came(desk.spool, attachments=(inside("đúng.txt", b"right"), lost, damaged))
    words: dict[str, Any] = {"nguyên vẹn": 1, "không lưu ở đây": 1, "lỗi: không đúng": 1}
    async with desk.as_("hoa") as hoa:
        page = await hoa.text(f"/desk/incoming/{delivery}")
        assert [page.count(word) for word in words] == [0, 0, 0]
        page = await hoa.text(f"/desk/incoming/{delivery}?check=true")
        assert {word: page.count(word) for word in words} == words


async def test_the_issuers_that_a_report_does_not_name_are_counted_together(
    desk: RunningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.desk.reports._MOST_ROWS", 2)
    for seq, issuer in enumerate(("LCA.VP", "LCA.VP", "LCA.BTC", "LCA.03", "LCA.04"), 1):
        came(desk.spool, seq=seq, issuer=issuer)
    async with desk.as_("hoa") as hoa:
        page = (await hoa.text("/desk/reports")).split('id="by-issuer"', 1)[1].split("</table>", 1)[0]
    shares = [int(text) for text in re.findall(r">(\d+)%<", page)]
    assert shares == [40, 20, 40]
    assert "và 2 mục khác" in page
