"""Who gets to the desk, what each role may do there, and that a unit sees nothing of another on the same gateway."""

from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from consumers.reading.inbox import receipts_of
from consumers.spool import journal
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from support.consoles import Browser
from support.deliveries import UNIT, came
from support.desks import NAMES, OTHER, RunningDesk, today

PLACES = [
    "/",
    "/incoming",
    "/registers",
    f"/registers/{UNIT}/incoming/2026",
    f"/registers/{UNIT}/incoming/2026/print",
    "/incoming/entered",
    "/completeness",
    "/reports",
    "/reports/export",
    "/journal",
    "/people",
    "/help",
    "/sessions",
]


async def test_every_page_leads_who_is_not_logged_in_to_the_login(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with ClientSession(desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http)
        for place in [*PLACES, f"/incoming/{delivery}", f"/incoming/{delivery}/files/1"]:
            answer = await browser.get(f"/desk{place}")
            assert (answer.status, answer.headers["location"].split("?")[0]) == (303, "/desk/login"), place
        assert (await browser.get("/")).headers["location"] == "/desk/"
        assert (await browser.get("/desk")).headers["location"] == "/desk/"


async def test_a_change_without_the_sessions_own_token_or_from_elsewhere_is_refused(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("hoa") as hoa:
        seen = await hoa.seen(delivery)
        for token, headers in ((hoa.token, {"Sec-Fetch-Site": "cross-site"}), ("0" * 64, None)):
            form: dict[str, Any] = {"csrf": token, "seen": seen, "reason": "Gửi sai nơi nhận"}
            assert (await hoa.post(f"/desk/incoming/{delivery}/refuse", headers, **form)).status == 403
    assert [item.status.value for item in receipts_of(desk.spool, delivery)] == ["arrived"]


FORMS: dict[str, dict[str, Any]] = {
    "register": {"day": today(), "subject": "Về việc"},
    "refuse": {"reason": "Gửi sai nơi nhận"},
    "submit": {"leader": "nam"},
    "direct": {"lead": "lan"},
    "process": {"words": "Đang làm"},
    "complete": {"words": "Xong"},
    "recall": {"accept": "false", "reason": "Đã thực hiện"},
}
MAY = {
    "hoa": {"register", "refuse", "submit", "process", "complete", "recall"},
    "nam": {"direct", "process", "complete"},
    "lan": {"process", "complete"},
    "quan": set[str](),
    "xem": set[str](),
    "la": set[str](),
    "khac": set[str](),
}


@pytest.mark.parametrize("name", MAY)
async def test_each_role_may_what_it_is_for_and_nothing_else(desk: RunningDesk, name: str) -> None:
    fresh, entered = came(desk.spool), came(desk.spool, seq=2)
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(entered, "register", **FORMS["register"])).status == 303
        seen = {delivery: await hoa.seen(delivery) for delivery in (fresh, entered)}
    before = [len(receipts_of(desk.spool, delivery)) for delivery in seen]
    async with desk.as_(name) as person:
        for what, form in FORMS.items():
            delivery = fresh if what in {"register", "refuse"} else entered
            answer = await person.act(delivery, what, seen=seen[delivery], **form)
            if what not in MAY[name]:
                assert answer.status in {403, 404, 422}, (name, what)
            else:
                assert answer.status in {303, 409}, (name, what)
    after = [len(receipts_of(desk.spool, delivery)) for delivery in seen]
    assert (after == before) is not bool(MAY[name])


async def test_a_unit_sees_nothing_of_another_on_the_same_gateway(desk: RunningDesk) -> None:
    ours, theirs = came(desk.spool, notation="1-CV/TU"), came(desk.spool, unit=OTHER, notation="2-CV/TU")
    for name, mine, other in (("hoa", ours, theirs), ("khac", theirs, ours)):
        async with desk.as_(name) as person:
            listed = await person.text("/desk/incoming")
            assert ("1-CV/TU" in listed, "2-CV/TU" in listed) == (mine == ours, mine == theirs)
            assert (await person.get(f"/desk/incoming/{mine}")).status == 200
            for path in (f"/incoming/{other}", f"/incoming/{other}/files/1"):
                assert (await person.get(f"/desk{path}")).status == 404
            unit = OTHER if name == "hoa" else UNIT
            for path in (f"/registers/{unit}/incoming/2026", f"/registers/{unit}/incoming/2026/export"):
                assert (await person.get(f"/desk{path}")).status == 403
            listed = await person.text(f"/desk/incoming?unit={unit}")
            assert ("1-CV/TU" in listed, "2-CV/TU" in listed) == (mine == ours, mine == theirs)


async def test_who_has_no_role_sees_no_document_and_who_loses_one_loses_it_at_once(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    async with desk.as_("la") as stranger, desk.as_("hoa") as hoa:
        assert "123-CV/TU" not in await stranger.text("/desk/incoming")
        assert (await stranger.get(f"/desk/incoming/{delivery}")).status == 404
        seen = await hoa.seen(delivery)
        with desk.spool.writing() as conn:
            PEOPLE.withdraw(conn, "hoa", RoleGrant(DeskRole.CLERK, UNIT))
        assert (await hoa.act(delivery, "refuse", seen=seen, reason="Gửi sai nơi nhận")).status in {403, 404}
        with desk.spool.writing() as conn:
            PEOPLE.revoke(conn, "hoa", now_ms=now_ms())
        assert (await hoa.get("/desk/")).status == 303


async def test_who_comes_and_who_fails_to_stands_in_the_journal(desk: RunningDesk) -> None:
    async with ClientSession(desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
        assert (await Browser(http).post("/desk/login", name="hoa", password="sai")).status == 401
        assert (await Browser(http).post("/desk/login", name="mật khẩu gõ nhầm", password="sai")).status == 401
    async with desk.as_("hoa") as hoa:
        await hoa.send("/logout")
    with desk.spool.reading() as conn:
        told = [f"{entry.act} {entry.person}" for _, entry in journal.entries(conn, [UNIT], also_of_none=True)]
    assert told == ["logged_out hoa", "logged_in hoa", "login_failed ", "login_failed hoa"]


async def test_whose_last_role_was_withdrawn_is_invited_again_or_let_go(desk: RunningDesk) -> None:
    async with desk.as_("quan") as admin:
        assert (await admin.send("/people/lan/withdraw", role="staff", unit=UNIT)).status == 303
        for login in ("lan", "la"):
            assert f"/people/{login}/revoke" in await admin.text("/desk/people"), "whom nobody gave a role"
            invited = {"login": login, "unit": UNIT, "role": "viewer"}
            assert (await admin.send("/people", **invited)).status == 200
            assert (await admin.send(f"/people/{login}/withdraw", role="viewer", unit=UNIT)).status == 303
            assert (await admin.send(f"/people/{login}/revoke")).status == 303
        for login in ("lan", "la"):
            assert (await admin.send("/people", login=login, unit=UNIT, role="staff")).status == 200
        assert "/people/khac/" not in await admin.text("/desk/people")


async def test_an_administrator_invites_and_ends_access_of_their_own_units_people_alone(desk: RunningDesk) -> None:
    async with desk.as_("quan") as admin:
        form: dict[str, Any] = {"login": "moi", "unit": UNIT, "role": ["clerk", "staff"], "full_name": "Hà Mới"}
        answer = await admin.send("/people", **form)
        assert answer.status == 200
        link = (await answer.text()).split('<code id="way">', 1)[1].split("</code>", 1)[0]
        async with ClientSession(desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
            new = Browser(http)
            place = link.removeprefix(desk.url)
            assert (await new.get(place)).status == 200
            token = place.split("token=", 1)[1]
            given: dict[str, Any] = {
                "token": token,
                "password": "năm từ khác hẳn nhau",
                "again": "năm từ khác hẳn nhau",
            }
            assert (await new.post("/desk/welcome", **given)).status == 303
            assert "Hà Mới" in await new.text("/desk/")
            assert (await new.get(place)).status == 404
            assert (await admin.send("/people/moi/revoke")).status == 303
            assert (await new.get("/desk/")).status == 303
        assert (await admin.send("/people/khac/revoke")).status == 403
        assert (await admin.send("/people", login="khac", unit=UNIT, role="clerk")).status == 403
        assert (await admin.send("/people", login="moi", unit=OTHER, role="clerk")).status == 422
        assert (await admin.send("/people", login="moi2", unit="", role="clerk")).status == 422, "a role is at a unit"
        assert (await admin.send("/people", login="Không Phải", unit=UNIT, role="clerk")).status == 422
    for name in set(NAMES) - {"quan"}:
        async with desk.as_(name) as person:
            assert (await person.get("/desk/people")).status == 403
            assert (await person.send("/people/xem/revoke")).status == 403
