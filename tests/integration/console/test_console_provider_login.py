"""People log in through an identity provider: only who was invited, only by a token that holds.

The provider is a real one over HTTP with real keys; what it gets wrong is set per test.
"""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from sqlalchemy import Engine, select

from router.errors import RefusedError
from router.identity import Provider, ProviderClient
from router.ledger.engine import reading, writing
from router.ledger.models import audit, person
from router.ledger.people import identities
from router.ledger.people.persons import PEOPLE, THROTTLE
from router.pages.people import Attempt
from router.pages.people.throttle import FREE_BY_NAME
from schemas.clock import now_ms
from support.consoles import Browser, Console, running_console
from support.identity_provider import CLIENT_ID, SECRET, UNSIGNED, Account, IdentityProvider, new_key, running_provider
from support.stories import PASSWORD, Story

EMAIL = "district@example.vn"


@dataclass(slots=True)
class Ground:
    """A console whose people may come in through a provider, and a browser that nobody has logged in with."""

    console: Console
    provider: IdentityProvider
    browser: Browser

    async def go(self, following: str = "") -> ClientResponse:
        """To the provider and back, as a browser does; the console's last answer."""
        back = await self.to_provider(following)
        return await self.browser.get(back)

    async def to_provider(self, following: str = "") -> str:
        """To the provider; the address that it leads back to."""
        answer = await self.browser.get(f"/console/login/provider?next={following}")
        assert answer.status == 303, await answer.text()
        way = answer.headers["location"]
        assert way.startswith(f"{self.provider.url}/authorize?")
        async with ClientSession() as http, http.get(way, allow_redirects=False) as there:
            back = urlsplit(there.headers["location"])
        return f"{back.path}?{back.query}"

    async def is_in(self) -> bool:
        """Whether the browser has a session."""
        return (await self.browser.get("/console/help")).status == 200


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with running_provider() as running:
        yield running


