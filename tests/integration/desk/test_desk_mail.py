"""What the desk's people are told by e-mail: at once what is urgent, a digest a day, nobody of what is not theirs."""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from consumers.desk.digest import _MOST
from consumers.desk.mailing import MAILING
from consumers.desk.noticing import DeskNotices
from consumers.desk.pages import ROOT
from consumers.desk.service import Desk
from consumers.reading import handling as acts
from consumers.reading.handling import Acting, Direction, looked_at
from consumers.settings import DeskSettings, GatewaySettings
from consumers.spool import Spool
from consumers.spool.people import PEOPLE, DeskRole, cards
from router.mail.links import stop_token
from router.mail.outbox import FIRST_PAUSE_MS
from router.mail.sender import MailSender
from router.mail.settings import MailSettings
from router.mail.states import MailState
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Secrecy, Urgency
from schemas.duties import Terms
from schemas.register import RegisterFields
from schemas.working_calendar import WorkingCalendar
from support.conditions import holds
from support.deliveries import UNIT, came
from support.desks import HERE, OTHER, RunningDesk
from support.mail_server import MailServer, mail_server
from support.query_plans import plans, scanned

TERMS = Terms(WorkingCalendar(HERE))
PAGES = "https://desk.test"
SEVEN_THIRTY = 7 * 60 + 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "box") as running:
        yield running


def at(text: str) -> int:
    """A moment by the office's clock."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(HERE)).timestamp() * 1000)


TUESDAY = at("2026-12-01 08:00")


def addressed(spool: Spool, *names: str, since: int = 0) -> None:
    """Give people an address each, as if they had always had it."""
    with spool.writing() as conn:
        for name in names:
            MAILING.recipients.set_address(conn, name, f"{name}@example.vn", "vi", now_ms=since)


def sender(spool: Spool, server: MailServer, *, now: int | None = None) -> MailSender:
    source = DeskNotices(TERMS, SEVEN_THIRTY, f"{PAGES}{ROOT}")
    clock = now_ms if now is None else lambda: now
    return MailSender(
        server.settings(),
        MAILING,
        source,
        reading=spool.reading,
        writing=spool.writing,
        pages=f"{PAGES}{ROOT}",
        clock=clock,
    )


def clear(spool: Spool, name: str, *grants: RoleGrant) -> None:
    """Let somebody see the unit's state secrets, too."""
    with spool.writing() as conn:
        PEOPLE.invite(conn, name, [RoleGrant(DeskRole.CLEARED, UNIT), *grants], now_ms=now_ms())


def states(spool: Spool) -> list[MailState]:
    """What became of all e-mails."""
    with spool.reading() as conn:
        return sorted(row.state for row in MAILING.outbox(MailSettings()).listed(conn))


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def urgent_ones(server: MailServer) -> list[EmailMessage]:
    """What came besides digests, which depend on the hour in which a test runs."""
    return [message for message in server.taken() if "Việc cần làm" not in message["Subject"]]


def by(spool: Spool, login: str) -> Acting:
    with spool.reading() as conn:
        return Acting(cards(conn, [login])[login], now_ms(), (UNIT,))


def only(spool: Spool, *kinds: str) -> None:
    """Have nobody told of anything but these kinds."""
    with spool.writing() as conn:
        for name in [one.person.name for one in MAILING.recipients.all(conn)]:
            MAILING.recipients.choose(conn, name, [kind.name for kind in MAILING.kinds], kinds)


async def test_a_clerk_is_told_at_once_of_an_urgent_document_that_nobody_has_registered(
    desk: RunningDesk, server: MailServer
) -> None:
    addressed(desk.spool, "hoa", "lan", "xem", "khac")
    came(desk.spool, notation="8-CV/TU", seq=1)
    urgent = came(desk.spool, notation="9-CĐ/TU", subject="Ứng phó mưa lũ", urgency=Urgency.EXPRESS, seq=2)
    for _ in range(2):
        await sender(desk.spool, server).round()
    (message,) = urgent_ones(server)
    assert message["To"] == "Nguyễn Thị Hoa <hoa@example.vn>", "others are no clerks, or of another unit"
    assert message["Subject"] == "Hỏa tốc: 9-CĐ/TU đã đến"
    assert "Ứng phó mưa lũ" in text_of(message)
    assert f"{PAGES}/desk/incoming/{urgent}" in text_of(message)


async def test_of_a_classified_document_an_e_mail_tells_the_cleared_only_that_there_is_one(
    desk: RunningDesk, server: MailServer
) -> None:
    addressed(desk.spool, "hoa")
    came(desk.spool, notation="1-CV/M", subject="Bí mật lớn", urgency=Urgency.URGENT, secrecy=Secrecy.SECRET)
    await sender(desk.spool, server, now=max(now_ms(), TUESDAY)).round()
    assert server.taken() == [], "who is not cleared does not learn that it is there"
    clear(desk.spool, "hoa")
    await sender(desk.spool, server, now=max(now_ms(), TUESDAY)).round()
    whole = "".join(f"{message['Subject']}{text_of(message)}" for message in server.taken())
    assert "một văn bản mật" in whole
    assert not [word for word in ("1-CV/M", "Bí mật lớn", "LCA.VP") if word in whole]


