"""``/docs`` in a real browser: the whole API is there to read, and nothing comes from elsewhere."""

from playwright.async_api import Browser

from support.api_server import Api
from support.chromium import needs_chromium


@needs_chromium
async def test_the_reference_is_drawn_from_this_router_alone(api: Api, chromium: Browser) -> None:
    loaded: list[str] = []
    page = await chromium.new_page()
    page.on("requestfinished", lambda request: loaded.append(request.url))
    await page.goto(f"{api.url}/docs")
    await page.get_by_role("heading", name="Submit a dispatch").first.wait_for()
    told = await page.inner_text("body")
    assert len(loaded) >= 4
    assert all(url.startswith((api.url, "data:")) for url in loaded), loaded
    for words in ("Fetch an attachment", "Make a redrive", "urn:congvan:problem:", "LCA.02.#"):
        assert words in told


async def test_the_page_allows_no_script_but_ours(api: Api) -> None:
    async with api.http.get("/docs") as answer:
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    async with api.http.get("/docs/static/../../etc/passwd") as answer:
        assert answer.status == 404
