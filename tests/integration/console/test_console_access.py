"""Who gets into the console, and what keeps others out."""

import re
from asyncio import gather

import pytest
from aiohttp import ClientSession, CookieJar

from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE
from router.ledger.scope import EVERYTHING
from schemas.clock import now_ms
from schemas.ids import new_id
from support.audited import list_entries
from support.consoles import Browser, Console
from support.stories import LOGINS, PASSWORD

PAGES = ["/", "/log", "/deliveries", "/search", "/units", "/units/LCA", "/stuck", "/audit", "/help", "/log.csv"]
PAGES += ["/redrives", "/redrives/new", "/units/import", "/units/rules"]


async def test_every_page_leads_who_is_not_logged_in_to_the_login_and_back(console: Console) -> None:
    async with ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http)
        for place in PAGES:
            answer = await browser.get(f"/console{place}")
            assert (answer.status, answer.headers["location"].split("?")[0]) == (303, "/console/login")
        assert (await browser.get("/")).headers["location"] == "/console/"
        assert (await browser.get("/console")).headers["location"] == "/console/"
        assert (await browser.get("/console/log/stream", Accept="text/event-stream")).status == 401
        part = await browser.get("/console/", **{"HX-Request": "true"})
        assert (part.status, part.headers["hx-redirect"]) == (401, "/console/login")
        there = await browser.post("/console/login", name="viewer", password=PASSWORD, next="/console/log?q=unit:LCA")
        assert there.headers["location"] == "/console/log?q=unit:LCA"


async def test_a_form_with_a_nul_character_is_no_error_of_ours(console: Console) -> None:
    async with ClientSession(console.url) as http:
        assert (await Browser(http).post("/console/login", name="a\0b", password=PASSWORD)).status == 422
        assert (await Browser(http).post("/console/login", name="viewer", password="a\0b")).status == 401
    async with console.as_("admin") as admin:
        form = {"csrf": await admin.csrf(), "unit": "LCA.02", "act": "pause", "reason": "a\0b"}
        assert (await admin.post("/console/units/acts", None, **form)).status == 422


async def test_the_way_after_login_never_leads_to_another_site(console: Console) -> None:
    async with ClientSession(console.url) as http:
        for foreign in (
            "https://evil.example/",
            "//evil.example",
            "/console//evil.example",
            "/\\evil.example",
            "/api/v1",
        ):
            answer = await Browser(http).post("/console/login", name="viewer", password=PASSWORD, next=foreign)
            assert answer.headers["location"] == "/console/"


async def test_wrong_names_and_wrong_passwords_get_one_answer_and_are_audited(console: Console) -> None:
    async with ClientSession(console.url) as http:
        browser = Browser(http)
        texts = []
        for name in ("viewer", "nobody"):
            answer = await browser.post("/console/login", name=name, password="wrong")
            assert answer.status == 401
            texts.append((await answer.text()).replace(name, ""))
        assert texts[0] == texts[1]
    with reading(console.engine) as conn:
        failed = list_entries(conn, EVERYTHING, act=Act.LOGIN_FAILED)
    assert [row.entry.person for row in failed] == ["", "viewer"]
    assert failed[0].entry.address


@pytest.mark.parametrize("name", ["viewer", "nobody"])
async def test_guesses_lock_a_name_out_whether_somebody_has_it_or_not(console: Console, name: str) -> None:
    async with ClientSession(console.url) as http:
        browser = Browser(http)
        answers = [(await browser.post("/console/login", name=name, password=f"{n}")).status for n in range(8)]
        assert answers == [401] * 5 + [429] * 3
        right = await browser.post("/console/login", name=name, password=PASSWORD)
        assert right.status == 429
        assert int(right.headers["retry-after"]) > 0
        assert "Đã sai quá nhiều lần" in await right.text()