@pytest.mark.parametrize("withdrawn", ["cleared", "clerk", "access"])
async def test_whoever_lost_a_right_before_an_e_mail_was_sent_does_not_get_it(
    desk: RunningDesk, server: MailServer, withdrawn: str
) -> None:
    clear(desk.spool, "hoa")
    addressed(desk.spool, "hoa")
    only(desk.spool, "arrived")
    came(desk.spool, urgency=Urgency.URGENT, secrecy=Secrecy.SECRET)
    server.answer("hoa@example.vn", "450 4.2.0 later")
    await sender(desk.spool, server).round()
    with desk.spool.writing() as conn:
        if withdrawn == "access":
            PEOPLE.revoke(conn, "hoa", now_ms=now_ms())
        else:
            PEOPLE.withdraw(conn, "hoa", RoleGrant(DeskRole(withdrawn), UNIT))
    await sender(desk.spool, server, now=now_ms() + FIRST_PAUSE_MS + 1000).round()
    assert server.taken() == []
    assert states(desk.spool) == [MailState.DROPPED]
    if withdrawn != "access":
        async with desk.as_("hoa") as hoa:
            page = await hoa.text("/desk/notices")
            assert "không gửi nữa" in page
            assert "một văn bản mật" not in page, "its page does not tell it either"


@pytest.mark.parametrize(
    ("withdrawn", "gone", "kept"),
    [
        (RoleGrant(DeskRole.CLERK, OTHER), "6-CV/TU", ("5-CV/TU", "một văn bản mật")),
        (RoleGrant(DeskRole.CLEARED, UNIT), "một văn bản mật", ("5-CV/TU", "6-CV/TU")),
    ],
)
async def test_a_digest_that_waits_is_made_anew_of_what_its_person_may_still_see(
    desk: RunningDesk, server: MailServer, withdrawn: RoleGrant, gone: str, kept: tuple[str, ...]
) -> None:
    clear(desk.spool, "hoa", RoleGrant(DeskRole.CLERK, OTHER))
    addressed(desk.spool, "hoa")
    only(desk.spool, "digest")
    came(desk.spool, notation="5-CV/TU", seq=1)
    came(desk.spool, notation="1-CV/M", secrecy=Secrecy.SECRET, seq=2)
    came(desk.spool, notation="6-CV/TU", unit=OTHER)
    server.answer("hoa@example.vn", "450 4.2.0 later")
    await sender(desk.spool, server, now=TUESDAY).round()
    with desk.spool.writing() as conn:
        PEOPLE.withdraw(conn, "hoa", withdrawn)
    for _ in range(3):
        await sender(desk.spool, server, now=TUESDAY + FIRST_PAUSE_MS + 1000).round()
    (message,) = server.taken()
    text = text_of(message)
    assert gone not in text
    assert not [word for word in kept if word not in text]
    assert states(desk.spool) == [MailState.DROPPED, MailState.SENT]


async def test_no_look_for_what_is_to_be_told_reads_a_whole_table_that_grows(
    desk: RunningDesk, server: MailServer
) -> None:
    addressed(desk.spool, "hoa", "nam")
    came(desk.spool, urgency=Urgency.URGENT)
    with plans(desk.spool.engine) as found:
        await sender(desk.spool, server, now=max(now_ms(), TUESDAY)).round()
        await sender(desk.spool, server, now=max(now_ms(), TUESDAY)).round()
    assert server.taken()
    whole = scanned(found, {"inbox", "letter", "task", "step", "book_entry", "receipt", "notice", "mail"})
    assert not whole, "\n\n".join(whole)


async def test_leader_and_staff_are_told_of_what_is_urgent_and_theirs(desk: RunningDesk, server: MailServer) -> None:
    addressed(desk.spool, "nam", "lan")
    only(desk.spool, "task")
    for number, urgency in enumerate((Urgency.NORMAL, Urgency.VERY_URGENT), start=1):
        delivery = came(desk.spool, notation=f"{number}-CV/TU", urgency=urgency, seq=number)
        fields = RegisterFields(day=datetime.now(ZoneInfo(HERE)).date(), subject="Về việc phòng, chống rét")
        hoa, nam = by(desk.spool, "hoa"), by(desk.spool, "nam")
        acts.register(desk.spool, _look(desk.spool, delivery), hoa, fields)
        acts.submit(desk.spool, _look(desk.spool, delivery), hoa, nam.card, "Kính trình")
        await sender(desk.spool, server).round()
        direction = Direction("Làm ngay", "lan", until=date(2026, 12, 5), until_ms=at("2026-12-05 17:00"))
        acts.direct(desk.spool, _look(desk.spool, delivery), nam, direction)
        await sender(desk.spool, server).round()
    told = [(message["X-To"], message["Subject"]) for message in server.taken()]
    assert told == [
        ("nam@example.vn", "Thượng khẩn: 2-CV/TU được giao cho bạn"),
        ("lan@example.vn", "Thượng khẩn: 2-CV/TU được giao cho bạn"),
    ]
    assert "Thời hạn: 17:00 05/12/2026" in text_of(server.taken()[1])


