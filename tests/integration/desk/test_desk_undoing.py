"""What was done by mistake, put right at the desk: by whom it may be, and that both stay readable."""

from typing import Any

from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import book_entries
from consumers.spool.book_entries import BookKey, EntryState
from schemas.register import BookKind
from schemas.states import Status
from support.deliveries import UNIT, came
from support.desks import RunningDesk, today

FIELDS: dict[str, Any] = {"day": today(), "subject": "Về việc phòng, chống rét", "author": "Tỉnh ủy Lào Cai"}
BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))
PLACE = f"/registers/{UNIT}/incoming/{BOOK.year}"


def states(desk: RunningDesk) -> list[EntryState]:
    with desk.spool.reading() as conn:
        return [entry.state for entry in book_entries.entries(conn, BOOK)]


async def test_a_step_is_undone_with_a_reason_by_whoever_may_take_it(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa, desk.as_("lan") as lan:
        await hoa.act(delivery, "register", **FIELDS)
        await lan.act(delivery, "complete", words="Nhầm văn bản")
        async with desk.as_("xem") as xem:
            assert 'id="undo"' not in await xem.text(f"/desk/incoming/{delivery}")
            seen = await lan.seen(delivery)
            assert (await xem.act(delivery, "undo", seen=seen, reason="x")).status == 404
        assert "Phục hồi bước vừa làm" in await lan.text(f"/desk/incoming/{delivery}")
        assert (await lan.act(delivery, "undo")).status == 422
        assert (await lan.act(delivery, "undo", reason="Chưa xong")).status == 303
        assert get_entry(desk.spool, delivery).state is Status.REGISTERED
        page = await hoa.text(f"/desk/incoming/{delivery}")
        assert "Chưa xong" in page
        assert "Phục hồi" in await hoa.text("/desk/journal")
        assert (await hoa.act(delivery, "undo", reason="Không thuộc sổ này")).status == 303
        assert (await hoa.act(delivery, "register", number=2, **FIELDS)).status == 303
    assert states(desk) == [EntryState.STRUCK, EntryState.ENTERED]
    told = receipts_of(desk.spool, delivery)
    assert [item.status.value for item in told] == [
        *("arrived", "registered", "completed", "registered", "arrived", "registered"),
    ]
    assert [item.undoes for item in told[3:5]] == [told[2].id, told[1].id]


async def test_neither_the_slip_nor_who_leads_says_what_was_undone(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        await hoa.act(delivery, "register", **FIELDS)
        await nam.act(delivery, "direct", lead="lan", instruction="Trình trong tuần")
        assert "Trình trong tuần" in await hoa.text(f"/desk/incoming/{delivery}/slip")
        assert delivery in await hoa.text("/desk/incoming?lead=lan")
        await nam.act(delivery, "undo", reason="Giao nhầm")
        assert "Trình trong tuần" not in await hoa.text(f"/desk/incoming/{delivery}/slip")
        assert delivery not in await hoa.text("/desk/incoming?lead=lan")
        assert "<s>Đã chỉ đạo</s>" in await hoa.text(f"/desk/incoming/{delivery}")


async def test_an_entry_put_right_struck_or_given_another_number_is_told_to_the_issuer(desk: RunningDesk) -> None:
    first, second = came(desk.spool), came(desk.spool, seq=2, notation="124-CV/TU")
    async with desk.as_("hoa") as hoa:
        await hoa.act(first, "register", **FIELDS)
        await hoa.act(second, "register", **FIELDS)
        assert "Cấp số khác" in await hoa.text(f"/desk{PLACE}/1")
        right = FIELDS | {"signer": "Lê Văn Sơn", "reason": "Ghi thiếu người ký", "version": 1}
        assert (await hoa.send(f"{PLACE}/1/correct", **right)).status == 303
        assert (await hoa.send(f"{PLACE}/1/correct", **right)).status == 409, "it was changed meanwhile"
        assert (await hoa.send(f"{PLACE}/1/renumber", reason="Trùng số giấy", another="")).status == 303
        assert (await hoa.send(f"{PLACE}/2/strike", reason="Vào nhầm sổ", version=1)).status == 303
        assert "Ghi thiếu người ký" in await hoa.text(f"/desk{PLACE}/1")
    assert states(desk) == [EntryState.STRUCK, EntryState.STRUCK, EntryState.ENTERED]
    said = [(item.status.value, item.register_number, bool(item.corrects)) for item in receipts_of(desk.spool, first)]
    assert said[1:] == [("registered", "1", False), ("registered", "1", True), ("registered", "3", True)]
    assert get_entry(desk.spool, second).state is Status.ARRIVED


async def test_an_entry_of_a_document_in_work_is_not_struck(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        await hoa.act(delivery, "register", **FIELDS)
        await nam.act(delivery, "direct", lead="lan")
        answer = await hoa.send(f"{PLACE}/1/strike", reason="Vào nhầm sổ", version=1)
        assert answer.status == 409
    assert states(desk) == [EntryState.ENTERED]