async def test_many_guesses_at_once_are_looked_at_a_few_at_a_time_and_delay_nobody_elsewhere(console: Console) -> None:
    def comes_from(address: str) -> dict[str, str]:
        return {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": address}

    async with ClientSession(console.url) as http:
        browser = Browser(http)
        guesses = [
            browser.post("/console/login", comes_from("10.6.6.6"), name=f"name{n}", password=f"{n}") for n in range(60)
        ]
        right = browser.post("/console/login", comes_from("10.1.1.1"), name="viewer", password=PASSWORD)
        *answers, last = await gather(*guesses, right)
        assert last.status == 303
        assert {answer.status for answer in answers} <= {401, 429}
        assert [answer.status for answer in answers].count(401) < 60


async def test_a_browser_that_its_person_has_logged_in_with_passes_a_lock_of_the_name(console: Console) -> None:
    jar = CookieJar(unsafe=True)
    async with ClientSession(console.url, cookie_jar=jar) as http, ClientSession(console.url) as stranger:
        known = Browser(http)
        assert (await known.post("/console/login", name="viewer", password=PASSWORD)).status == 303
        for number in range(6):
            await Browser(stranger).post("/console/login", name="viewer", password=f"{number}")
        assert (await Browser(stranger).post("/console/login", name="viewer", password=PASSWORD)).status == 429
        assert (await known.post("/console/login", name="viewer", password=PASSWORD)).status == 303


@pytest.mark.parametrize("password", [" " * 12, "password123456", "matkhau123456", "aaaaaaaaaaaa", "qwertyuiop12"])
async def test_a_password_that_is_guessed_first_is_refused(console: Console, password: str) -> None:
    with writing(console.engine) as conn:
        token = PEOPLE.invite(conn, "moi", [PEOPLE.check_grant("viewer", "LCA.02.#")], now_ms=now_ms())
    async with ClientSession(console.url) as http:
        for chosen, status in ((password, 422), (PASSWORD, 303)):
            answer = await Browser(http).post("/console/welcome", token=token, password=chosen, again=chosen)
            assert answer.status == status


async def test_the_cookie_is_kept_from_scripts_and_other_sites_and_over_tls_bound_to_the_host(console: Console) -> None:
    async with ClientSession(console.url) as http:
        browser = Browser(http)
        plain = await browser.post("/console/login", name="viewer", password=PASSWORD)
        assert re.fullmatch(
            r"congvan-session=\S{43}; HttpOnly; Path=/; SameSite=lax", plain.headers["set-cookie"], re.IGNORECASE
        )
        headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-Proto": "https"}
        secure = await browser.post("/console/login", headers, name="viewer", password=PASSWORD)
        assert all(text.startswith("__Host-congvan-") for text in secure.headers.getall("set-cookie"))
        assert "secure" in secure.headers["set-cookie"].lower()
        assert secure.headers["strict-transport-security"]


async def test_a_change_that_another_site_asked_for_is_refused(console: Console) -> None:
    async with console.as_("admin") as admin:
        csrf = await admin.csrf()
        for headers in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": console.url},
        ):
            for place in ("/logout", "/redrives", "/preferences", "/login"):
                answer = await admin.post(f"/console{place}", headers, csrf=csrf, name="viewer", password=PASSWORD)
                assert answer.status == 403, (place, headers)
        by_origin = await admin.post("/console/preferences", {"Origin": console.url}, language="en")
        assert by_origin.status == 303


async def test_a_form_needs_the_sessions_own_token(console: Console) -> None:
    async with console.as_("admin") as admin, console.as_("viewer") as other:
        foreign = await other.csrf()
        for csrf in ("", "0" * 64, foreign, "\u0111"):
            assert (await admin.post("/console/logout", csrf=csrf)).status == 403
        in_header = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": await admin.csrf()}
        assert (await admin.post("/console/logout", in_header)).status == 303
        assert (await admin.get("/console/")).status == 303


async def test_a_form_longer_than_any_of_ours_is_refused(console: Console) -> None:
    async with console.as_("admin") as admin:
        answer = await admin.post("/console/logout", csrf=await admin.csrf(), filler="x" * 70_000)
        assert answer.status == 413


async def test_no_page_lets_anything_foreign_run(console: Console) -> None:
    async with console.as_("admin") as admin:
        for place in ("/", "/log", "/units", f"/documents/{console.story.district}", "/nothing", "/login"):
            answer = await admin.get(f"/console{place}")
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'self'")
            assert "unsafe" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            text = await answer.text()
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|https?://", text)


async def test_a_one_time_link_sets_a_password_once_and_lets_in(console: Console) -> None:
    with writing(console.engine) as conn:
        token = PEOPLE.invite(conn, "moi", [PEOPLE.check_grant("viewer", "LCA.02.#")], now_ms=now_ms())
    async with ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http)
        assert "moi" in await browser.text(f"/console/welcome?token={token}")
        for password, again in (("short", "short"), ("long enough one", "long enough two")):
            answer = await browser.post("/console/welcome", token=token, password=password, again=again)
            assert answer.status == 422
        done = await browser.post("/console/welcome", token=token, password="mật khẩu đủ dài", again="mật khẩu đủ dài")
        assert done.status == 303
        assert (await browser.get("/console/")).status == 200
        used = await browser.get(f"/console/welcome?token={token}")
        assert used.status == 404
        twice = await browser.post("/console/welcome", token=token, password="mật khẩu đủ dài", again="mật khẩu đủ dài")
        assert twice.status == 404


async def test_roles_open_what_they_are_for_and_nothing_else(console: Console) -> None:
    may = {"admin": (200, 303), "viewer": (403, 403), "district": (403, 303), "auditor": (200, 403)}
    assert set(may) == set(LOGINS)
    for name, (audit, redrive) in may.items():
        async with console.as_(name) as browser:
            assert (await browser.get("/console/audit")).status == audit
            assert (await browser.get("/console/redrives/new?q=is:parked")).status == redrive
            form = {"csrf": await browser.csrf(), "q": "unit:LCA.02.#", "cut": str(now_ms()), "once": new_id()}
            made = await browser.post("/console/redrives", None, **form, pace="hand", reason="x")
            assert made.status == redrive
            assert ('href="/console/audit"' in await browser.text("/console/")) == (audit == 200)


async def test_what_a_page_asks_by_itself_does_not_keep_a_session_alive(console: Console) -> None:
    from sqlalchemy import select, update

    from router.ledger.models import people_tables

    async with console.as_("viewer") as viewer:
        old = now_ms() - 3_600_000
        with writing(console.engine) as conn:
            conn.execute(update(people_tables.session).values(used_at=old))
        await viewer.get("/console/", **{"X-Background": "1"})
        with reading(console.engine) as conn:
            assert conn.scalar(select(people_tables.session.c.used_at)) == old
        await viewer.get("/console/")
        with reading(console.engine) as conn:
            assert (conn.scalar(select(people_tables.session.c.used_at)) or 0) > old