async def test_a_digest_comes_once_a_working_day_from_its_hour_on(desk: RunningDesk, server: MailServer) -> None:
    addressed(desk.spool, "hoa", "nam", "xem")
    for number in range(_MOST + 2):
        came(desk.spool, notation=f"{number}-CV/TU", seq=number + 1)
    moments = {
        "2026-12-01 07:29": 0,
        "2026-12-01 07:30": 1,
        "2026-12-01 11:00": 1,
        "2026-12-01 07:00": 1,
        "2026-12-01 16:59": 1,
        "2026-12-05 08:00": 1,
        "2026-12-07 17:01": 1,
        "2026-12-07 09:00": 2,
        "2026-12-01 09:00": 2,
    }
    for moment, count in moments.items():
        for _ in range(2):
            await sender(desk.spool, server, now=at(moment)).round()
        assert len(server.taken()) == count, moment
    first = server.taken()[0]
    assert first["X-To"] == "hoa@example.vn", "the leader has nothing to do, a viewer never has"
    assert first["Subject"] == "Việc cần làm ngày 01/12/2026"
    assert f"Chưa vào sổ: {_MOST + 2}" in text_of(first)
    assert "và 2 văn bản khác" in text_of(first)


async def test_a_day_that_began_with_nothing_to_do_has_no_digest_later(desk: RunningDesk, server: MailServer) -> None:
    addressed(desk.spool, "hoa")
    await sender(desk.spool, server, now=at("2026-12-01 07:31")).round()
    came(desk.spool)
    await sender(desk.spool, server, now=at("2026-12-01 10:00")).round()
    assert not server.taken()


async def test_a_digest_says_what_is_overdue_and_due_today(desk: RunningDesk, server: MailServer) -> None:
    addressed(desk.spool, "lan")
    for number, day in enumerate(("2026-11-30 17:00", "2026-12-01 17:00", "2026-12-09 17:00"), start=1):
        delivery = came(desk.spool, notation=f"{number}-CV/TU", seq=number)
        fields = RegisterFields(day=datetime.now(ZoneInfo(HERE)).date(), subject="Về việc phòng, chống rét")
        acts.register(desk.spool, _look(desk.spool, delivery), by(desk.spool, "hoa"), fields)
        direction = Direction("Làm", "lan", until=datetime.fromisoformat(day).date(), until_ms=at(day))
        acts.direct(desk.spool, _look(desk.spool, delivery), by(desk.spool, "nam"), direction)
    await sender(desk.spool, server, now=TUESDAY).round()
    (message,) = server.taken()
    assert "3, quá hạn: 1, đến hạn hôm nay: 1" in text_of(message)


async def test_nothing_from_before_the_address_is_told(desk: RunningDesk, server: MailServer) -> None:
    came(desk.spool, urgency=Urgency.EXPRESS, seq=1)
    addressed(desk.spool, "hoa", since=now_ms() + 1)
    await sender(desk.spool, server, now=now_ms() + 10).round()
    assert not urgent_ones(server)


async def test_a_person_gives_an_address_and_chooses_what_comes(desk: RunningDesk, server: MailServer) -> None:
    async with desk.as_("hoa") as hoa:
        assert "có văn bản khẩn đến, chưa đăng ký" in await hoa.text("/desk/notices")
        wrong = await hoa.send("/notices", email="hoa@localhost", kind=["arrived"])
        assert wrong.status == 422
        assert "không phải địa chỉ thư điện tử" in await wrong.text()
        injected = await hoa.send("/notices", email="hoa@example.vn\r\nBcc: ai@example.vn", kind=["arrived"])
        assert injected.status == 422
        assert (await hoa.send("/notices", email="Hoa@Example.vn", kind=["digest"])).status == 303
        page = await hoa.text("/desk/notices")
        assert 'value="hoa@example.vn"' in page
        assert 'value="digest" checked' in page
        assert 'value="arrived" checked' not in page
        came(desk.spool, urgency=Urgency.EXPRESS)
        await sender(desk.spool, server).round()
        assert not urgent_ones(server)
        assert (await hoa.send("/notices", email="", kind=["digest"])).status == 303
    async with desk.as_("xem") as xem:
        assert "không có thông báo nào" in await xem.text("/desk/notices")
    with desk.spool.reading() as conn:
        assert not MAILING.recipients.all(conn)


