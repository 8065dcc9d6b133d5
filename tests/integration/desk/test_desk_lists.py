"""Lists at the desk: filters in the address, page by page; several documents entered at once."""

import asyncio
from datetime import date, timedelta
from typing import Any

from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import book_entries, books, confirming
from consumers.spool.book_entries import BookKey, EntryAuthor
from schemas.clock import now_ms
from schemas.dispatch import Urgency
from schemas.register import BookKind, RegisterFields
from schemas.states import Status
from support.deliveries import UNIT, came
from support.desks import RunningDesk, today

BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))
MOVED = "Chưa văn bản nào được vào sổ"
FIELDS: dict[str, Any] = {"day": today(), "subject": "Về việc"}


def numbers(desk: RunningDesk) -> dict[str | None, int]:
    """The numbers in the arrival book, by their deliveries."""
    with desk.spool.reading() as conn:
        return {entry.delivery_id: entry.number for entry in book_entries.entries(conn, BOOK)}


async def test_every_filter_finds_what_it_names_and_is_a_token_that_can_be_taken_away(desk: RunningDesk) -> None:
    led = came(desk.spool, notation="1-BC/TU", type="báo cáo", issuer="LCA.BTC", urgency=Urgency.EXPRESS)
    came(desk.spool, seq=2, notation="2-CV/TU")
    yesterday = (date.fromisoformat(today()) - timedelta(days=1)).isoformat()
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        await hoa.act(led, "register", **FIELDS)
        await nam.act(led, "direct", lead="lan", until=yesterday)
        for query, first, second in (
            ("state=assigned", True, False),
            ("state=arrived", False, True),
            ("urgency=3", True, False),
            ("issuer=LCA.BTC", True, False),
            ("issuer=LCA.VP", False, True),
            ("type=b%C3%A1o+c%C3%A1o", True, False),
            ("book=-", True, False),
            ("book=M%E1%BA%ADt", False, False),
            ("lead=lan", True, False),
            ("lead=hoa", False, False),
            ("due=overdue", True, False),
            ("due=week", True, False),
            (f"from={today()}", True, True),
            (f"to={yesterday}", False, False),
            (f"from={yesterday}&to={today()}&issuer=LCA.VP", False, True),
            ("state=&urgency=&due=&from=&to=", True, True),
        ):
            page = await hoa.text(f"/desk/incoming?{query}")
            assert ("1-BC/TU" in page, "2-CV/TU" in page) == (first, second), query
        page = await hoa.text("/desk/incoming?lead=lan&type=b%C3%A1o+c%C3%A1o&q=rét")
        assert 'href="/desk/incoming?q=r%C3%A9t&amp;lead=lan"' in page, "the type is taken away"
        assert 'href="/desk/incoming?q=r%C3%A9t&amp;type=b%C3%A1o+c%C3%A1o"' in page, "who leads is"
        for wrong in ("state=lost", "urgency=9", "due=never", "from=hôm+qua"):
            assert (await hoa.get(f"/desk/incoming?{wrong}")).status == 422, wrong


async def test_every_document_stands_on_exactly_one_page_of_a_list(desk: RunningDesk) -> None:
    urgent = [came(desk.spool, seq=seq, urgency=Urgency.URGENT, notation=f"{seq}-K/TU") for seq in range(1, 31)]
    plain = [came(desk.spool, seq=seq, notation=f"{seq}-CV/TU") for seq in range(31, 121)]
    async with desk.as_("hoa") as hoa:
        for query in ("need=register", "", "q=phong+chong"):
            found: list[str] = []
            before = ""
            while True:
                page = await hoa.text(f"/desk/incoming?{query}{before}")
                found += [part.split('"', 1)[0] for part in page.split('class="document"><a href="/desk/incoming/')[1:]]
                if 'rel="next"' not in page:
                    break
                before = "&before=" + page.split("before=")[-1].split('"')[0]
            newest_first = [*reversed(urgent), *reversed(plain)]
            assert found == (newest_first if query == "need=register" else [*reversed(plain), *reversed(urgent)]), query


