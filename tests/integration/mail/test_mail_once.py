"""An e-mail is sent once: wherever it is cut off, whoever else sends, whatever restarts, whoever has the login."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from router.ledger.engine import writing
from router.ledger.people.persons import PEOPLE
from router.mail.outbox import AT_ONCE, FIRST_PAUSE_MS, LEASE_MS
from router.mail.sender import MailSender
from router.mail.states import MailState
from support.conditions import holds
from support.mail_server import DROP, HANG, SLOW, MailServer
from support.mailing import MAILING, MANY, OTHER_UNIT, PostOffice

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


async def test_a_stop_that_is_lost_in_a_round_still_ends_the_sender(
    post: PostOffice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def losing(_sender: MailSender) -> None:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(MailSender, "round", losing)
    sending = asyncio.create_task(post.sender(server.settings()).run(0.0))
    await begun.wait()
    sending.cancel()
    await asyncio.wait({sending}, timeout=10.0)
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
