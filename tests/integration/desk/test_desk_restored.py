"""After a loss: the clerk says on the register's page which number comes next, and fills what is lost from paper."""

import pytest

from consumers.copies.key import keep_recipient
from consumers.copies.standing import CopyStanding, Place, keep_standing
from consumers.spool import books, confirming
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState, entries
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.register import SECRET_BOOK, BookKind
from support.books import key, this_year
from support.deliveries import UNIT, came
from support.desks import RunningDesk, today

PLACE = f"/registers/{UNIT}/incoming/{this_year()}"
PAPER = {"day": today(), "subject": "Giấy mời họp", "author": "Huyện ủy"}


def restore(desk: RunningDesk) -> None:
    with desk.spool.writing() as conn:
        confirming.mark_restored(conn, [UNIT], EntryAuthor("quan", now_ms(), reason="mất máy"), this_year())


async def test_the_next_number_is_said_before_one_is_given_and_what_is_lost_is_filled(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa:
        await hoa.send(f"{PLACE}/entries", **PAPER)
        restore(desk)
        page = await hoa.text(f"/desk{PLACE}")
        assert "Số tiếp theo là số nào?" in page
        assert f"{PLACE}/entries" not in page
        assert (await hoa.send(f"{PLACE}/entries", **PAPER)).status == 409
        assert (await hoa.act(delivery, "register", day=today(), subject="Về việc")).status == 409
        assert (await hoa.send(f"{PLACE}/next-number", following=1)).status == 409
        assert (await hoa.send(f"{PLACE}/next-number", following=3)).status == 303
        assert "Số tiếp theo là số nào?" not in await hoa.text(f"/desk{PLACE}")
        assert "chờ ghi lại theo văn bản giấy" in await hoa.text(f"/desk{PLACE}/2")
        assert "Chờ ghi lại" in await hoa.text(f"/desk{PLACE}")
        filled = await hoa.send(f"{PLACE}/2/correct", version=1, reason="Theo bản giấy", **PAPER)
        assert filled.status == 303
        assert (await hoa.act(delivery, "register", day=today(), subject="Về việc")).status == 303
    with desk.spool.reading() as conn:
        assert [(one.number, one.state) for one in entries(conn, key())] == [
            (1, EntryState.ENTERED),
            (2, EntryState.ENTERED),
            (3, EntryState.ENTERED),
        ]


async def test_nobody_but_a_clerk_says_it(desk: RunningDesk) -> None:
    restore(desk)
    async with desk.as_("xem") as viewer:
        assert "Số tiếp theo là số nào?" not in await viewer.text(f"/desk{PLACE}")
        assert (await viewer.send(f"{PLACE}/next-number", following=3)).status == 403


async def test_the_page_of_the_line_says_how_the_copies_stand(desk: RunningDesk) -> None:
    directory = desk.spool.path.parent
    async with desk.as_("hoa") as hoa:
        page = await hoa.text("/desk/line")
        assert "chưa có; báo người phụ trách máy tính này" in page
        assert "chưa tạo khóa khôi phục" in page
        with desk.spool.writing() as conn:
            keep_recipient(conn, "age1")
        assert "sẽ gửi khi đường truyền rảnh" in await hoa.text("/desk/line")
        keep_standing(directory, Place.ROUTER, CopyStanding(made_at=now_ms(), size=4_000))
        failing = CopyStanding(made_at=1, size=1, failing_since=now_ms(), reason="the stick is not there")
        keep_standing(directory, Place.DIRECTORY, failing)
        page = await hoa.text("/desk/line")
        assert "không sao được từ" in page
        assert "the stick is not there" in page
        assert "sẽ gửi khi đường truyền rảnh" not in page


@pytest.mark.parametrize(("name", "secrecy"), [("", {}), (SECRET_BOOK, {"secrecy": "secret"})])
async def test_a_lost_number_of_every_book_is_filled_as_its_page_asks_and_then_the_book_is_closed(
    desk: RunningDesk, name: str, secrecy: dict[str, str]
) -> None:
    place = f"/registers/{UNIT}/incoming/{this_year()}"
    restore(desk)
    with desk.spool.writing() as conn:
        PEOPLE.invite(conn, "hoa", [RoleGrant(DeskRole.CLEARED, UNIT)], now_ms=now_ms())
        books.begin(conn, BookKey(UNIT, BookKind.INCOMING, this_year(), name), 1)
        conn.exec_driver_sql("UPDATE book SET unconfirmed = 1")
    async with desk.as_("hoa") as hoa:
        assert (await hoa.send(f"{place}/next-number?name={name}", following=2)).status == 303
        assert (await hoa.send(f"{place}/close?name={name}")).status == 409, "number 1 is on paper alone"
        page = await hoa.text(f"/desk{place}/1?name={name}")
        assert ('name="secrecy"' in page) is bool(name)
        form = {"version": 1, "day": today(), "subject": "Giấy mời", "reason": "Chép lại từ giấy"} | secrecy
        assert (await hoa.send(f"{place}/1/correct?name={name}", **form)).status == 303
        assert (await hoa.send(f"{place}/close?name={name}")).status == 303
