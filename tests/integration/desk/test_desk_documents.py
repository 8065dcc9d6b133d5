"""A document at the desk: registered, directed, processed, answered; sent back; recalled; two people on one."""

import asyncio
from typing import Any

import orjson
import pytest

from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import book_entries, recalls
from consumers.spool.book_entries import BookKey
from consumers.spool.units import keep_names
from consumers.status import status_path
from schemas.clock import iso, now_ms
from schemas.dispatch import Urgency
from schemas.register import BookKind
from schemas.states import Status
from support.deliveries import UNIT, by_reference, came, inside
from support.desks import RunningDesk, today

FIELDS: dict[str, Any] = {"day": today(), "subject": "Về việc phòng, chống rét", "author": "Tỉnh ủy Lào Cai"}
BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))


def told(desk: RunningDesk, delivery: str) -> list[tuple[str, str, str]]:
    """What the receipts of people say: state, person, reason."""
    return [(item.status.value, item.person, item.reason) for item in receipts_of(desk.spool, delivery) if item.person]


async def test_a_document_goes_through_the_hands_of_clerk_leader_and_staff(desk: RunningDesk) -> None:
    delivery = came(desk.spool, urgency=Urgency.EXPRESS, flash_text="Rét đậm từ ngày 23.")
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam, desk.as_("lan") as lan:
        assert "Rét đậm từ ngày 23." in await hoa.text(f"/desk/incoming/{delivery}")
        assert (await hoa.act(delivery, "register", number=1, **FIELDS)).status == 303
        assert (await hoa.act(delivery, "submit", leader="nam", words="Kính trình")).status == 303
        assert delivery in await nam.text("/desk/")
        direction: dict[str, Any] = {
            "lead": "lan",
            "coordinate": ["hoa", "Công an xã"],
            "know": "xem",
            "until": "2026-12-05",
        }
        assert (await nam.act(delivery, "direct", instruction="Triển khai ngay", **direction)).status == 303
        assert delivery not in (await nam.text("/desk/")).split('id="mine"')[1].split("</section>")[0]
        page = await lan.text("/desk/")
        assert delivery in page
        page = await lan.text(f"/desk/incoming/{delivery}")
        assert "Triển khai ngay" in page
        assert "Công an xã" in page
        assert (await lan.act(delivery, "process", words="Đang dự thảo")).status == 303
        assert (await lan.act(delivery, "complete", answer="45-BC/ĐU", words="Đã xong")).status == 303
        page = await hoa.text(f"/desk/incoming/{delivery}")
        assert page.count('name="seen"') == 1, "nothing is left to be done but to undo it"
        assert 'id="undo"' in page
    assert told(desk, delivery) == [
        ("registered", "Nguyễn Thị Hoa", ""),
        ("assigned", "Trần Văn Nam", "Chủ trì: Lê Thị Lan"),
        ("processing", "Lê Thị Lan", ""),
        ("completed", "Lê Thị Lan", "Trả lời: 45-BC/ĐU"),
    ]


async def test_a_document_that_is_not_ours_goes_back_with_the_reason(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(delivery, "refuse")).status == 422
        assert (await hoa.act(delivery, "refuse", reason="Gửi sai nơi nhận", other="của xã bên")).status == 303
    assert told(desk, delivery) == [("refused", "Nguyễn Thị Hoa", "Gửi sai nơi nhận: của xã bên")]


async def test_the_slower_of_two_clerks_sees_what_happened_and_nothing_of_theirs_is_done(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as one, desk.as_("hoa") as other:
        seen = await one.seen(delivery)
        forms = [
            one.act(delivery, "register", seen=seen, **FIELDS),
            other.act(delivery, "refuse", seen=seen, reason="x"),
        ]
        answers = await asyncio.gather(*forms)
        assert sorted(answer.status for answer in answers) == [303, 409]
        slower = next(answer for answer in answers if answer.status == 409)
        assert "Đã có người xử lý trong lúc này" in await slower.text()
        again = await one.act(delivery, "register", seen=seen, **FIELDS)
        assert again.status == 409, "the same form sent twice"
    assert len(told(desk, delivery)) == 1


async def test_whatever_clerks_click_at_once_every_document_gets_a_number_of_its_own_without_a_gap(
    desk: RunningDesk,
) -> None:
    ids = [came(desk.spool, seq=seq, notation=f"{seq}-CV/TU") for seq in range(1, 13)]
    async with desk.as_("hoa") as one, desk.as_("hoa") as other:
        clicks = [browser.act(delivery, "register", **FIELDS) for delivery in ids for browser in (one, other)]
        answers = await asyncio.gather(*clicks)
    assert [answer.status for answer in answers].count(303) == len(ids)
    with desk.spool.reading() as conn:
        assert [entry.number for entry in book_entries.entries(conn, BOOK)] == list(range(1, len(ids) + 1))
    numbers = {receipt.register_number for delivery in ids for receipt in receipts_of(desk.spool, delivery)} - {""}
    assert numbers == {str(number) for number in range(1, len(ids) + 1)}


async def test_a_number_that_was_given_meanwhile_is_told(desk: RunningDesk) -> None:
    first, second = came(desk.spool), came(desk.spool, seq=2, notation="124-CV/TU")
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(first, "register", number=1, **FIELDS)).status == 303
        assert (await hoa.act(second, "register", number=1, **FIELDS)).status == 409
        assert (await hoa.act(second, "register", number=2, **FIELDS)).status == 303