async def test_several_chosen_at_once_get_consecutive_numbers_in_the_order_shown(desk: RunningDesk) -> None:
    ids = [came(desk.spool, seq=seq, notation=f"{seq}-CV/TU", subject=f"Việc {seq}") for seq in range(1, 6)]
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/incoming?need=register")
        shown = [part.split('"', 1)[0] for part in page.split('name="chosen" value="')[1:]]
        assert shown == ids[::-1]
        chosen = [shown[0], shown[2], shown[3]]
        answer = await hoa.send("/incoming/register-chosen?need=register", chosen=chosen)
        assert answer.status == 303
        told = await hoa.text(answer.headers["location"])
        assert [f"Việc {seq}" in told for seq in (5, 4, 3, 2, 1)] == [True, False, True, True, False]
        assert numbers(desk) == {chosen[0]: 1, chosen[1]: 2, chosen[2]: 3}
        assert (await hoa.send("/incoming/register-chosen?need=register")).status == 422
    assert [item.register_number for item in receipts_of(desk.spool, chosen[1])][-1] == "2"


async def test_when_one_of_them_was_dealt_with_meanwhile_none_is_entered(desk: RunningDesk) -> None:
    ids = [came(desk.spool, seq=seq) for seq in range(1, 4)]
    async with desk.as_("hoa") as hoa:
        await hoa.act(ids[1], "refuse", reason="Gửi sai nơi nhận")
        answer = await hoa.send("/incoming/register-chosen?need=register", chosen=ids)
        assert answer.status == 409
        assert "Chưa văn bản nào được vào sổ" in await answer.text()
    assert numbers(desk) == {}
    assert get_entry(desk.spool, ids[0]).state is Status.ARRIVED


async def test_two_clerks_who_choose_at_once_leave_no_gap_and_no_number_twice(desk: RunningDesk) -> None:
    ids = [came(desk.spool, seq=seq) for seq in range(1, 13)]
    async with desk.as_("hoa") as one, desk.as_("hoa") as other:
        forms = [one.send("/incoming/register-chosen", chosen=ids[:8])]
        forms += [other.send("/incoming/register-chosen", chosen=ids[6:])]
        answers = await asyncio.gather(*forms)
    assert sorted(answer.status for answer in answers) == [303, 409]
    assert sorted(numbers(desk).values()) in ([*range(1, 9)], [*range(1, 7)])


async def test_only_a_clerk_enters_several(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    for name, status in (("nam", 403), ("lan", 403), ("xem", 403), ("khac", 404)):
        async with desk.as_(name) as person:
            assert (await person.send("/incoming/register-chosen", chosen=delivery)).status == status, name
    assert numbers(desk) == {}


async def test_of_several_at_once_each_refusal_is_told_as_what_it_is(desk: RunningDesk) -> None:
    ids = [came(desk.spool, seq=seq, notation=f"{seq}-CV/TU") for seq in (1, 2)]
    by = EntryAuthor("quan", now_ms(), reason="mất máy")

    def close() -> None:
        with desk.spool.writing() as conn:
            books.close(conn, BOOK, by)

    def restore() -> None:
        with desk.spool.writing() as conn:
            conn.exec_driver_sql("UPDATE book SET closed_at = NULL")
            confirming.mark_restored(conn, [UNIT], by, BOOK.year)

    def entered() -> None:
        with desk.spool.writing() as conn:
            confirming.confirm(conn, BOOK, 1, by)
            fields = RegisterFields(day=date.fromisoformat(today()), subject="x")
            books.enter(conn, BOOK, fields, by, delivery_id=ids[0])

    async with desk.as_("hoa") as hoa:
        for happens, words in (
            (close, "Sổ đã khóa"),
            (restore, "Sổ vừa được khôi phục"),
            (entered, "Sổ không cho phép"),
        ):
            happens()
            answer = await hoa.send("/incoming/register-chosen", chosen=ids)
            text = await answer.text()
            assert (answer.status, words in text, MOVED in text) == (409, True, False), words
        await hoa.act(ids[1], "refuse", reason="Gửi sai nơi nhận")
        answer = await hoa.send("/incoming/register-chosen", chosen=[ids[1]])
        assert (answer.status, MOVED in await answer.text()) == (409, True)
    assert get_entry(desk.spool, ids[0]).state is Status.ARRIVED
