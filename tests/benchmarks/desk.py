"""The desk over a big spool: ``python -m tests.benchmarks.desk [--quick] [--json]``.

It makes up 50,000 documents and 10,000 entries in the books, starts a real broker, router, gateway and desk over them,
and measures what each page takes for a clerk who has every role; half of the loads are to take less than 300 ms, and
the processes of gateway and desk together less than 220 MB. The command ends with 1 when one of these does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from aiohttp import ClientSession, CookieJar

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benchmarks import desk_spool  # noqa: E402 - the folders have to be importable first
from benchmarks.desk_spool import SpoolSize  # noqa: E402
from consumers.reading import desk_lists  # noqa: E402
from consumers.reading.desk_filters import Need, WantedDocuments  # noqa: E402
from consumers.spool import open_spool  # noqa: E402
from consumers.spool.people import PEOPLE, DeskRole  # noqa: E402
from consumers.spool.scope import UnitScope  # noqa: E402
from router.pages.people import RoleGrant  # noqa: E402
from schemas.clock import now_ms  # noqa: E402
from schemas.unit import Link, Unit  # noqa: E402
from support.broker import fresh_vhost, shared_node  # noqa: E402
from support.commit import commit  # noqa: E402
from support.consoles import Browser  # noqa: E402
from support.deliveries import UNIT  # noqa: E402
from support.installation import CONGVAN, free_port, installation  # noqa: E402
from support.stories import PASSWORD  # noqa: E402

WHOLE, QUICK = SpoolSize(50_000, 10_000), SpoolSize(5_000, 1_000)
LIMIT_MS, LIMIT_MB = 300, 220
LIMITS_MS = {"report of a year": 1000, "the book as CSV": 2000, "the book as XLSX": 4000}
"""Of what is opened once a year and reads all of it."""


@dataclass(frozen=True, slots=True)
class DeskPage:
    """What loading a page took, in milliseconds."""

    name: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    """Of the desk's processor, on average: the same whoever else uses the machine."""
    limit_ms: int


@dataclass(slots=True)
class DeskFigures:
    """What one run found; sizes in MB (10^6 bytes)."""

    commit: str
    seed: int
    rows: dict[str, int] = field(default_factory=dict)
    made_s: float = 0.0
    load: float = 0.0
    """How many processes wanted to run while it was measured, on average over the last minute."""
    pages: list[DeskPage] = field(default_factory=list)
    pss_mb: dict[str, float] = field(default_factory=dict)

    @property
    def slow(self) -> list[str]:
        """The pages that take longer than they may."""
        return [item.name for item in self.pages if item.p50_ms >= item.limit_ms]

    @property
    def is_good(self) -> bool:
        """Whether all holds."""
        return not self.slow and sum(self.pss_mb.values()) < LIMIT_MB


def main() -> None:
    """Run as the arguments say and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.desk", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the documents, a few rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same documents")
    parser.add_argument(
        "--rounds", type=int, default=0, help="how often each page is loaded, at least 2; 0: 20, or 5 with --quick"
    )
    options = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        figures = measure(
            QUICK if options.quick else WHOLE, options.seed, options.rounds or (5 if options.quick else 20)
        )
    print(json.dumps(asdict(figures)) if options.json else _table(figures))
    raise SystemExit(0 if figures.is_good else 1)


def measure(size: SpoolSize, seed: int, rounds: int) -> DeskFigures:
    """Make the spool, start the processes, look."""
    figures = DeskFigures(commit(), seed)
    with tempfile.TemporaryDirectory(prefix="congvan-bench-") as name:
        directory = Path(name)
        began = time.monotonic()
        figures.rows, document = _spool(directory / "gateway", size, seed)
        figures.made_s = time.monotonic() - began
        with _running(directory) as (url, pids):
            figures.pages = asyncio.run(_look_as_each(url, document, rounds, pids["desk"]))
            figures.load = os.getloadavg()[0]
            figures.pss_mb = {what: _pss_mb(pid) for what, pid in pids.items()}
    return figures


def _spool(directory: Path, size: SpoolSize, seed: int) -> tuple[dict[str, int], str]:
    """A full spool with somebody who may everything; its rows, and a document that waits for its register."""
    with contextlib.closing(open_spool(directory)) as spool:
        rows = desk_spool.fill(spool, size, seed, now_ms())
        with spool.writing() as conn:
            PEOPLE.invite(conn, "hoa", [RoleGrant(role, UNIT) for role in DeskRole], now_ms=now_ms())
            everything = UnitScope((UNIT,), frozenset({UNIT}))
            found = desk_lists.find(conn, WantedDocuments(everything, Need.REGISTER), limit=1)
        return rows, found[0].entry.delivery_id


@contextlib.contextmanager
def _running(directory: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """A gateway and a desk as users start them, over a broker and a router; the desk's URL, and their processes."""
    codes = ("LCA", "LCA.02", UNIT, *desk_spool.OTHER_UNITS)
    units = [Unit(code=code, name=code, kind="commune", link=Link.WAN) for code in codes]
    with (
        shared_node(directory / "node") as node,
        fresh_vhost(node) as vhost,
        installation(directory, vhost, units) as made,
    ):
        made.router().start()
        made.wait_until_ready()
        port = free_port()
        here = made.gateway("LCA.02.#", sink="none").environment
        here = here | {"CONGVAN_DESK_PORT": str(port), "CONGVAN_LOG_LEVEL": "warning"}
        with _started("gateway run", here) as gateway, _started("desk", here) as desk:
            made.wait_until_seen([UNIT])
            yield f"http://127.0.0.1:{port}", {"gateway": gateway.pid, "desk": desk.pid}