async def test_the_same_number_of_the_same_author_is_pointed_out(desk: RunningDesk) -> None:
    first, second = came(desk.spool), came(desk.spool, seq=2)
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(first, "register", notation="123-CV/TU", **FIELDS)).status == 303
        page = await hoa.text(f"/desk/incoming/{second}")
    assert "Đã có văn bản cùng số, ký hiệu và tác giả trong sổ" in page
    assert 'value="Tỉnh ủy Lào Cai"' in page, "the author's name is as it was written for this issuer before"


async def test_an_author_entered_while_only_the_code_was_known_is_named_once_the_name_is(desk: RunningDesk) -> None:
    first, second = came(desk.spool), came(desk.spool, seq=2)
    issuer = get_entry(desk.spool, first).issuer
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(first, "register", **(FIELDS | {"author": issuer}))).status == 303
        with desk.spool.writing() as conn:
            keep_names(conn, [{issuer: "Văn phòng Tỉnh ủy"}])
        assert 'value="Văn phòng Tỉnh ủy"' in await hoa.text(f"/desk/incoming/{second}")


@pytest.mark.parametrize(("accept", "state"), [("true", Status.RECALLED), ("false", Status.CHANGE_REFUSED)])
async def test_a_recall_is_answered(desk: RunningDesk, accept: str, state: Status) -> None:
    delivery = came(desk.spool)
    dispatch = get_entry(desk.spool, delivery).dispatch_id
    with desk.spool.writing() as conn:
        noted = recalls.Noted(unit=UNIT, by="0" * 32, notation="9-CV/TU", dispatch_ids=(dispatch,))
        recalls.note(conn, [noted])
        recalls.carry_out(conn, {(UNIT, dispatch)})
    async with desk.as_("hoa") as hoa:
        assert delivery in await hoa.text("/desk/?")
        assert (await hoa.act(delivery, "recall", accept="false")).status == 422
        assert (await hoa.act(delivery, "recall", accept=accept, reason="Đã thực hiện")).status == 303
    assert get_entry(desk.spool, delivery).state is state


async def test_documents_are_found_by_any_words_without_accents_and_by_what_they_need(desk: RunningDesk) -> None:
    came(desk.spool, notation="1-CĐ/TU", subject="Công điện về ứng phó mưa lũ ở Đường Hồng")
    entered = came(desk.spool, seq=2, notation="2-CV/TU", subject="Về việc phòng, chống rét")
    async with desk.as_("hoa") as hoa:
        await hoa.act(entered, "register", **FIELDS)
        for asked, first, second in (
            ("q=cong+dien", True, False),
            ("q=duong+hong", True, False),
            ("q=phong+1-cd", False, False),
            ("q=RET+2-cv", False, True),
            ("need=register", True, False),
            ("need=work", False, True),
            ("need=ended", False, False),
            ("q=%25", False, False),
        ):
            page = await hoa.text(f"/desk/incoming?{asked}")
            assert ("1-CĐ/TU" in page, "2-CV/TU" in page) == (first, second), asked
        assert (await hoa.get("/desk/incoming?need=everything")).status == 422


async def test_the_slip_has_the_stamp_and_what_was_said(desk: RunningDesk) -> None:
    delivery = came(desk.spool, urgency=Urgency.EXPRESS)
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        await hoa.act(delivery, "register", hour="08:30", recipients="Văn phòng", file_number="12/2026", **FIELDS)
        await nam.act(delivery, "direct", lead="lan", instruction="Triển khai ngay", until="2026-12-05")
        page = await hoa.text(f"/desk/incoming/{delivery}/slip")
    for words in ("PHIẾU GIẢI QUYẾT VĂN BẢN ĐẾN", "ĐẾN", "08:30", "12/2026", "Tỉnh ủy Lào Cai"):
        assert words in page, words
    for words in ("Chủ trì: Lê Thị Lan.", "Hạn: 05/12/2026.", "Triển khai ngay"):
        assert words in page, words


