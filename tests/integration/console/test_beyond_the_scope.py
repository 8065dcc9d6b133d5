"""What a dispatch says of others than the viewer's own is told at no door: whom else it goes to, who answered it."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import update

from router.ledger.engine import writing
from router.ledger.models import dispatch
from router.ledger.people.accounts import create_account
from schemas.accounts import parse_account
from schemas.clock import now_ms
from support.consoles import Console
from support.ledgers import Clerk

RULES = ["LCA.#{commune}", "LCA.03.07", "!LCA.05.02", "LCA.02.#", "!LCA.02.09"]
FOREIGN = ("LCA.03", "LCA.05", "LCA.#")
Door = Callable[[Console, str, str], Awaitable[str]]


async def by_page(console: Console, who: str, key: str) -> str:
    async with console.as_(who) as browser:
        places = (f"/documents/{key}", f"/documents/{key}/left-out", f"/documents/{key}/certificate", "/search")
        return "".join([await browser.text(f"/console{place}") for place in places])


async def by_export(console: Console, who: str, key: str) -> str:
    async with console.as_(who) as browser:
        return await browser.text(f"/console/documents/{key}/recipients.csv") + await browser.text(
            "/console/documents.csv"
        )


async def by_api(console: Console, who: str, key: str) -> str:
    async with console.as_(who) as browser:
        headers = {"Authorization": f"Bearer {_token(console, who)}"}
        places = (f"/dispatches/{key}", f"/dispatches/{key}/receipts", "/dispatches")
        return "".join([await (await browser.get(f"/api/v1{place}", **headers)).text() for place in places])


async def by_command(console: Console, who: str, key: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    environ |= {"CONGVAN_API_URL": console.url, "CONGVAN_TOKEN": _token(console, who)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.main", "track", key, "--json"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert json.loads(out)["id"] == key
    return out.decode()


def _token(console: Console, who: str) -> str:
    account = parse_account(f"operator:{'LCA.#' if who == 'admin' else 'LCA.02.#'}")
    with writing(console.engine) as conn:
        return create_account(conn, account, now_ms=now_ms())


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("door", [by_page, by_export, by_api, by_command])
async def test_whom_else_it_goes_to_and_who_answered_is_told_to_who_sees_them_alone(
    console: Console, door: Door
) -> None:
    key = console.story.province
    unit = console.services.organisation.directory.get("LCA.03.01")
    assert unit is not None
    with writing(console.engine) as conn:
        answer = Clerk(conn, now=now_ms()).dispatch("LCA.03", [unit], kind="new", refers_to=[key])
        (row,) = conn.execute(dispatch.select().where(dispatch.c.id == key))
        told = json.dumps(json.loads(row.submission) | {"addressees": RULES}).encode()
        conn.execute(update(dispatch).where(dispatch.c.id == key).values(submission=told))
    part, whole = await door(console, "district", key), await door(console, "admin", key)
    assert "LCA.02" in part
    assert [text for text in (*FOREIGN, answer) if f"{text}" in part] == []
    if door is not by_export:
        assert answer in whole
        assert all(rule in whole for rule in RULES)
        assert "LCA.02.#{commune}" in part
        assert "!LCA.02.09" in part
