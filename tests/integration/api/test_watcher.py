"""A watcher scrapes the metrics; at every other door it is refused, whatever it asks for, and the broker knows none."""

import asyncio
import re
from datetime import date
from pathlib import Path

import pytest

from router.api.app import routes_alone
from router.broker.topology import BrokerAccount, plan
from router.ledger.engine import reading, writing
from router.ledger.people.accounts import create_account, find_account
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.ids import new_id
from support.api_server import UNITS, Api, letter, running_api

WATCHER = "watcher:LCA.#"
FOR_ALL = {"/livez", "/readyz", "/metrics"}
STANDING_FOR = {"act": "pause", "code": "LCA.02", "sha256": "0" * 64}


def doors() -> list[tuple[str, str]]:
    """Every method and path of the web API, those that its document does not name, too."""
    told = routes_alone().openapi()["paths"].items()
    named = [(method.upper(), path) for path, methods in told if path not in FOR_ALL for method in methods]
    return sorted({*named, ("HEAD", "/content/{sha256}")})


def place(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: STANDING_FOR.get(found[1], new_id()), path)


async def test_every_door_but_the_metrics_refuses_a_watcher(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        await asyncio.to_thread(_make, api)
        headers = api.as_(WATCHER) | {"Idempotency-Key": "k", "Tus-Resumable": "1.0.0"}
        answers: dict[tuple[str, str], int] = {}
        for method, path in doors():
            body = letter() if method in {"POST", "PUT", "PATCH"} else None
            async with api.http.request(method, place(path), headers=headers, json=body) as answer:
                answers[method, path] = answer.status
        assert len(answers) > 20
        assert {door: status for door, status in answers.items() if status != 403} == {}
        async with api.http.get("/metrics", headers=api.as_(WATCHER) | {"X-Forwarded-For": "203.0.113.5"}) as answer:
            assert answer.status == 200
        async with api.http.get("/console/", headers=api.as_(WATCHER), allow_redirects=False) as answer:
            assert answer.status == 303, "a token opens no console"


def _make(api: Api) -> None:
    with writing(api.engine) as conn:
        api.tokens[WATCHER] = create_account(conn, parse_account(WATCHER), now_ms=now_ms())


@pytest.mark.parametrize("name", [WATCHER, "operator:LCA.#"])
async def test_the_broker_has_no_login_for_who_only_watches_or_operates(tmp_path: Path, name: str) -> None:
    async with running_api(tmp_path) as api:
        if name == WATCHER:
            await asyncio.to_thread(_make, api)
        with reading(api.engine) as conn:
            row = find_account(conn, name)
    made = plan(UNITS, [BrokerAccount(row.name, row.token_hash)], vhost="x", day=date(2026, 11, 1))
    assert [user.name for user in made.users] == []
