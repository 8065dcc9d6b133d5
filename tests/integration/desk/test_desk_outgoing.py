"""Documents that go out, at the desk while the line is down: saved, planned, sent, put right, recalled, answered."""

import asyncio
import re
from typing import Any

import pytest

from consumers.spool import Spool, book_entries, desk_letters, drafts, sending
from consumers.spool.book_entries import BookKey
from consumers.spool.sending import Rejected
from schemas.clock import now_ms
from schemas.dispatch import Submission
from schemas.ids import new_id
from schemas.model import parse
from schemas.register import BookKind
from schemas.stages import Stage
from support.deliveries import UNIT, came
from support.desks import OTHER, RunningDesk, accept, running_desk, today

BOOK = BookKey(UNIT, BookKind.OUTGOING, int(today()[:4]))
PDF = ("Báo cáo.pdf", b"%PDF-1.4 one")


def numbers(desk: RunningDesk) -> list[int]:
    with desk.spool.reading() as conn:
        return [entry.number for entry in book_entries.entries(conn, BOOK)]


def letters(spool: Spool) -> list[desk_letters.OutgoingLetter]:
    with spool.reading() as conn:
        return desk_letters.listed(conn, {UNIT, OTHER}, limit=10)


async def test_a_document_is_saved_with_its_files_and_sent_under_the_next_number(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/outgoing/new")
        assert 'name="number" type="text" value="1"' in page
        assert 'value="1/CV"' in page
        once = page.split('name="once" value="', 1)[1].split('"', 1)[0]
        saved = await hoa.compose(once, PDF, ("Phụ lục.pdf", b"two"), do="save")
        assert (saved.status, saved.headers["Location"]) == (303, f"/desk/outgoing/drafts/{once}")
        draft = await hoa.text(f"/desk/outgoing/drafts/{once}")
        assert 'value="Báo cáo tuần"' in draft
        shown = await hoa.get(f"/desk/outgoing/drafts/{once}/files/1")
        assert (shown.status, await shown.read()) == (200, PDF[1])
        assert once in await hoa.text("/desk/outgoing?stage=draft&q=bao+cao+TUAN")
        sent = await hoa.compose(once, ("Bổ sung.pdf", b"three"), version="1", keep="Báo cáo.pdf")
        assert (sent.status, sent.headers["Location"]) == (303, f"/desk/outgoing/{once}")
        page = await hoa.text(f"/desk/outgoing/{once}")
        assert "Báo cáo.pdf" in page
        assert "Bổ sung.pdf" in page
        assert "Phụ lục.pdf" not in page, "it was taken out"
        assert (await hoa.get(f"/desk/outgoing/drafts/{once}")).headers["Location"] == f"/desk/outgoing/{once}"
        assert (await (await hoa.get(f"/desk/outgoing/{once}/files/2")).read()) == b"three"
        assert (await hoa.get(f"/desk/outgoing/{once}/files/3")).status == 404
        register = await hoa.text(f"/desk/registers/{UNIT}/outgoing/{BOOK.year}")
        assert "Báo cáo tuần" in register
        assert f"/desk/outgoing/{once}" in await hoa.text(f"/desk/registers/{UNIT}/outgoing/{BOOK.year}/1")
        today_page = await hoa.text("/desk/")
        assert f"/desk/outgoing/{once}" in today_page
    assert numbers(desk) == [1]


async def test_a_second_click_sends_nothing_twice(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("hoa") as hoa:
        answers = await asyncio.gather(*(hoa.compose(once, PDF) for _ in range(5)))
        assert {answer.status for answer in answers} <= {303, 409}
        assert 303 in {answer.status for answer in answers}
        again = await hoa.compose(once, PDF)
        assert again.headers["Location"] == f"/desk/outgoing/{once}"
    assert numbers(desk) == [1]
    assert len(letters(desk.spool)) == 1


async def test_what_is_wrong_is_said_at_its_field_and_everything_is_kept(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("hoa") as hoa:
        wrong = await hoa.compose(once, PDF, subject="", due="2026-12-05T17:00")
        page = await wrong.text()
        assert wrong.status == 422
        assert 'id="problem-subject"' in page
        assert 'value="2026-12-05T17:00"' in page
        assert 'value="Báo cáo.pdf" checked' in page, "the file is saved with the draft"
        assert 'name="version" value="1"' in page
        assert (await hoa.compose(once, version="1", keep=PDF[0], due="2026-12-05T17:00")).status == 303
    (sent,) = letters(desk.spool)
    with desk.spool.reading() as conn:
        letter = parse(Submission, desk_letters.body_of(conn, sent.document.id), what="submission")
    assert str(letter.due) == "2026-12-05 17:00:00+07:00"
    assert [file.name for file in letter.attachments] == [PDF[0]]


async def test_a_number_that_was_given_meanwhile_is_offered_anew_and_a_reserved_one_is_taken(desk: RunningDesk) -> None:
    first, second = new_id(), new_id()
    async with desk.as_("hoa") as hoa:
        await hoa.send(f"/registers/{UNIT}/outgoing/{BOOK.year}/reserve", count=1, reason="Chờ ký")
        assert (await hoa.compose(first, number="2", notation="2/CV")).status == 303
        late = await hoa.compose(second, number="2", notation="2/CV")
        assert late.status == 409
        page = await late.text()
        assert 'name="number" type="text" value="3"' in page
        assert 'value="3/CV"' in page
        taken = await hoa.compose(second, version="1", number="1", notation="1/CV")
        assert taken.status == 303
        without = await hoa.compose(new_id(), number="", notation="")
        assert without.status == 303
    assert numbers(desk) == [1, 2, 3]
    assert {(one.number, one.document.notation) for one in letters(desk.spool)} == {
        (1, "1/CV"),
        (2, "2/CV"),
        (3, "3/CV"),
    }


async def test_what_the_register_does_not_allow_is_said_as_it_is(desk: RunningDesk) -> None:
    rejected, other = new_id(), new_id()
    place = f"/registers/{UNIT}/outgoing/{BOOK.year}"
    async with desk.as_("hoa") as hoa:
        await hoa.compose(rejected)
        with desk.spool.writing() as conn:
            sending.reject(conn, [Rejected(rejected, "LCA.02 is not there")])
        made = (await hoa.send(f"/outgoing/{rejected}/mend")).headers["Location"].rpartition("/")[2]
        assert (await hoa.send(f"{place}/1/strike", version=1, reason="Nhầm")).status == 303
        assert (await hoa.send(f"{place}/close")).status == 303
        for once, version, number in ((made, "1", "1"), (other, "0", "2")):
            late = await hoa.compose(once, version=version, number=number, subject="Báo cáo tuần 48")
            page = await late.text()
            assert late.status == 409
            assert "is closed" in page
            assert "Số này vừa" not in page, "not that somebody was faster"
            assert f'name="number" type="text" value="{number}"' in page


async def test_a_letter_of_last_year_gets_a_number_of_last_years_book_and_one_of_a_mistyped_year_none(
    desk: RunningDesk,
) -> None:
    last, once = BOOK.year - 1, new_id()
    async with desk.as_("hoa") as hoa:
        wrong = await hoa.compose(once, issued_on=f"{BOOK.year + 200}-01-01")
        assert wrong.status == 422
        assert 'id="problem-issued_on"' in await wrong.text()
        old = await hoa.compose(once, version="1", number="", notation="", issued_on=f"{last}-12-31")
        assert old.status == 303
    (sent,) = letters(desk.spool)
    assert (sent.number, sent.year) == (1, last)
    assert numbers(desk) == []


async def test_roles_write_and_send_for_their_own_units_alone(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("lan") as lan, desk.as_("hoa") as hoa, desk.as_("xem") as xem, desk.as_("khac") as khac:
        assert "data-send>" not in (await lan.text("/desk/outgoing/new")).replace(
            '?do=save" formnovalidate data-send>', ""
        )
        assert (await lan.compose(once, PDF, do="save")).status == 303
        assert (await lan.compose(once, version="1", keep=PDF[0])).status == 403, "staff write, the clerk sends"
        assert (await lan.compose(new_id(), issuer=OTHER, do="save")).status == 403
        assert (await xem.get("/desk/outgoing/new")).status == 403
        assert (await xem.compose(new_id(), do="save")).status == 403
        for path in (f"drafts/{once}", f"drafts/{once}/files/1"):
            assert (await khac.get(f"/desk/outgoing/{path}")).status == 404
        assert (await khac.send(f"/outgoing/drafts/{once}/drop", version=1)).status == 404
        assert once not in await khac.text("/desk/outgoing?stage=draft")
        page = await hoa.text(f"/desk/outgoing/drafts/{once}")
        version = page.split('name="version" value="', 1)[1].split('"', 1)[0]
        assert (await hoa.compose(once, version=version, keep=PDF[0])).status == 303
        for path in ("", "/files/1", "/track", "/recall"):
            assert (await khac.get(f"/desk/outgoing/{once}{path}")).status == 404
        assert once not in await khac.text("/desk/outgoing")
        assert (await xem.get(f"/desk/outgoing/{once}")).status == 200
        assert (await xem.get(f"/desk/outgoing/{once}/recall")).status == 403


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_of_another_session_brings_nothing(desk: RunningDesk, token: str) -> None:
    async with desk.as_("hoa") as hoa:
        hoa.token = token
        assert (await hoa.compose(new_id(), PDF)).status == 403
    assert numbers(desk) == []
    uploads = desk.spool.path.parent / "uploads"
    assert not uploads.exists() or not list(uploads.iterdir())


async def test_a_refused_file_costs_neither_the_words_nor_the_files_before_it(desk: RunningDesk) -> None:
    async with running_desk(desk.spool, most_file_bytes=20) as small, small.as_("hoa") as hoa:
        for refused in (PDF, ("Ảnh.png", b"x" * 21)):
            once = new_id()
            late = await hoa.compose(once, PDF, refused, ("Sau.pdf", b"y"), do="save", subject="Báo cáo năm")
            page = await late.text()
            assert late.status == 422
            assert 'id="problem-attachments"' in page
            assert 'value="Báo cáo năm"' in page, "what was typed stands there"
            assert f'name="keep" value="{PDF[0]}" checked' in page, "and what came before it is kept"
            assert "data-kept" not in page, "a browser keeps what it has of the others"
            assert (await hoa.compose(once, version="1", keep=PDF[0], do="save")).status == 303
        odd = await hoa.compose(new_id(), ("../../etc/passwd", b"x"))
        assert odd.status == 303
    uploads = desk.spool.path.parent / "uploads"
    assert list(uploads.iterdir()) == []
    assert not (desk.spool.path.parent.parent / "etc").exists()


async def test_the_slower_of_two_who_write_sees_what_was_saved(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("lan") as lan, desk.as_("hoa") as hoa:
        await lan.compose(once, do="save")
        assert (await hoa.compose(once, version="1", subject="Báo cáo tháng", do="save")).status == 303
        late = await lan.compose(once, version="1", subject="Báo cáo năm", do="save")
        assert late.status == 409
        page = await late.text()
        assert 'value="Báo cáo tháng"' in page
        assert "<dd>Báo cáo năm</dd>" in page, "and can take over what they wrote themselves"
        assert (await lan.send(f"/outgoing/drafts/{once}/drop", version=1)).status == 409, "as it is no more"
        assert (await lan.send(f"/outgoing/drafts/{once}/drop", version=2)).status == 303
        assert (await lan.get(f"/desk/outgoing/drafts/{once}")).status == 404
    with desk.spool.reading() as conn:
        assert drafts.count(conn, {UNIT}) == 0


@pytest.mark.parametrize("do", ["save", ""])
async def test_a_form_of_a_draft_that_was_thrown_away_says_so_and_sends_nothing(desk: RunningDesk, do: str) -> None:
    once, asked = new_id(), {"do": do} if do else {}
    async with desk.as_("lan") as lan, desk.as_("hoa") as hoa:
        await lan.compose(once, PDF, do="save")
        await lan.send(f"/outgoing/drafts/{once}/drop", version=1)
        late = await hoa.compose(once, version="1", keep=PDF[0], subject="Báo cáo năm", **asked)
        page = await late.text()
        assert late.status == 409
        assert "đã bỏ bản nháp" in page
        assert 'value="Báo cáo năm"' in page, "what was typed stands there"
        assert 'name="version" value="0"' in page
        assert PDF[0] not in page
        assert "data-kept" not in page, "a browser keeps the files that it has"
        assert "data-new" not in page, "and does not put older words over these"
        assert (letters(desk.spool), numbers(desk)) == ([], [])
        assert (await hoa.compose(once, PDF, version="0")).status == 303, "begun anew, with its file"
    assert numbers(desk) == [1]


async def test_a_form_of_a_draft_that_a_colleague_has_sent_shows_where_it_is_and_keeps_its_words(
    desk: RunningDesk,
) -> None:
    once = new_id()
    async with desk.as_("lan") as lan, desk.as_("hoa") as hoa:
        await lan.compose(once, do="save")
        await hoa.compose(once, version="1")
        for _ in range(2):
            late = await lan.compose(once, version="1", subject="Báo cáo năm", do="save")
            page = await late.text()
            assert late.status == 409
            assert f'href="/desk/outgoing/{once}"' in page
            assert 'value="Báo cáo năm"' in page
    assert numbers(desk) == [1]


async def test_a_form_that_comes_again_is_of_the_version_that_its_person_saw(desk: RunningDesk) -> None:
    once = new_id()
    twice: dict[str, Any] = {"version": "1", "subject": "Báo cáo năm"}
    async with desk.as_("lan") as lan, desk.as_("hoa") as hoa:
        await lan.compose(once, do="save")
        await hoa.compose(once, version="1", subject="Báo cáo tháng", do="save")
        again = {
            "after a login": await lan.send("/outgoing/send", once=once, issuer=UNIT, **twice),
            "planned": await lan.send("/outgoing/plan", once=once, issuer=UNIT, **twice),
        }
        for what, answer in again.items():
            page = await answer.text()
            assert 'value="Báo cáo năm"' in page, what
            assert 'name="version" value="1"' in page, what
        assert (await lan.compose(once, **twice)).status == 409, "what a colleague wrote is not written over unseen"
    assert numbers(desk) == []


async def test_a_rejected_document_is_put_right_under_its_number(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("hoa") as hoa:
        delivery = came(desk.spool)
        await hoa.act(delivery, "register", day=today(), subject="Về việc", number=1)
        kept = {"answers": delivery, "completes": "true", "keeper": "Văn thư", "copies": "3"}
        await hoa.compose(once, PDF, place="Sa Pa", urgency="1", **kept)
        with desk.spool.writing() as conn:
            sending.reject(conn, [Rejected(once, "Không có đơn vị.\naddressees: LCA.02 is not there")])
        page = await hoa.text(f"/desk/outgoing/{once}")
        assert "LCA.02 is not there" in page or "Không có đơn vị." in page
        assert "/desk/outgoing?stage=rejected" in await hoa.text("/desk/")
        made = (await hoa.send(f"/outgoing/{once}/mend")).headers["Location"]
        assert (await hoa.send(f"/outgoing/{once}/mend")).headers["Location"] == made
        page = await hoa.text(made)
        assert 'value="Sa Pa"' in page
        assert f'name="answers" value="{delivery}"' in page
        assert 'name="completes" value="true" checked' in page
        assert 'value="Văn thư"' in page
        assert re.search(r'name="copies"[^>]* value="3"', page)
        with desk.spool.writing() as conn:
            assert sending.forget(conn, [now_ms() + 1])[0].documents == 0, "it has to be there as long as the draft"
        assert (await hoa.get(made)).status == 200
        again = made.rpartition("/")[2]
        sent = await hoa.compose(again, version="1", keep=PDF[0], addressees="LCA.03", subject="Báo cáo tuần 48")
        assert sent.status == 303
        assert once not in await hoa.text("/desk/outgoing?stage=rejected")
    assert numbers(desk) == [1]
    found = {one.document.id: one for one in letters(desk.spool)}
    assert (found[again].number, found[again].stage) == (1, Stage.WAITING)


async def test_a_recall_shows_what_each_has_done_asks_why_and_is_sent_once(desk: RunningDesk) -> None:
    once = new_id()
    async with desk.as_("hoa") as hoa:
        await hoa.compose(once)
        assert 'name="reason"' not in await hoa.text(f"/desk/outgoing/{once}/recall"), "nobody has it"
        accept(desk.spool, once)
        page = await hoa.text(f"/desk/outgoing/{once}/recall")
        key = page.split('name="once" value="', 1)[1].split('"', 1)[0]
        assert (await hoa.send(f"/outgoing/{once}/recall", once=key)).status == 422
        for _ in range(2):
            assert (await hoa.send(f"/outgoing/{once}/recall", once=key, reason="Sai số liệu")).status == 303
        page = await hoa.text(f"/desk/outgoing/{once}")
        assert f"/desk/outgoing/{key}" in page
        assert f"/desk/outgoing/{once}/recall" not in page, "it is called back already"
        assert "Sai số liệu" in await hoa.text("/desk/journal")
    assert len(letters(desk.spool)) == 2
    assert numbers(desk) == [1]


async def test_a_unit_writes_how_its_letters_are_numbered(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa, desk.as_("lan") as lan:
        assert (await hoa.send("/outgoing/form", unit=UNIT, notation="CV/HU")).status == 422
        kept = await hoa.send("/outgoing/form", unit=UNIT, notation="{number}-CV/HU", place="Sa Pa", keeper="Văn thư")
        assert kept.status == 303
        page = await hoa.text("/desk/outgoing/new")
        assert 'value="1-CV/HU"' in page
        assert 'value="Sa Pa"' in page
        assert (await lan.send("/outgoing/form", unit=UNIT, notation="{number}/X")).status == 403
        assert (await hoa.send("/outgoing/form", unit=OTHER, notation="{number}/X")).status == 403


async def test_a_form_that_was_carried_through_a_login_stands_there_again(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        answer_ = await hoa.send("/outgoing/send", once=new_id(), issuer=UNIT, subject="Báo cáo", addressees="LCA.02")
        assert answer_.status == 200
        assert 'value="Báo cáo"' in await answer_.text()
    assert numbers(desk) == []


async def test_what_goes_by_post_is_entered_in_the_outgoing_book_in_all_its_columns(desk: RunningDesk) -> None:
    place = f"/registers/{UNIT}/outgoing/{BOOK.year}"
    form = {"day": today(), "subject": "Giấy mời", "notation": "1/GM", "recipients": "Ông A", "signer": "Nguyễn B"}
    async with desk.as_("hoa") as hoa:
        written = await hoa.send(f"{place}/entries", **form, copies="2", keeper="Văn thư", passed_on=today())
        assert written.status == 303
        cells = await hoa.text(f"/desk{place}")
        for cell in ("1/GM", "Nguyễn B", "Ông A", "Văn thư", ">2<"):
            assert cell in cells
        mended = {"version": "1", "copies": "3", "reason": "Ghi thiếu"}
        assert (await hoa.send(f"{place}/1/correct", **(form | mended))).status == 303
    with desk.spool.reading() as conn:
        (entry,) = book_entries.entries(conn, BOOK)
    assert entry.fields is not None
    assert (entry.fields.copies, entry.fields.keeper, entry.fields.passed_on) == (3, "", None)
    assert letters(desk.spool) == [], "nothing of it is sent"
