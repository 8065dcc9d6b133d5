"""The console's page of notices: who acts chooses what comes by e-mail, who only looks has nothing to choose."""

from typing import Any

from router.ledger.engine import reading, writing
from router.words.notices import MAILING
from schemas.clock import now_ms
from support.consoles import Console


async def test_an_operator_chooses_what_comes_and_the_language_of_the_page_is_that_of_the_e_mails(
    console: Console,
) -> None:
    async with console.as_("district") as browser:
        page = await browser.text("/console/notices")
        assert "lượt chuyển bị giữ lại hoặc hết hạn chuyển" in page
        assert "Chưa khai báo máy chủ thư" in page
        token = await browser.csrf()
        assert (await browser.post("/console/preferences", language="en")).status == 303
        form: dict[str, Any] = {
            "csrf": token,
            "email": "Truc@Example.vn",
            "kind": ["incident", "digest", "no-such-kind"],
        }
        assert (await browser.post("/console/notices", **form)).status == 303
        assert 'value="truc@example.vn"' in await browser.text("/console/notices")
        assert (await browser.post("/console/notices", **(form | {"csrf": "x"}))).status == 403
    with reading(console.engine) as conn:
        (one,) = MAILING.recipients.all(conn)
    assert (one.person.name, one.language, one.stopped) == ("district", "en", frozenset({"stopped"}))


async def test_who_may_not_act_is_offered_nothing_and_a_revoked_person_is_told_nothing(console: Console) -> None:
    async with console.as_("viewer") as browser:
        assert "không có thông báo nào" in await browser.text("/console/notices")
    with writing(console.engine) as conn:
        MAILING.recipients.set_address(conn, "district", "truc@example.vn", "vi", now_ms=now_ms())
        MAILING.people.revoke(conn, "district", now_ms=now_ms())
        assert MAILING.recipients.all(conn) == []
        MAILING.people.invite(conn, "district", now_ms=now_ms())
        assert MAILING.recipients.all(conn) == [], "the address was of whoever had the login before"