@pytest.fixture
async def ground(provider: IdentityProvider, ledger: Engine, tmp_path: Path, story: Story) -> AsyncIterator[Ground]:
    client = ProviderClient(provider.url, CLIENT_ID, SECRET)
    async with (
        running_console(ledger, tmp_path, story, provider=Provider(client)) as console,
        ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        with writing(ledger) as conn:
            identities.set_email(conn, "district", EMAIL)
        yield Ground(console, provider, Browser(http))


def _failures(engine: Engine) -> list[str]:
    with reading(engine) as conn:
        return list(conn.scalars(select(audit.c.reason).where(audit.c.act == "login_failed")))


async def test_who_was_invited_comes_in_by_the_verified_address_and_from_then_on_by_the_subject(ground: Ground) -> None:
    answer = await ground.go("/console/units")
    assert (answer.status, answer.headers["location"]) == (303, "/console/units")
    assert await ground.is_in()
    assert "LCA.02" in await ground.browser.text("/console/units")
    ground.provider.account = Account(subject="0001", email="another@example.vn")
    assert (await ground.go()).status == 303
    ground.provider.account = Account(subject="0002", email=EMAIL)
    assert (await ground.go()).status == 403


async def test_nobody_comes_in_who_was_not_invited_or_whose_address_is_not_verified(ground: Ground) -> None:
    for account in (
        Account(subject="0009", email="nobody@example.vn"),
        Account(email_verified=False),
        Account(claims={"email_verified": "true"}),
        Account(claims={"email": None}),
    ):
        ground.provider.account = account
        assert (await ground.go()).status == 403
        assert not await ground.is_in()
    assert len(_failures(ground.console.engine)) == 4


async def test_who_guesses_a_password_locks_nobody_out_of_the_providers_way_and_a_revocation_does(
    ground: Ground,
) -> None:
    assert (await ground.go()).status == 303
    with writing(ground.console.engine) as conn:
        for number in range(FREE_BY_NAME):
            THROTTLE.begin(conn, Attempt("district", f"10.0.0.{number}"), now_ms=now_ms())
    assert (await ground.go()).status == 303
    with writing(ground.console.engine) as conn:
        PEOPLE.revoke(conn, "district", now_ms=now_ms())
    assert (await ground.go()).status == 403
    assert not await ground.is_in()
    with writing(ground.console.engine) as conn:
        PEOPLE.invite(conn, "district", now_ms=now_ms())
    assert (await ground.go()).status == 403, "the account was of whoever had the login before"
    with writing(ground.console.engine) as conn:
        identities.set_email(conn, "district", EMAIL)
    assert (await ground.go()).status == 303


WRONG_CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "another login's nonce": {"nonce": "of another login"},
    "no nonce": {"nonce": None},
    "another client": {"aud": "another-client"},
    "several clients and no word for whom": {"aud": [CLIENT_ID, "another-client"]},
    "another client of several": {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
    "another issuer": {"iss": "https://login.example.org"},
    "ended": {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "from the future": {"iat": int(time.time()) + 7200, "nbf": int(time.time()) + 7200},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
}


async def test_a_token_that_does_not_hold_opens_no_session(ground: Ground) -> None:
    for name, claims in WRONG_CLAIMS.items():
        ground.provider.account = Account(claims=claims)
        assert (await ground.go()).status == 401, name
        assert not await ground.is_in(), name
    ground.provider.account = Account()
    ground.provider.algorithm = UNSIGNED
    assert (await ground.go()).status == 401
    ground.provider.algorithm, ground.provider.foreign = "RS256", new_key()
    assert (await ground.go()).status == 401
    assert len(_failures(ground.console.engine)) == len(WRONG_CLAIMS) + 2
    ground.provider.foreign = None
    assert (await ground.go()).status == 303


async def test_an_answer_counts_once_and_only_in_the_browser_that_began_the_login(ground: Ground) -> None:
    back = await ground.to_provider()
    state = parse_qs(urlsplit(back).query)["state"][0]
    async with ClientSession(ground.console.url, cookie_jar=CookieJar(unsafe=True)) as http:
        assert (await Browser(http).get(back)).status == 401
    assert (await ground.browser.get(back.replace(state, "another"))).status == 401
    back = await ground.to_provider()
    assert (await ground.browser.get(back)).status == 303
    assert (await ground.browser.get(back)).status == 401
    await ground.to_provider()
    assert (await ground.browser.get("/console/login/provider/back?error=access_denied")).status == 401


async def test_a_key_that_is_new_at_the_provider_is_looked_up(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.identity.provider._KEYS_AT_MOST_EVERY", 0.0)
    assert (await ground.go()).status == 303
    ground.provider.rotate()
    assert (await ground.go()).status == 303
    assert ground.provider.asked.count("/keys") == 2
    assert ground.provider.asked.count("/.well-known/openid-configuration") == 1


async def test_unknown_keys_do_not_make_the_console_ask_on_and_on(ground: Ground) -> None:
    ground.provider.foreign = new_key()
    for _ in range(3):
        assert (await ground.go()).status == 401
    assert ground.provider.asked.count("/keys") == 1


async def test_when_the_provider_is_down_a_password_still_lets_people_in(ground: Ground) -> None:
    ground.provider.is_down = True
    answer = await ground.browser.get("/console/login/provider")
    assert answer.status == 503
    assert 'name="password"' in await answer.text()
    answer = await ground.browser.post("/console/login", name="viewer", password=PASSWORD)
    assert answer.status == 303
    assert await ground.is_in()


async def test_logging_out_ends_the_session_here_and_offers_to_end_it_at_the_provider(ground: Ground) -> None:
    await ground.go()
    answer = await ground.browser.post("/console/logout", csrf=await ground.browser.csrf())
    assert not await ground.is_in()
    assert "/console/logout/provider" in await ground.browser.text(answer.headers["location"])
    way = (await ground.browser.get("/console/logout/provider")).headers["location"]
    assert way.startswith(f"{ground.provider.url}/leave?")
    assert parse_qs(urlsplit(way).query)["post_logout_redirect_uri"] == [f"{ground.console.url}/console/login"]


async def test_the_way_after_a_login_leads_to_no_other_site(ground: Ground) -> None:
    answer = await ground.go("https://example.org/console/")
    assert (answer.status, answer.headers["location"]) == (303, "/console/")


async def test_without_a_provider_there_is_no_button_and_no_way_to_one(
    ledger: Engine, tmp_path: Path, story: Story
) -> None:
    async with (
        running_console(ledger, tmp_path, story) as console,
        ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        assert "/login/provider" not in await Browser(http).text("/console/login")
        assert (await Browser(http).get("/console/login/provider")).status == 404
        assert (await Browser(http).get("/console/login/provider/back?code=a&state=b")).status == 404


def test_an_address_is_one_persons_and_a_new_one_frees_the_account(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for name in ("a", "b"):
            PEOPLE.invite(conn, name, now_ms=1)
        identities.set_email(conn, "a", " A@Example.vn ")
        with pytest.raises(RefusedError):
            identities.set_email(conn, "b", "a@example.vn")
        for wrong in ("", "a", "@example.vn", "a@b", "a b@example.vn", f"{'a' * 250}@example.vn"):
            with pytest.raises(ValueError, match="is no e-mail address"):
                identities.set_email(conn, "b", wrong)
        known = {"issuer": "https://i", "subject": "1"}
        assert identities.enter(conn, email="a@example.vn", **known).name == "a"
        assert identities.enter(conn, email="", **known).name == "a"
        identities.set_email(conn, "a", "new@example.vn")
        assert conn.scalar(select(person.c.identity).where(person.c.name == "a")) is None
