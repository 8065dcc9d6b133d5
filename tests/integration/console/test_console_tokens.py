"""Tokens and sessions in the console: shown once, by who administers the units, each act in the audit log."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse

from router.ledger.acts.token_acts import make
from router.ledger.engine import reading, writing
from router.ledger.people import accounts, rights
from router.ledger.people.audit import Act, By
from router.ledger.people.persons import PEOPLE
from router.ledger.scope import EVERYTHING
from schemas.accounts import Account, Role, parse_account
from schemas.clock import now_ms
from schemas.rights import DEFAULTS, Allowance, Rights
from support.audited import list_entries
from support.consoles import Browser, Console

TOKEN = re.compile(r'id="token">(cv1\.[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{43})<')
KEY = re.compile(r'name="seen" value="([A-Za-z0-9_-]{12})"')
WHY = "hệ thống mới"
DAY = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
PAST = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()


async def post(browser: Browser, path: str, **form: Any) -> ClientResponse:
    return await browser.post(f"/console/tokens{path}", None, **({"csrf": await browser.csrf(), "reason": WHY} | form))


def token_of(text: str) -> str:
    found = TOKEN.search(text)
    assert found is not None, text
    return found[1]


def who(console: Console, token: str) -> Account | None:
    with reading(console.engine) as conn:
        return accounts.authenticate(conn, token, now_ms=now_ms())


async def test_a_token_is_made_shown_once_replaced_given_an_end_and_withdrawn(console: Console) -> None:
    name = "gateway:LCA.02.12"
    async with console.as_("admin") as admin:
        made = await post(admin, "", role="gateway", units="lca.02.12", day=DAY)
        assert made.headers["cache-control"] == "no-store"
        first = token_of(await made.text())
        assert who(console, first) == parse_account(name)
        again = await post(admin, "", role="gateway", units="LCA.02.12")
        assert (again.status, "cv1." in await again.text()) == (422, False), "a second click"
        place = f"/console/tokens/one?name={name}"
        page = await admin.text(place)
        assert "cv1." not in page
        assert f"name={name}".replace(":", "%3A") in await admin.text("/console/tokens")
        key = KEY.search(page)
        assert key is not None
        second = token_of(await (await post(admin, "/replace", account=name, seen=key[1])).text())
        assert (who(console, first), who(console, second)) == (None, parse_account(name))
        assert (await post(admin, "/replace", account=name, seen=key[1])).status == 422, "a form sent twice"
        assert who(console, second) is not None
        assert (await post(admin, "/end", account=name, day=PAST)).status == 422
        assert (await post(admin, "/end", account=name)).status == 303
        assert "không hết hạn" in await admin.text(place)
        assert (await post(admin, "/withdraw", account=name, reason=" ")).status == 422
        assert [(await post(admin, "/withdraw", account=name)).status for _ in range(2)] == [303, 303]
        assert who(console, second) is None
        assert (await post(admin, "/end", account=name, day=DAY)).status == 422
        audit = await admin.text("/console/audit?unit=LCA.02.12")
        assert name in audit
    with reading(console.engine) as conn:
        entries = [row.entry for row in list_entries(conn, EVERYTHING) if row.entry.subject == name]
    assert [entry.act for entry in entries] == [
        *(Act.TOKEN_REVOKED, Act.TOKEN_ENDS, Act.TOKEN_REPLACED, Act.TOKEN_MADE),
    ]
    assert {(entry.person, entry.reason) for entry in entries} == {("admin", WHY)}


@pytest.mark.parametrize(
    ("role", "units", "status"),
    [
        ("gateway", "LCA.02.05", 200),
        ("operator", "LCA.02.#", 200),
        ("issuer", "LCA.02", 200),
        ("gateway", "LCA.#", 422),
        ("operator", "LCA", 422),
        ("gateway", "LCA.03.01", 422),
        ("watcher", "LCA.02", 422),
        ("gateway", "lca..#", 422),
    ],
)
async def test_who_administers_a_part_makes_accounts_of_it_alone(
    console: Console, role: str, units: str, status: int
) -> None:
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "district", [PEOPLE.check_grant("admin", "LCA.02.#")], now_ms=now_ms())
        make(conn, parse_account("gateway:LCA.03.#"), By("x", "", now_ms()))
    async with console.as_("district") as district:
        made = await post(district, "", role=role, units=units)
        assert made.status == status
        assert "LCA.03" not in await district.text("/console/tokens")
        for path in ("/replace", "/end", "/withdraw"):
            assert (await post(district, path, account="gateway:LCA.03.#", seen="a")).status == 404
        assert (await district.get("/console/tokens/one?name=gateway:LCA.03.%23")).status == 404
    if status == 200 and role == "issuer":
        with reading(console.engine) as conn:
            found = rights.rights_of(conn, parse_account(f"{role}:{units}"))
        assert found == DEFAULTS[parse_account("gateway:LCA.02").role], "nobody gives away more than a part"


GRANTED: dict[str, tuple[str, Rights | None, bool]] = {
    "a gateway": ("gateway:LCA.02.05", None, True),
    "an operator": ("operator:LCA.02.#", None, True),
    "a system of the part's own": ("issuer:LCA.02", DEFAULTS[Role.GATEWAY], True),
    "one that writes within the part": ("gateway:LCA.02.05", Rights(("LCA.02.#",), 1, hourly=Allowance(1, 1, 1)), True),
    "a system that writes to all": ("issuer:LCA.02", None, False),
    "one that writes to another part": (
        "gateway:LCA.02.05",
        replace(DEFAULTS[Role.GATEWAY], reach=("above", "LCA.03")),
        False,
    ),
    "one that is more urgent": ("gateway:LCA.02.05", replace(DEFAULTS[Role.GATEWAY], max_urgency=3), False),
    "one that writes more": ("gateway:LCA.02.05", replace(DEFAULTS[Role.GATEWAY], hourly=Allowance()), False),
    "one that recalls others'": ("gateway:LCA.02.05", replace(DEFAULTS[Role.GATEWAY], over_below=True), False),
}


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/replace", "/end", "/withdraw"])
@pytest.mark.parametrize("what", GRANTED)
async def test_who_administers_a_part_decides_on_no_account_that_may_more(
    console: Console, what: str, path: str
) -> None:
    name, may, allowed = GRANTED[what]
    account = parse_account(name)
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "district", [PEOPLE.check_grant("admin", "LCA.02.#")], now_ms=now_ms())
        token = make(conn, account, By("x", "", now_ms()), may=may)
        before = accounts.find_account(conn, name)
    async with console.as_("district") as district:
        page = await district.text(f"/console/tokens/one?name={name.replace('#', '%23')}")
        assert ('id="replace"' in page) is allowed
        answer = await post(district, path, account=name, seen=before.token_key, day=DAY)
        assert answer.status in ({200, 303} if allowed else {403})
    with reading(console.engine) as conn:
        assert (accounts.find_account(conn, name) == before) is not allowed
    if not allowed:
        assert who(console, token) == account
        async with console.as_("admin") as admin:
            answer = await post(admin, path, account=name, seen=before.token_key, day=DAY)
            assert answer.status in {200, 303}


async def test_who_administers_nothing_sees_no_tokens(console: Console) -> None:
    for name in ("viewer", "district", "auditor"):
        async with console.as_(name) as browser:
            assert (await browser.get("/console/tokens")).status == 403
            assert (await post(browser, "", role="gateway", units="LCA.02")).status == 403
            assert "/console/tokens" not in await browser.text("/console/help")


async def test_a_person_ends_their_other_sessions_and_nobody_elses(console: Console) -> None:
    async with console.as_("district") as here, console.as_("district") as there, console.as_("viewer") as other:
        page = await here.text("/console/sessions")
        assert page.count("<time") >= 4
        assert page.count("phiên này") == 1
        assert "127.0.0.1" in page
        ended = await here.post("/console/sessions/end-others", None, csrf=await here.csrf())
        assert ended.status == 303
        assert (await there.get("/console/help")).status == 303, "it has to log in again"
        assert (await other.get("/console/help")).status == 200
        assert 'id="end-others"' not in await here.text("/console/sessions")
    with reading(console.engine) as conn:
        (entry,) = (row.entry for row in list_entries(conn, EVERYTHING) if row.entry.act is Act.SESSIONS_ENDED)
    assert (entry.person, entry.detail) == ("district", "1")
