"""Debian's Chromium over our pages: pictures when CONGVAN_ARTIFACTS names a directory, axe-core as the judge."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright._impl._driver import compute_driver_executable
from playwright.async_api import Browser, Download, Page, async_playwright

from router.process.leash import leashed

CHROMIUM = shutil.which("chromium")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1440, 360)
NARROWEST = 320
"""Pixels: what a page still fits in (WCAG 2.2, 1.4.10)."""
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; deploy/test.sh installs it")


@contextmanager
def running_chromium(directory: Path) -> Iterator[str]:
    """A browser without a window, for one test after the other; where it is reached.

    Its start takes as long as most tests.
    """
    config = directory / "chromium.json"
    config.write_text(json.dumps({"executablePath": CHROMIUM, "args": ["--no-sandbox"]}), "utf-8")
    node, driver = compute_driver_executable()
    command = leashed(node, driver, "launch-server", "--browser", "chromium", "--config", str(config))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@asynccontextmanager
async def chromium_at(place: str) -> AsyncIterator[Browser]:
    """A browser that runs; nothing of what was done in it stays."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect(place)
        yield browser
        await browser.close()


async def saved(download: Download, directory: Path) -> Path:
    """What was brought, under its name in a directory."""
    file = directory / Path(download.suggested_filename).name
    await download.save_as(file)
    return file


async def take(page: Page, name: str) -> None:
    """Take a picture of a page, if anybody wants to look at it."""
    if kept := os.environ.get("CONGVAN_ARTIFACTS"):
        await page.screenshot(path=Path(kept) / f"{name}.png", full_page=True)


async def faults_of(page: Page) -> list[str]:
    """What axe-core finds serious or critical. Its source is run by the debugger, which the page's policy lets."""
    if await page.evaluate("typeof axe === 'undefined'"):
        await page.evaluate(AXE_FILE_PATH.read_text("utf-8"))
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]


async def complaints_of(page: Page, screens: dict[str, str], language: str) -> list[str]:
    """What is wrong with screens, by name and address, in both themes and widths: errors, axe's faults, their width."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "policy" in said.text.lower() else None)
    for name, place in screens.items():
        await page.goto(place)
        for theme, width in product(THEMES, WIDTHS):
            look = f"{name}-{language}-{theme}-{width}"
            await page.emulate_media(color_scheme=theme)
            await page.set_viewport_size({"width": width, "height": 900})
            await take(page, look)
            # axe takes most of the time, so it sees each language, theme and width once.
            if (language, theme, width) in {("vi", "light", 1440), ("en", "dark", 360)}:
                complaints += [f"{look}: {fault}" for fault in await faults_of(page)]
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                complaints.append(f"{look} is wider than that")
        await page.set_viewport_size({"width": NARROWEST, "height": 900})
        if await page.evaluate("document.documentElement.scrollWidth") > NARROWEST:
            complaints.append(f"{name}-{language} is wider than {NARROWEST}")
    return complaints