@contextlib.contextmanager
def _started(command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program, loaded anew as users start it: its memory is its own."""
    process = subprocess.Popen([*CONGVAN, *command.split()], env=dict(environment), stdout=sys.stderr)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def pages(document: str) -> Mapping[str, str]:
    """Every page by what it is called; ``document`` waits for its register."""
    year = time.gmtime().tm_year
    book = f"/registers/{UNIT}/incoming/{year}"
    return {
        "today": "/",
        "incoming": "/incoming",
        "incoming, to be registered": "/incoming?need=register",
        "incoming, in work": "/incoming?need=work",
        "incoming, ended": "/incoming?need=ended",
        "incoming, frequent words": "/incoming?q=ve+viec",
        "incoming, rare words": "/incoming?q=chuyen+doi+so+4321",
        "incoming, no such words": "/incoming?q=khong+co+o+dau+ca",
        "incoming, of an issuer": "/incoming?issuer=LCA.VP",
        "incoming, of a type": "/incoming?type=b%C3%A1o+c%C3%A1o",
        "incoming, of a book": "/incoming?book=-",
        "incoming, led by one": "/incoming?lead=lan",
        "incoming, overdue": "/incoming?due=overdue",
        "incoming, of a month": f"/incoming?from={year}-09-01&to={year}-09-30",
        "document": f"/incoming/{document}",
        "stamp": f"/incoming/{document}/stamp",
        "outgoing": "/outgoing",
        "outgoing, rare words": "/outgoing?q=phong+chong+ret+4321",
        "write a document": "/outgoing/new",
        "registers": "/registers",
        "register, last numbers": book,
        "register that follows": f"{book}?form=following",
        "register, to print": f"{book}/print?first=1&last=200",
        "entry": f"{book}/5",
        "numbers in full": "/completeness",
        "holes of a series": "/completeness?issuer=LCA.VP&pattern=-CV/TU",
        "report of a month": "/reports",
        "report of a year": f"/reports?year={year}&month=0",
        "line": "/line",
        "journal": "/journal",
        "people": "/people",
        "help": "/help",
        "sessions": "/sessions",
    }


def files() -> Mapping[str, str]:
    """What is downloaded, by what it is called."""
    book = f"/registers/{UNIT}/incoming/{time.gmtime().tm_year}/export"
    return {"the book as CSV": book, "the book as XLSX": f"{book}?xlsx=true"}


async def _look_as_each(url: str, document: str, rounds: int, pid: int) -> list[DeskPage]:
    """What whoever may everything sees, and the lists of a leader who is not cleared for the secrets among it."""
    everything = pages(document)
    lists = {name: everything[name] for name in ("today", "incoming", "outgoing", "report of a month", "line")}
    cleared = await _look(url, "hoa", {**everything, **files()}, rounds, pid)
    others = await _look(url, "nam", lists, rounds, pid)
    return [*cleared, *(replace(item, name=f"{item.name}, not cleared") for item in others)]


async def _look(url: str, login: str, places: Mapping[str, str], rounds: int, pid: int) -> list[DeskPage]:
    """Load every page in turn, so many times over; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in places}
    taken = dict.fromkeys(places, 0.0)
    async with ClientSession(url, cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http)
        await _log_in(browser, login)
        for number in range(rounds + 1):
            for name, path in places.items():
                began, before = time.perf_counter(), _cpu_ms(pid)
                answer = await browser.get(f"/desk{path}")
                await answer.read()
                if answer.status != 200:
                    raise AssertionError(f"{path} was answered {answer.status}")
                if number:
                    times[name].append((time.perf_counter() - began) * 1000)
                    taken[name] += (_cpu_ms(pid) - before) / rounds
    return [
        DeskPage(
            name,
            statistics.median(took),
            statistics.quantiles(took, n=20, method="inclusive")[-1],
            taken[name],
            LIMITS_MS.get(name, LIMIT_MS),
        )
        for name, took in times.items()
    ]


async def _log_in(browser: Browser, login: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            if (await browser.post("/desk/login", name=login, password=PASSWORD)).status == 303:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the desk does not answer")


def _pss_mb(pid: int) -> float:
    """What a process has in memory, of its own and its share of what others have mapped, too."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def _cpu_ms(pid: int) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _table(figures: DeskFigures) -> str:
    rows = ", ".join(f"{count:,} {name}" for name, count in figures.rows.items())
    memory = ", ".join(f"{what} {size:.0f} MB" for what, size in figures.pss_mb.items())
    lines = [
        f"commit {figures.commit}, seed {figures.seed}, load {figures.load:.1f}, made in {figures.made_s:.0f} s",
        f"rows   {rows}",
        f"{'page':40} {'p50 ms':>8} {'p95 ms':>8} {'cpu ms':>8} {'may be':>8}",
        *map(_row, figures.pages),
        f"slower at the median than they may be: {', '.join(figures.slow) or 'none'}",
        f"memory {memory}; together {sum(figures.pss_mb.values()):.0f} of {LIMIT_MB} MB",
    ]
    return "\n".join(lines)


def _row(it: DeskPage) -> str:
    return f"{it.name:40} {it.p50_ms:8.0f} {it.p95_ms:8.0f} {it.cpu_ms:8.0f} {it.limit_ms:8}"


if __name__ == "__main__":
    main()
