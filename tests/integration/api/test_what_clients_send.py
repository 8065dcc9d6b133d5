"""The programs that run here send a form to the real API: every file arrives under its name, with its bytes."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import FormData
from playwright.async_api import async_playwright

from support.api_server import ISSUER, Api, letter

NAMES = ("Tỉnh ủy 12.pdf", "Tỷ lệ 95%CB.pdf", "a;b.pdf", "95%.pdf", "Báo cáo (1).pdf", "a'b=c.pdf")
CHROMIUM, NODE = shutil.which("chromium"), shutil.which("node")
Client = Callable[[Api, Path, dict[str, Any]], Awaitable[str]]
_NODE = """
const [url, token, letter, names] = process.argv.slice(1);
const form = new FormData();
form.append("dispatch", letter);
for (const name of JSON.parse(names)) form.append("file", new Blob(["bytes of " + name]), name);
const answer = await fetch(url, {method: "POST", body: form, headers: {Authorization: token}});
console.log(await answer.text());
"""


def bytes_of(name: str) -> bytes:
    return f"bytes of {name}".encode()


async def output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    found, _ = await process.communicate()
    assert process.returncode == 0
    return found.decode()


async def by_curl(api: Api, directory: Path, body: dict[str, Any]) -> str:
    files = (part for name in NAMES for part in ("-F", f'file=@"{directory / name}"'))
    (directory / "letter").write_text(json.dumps(body))
    token = api.as_(ISSUER)["Authorization"]
    letter_part = "-F", f"dispatch=<{directory / 'letter'}"
    return await output(
        "curl", "-sS", "-H", f"Authorization: {token}", *letter_part, *files, f"{api.url}/api/v1/dispatches"
    )


async def by_node(api: Api, _directory: Path, body: dict[str, Any]) -> str:
    if NODE is None:
        pytest.skip("Node.js is not installed")
    told = f"{api.url}/api/v1/dispatches", api.as_(ISSUER)["Authorization"], json.dumps(body), json.dumps(NAMES)
    return await output(NODE, "--input-type=module", "-e", _NODE, *told)


async def by_requests(api: Api, _directory: Path, body: dict[str, Any]) -> str:
    parts: list[tuple[str, tuple[str | None, bytes]]] = [("dispatch", (None, json.dumps(body).encode()))]
    parts += [("file", (name, bytes_of(name))) for name in NAMES]
    url, headers = f"{api.url}/api/v1/dispatches", api.as_(ISSUER)
    return (await asyncio.to_thread(lambda: requests.post(url, files=parts, headers=headers, timeout=60))).text


async def by_aiohttp(api: Api, _directory: Path, body: dict[str, Any]) -> str:
    form = FormData()
    form.add_field("dispatch", json.dumps(body))
    for name in NAMES:
        form.add_field("file", bytes_of(name), filename=name)
    async with api.http.post("/api/v1/dispatches", data=form, headers=api.as_(ISSUER)) as answer:
        return await answer.text()


async def by_chromium(api: Api, directory: Path, body: dict[str, Any]) -> str:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await (await browser.new_context(extra_http_headers=api.as_(ISSUER))).new_page()
        await page.goto(f"{api.url}/livez")  # a page of the same origin
        await page.set_content(
            f'<form action="{api.url}/api/v1/dispatches" method="post" enctype="multipart/form-data">'
            '<textarea name="dispatch"></textarea><input type="file" name="file" multiple><input type="submit"></form>'
        )
        await page.fill("textarea", json.dumps(body))
        await page.set_input_files("input[type=file]", [directory / name for name in NAMES])
        async with page.expect_response("**/api/v1/dispatches") as coming:
            await page.click("input[type=submit]")
        told = await (await coming.value).text()
        await browser.close()
    return told


@pytest.mark.parametrize("client", [by_curl, by_node, by_requests, by_aiohttp, by_chromium])
async def test_every_file_arrives_under_its_name(api: Api, tmp_path: Path, client: Client) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name in NAMES:
        (files / name).write_bytes(bytes_of(name))
    accepted = json.loads(await client(api, files, letter()))
    assert accepted.get("status") == "accepted", accepted
    async with api.http.get(f"/api/v1/dispatches/{accepted['id']}", headers=api.as_(ISSUER)) as answer:
        attachments = (await answer.json())["submission"]["attachments"]
    assert [item["name"] for item in attachments] == list(NAMES)
    assert [api.content.path(item["sha256"]).read_bytes() for item in attachments] == [bytes_of(it) for it in NAMES]