async def test_a_kind_is_stopped_by_its_link_without_a_login_and_no_other_is(desk: RunningDesk) -> None:
    addressed(desk.spool, "hoa")
    with desk.spool.reading() as conn:
        hoa = MAILING.recipients.find(conn, "hoa")
    assert hoa is not None
    good = f"/desk/notices/stop?token={stop_token(hoa, 'arrived')}"
    async with desk.as_("xem") as browser:
        other = stop_token(hoa, "arrived").replace(".arrived.", ".digest.")
        wrong_mac = f"{hoa.handle}.arrived.{'0' * 32}"
        odd = (
            f"{hoa.handle}.đến.{'ă' * 32}",
            f"ă.arrived.{'0' * 32}",
            f"{hoa.handle}%00.arrived.{'0' * 32}",
            "%ff.a.b",
        )
        for wrong in (other, "x", "a.b.c", wrong_mac, "", *odd):
            assert (await browser.get(f"/desk/notices/stop?token={wrong}")).status == 404, wrong
            with desk.spool.writing():
                assert (await browser.post(f"/desk/notices/stop?token={wrong}")).status == 404, "nobody locks by it"
        assert "Ngừng nhận" in await browser.text(good)
        assert not _stopped(desk), "a program that looks at e-mail may follow the link"
        by_a_mail_program = {"List-Unsubscribe": "One-Click"}
        answer = await browser.post(good, headers={}, **by_a_mail_program)
        assert answer.status == 200
    assert _stopped(desk) == {"arrived"}
    with desk.spool.writing() as conn:
        MAILING.recipients.set_address(conn, "hoa", "hoa.moi@example.vn", "vi", now_ms=now_ms())
    async with desk.as_("xem") as browser:
        assert (await browser.get(good)).status == 404, "the link went to the address of before"


async def test_who_lets_somebody_in_gives_an_address_that_the_person_may_change(desk: RunningDesk) -> None:
    with desk.spool.writing() as conn:
        PEOPLE.invite(conn, "quan", [RoleGrant(DeskRole.ADMIN, OTHER)], now_ms=now_ms())
    async with desk.as_("quan") as quan:
        form = {"login": "moi", "unit": UNIT, "role": ["clerk"]}
        assert (await quan.send("/people", **form, email="moi@")).status == 422
        assert (await quan.send("/people", **form, email="moi@example.vn")).status == 200
        assert (await quan.send("/people", **form, email="khac@example.vn")).status == 200
    with desk.spool.reading() as conn:
        moi = MAILING.recipients.find(conn, "moi")
    assert moi is not None
    assert moi.address == "moi@example.vn"
    async with desk.as_("quan") as quan:
        assert (await quan.send("/people/moi/revoke")).status == 303
        assert (await quan.send("/people", **form, email="nguoi.sau@example.vn")).status == 200
    with desk.spool.reading() as conn:
        moi = MAILING.recipients.find(conn, "moi")
    assert moi is not None
    assert moi.address == "nguoi.sau@example.vn", "whoever gets the login next has another address"


async def test_a_page_learns_how_much_is_urgent_for_a_few_bytes(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa, desk.as_("khac") as other:
        answer = await hoa.get("/desk/attention")
        assert await answer.json() == {"urgent": 0}
        tag = answer.headers["etag"]
        assert (await hoa.get("/desk/attention", **{"If-None-Match": tag})).status == 304
        came(desk.spool, urgency=Urgency.URGENT)
        answer = await hoa.get("/desk/attention", **{"If-None-Match": tag})
        assert await answer.json() == {"urgent": 1}
        assert await (await other.get("/desk/attention")).json() == {"urgent": 0}


def _stopped(desk: RunningDesk) -> frozenset[str]:
    with desk.spool.reading() as conn:
        hoa = MAILING.recipients.find(conn, "hoa")
    return hoa.stopped if hoa else frozenset()


def _look(spool: Spool, delivery: str) -> acts.Looked:
    with spool.reading() as conn:
        return looked_at(conn, delivery, (UNIT,))[1]


async def test_a_running_desk_sends_within_seconds(desk: RunningDesk, server: MailServer, tmp_path: Path) -> None:
    addressed(desk.spool, "hoa")
    running = Desk(DeskSettings(port=0), GatewaySettings(data_dir=tmp_path), TERMS, mail=server.settings())
    serving = asyncio.create_task(running.run())
    try:
        await holds(lambda: bool(running.url))
        came(desk.spool, notation="9-CĐ/TU", urgency=Urgency.EXPRESS)
        await holds(lambda: len(urgent_ones(server)) == 1)
    finally:
        running.stop()
        await serving
