"""A person's page of the console in Chromium, logged in, and used by the keyboard alone."""

from typing import Literal

from playwright.async_api import Browser, Page, expect

from support.consoles import Console
from support.stories import PASSWORD


async def log_in(
    chromium: Browser,
    console: Console,
    *,
    language: str = "vi",
    theme: Literal["light", "dark"] = "light",
    width: int = 1280,
    javascript: bool = True,
) -> Page:
    """A page of the console's overview, as an administrator sees it."""
    context = await chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        java_script_enabled=javascript,
    )
    await context.add_cookies([{"name": "congvan-language", "value": language, "url": console.url}])
    page = await context.new_page()
    await page.goto(f"{console.url}/console/login")
    await page.fill("#name", "admin")
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await expect(page.locator("nav.side")).to_be_visible()
    await page.wait_for_load_state()  # what listens to keys runs from then on
    return page


async def tab_to(page: Page, place: str) -> None:
    """Press Tab until a place has the focus, as who has no mouse does."""
    for _ in range(150):
        if await page.evaluate("place => document.activeElement.matches(place)", place):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {place}")
