"""A desk's pages in Chromium."""

from playwright.async_api import Browser, Page, expect

from support.desks import RunningDesk
from support.stories import PASSWORD


async def log_in(chromium: Browser, desk: RunningDesk, name: str, *, language: str = "vi", script: bool = True) -> Page:
    """A page of a person who has logged in."""
    context = await chromium.new_context(java_script_enabled=script)
    await context.add_cookies([{"name": "congvan-language", "value": language, "url": desk.url}])
    page = await context.new_page()
    await page.goto(f"{desk.url}/desk/login")
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await expect(page.locator("nav.side")).to_be_visible()
    await page.wait_for_load_state()
    return page
