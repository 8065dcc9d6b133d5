"""What was told is remembered, without its text, as long as it could be found again, wherever clocks go."""

from sqlalchemy import select

from router.ledger.engine import reading, writing
from router.mail.states import MailState
from support.mail_server import MailServer
from support.mailing import DAY_MS, MAILING, MANY, PostOffice


def subjects(post: PostOffice) -> list[str]:
    """What it is remembered of that it was told, in its order."""
    notice = MAILING.tables.notice.c
    with reading(post.engine) as conn:
        return list(conn.scalars(select(notice.subject).order_by(notice.pos)))


async def test_what_was_told_is_forgotten_when_so_many_days_were_seen_since(
    post: PostOffice, server: MailServer
) -> None:
    sender = post.sender(server.settings(kept=30 * 86_400))
    for number in range(35):
        post.told.notices.clear()
        post.told.add("hoa", str(number))
        await sender.round()
        assert subjects(post) == [str(number) for number in range(max(number - 31, 0), number + 1)]
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
