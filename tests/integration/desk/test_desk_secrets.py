"""State secrets at the desk: a book and numbers of their own, seen at no door by who is not cleared."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from consumers.copies.registrations import OTHER_BOOK
from consumers.copies.restoring import Restoring, restore
from consumers.reading.handling import looked_at
from consumers.reading.inbox import add_person_receipt, get_entry
from consumers.spool import handling, open_spool, recalls
from consumers.spool.book_entries import EntryAuthor
from consumers.spool.handling import Task, TaskPart
from consumers.spool.people import PEOPLE, DeskRole
from consumers.spool.scope import UnitScope
from router.pages.language import VIETNAMESE, translations
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Secrecy, Urgency
from schemas.register import SECRET_BOOK
from schemas.states import Status
from support.books import told_by
from support.deliveries import UNIT, came, inside
from support.desks import NAMES, DeskBrowser, RunningDesk, today

YEAR = int(today()[:4])
PLACE = f"/registers/{UNIT}/incoming/{YEAR}"
OPEN, SECRET = "Về việc phòng, chống rét", "Phương án bảo vệ Đại hội"
WORD = "Phương án"
CAME = translations(VIETNAMESE).gettext("Came")
EVERY_ROLE = [role for role in DeskRole if role is not DeskRole.CLEARED]


@pytest.fixture
def both(desk: RunningDesk) -> tuple[str, str]:
    """A document that all may see and a secret one; ``mat`` has every role but the clearance, ``hoa`` has all."""
    letter: dict[str, Any] = {"urgency": Urgency.URGENT, "flash_text": f"Khẩn: {SECRET}"}
    secret = came(
        desk.spool,
        seq=2,
        notation="9-KH/TU",
        subject=SECRET,
        secrecy=Secrecy.SECRET,
        attachments=(inside("Phương án.txt", b"bytes of it"),),
        **letter,
    )
    with desk.spool.writing() as conn:
        for login, roles in (("hoa", list(DeskRole)), ("nam", EVERY_ROLE)):
            PEOPLE.invite(conn, login, [RoleGrant(role, UNIT) for role in roles], now_ms=now_ms())
    return came(desk.spool, notation="8-CV/TU", subject=OPEN), secret


def doors(secret: str) -> Iterator[tuple[str, int]]:
    """Every page and download, with how it answers who may not see secrets: 200 without a word of them, or not."""
    yield from ((path, 200) for path in ("/", "/incoming", "/registers", "/journal", "/line", "/people", "/help"))
    yield from ((f"/incoming?{query}", 200) for query in ("q=phuong+an", "q=9-kh", "need=register", "need=work"))
    filters = ("urgency=1", "issuer=LCA.VP", f"book={SECRET_BOOK}", "lead=lan")
    yield from ((f"/incoming?{query}", 200) for query in filters)
    yield from ((f"/incoming?{query}", 200) for query in ("due=week", "type=c%C3%B4ng+v%C4%83n", "state=arrived"))
    yield f"/incoming/entered?id={secret}", 200
    yield from ((f"/incoming/{secret}{path}", 404) for path in ("", "/slip", "/stamp", "/files/1", "?check=true"))
    for path in ("", "/export", "/print", "/1"):
        yield f"{PLACE}{path}?name={SECRET_BOOK}", 403
        yield f"{PLACE}{path}?name={SECRET_BOOK}&form=following", 403
    yield from ((path, 200) for path in (PLACE, f"{PLACE}/export", f"{PLACE}/print", f"{PLACE}?form=following"))
    yield from (("/completeness", 200), ("/completeness?issuer=LCA.VP&pattern=-KH/TU", 200))
    yield from ((f"/reports{path}", 200) for path in ("", f"?year={YEAR}&month=0", "/export", "/export?xlsx=true"))


FORBIDDEN = (WORD, "9-KH/TU", "-KH/TU", "bytes of it", f"name={SECRET_BOOK}", "M%E1%BA%ADt")


async def test_no_door_shows_a_secret_to_who_is_not_cleared(desk: RunningDesk, both: tuple[str, str]) -> None:
    _, secret = both
    async with desk.as_("hoa") as hoa:
        entered: dict[str, Any] = {"day": today(), "subject": SECRET, "notation": "9-KH/TU", "author": "Tỉnh ủy"}
        assert (await hoa.act(secret, "register", number=1, **entered)).status == 303
        assert (await hoa.act(secret, "submit", leader="hoa")).status == 303
        assert (await hoa.act(secret, "direct", lead="hoa", instruction="Làm ngay")).status == 303
    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        for path, status in doors(secret):
            answer = await nam.get(f"/desk{path}")
            text = (await answer.read()).decode("utf-8", errors="replace")
            assert answer.status == status, path
            typed = path + quote(path, safe="/?=&-")  # is shown again, with errors too
            assert [word for word in FORBIDDEN if word in text and word not in typed] == [], path
            assert (await hoa.get(f"/desk{path}")).status == 200, path
        seen = {path: await hoa.text(f"/desk{path}") for path in ("/incoming", "/journal", "/registers", "/reports")}
    assert WORD in seen["/incoming"]
    assert "9-KH/TU" in seen["/journal"]
    assert SECRET_BOOK in seen["/registers"]


async def test_no_door_shows_a_secret_that_was_put_back_from_receipts(
    desk: RunningDesk, both: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "lost").mkdir()
    lost = open_spool(tmp_path / "lost")
    letter: dict[str, Any] = {"notation": "9-KH/TU", "subject": SECRET, "secrecy": Secrecy.SECRET}
    for one in (came(lost, seq=seq, **letter) for seq in (1, 2)):
        add_person_receipt(lost, one, Status.REGISTERED, register_number="1", person="Hoa")
    told, by = told_by(lost), EntryAuthor("quan", now_ms(), reason="mất máy")
    lost.close()
    with desk.spool.writing() as conn:
        restore(conn, Restoring({}, {UNIT: told}, [UNIT], "LCA.02.#", by, YEAR, "receipts"))
    names = [SECRET_BOOK, f"{SECRET_BOOK} {OTHER_BOOK}"]
    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        for path, status in [*doors(both[1]), *((f"{PLACE}?name={quote(name)}", 403) for name in names)]:
            answer = await nam.get(f"/desk{path}")
            text = (await answer.read()).decode("utf-8", errors="replace")
            typed = path + quote(path, safe="/?=&-")
            assert answer.status == status, path
            assert [word for word in FORBIDDEN if word in text and word not in typed] == [], path
        for name in names:
            assert WORD in await hoa.text(f"/desk{PLACE}?name={quote(name)}")


FIGURES = ("/", "/attention", "/incoming", "/registers", "/journal", "/line", "/completeness", "/reports", "/outgoing")
FREE = re.compile(translations(VIETNAMESE).gettext("Free on the disk") + r"</dt><dd>[^<]*<")


@pytest.mark.parametrize("state", ["taken", "arrived", "assigned", "take_back_requested", "completed"])
async def test_no_figure_changes_by_a_secret_for_who_is_not_cleared(
    desk: RunningDesk, both: tuple[str, str], state: str
) -> None:
    _, secret = both
    with desk.spool.writing() as conn:
        conn.exec_driver_sql("UPDATE inbox SET state = ? WHERE delivery_id = ?", (state, secret))

    async def pages(browser: DeskBrowser) -> dict[str, str]:
        return {path: FREE.sub("", await browser.text(f"/desk{path}")) for path in FIGURES}

    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        before, cleared_before = await pages(nam), await pages(hoa)
        another = came(
            desk.spool, seq=3, notation="10-KH/TU", subject=SECRET, secrecy=Secrecy.SECRET, urgency=Urgency.EXPRESS
        )
        with desk.spool.writing() as conn:
            _, _, pos = looked_at(conn, another, UnitScope.whole(UNIT))
            given = [Task(login, TaskPart.LEAD, now_ms()) for login in ("nam", "hoa")]
            handling.give_tasks(conn, pos, given, by=0)  # as to one whose clearance was withdrawn then
            conn.exec_driver_sql("UPDATE inbox SET state = ? WHERE delivery_id = ?", (state, another))
        after, cleared_after = await pages(nam), await pages(hoa)
    assert [path for path in FIGURES if before[path] != after[path]] == []
    changed = {path for path in FIGURES if cleared_before[path] != cleared_after[path]}
    assert changed >= {"/", "/attention", "/line", "/completeness", "/reports"}


async def test_a_secret_is_counted_for_the_cleared_alone(desk: RunningDesk, both: tuple[str, str]) -> None:
    del both
    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        for path, one, two in (
            ("/incoming", "Chưa vào sổ <b>1</b>", "Chưa vào sổ <b>2</b>"),
            ("/reports", f"<dt>{CAME}</dt><dd><b>1</b>", f"<dt>{CAME}</dt><dd><b>2</b>"),
            ("/", 'data-urgent="0"', 'data-urgent="1"'),
        ):
            assert one in await nam.text(f"/desk{path}"), path
            assert two in await hoa.text(f"/desk{path}"), path


async def test_what_is_coming_shows_nothing_of_a_secret(desk: RunningDesk, both: tuple[str, str]) -> None:
    _, secret = both
    with desk.spool.writing() as conn:
        conn.exec_driver_sql("UPDATE inbox SET state = 'taken' WHERE delivery_id = ?", (secret,))
    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        assert WORD not in await nam.text("/desk/")
        assert WORD in await hoa.text("/desk/")


async def test_no_act_on_a_secret_is_done_by_who_is_not_cleared(desk: RunningDesk, both: tuple[str, str]) -> None:
    _, secret = both
    dispatch = get_entry(desk.spool, secret).dispatch_id
    forms: dict[str, dict[str, Any]] = {
        "register": {"day": today(), "subject": "Về việc"},
        "refuse": {"reason": "Gửi sai nơi nhận"},
        "submit": {"leader": "nam"},
        "direct": {"lead": "lan"},
        "process": {"words": "Đang làm"},
        "complete": {"words": "Xong"},
        "recall": {"accept": "false", "reason": "Đã thực hiện"},
    }
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        seen = await hoa.seen(secret)
        for what, form in forms.items():
            assert (await nam.act(secret, what, seen=seen, **form)).status == 404, what
        assert (await nam.send("/incoming/register-chosen", chosen=secret)).status == 404
        for what, form in (("entries", {"day": today(), "subject": "x", "secrecy": "secret"}), ("close", {})):
            assert (await nam.send(f"{PLACE}/{what}?name={SECRET_BOOK}", **form)).status == 403
    assert get_entry(desk.spool, secret).state is Status.ARRIVED
    with desk.spool.reading() as conn:
        assert not recalls.called_back(conn, {(UNIT, dispatch)})


async def test_secrets_have_their_own_numbers_and_neither_stands_in_the_others_book(
    desk: RunningDesk, both: tuple[str, str]
) -> None:
    plain, secret = both
    async with desk.as_("hoa") as hoa:
        for delivery in (secret, plain):
            assert 'name="number" type="number" value="1"' in await hoa.text(f"/desk/incoming/{delivery}")
            assert (await hoa.act(delivery, "register", number=1, day=today(), subject="Về việc")).status == 303
        form: dict[str, Any] = {"day": today(), "subject": "Giấy mời"}
        for name, secrecy, status in (
            ("", "none", 303),
            ("", "secret", 409),
            (SECRET_BOOK, "none", 409),
            (SECRET_BOOK, "confidential", 303),
        ):
            answer = await hoa.send(f"{PLACE}/entries?name={name}", secrecy=secrecy, **form)
            assert answer.status == status, (name, secrecy)
        assert "Về việc" in await hoa.text(f"/desk{PLACE}?name={SECRET_BOOK}")


async def test_only_the_cleared_are_given_a_secret_to_deal_with(desk: RunningDesk, both: tuple[str, str]) -> None:
    _, secret = both
    async with desk.as_("hoa") as hoa:
        await hoa.act(secret, "register", day=today(), subject=SECRET)
        page = await hoa.text(f"/desk/incoming/{secret}")
        assert 'value="hoa"' in page
        assert not [login for login in set(NAMES) - {"hoa"} if f'<option value="{login}"' in page]
        assert (await hoa.act(secret, "submit", leader="nam")).status == 422
        assert (await hoa.act(secret, "direct", lead="nam")).status == 422
        assert (await hoa.act(secret, "direct", lead="hoa", know=["Ban Chỉ huy quân sự"])).status == 303


async def test_whose_clearance_is_withdrawn_sees_no_secret_from_then_on(
    desk: RunningDesk, both: tuple[str, str]
) -> None:
    _, secret = both
    async with desk.as_("hoa") as hoa:
        seen = await hoa.seen(secret)
        with desk.spool.writing() as conn:
            PEOPLE.withdraw(conn, "hoa", RoleGrant(DeskRole.CLEARED, UNIT))
        answers = await asyncio.gather(
            hoa.get(f"/desk/incoming/{secret}"), hoa.act(secret, "refuse", seen=seen, reason="x")
        )
        assert [answer.status for answer in answers] == [404, 404]