async def test_what_is_late_by_the_decree_is_marked(desk: RunningDesk) -> None:
    came(desk.spool)
    async with desk.as_("hoa") as hoa:
        assert '<span class="tag warn">quá hạn' not in await hoa.text("/desk/incoming")
        with desk.spool.writing() as conn:
            conn.exec_driver_sql("UPDATE inbox SET state_at = state_at - 30 * 86400000")
        assert '<span class="tag warn">quá hạn' in await hoa.text("/desk/incoming")


async def test_the_line_is_told_as_the_gateway_last_said(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        assert "không chạy" in await hoa.text("/desk/line")
        told = {"at": iso(now_ms()), "line": "up", "line_rate": 4200, "waiting": 7, "version": "0.1.0"}
        status_path(desk.spool.path.parent).write_bytes(orjson.dumps(told))
        page = await hoa.text("/desk/line")
        assert "Đường truyền đang hoạt động" in page
        assert "33,6 kbit/s" in page
        status_path(desk.spool.path.parent).write_bytes(orjson.dumps(told | {"line": "down"}))
        assert "Đang mất kết nối" in await hoa.text("/desk/line")


async def test_certificates_that_end_soon_are_told_beside_the_line(desk: RunningDesk) -> None:
    told = {"at": iso(now_ms()), "line": "up", "certificates": {"client": 61, "broker": 12, "origin": -2, "another": 5}}
    status_path(desk.spool.path.parent).write_bytes(orjson.dumps(told))
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/line")
    assert "Chứng thư của cổng này</dt><dd>còn 61 ngày" in page
    assert '<span class="state warn">còn 12 ngày' in page
    assert "đã hết hạn; hãy gọi người trông coi máy này" in page
    assert "<dt>another</dt>" in page


async def test_files_are_shown_or_saved_and_nothing_of_them_runs_as_our_page(desk: RunningDesk) -> None:
    files = (
        inside('Báo cáo "quý".html', b"<script>alert(1)</script>"),
        inside("a.pdf", b"%PDF-1.4"),
        by_reference("chưa có.docx", b"later"),
    )
    delivery = came(desk.spool, attachments=files)
    async with desk.as_("hoa") as hoa:
        page = await hoa.get(f"/desk/incoming/{delivery}/files/1")
        assert (page.status, page.content_type) == (200, "application/octet-stream")
        assert page.headers["content-disposition"].startswith("attachment; filename*=UTF-8''B%C3%A1o")
        assert "sandbox" in page.headers["content-security-policy"]
        shown = await hoa.get(f"/desk/incoming/{delivery}/files/2")
        assert (shown.content_type, await shown.read()) == ("application/pdf", b"%PDF-1.4")
        assert "script-src" not in shown.headers["content-security-policy"]
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert (await hoa.get(f"/desk/incoming/{delivery}/files/3")).status == 404, "it has not come"
        assert (await hoa.get(f"/desk/incoming/{delivery}/files/4")).status == 404
        assert (await hoa.get(f"/desk/incoming/{delivery}/files/0")).status == 422


async def test_no_length_of_what_is_named_in_a_direction_is_trusted(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        await hoa.act(delivery, "register", **FIELDS)
        seen = await nam.seen(delivery)
        wrong: list[dict[str, Any]] = [
            {"coordinate": "a" * 201},
            {"know": ["x"] * 51},
            {"lead": "a" * 201},
            {"instruction": "a" * 2001},
            {"coordinate": "a\nb"},
        ]
        for fields in wrong:
            answer = await nam.act(delivery, "direct", seen=seen, **({"lead": "lan"} | fields))
            assert answer.status == 422, fields
    assert len(told(desk, delivery)) == 1


async def test_what_cannot_be_read_says_which_field_and_changes_nothing(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    wrong: list[dict[str, Any]] = [
        {"day": "hôm nay"},
        {"day": "2026-13-01"},
        {"day": "2062-01-01"},
        {"day": "1926-01-01"},
        {"number": "0"},
        {"number": "9" * 30},
        {"pages": "-1"},
        {"hour": "25:00"},
        {"subject": ""},
        {"subject": "a" * 501},
        {"author": "a\nb"},
        {"note": "a" * 501},
    ]
    async with desk.as_("hoa") as hoa:
        seen = await hoa.seen(delivery)
        for fields in wrong:
            answer = await hoa.act(delivery, "register", seen=seen, **(FIELDS | fields))
            assert answer.status == 422, fields
    assert told(desk, delivery) == []


async def test_another_log_at_the_centre_is_told_above_all_on_the_page_of_the_line(desk: RunningDesk) -> None:
    told = {"at": iso(now_ms()), "line": "up", "log_alarm": "it has 3 entries, and had 5 before"}
    status_path(desk.spool.path.parent).write_bytes(orjson.dumps(told))
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/line")
    assert "Nhật ký ở trung tâm khác với lần đã thấy trước đây" in page
    assert "it has 3 entries, and had 5 before" in page
