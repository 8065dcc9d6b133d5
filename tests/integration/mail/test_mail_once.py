"""An e-mail is sent once: whatever is answered, wherever it is cut off, whoever else sends, whatever restarts."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, update

from router.ledger.engine import reading, writing
from router.ledger.people.persons import PEOPLE
from router.mail.errors import MailServerAwayError, UnknownMailError
from router.mail.outbox import AT_ONCE, FIRST_PAUSE_MS, GIVEN_UP_AFTER_DAYS, LEASE_MS
from router.mail.states import MailState
from support.conditions import holds
from support.mail_server import AT_DATA, DROP, DROP_EARLY, HANG, SLOW, MailServer, mail_server
from support.mailing import MAILING, MANY, OTHER_UNIT, PostOffice

DAY_MS = 86_400_000
_SEND_ONCE = """
import asyncio, sys
from router.ledger.engine import open_engine
from router.mail.settings import MailSettings
from support.mailing import PostOffice

post = PostOffice(open_engine(sys.argv[1]))
for name in sys.argv[3:]:
    post.told.add(name, "1")
settings = MailSettings(host="127.0.0.1", port=int(sys.argv[2]), tls="none", sender="congvan@tinh.vn")
asyncio.run(post.sender(settings).round())
"""
"""A program that looks once and sends, in a process of its own."""


async def another_sender(ledger_url: str, server: MailServer, *names: str) -> asyncio.subprocess.Process:
    """A process that looks once, finds something for people, and sends."""
    command = sys.executable, "-c", _SEND_ONCE, ledger_url, str(server.port), *names
    return await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])


def subjects(post: PostOffice) -> list[str]:
    """What it is remembered of that it was told, in its order."""
    notice = MAILING.tables.notice.c
    with reading(post.engine) as conn:
        return list(conn.scalars(select(notice.subject).order_by(notice.pos)))


async def test_what_is_found_again_and_again_is_told_once(post: PostOffice, server: MailServer) -> None:
    post.told.add("hoa", "1")
    post.told.add("nam", "1")
    for _ in range(3):
        await post.sender(server.settings()).round()
    assert [message["X-To"] for message in server.taken()] == ["hoa@example.vn", "nam@example.vn"]
    assert post.states() == [("hoa", MailState.SENT), ("nam", MailState.SENT)]


async def test_what_waits_at_the_same_moment_is_one_e_mail(post: PostOffice, server: MailServer) -> None:
    for number in range(1, 4):
        post.told.add("hoa", str(number))
    await post.sender(server.settings()).round()
    (message,) = server.taken()
    assert message["Subject"] == "Văn bản 1 (và 2 mục khác)"


async def test_a_server_that_is_away_costs_no_try_and_gets_all_when_it_is_back(
    post: PostOffice, tmp_path: Path
) -> None:
    with mail_server(tmp_path / "box") as first:
        port = first.port
    post.told.add("hoa", "1")
    sender = post.sender(first.settings())
    for _ in range(3):
        with pytest.raises(MailServerAwayError):
            await sender.round()
    (row,) = post.listed()
    assert (row.state, row.attempts) == (MailState.WAITING, 0)
    with mail_server(tmp_path / "box", port=port) as again:
        await sender.round()
        assert len(again.taken()) == 1


async def test_an_e_mail_that_is_put_off_is_tried_again_after_its_pause(post: PostOffice, server: MailServer) -> None:
    server.answer("hoa@example.vn", "450 4.2.0 greylisted")
    post.told.add("hoa", "1")
    sender = post.sender(server.settings())
    await sender.round()
    (row,) = post.listed()
    assert (row.state, row.attempts, row.error) == (MailState.WAITING, 1, "450 4.2.0 greylisted")
    await sender.round()
    assert not server.taken(), "its pause is not over"
    post.ahead = FIRST_PAUSE_MS + 1000
    await sender.round()
    assert len(server.taken()) == 1
    assert post.states() == [("hoa", MailState.SENT)]


async def test_an_e_mail_that_is_put_off_for_ever_is_given_up_and_can_be_tried_again(
    post: PostOffice, server: MailServer
) -> None:
    server.answer("hoa@example.vn", *["452 4.2.2 mailbox full"] * 3)
    post.told.add("hoa", "1")
    sender = post.sender(server.settings(attempts=3))
    for _ in range(5):
        await sender.round()
        post.ahead += 2 * 3_600_000
    (row,) = post.listed(MailState.GIVEN_UP)
    assert (row.attempts, row.error, row.next_at) == (3, "452 4.2.2 mailbox full", None)
    with writing(post.engine) as conn:
        MAILING.outbox(server.settings()).retry(conn, row.id, now_ms=post.now())
    await sender.round()
    assert post.states() == [("hoa", MailState.SENT)]
    with writing(post.engine) as conn, pytest.raises(UnknownMailError):
        MAILING.outbox(server.settings()).retry(conn, row.id, now_ms=post.now())


async def test_what_could_not_be_sent_for_days_is_given_up(post: PostOffice, server: MailServer) -> None:
    server.answer("hoa@example.vn", *["450 4.2.0 later"] * 10)
    post.told.add("hoa", "1")
    sender = post.sender(server.settings())
    for _ in range(GIVEN_UP_AFTER_DAYS):
        await sender.round()
        assert post.states() == [("hoa", MailState.WAITING)]
        post.ahead += DAY_MS
    post.ahead += DAY_MS
    for _ in range(2):
        await post.sender(server.settings()).round()
        post.ahead += DAY_MS
    assert post.states() == [("hoa", MailState.GIVEN_UP)]
    assert not server.taken()


async def test_a_refused_e_mail_ends_visibly_and_stops_no_other(post: PostOffice, server: MailServer) -> None:
    server.answer("hoa@example.vn", "550 5.1.1 no such user")
    post.told.add("hoa", "1")
    post.told.add("nam", "1")
    await post.sender(server.settings()).round()
    assert post.states() == [("hoa", MailState.REFUSED), ("nam", MailState.SENT)]
    assert post.listed(MailState.REFUSED)[0].error == "550 5.1.1 no such user"


@pytest.mark.parametrize(
    ("reply", "state", "error"),
    [
        ("550 5.1.1 bo\xeete aux lettres inconnue", MailState.REFUSED, "550 5.1.1 bo�te aux lettres inconnue"),
        ("450 4.2.0 \xa0\xff\xfe\x00\x1b[31m later", MailState.WAITING, "450 4.2.0 ��� [31m later"),
        (f"450 4.2.0 {'x' * 900}", MailState.WAITING, ""),
    ],
)
async def test_whatever_bytes_the_server_says_are_kept_as_readable_text_and_stop_no_other(
    post: PostOffice, server: MailServer, reply: str, state: MailState, error: str
) -> None:
    server.answer("hoa@example.vn", reply)
    post.told.add("hoa", "1")
    post.told.add("nam", "1")
    await post.sender(server.settings()).round()
    assert post.states() == [("hoa", state), ("nam", MailState.SENT)]
    kept = next(row.error for row in post.listed() if row.person == "hoa")
    assert kept == error or (not error and len(kept) <= 500)


async def test_what_cannot_be_made_of_one_e_mail_is_put_off_and_stops_no_other(
    post: PostOffice, server: MailServer
) -> None:
    post.told.add("hoa", "1")
    sender = post.sender(server.settings())
    server.answer("hoa@example.vn", "450 4.2.0 later")
    await sender.round()
    with writing(post.engine) as conn:
        conn.execute(update(MAILING.tables.notice).values(content="no notice"))
    post.told.add("nam", "1")
    post.ahead = FIRST_PAUSE_MS + 1000
    await sender.round()
    assert post.states() == [("hoa", MailState.WAITING), ("nam", MailState.SENT)]
    assert next(row.attempts for row in post.listed(MailState.WAITING)) == 2, "it is given up some day"


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 Client host rejected",
        "450 4.7.1 Client host rejected: cannot find your hostname",
        "530 5.7.0 authentication required",
        "452 4.3.1 insufficient system storage",
        "452 insufficient system storage",
        "451 local error in processing",
        "421 4.7.0 too much mail from you",
        f"{AT_DATA}421 shutting down",
        f"{AT_DATA}452 insufficient system storage",
        DROP_EARLY,
    ],
)
async def test_what_the_server_says_of_itself_stops_the_sending_and_costs_nobody_a_try(
    post: PostOffice, server: MailServer, reply: str
) -> None:
    sender = post.sender(server.settings())
    for name in ("hoa", "nam"):
        post.told.add(name, "1")
        server.answer(f"{name}@example.vn", *[reply] * 3)
    for _ in range(3):
        with pytest.raises(MailServerAwayError):
            await sender.round()
        assert [(row.state, row.attempts) for row in post.listed()] == [(MailState.WAITING, 0)] * 2
    for _ in range(5):
        with contextlib.suppress(MailServerAwayError):
            await sender.round()
    assert post.states() == [("hoa", MailState.SENT), ("nam", MailState.SENT)]


@pytest.mark.parametrize(
    ("reply", "state", "attempts"),
    [
        ("554 5.7.1 recipient is restricted", MailState.REFUSED, 1),
        ("450 4.7.1 greylisted", MailState.WAITING, 1),
        ("452 4.3.1 over quota", MailState.WAITING, 1),
        ("552 5.3.4 message too big", MailState.REFUSED, 1),
        (f"{AT_DATA}554 5.7.1 looks like spam", MailState.REFUSED, 1),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_what_is_said_of_one_e_mail_while_others_are_taken_is_that_e_mails(
    post: PostOffice, server: MailServer, reply: str, state: MailState, attempts: int, *, is_first: bool
) -> None:
    refused, taken = ("hoa", "nam") if is_first else ("nam", "hoa")
    server.answer(f"{refused}@example.vn", reply)
    post.told.add("hoa", "1")
    post.told.add("nam", "1")
    await post.sender(server.settings()).round()
    assert dict(post.states()) == {refused: state, taken: MailState.SENT}
    assert next(row.attempts for row in post.listed() if row.person == refused) == attempts


async def test_a_server_that_takes_nothing_is_not_asked_for_each_e_mail(post: PostOffice, server: MailServer) -> None:
    for number in range(12):
        post.let_in(f"nguoi{number}")
        post.told.add(f"nguoi{number}", "1")
        server.answer(f"nguoi{number}@example.vn", "554 5.7.1 Client host rejected")
    with pytest.raises(MailServerAwayError):
        await post.sender(server.settings()).round()
    assert sum(bool(row.error) for row in post.listed()) < 12
    assert {row.attempts for row in post.listed()} == {0}


async def test_a_confirmation_may_take_longer_than_other_answers_and_nothing_is_sent_twice(
    post: PostOffice, server: MailServer
) -> None:
    server.answer("hoa@example.vn", SLOW)
    post.told.add("hoa", "1")
    sending = asyncio.create_task(post.sender(server.settings(timeout=0.5)).round())
    await holds(lambda: len(server.taken()) == 1)
    assert not (await asyncio.wait({sending}, timeout=1.5))[0], "it does not give up after one answer's time"
    (server.folder / "go").touch()
    await sending
    assert post.states() == [("hoa", MailState.SENT)]
    assert len(server.taken()) == 1


async def test_a_fault_of_ours_ends_no_program_and_is_tried_again(
    post: PostOffice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.mail.sender._FIRST_PAUSE", 0.01)
    post.told.fault = LookupError("of ours")
    sending = asyncio.create_task(post.sender(server.settings()).run(0.01))
    await holds(lambda: post.told.fault is None)
    post.told.add("hoa", "1")
    await holds(lambda: len(server.taken()) == 1)
    sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()


async def test_a_connection_that_drops_before_the_confirmation_brings_the_same_e_mail_again(
    post: PostOffice, server: MailServer
) -> None:
    server.answer("hoa@example.vn", DROP)
    post.told.add("hoa", "1")
    sender = post.sender(server.settings())
    await sender.round()
    assert post.states() == [("hoa", MailState.WAITING)], "nobody knows whether the server has it"
    post.ahead = FIRST_PAUSE_MS + 1000
    await sender.round()
    first, second = server.taken()
    assert first["Message-ID"] == second["Message-ID"], "a mail system knows that it is the same"
    assert first.as_bytes() == second.as_bytes()
    assert post.states() == [("hoa", MailState.SENT)]


async def test_a_sender_that_is_killed_before_it_kept_the_confirmation_sends_the_same_again(
    post: PostOffice, server: MailServer, ledger_url: str
) -> None:
    server.answer("hoa@example.vn", HANG)
    process = await another_sender(ledger_url, server, "hoa")
    try:
        await holds(lambda: len(server.taken()) == 1)
    finally:
        process.kill()
        await process.wait()
    post.told.add("hoa", "1")
    await post.sender(server.settings()).round()
    assert len(server.taken()) == 1, "the e-mail belongs to the one that was killed until its claim ends"
    post.ahead = LEASE_MS + 1000
    await post.sender(server.settings()).round()
    first, second = server.taken()
    assert first["Message-ID"] == second["Message-ID"]
    assert post.states() == [("hoa", MailState.SENT)]


async def test_a_sender_that_is_stopped_gives_its_claim_back(post: PostOffice, server: MailServer) -> None:
    server.answer("hoa@example.vn", HANG)
    post.told.add("hoa", "1")
    sending = asyncio.create_task(post.sender(server.settings()).round())
    await holds(lambda: len(server.taken()) == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await post.sender(server.settings()).round()
    first, second = server.taken()
    assert first["Message-ID"] == second["Message-ID"]


async def test_several_processes_over_one_database_send_each_e_mail_once(
    post: PostOffice, server: MailServer, ledger_url: str
) -> None:
    names = [f"nguoi{number}" for number in range(12)]
    for name in names:
        post.let_in(name)
    processes = [await another_sender(ledger_url, server, *names) for _ in range(3)]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert sorted(message["X-To"] for message in server.taken()) == sorted(f"{name}@example.vn" for name in names)


async def test_what_comes_in_numbers_is_one_e_mail_in_the_time_that_is_set(
    post: PostOffice, server: MailServer
) -> None:
    sender = post.sender(server.settings(group_seconds=600))
    post.told.add("hoa", "1", kind=MANY)
    await sender.round()
    post.told.add("hoa", "2", kind=MANY)
    post.told.add("hoa", "3", kind=MANY)
    await sender.round()
    assert len(server.taken()) == 1
    post.ahead = 601_000
    await sender.round()
    assert [message["Subject"] for message in server.taken()] == ["Văn bản 1", "Văn bản 2 (và 1 mục khác)"]


async def test_groups_that_wait_hold_up_nobody_whose_e_mail_can_be_made(post: PostOffice, server: MailServer) -> None:
    outbox = MAILING.outbox(server.settings(group_seconds=600))
    names = [f"an{number:03}" for number in range(AT_ONCE + 5)]

    def wait(subject: str) -> None:
        post.told.notices.clear()
        for name in names:
            post.told.add(name, subject, kind=MANY)
        outbox.notices.keep(conn, post.told.notices, now_ms=post.now())

    with writing(post.engine) as conn:
        wait("1")
        assert [outbox.gather(conn, now_ms=post.now()) for _ in range(3)] == [AT_ONCE, 5, 0]
        wait("2")
        post.told.add("nam", "1")
        outbox.notices.keep(conn, post.told.notices, now_ms=post.now())
        assert outbox.gather(conn, now_ms=post.now()) == 1


async def test_a_clock_that_is_set_back_brings_nothing_twice_and_holds_nothing_up(
    post: PostOffice, server: MailServer
) -> None:
    sender = post.sender(server.settings())
    post.ahead = 400 * 86_400_000
    post.told.add("hoa", "1", kind=MANY)
    await sender.round()
    post.ahead = 0
    post.told.add("hoa", "2", kind=MANY)
    await sender.round()
    assert [message["Subject"] for message in server.taken()] == ["Văn bản 1", "Văn bản 2"]


async def test_who_stopped_a_kind_lost_a_role_or_has_another_address_is_not_told(
    post: PostOffice, server: MailServer
) -> None:
    post.let_in("lan")
    post.let_in("tu", unit=OTHER_UNIT)
    for name in ("hoa", "nam", "lan", "tu"):
        post.told.add(name, "1")
        server.answer(f"{name}@example.vn", "450 4.2.0 later")
    sender = post.sender(server.settings())
    await sender.round()
    assert ("tu", MailState.DROPPED) in post.states(), "the document is of a unit that is not theirs"
    with writing(post.engine) as conn:
        MAILING.recipients.stop(conn, "hoa", "urgent")
        PEOPLE.revoke(conn, "nam", now_ms=post.now())
        MAILING.recipients.set_address(conn, "lan", "lan.moi@example.vn", "vi", now_ms=post.now())
    post.ahead = FIRST_PAUSE_MS + 1000
    await sender.round()
    assert not server.taken()
    assert {state for _, state in post.states()} == {MailState.DROPPED}


async def test_whoever_gets_a_login_next_gets_nothing_of_the_one_before(post: PostOffice, server: MailServer) -> None:
    sender = post.sender(server.settings(group_seconds=600))
    server.answer("hoa@example.vn", "450 4.2.0 later")
    post.told.add("hoa", "1")
    post.told.add("hoa", "2", kind=MANY)
    await sender.round()
    post.told.add("hoa", "3", kind=MANY)
    await sender.round()
    with writing(post.engine) as conn:
        MAILING.recipients.stop(conn, "hoa", "many")
        PEOPLE.revoke(conn, "hoa", now_ms=post.now())
        PEOPLE.invite(conn, "hoa", now_ms=post.now())
        assert MAILING.recipients.find(conn, "hoa") is None
        MAILING.recipients.give_address(conn, "hoa", "hoa.sau@example.vn", now_ms=post.now())
        found = MAILING.recipients.find(conn, "hoa")
        assert found is not None
        assert found.wants("many"), "the choice was of the one before"
    post.ahead = FIRST_PAUSE_MS + 601_000
    post.told.add("hoa", "4")
    await sender.round()
    assert [(message["X-To"], message["Subject"]) for message in server.taken()] == [
        ("hoa@example.vn", "Văn bản 1"),
        ("hoa.sau@example.vn", "Văn bản 4"),
    ]


async def test_what_was_told_is_forgotten_when_so_many_days_were_seen_since(
    post: PostOffice, server: MailServer
) -> None:
    sender = post.sender(server.settings(kept=30 * 86_400))
    for number in range(35):
        post.told.notices.clear()
        post.told.add("hoa", str(number))
        await sender.round()
        assert subjects(post) == [str(number) for number in range(max(number - 30, 0), number + 1)]
        assert [row.title for row in reversed(post.listed())] == [f"Văn bản {subject}" for subject in subjects(post)]
        post.ahead += DAY_MS


async def test_what_still_waits_is_not_forgotten_however_old_it_is(post: PostOffice, server: MailServer) -> None:
    outbox = MAILING.outbox(server.settings())
    server.answer("nam@example.vn", "450 4.2.0 later")
    for name, subject in (("nam", "1"), ("hoa", "2"), ("hoa", "3")):
        post.told.add(name, subject)
        await post.sender(server.settings()).round()
    with writing(post.engine) as conn:
        outbox.note_day(conn, now_ms=post.now() + DAY_MS)
        assert outbox.forget(conn, days=0) == 1
        assert outbox.forget(conn, days=0) == 0
    assert subjects(post) == ["1", "3"], "the newest stays, so that no place is given twice"
    assert post.states() == [("hoa", MailState.SENT), ("nam", MailState.WAITING)]


async def test_what_was_told_is_kept_without_its_text_as_the_proof_that_it_was(
    post: PostOffice, server: MailServer
) -> None:
    post.told.add("hoa", "1", title="Hỏa tốc")
    server.answer("nam@example.vn", "550 5.1.1 no such user")
    post.told.add("nam", "1")
    await post.sender(server.settings()).round()
    with reading(post.engine) as conn:
        notice = MAILING.tables.notice.c
        texts = {row.person: row.content for row in conn.execute(select(notice.person, notice.content))}
    assert texts["hoa"] == "{}"
    assert "Rét đậm" in texts["nam"], "it may be tried again"
    assert [(row.person, row.title) for row in post.listed(MailState.SENT)] == [("hoa", "Hỏa tốc")]


async def test_clocks_that_are_ahead_for_a_moment_bring_nothing_again_and_give_nothing_up(
    post: PostOffice, server: MailServer
) -> None:
    server.answer("nam@example.vn", *["450 4.2.0 later"] * 100)
    post.told.add("hoa", "1")
    post.told.add("hoa", "2", kind=MANY)
    post.told.add("nam", "1")
    for days in (0, 400, 0):
        post.ahead = days * DAY_MS
        await post.sender(server.settings(attempts=100)).round()
    assert post.states() == [("hoa", MailState.SENT), ("hoa", MailState.SENT), ("nam", MailState.WAITING)]
    for days in (4000, 31, 0, 90, 91, 0):
        post.ahead = days * DAY_MS
        await post.sender(server.settings(attempts=100)).round()
    assert sorted(message["Subject"] for message in server.taken()) == ["Văn bản 1", "Văn bản 2"]
