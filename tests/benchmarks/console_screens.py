"""How long the console's screens take over HTTP, for who sees a whole country and for who sees one province."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import ClientSession, CookieJar
from sqlalchemy import Engine

from benchmarks.nation import ROOT
from router.ledger.engine import writing
from router.ledger.people.persons import PEOPLE
from router.pages.people.passwords import hash_password
from schemas.clock import now_ms
from support.consoles import Browser
from support.stories import PASSWORD

PROVINCE, COMMUNE, OFFICE = f"{ROOT}.07", f"{ROOT}.07.013", f"{ROOT}.07.013.02"
LIMIT_MS = 300
"""What half of the loads of a screen may take at most."""
LIMITS_MS = {"statistics": 1000, "report": 1000}
"""Of those that are opened once a month and read a whole month."""
_PEOPLE = {"country": f"{ROOT}.#", "province": f"{PROVINCE}.#"}
_FILTERS = (
    f"unit:{OFFICE}",
    f"unit:{PROVINCE}.# state:registered",
    "state:parked since:7d",
    'text:"mua lu"',
    "urgency:>=2 since:30d",
)


@dataclass(frozen=True, slots=True)
class Screen:
    """What loading a screen took, in milliseconds."""

    name: str
    person: str
    p50_ms: float
    p95_ms: float

    @property
    def limit_ms(self) -> int:
        """What half of the loads may take."""
        return LIMITS_MS.get(self.name, LIMIT_MS)


def screens(great: str) -> Mapping[str, str]:
    """The screens by what they are called; ``great`` is the dispatch with the most addressees."""
    filtered = {f"log {text}": f"/log?q={quote(text)}" for text in _FILTERS}
    return {
        "overview": "/",
        "log, first page": "/log",
        **filtered,
        "tree": "/units",
        "tree, opened": f"/units?open={ROOT},{PROVINCE},{COMMUNE}",
        "units by name": "/units?find=trien+khai",
        "unit": f"/units/{COMMUNE}",
        "document, 5,000 addressees": f"/documents/{great}",
        "deliveries of a unit": f"/deliveries?q=unit:{OFFICE}",
        "deliveries overdue": "/deliveries?q=is:overdue",
        "documents": "/search",
        "statistics": "/statistics",
        "statistics of a commune": f"/statistics?unit={COMMUNE}",
        "report": "/statistics/report",
        "lines": "/lines",
        "lines, 30 days": "/lines?span=30d",
        "certificate, 500 addressees": f"/documents/{great}/certificate",
        "stuck": "/stuck",
    }


async def let_in(engine: Engine) -> None:
    """Make the people who look."""
    hashed = await hash_password(PASSWORD)
    with writing(engine) as conn:
        for name, pattern in _PEOPLE.items():
            token = PEOPLE.invite(conn, name, [PEOPLE.check_grant("admin", pattern)], now_ms=now_ms())
            PEOPLE.set_password(conn, token, hashed, now_ms=now_ms())


async def measure(url: str, great: str, rounds: int) -> list[Screen]:
    """Load every screen in turn, so many times over; the first round is not counted."""
    found: list[Screen] = []
    for person in _PEOPLE:
        async with ClientSession(url, cookie_jar=CookieJar(unsafe=True)) as http:
            browser = await log_in(http, person)
            times: dict[str, list[float]] = {name: [] for name in screens(great)}
            for number in range(rounds + 1):
                for name, path in screens(great).items():
                    took = await _load(browser, path)
                    times[name] += [took] if number else []
        found += [Screen(name, person, statistics.median(took), _p95(took)) for name, took in times.items()]
    return found


async def log_in(http: ClientSession, person: str) -> Browser:
    """A person's browser."""
    browser = Browser(http)
    answer = await browser.post("/console/login", name=person, password=PASSWORD)
    assert answer.status == 303, await answer.text()
    return browser


async def _load(browser: Browser, path: str) -> float:
    began = time.perf_counter()
    await browser.text(f"/console{path}")
    return (time.perf_counter() - began) * 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
