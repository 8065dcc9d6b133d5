"""What a mail server refuses or puts off, what it says of itself, and what it says in whatever bytes."""

import contextlib
from pathlib import Path

import pytest
from sqlalchemy import update

from router.ledger.engine import writing
from router.mail.errors import MailServerAwayError, UnknownMailError
from router.mail.outbox import FIRST_PAUSE_MS, GIVEN_UP_AFTER_DAYS
from router.mail.states import MailState
from support.mail_server import AT_DATA, DROP_EARLY, MailServer, mail_server
from support.mailing import DAY_MS, MAILING, PostOffice


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


async def test_days_pass_while_the_server_is_away_and_what_waits_is_given_up(
    post: PostOffice, server: MailServer
) -> None:
    server.stop()
    post.told.add("hoa", "1")
    sender = post.sender(server.settings())
    for _ in range(GIVEN_UP_AFTER_DAYS + 1):
        with pytest.raises(MailServerAwayError):
            await sender.round()
        post.ahead += DAY_MS
    await sender.round()
    assert [(row.state, row.attempts) for row in post.listed()] == [(MailState.GIVEN_UP, 0)]


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
