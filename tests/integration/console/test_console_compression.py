"""Pages, lists, exports come compressed to who asks by themselves; never contents, nor what another site asked for."""

import gzip
from typing import Any

import pytest
from aiohttp import ClientSession

from support.consoles import Console

OWN = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}


async def raw(http: ClientSession, path: str, headers: dict[str, str]) -> tuple[bytes, Any]:
    async with http.get(path, headers=headers) as answer:
        assert answer.status == 200, path
        return await answer.content.read(), answer.headers


@pytest.mark.parametrize(
    "path", ["/", "/deliveries", "/units?open=LCA,LCA.02", "/log.csv", "/log.ndjson", "/static/pages.css"]
)
async def test_pages_lists_and_exports_are_compressed_whole(console: Console, path: str) -> None:
    async with console.as_("admin") as admin:
        cookies = {cookie.key: cookie.value for cookie in admin.http.cookie_jar}
    async with ClientSession(console.url, cookies=cookies, auto_decompress=False) as http:
        plain, _ = await raw(http, f"/console{path}", {"Accept-Encoding": "identity"} | {"Sec-Fetch-Site": "none"})
        for site in ("same-origin", "none"):
            packed, headers = await raw(http, f"/console{path}", OWN | {"Sec-Fetch-Site": site})
            assert headers["content-encoding"] == "gzip"
            assert "accept-encoding" in headers["vary"].lower()
            assert len(packed) < len(plain) / 2
            assert len(gzip.decompress(packed)) == pytest.approx(len(plain), rel=0.1)


async def test_what_another_site_asked_for_tells_nothing_by_its_length(console: Console) -> None:
    async with console.as_("admin") as admin:
        cookies = {cookie.key: cookie.value for cookie in admin.http.cookie_jar}
    async with ClientSession(console.url, cookies=cookies, auto_decompress=False) as http:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {}):
            _, told = await raw(http, "/console/search?q=csrf", {"Accept-Encoding": "gzip"} | headers)
            assert "content-encoding" not in told


async def test_the_live_log_and_the_contents_are_never_compressed(console: Console) -> None:
    async with console.as_("admin") as admin:
        cookies = {cookie.key: cookie.value for cookie in admin.http.cookie_jar}
    async with ClientSession(console.url, cookies=cookies, auto_decompress=False) as http:
        stream = OWN | {"Accept": "text/event-stream"}
        async with http.get("/console/log/stream", headers=stream) as answer:
            assert answer.status == 200
            assert "content-encoding" not in answer.headers
        for path in ("/api/v1/content/" + "0" * 64, "/api/v1/units", "/livez"):
            async with http.get(path, headers=OWN | {"Range": "bytes=0-9"}) as answer:
                assert "content-encoding" not in answer.headers, path
