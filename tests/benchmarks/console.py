"""The console over a country's ledger: ``python -m tests.benchmarks.console [--postgresql | --sqlite] [--json]``.

It makes up 1,000,000 receipts of 111,000 units in a private PostgreSQL (or 100,000 receipts of 11,100 units in SQLite),
starts a real router over them, and measures what loading each screen takes; half of the loads are to take less than
300 ms (a month's statistics of the whole country: 1 s). Then 100 people watch the log live while 200 receipts are
recorded a second, which is to cost the router less than one core, and one of them is cut for a minute and has to see
every row once. The command ends with 1 when one of these does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benchmarks import bulk_load, console_live, console_screens, nation  # noqa: E402 - the folders have to be importable first
from benchmarks.console_live import Live  # noqa: E402
from benchmarks.console_screens import Screen  # noqa: E402
from schemas.clock import now_ms  # noqa: E402
from support.broker import fresh_vhost, shared_node  # noqa: E402
from support.commit import commit  # noqa: E402
from support.installation import Installation, Program, installation  # noqa: E402
from support.ledgers import POSTGRESQL, SQLITE  # noqa: E402
from support.postgres import fresh_database, shared_server  # noqa: E402

SIZES = {POSTGRESQL: nation.Size(111_000, 1_000_000), SQLITE: nation.Size(11_100, 100_000)}


@dataclass(slots=True)
class Figures:
    """What one run found."""

    commit: str
    seed: int
    database: str
    rows: dict[str, int] = field(default_factory=dict)
    load: float = 0.0
    """How many processes wanted to run while it was measured, on average over the last minute."""
    screens: list[Screen] = field(default_factory=list)
    live: Live = field(default_factory=Live)

    @property
    def slow(self) -> list[str]:
        """The screens that take longer than they may."""
        return [f"{item.name} ({item.person})" for item in self.screens if item.p50_ms >= item.limit_ms]


def main() -> None:
    """Run as the arguments say and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--postgresql", dest="kind", action="store_const", const=POSTGRESQL, default=POSTGRESQL)
    kind.add_argument("--sqlite", dest="kind", action="store_const", const=SQLITE)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same rows")
    parser.add_argument("--rounds", type=int, default=20, help="how often each screen is loaded")
    options = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        figures = measure(options.kind, options.seed, options.rounds)
    print(json.dumps(asdict(figures)) if options.json else _table(figures))
    raise SystemExit(1 if figures.slow or not figures.live.is_good else 0)


def measure(kind: str, seed: int, rounds: int) -> Figures:
    """Make the rows, start the router, look."""
    figures = Figures(commit(), seed, kind)
    with _ground(kind) as made:
        country = nation.make(SIZES[kind], seed, now_ms())
        figures.rows = bulk_load.load(made.engine, country, seed)
        asyncio.run(console_screens.let_in(made.engine))
        with _router(made) as router:
            figures.screens = asyncio.run(console_screens.measure(made.api, country.great, rounds))
            figures.load = os.getloadavg()[0]
            figures.live = asyncio.run(console_live.measure(made.api, made.engine, router.pid))
    return figures


@contextlib.contextmanager
def _ground(kind: str) -> Iterator[Installation]:
    """A broker, an empty ledger, and a folder; all gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="congvan-bench-") as name,
        shared_node(Path(name) / "node") as node,
        fresh_vhost(node) as vhost,
        _database(kind) as url,
        installation(Path(name), vhost, [], ledger_url=url) as made,
    ):
        yield made


@contextlib.contextmanager
def _database(kind: str) -> Iterator[str]:
    """The URL of a private database; empty: SQLite in the installation's folder."""
    if kind == SQLITE:
        yield ""
        return
    with shared_server() as server, fresh_database(server) as url:
        yield url


@contextlib.contextmanager
def _router(made: Installation) -> Iterator[Program]:
    """A router that leaves the broker as it is: a queue for each of so many units is not what is measured."""
    router = made.router(management_url="")
    router.start()
    made.wait_until_ready()
    yield router
    router.stop()


def _line(item: Screen) -> str:
    return f"{item.name:45} {item.person:10} {item.p50_ms:8.0f} {item.p95_ms:8.0f} {item.limit_ms:8}"


def _table(figures: Figures) -> str:
    rows = ", ".join(f"{count:,} {name}" for name, count in figures.rows.items())
    lines = [
        f"commit {figures.commit}, seed {figures.seed}, {figures.database}, load {figures.load:.1f}",
        f"rows   {rows}",
        f"{'screen':45} {'sees':10} {'p50 ms':>8} {'p95 ms':>8} {'may be':>8}",
    ]
    lines += [
        f"{item.name:45} {item.person:10} {item.p50_ms:8.0f} {item.p95_ms:8.0f} {item.limit_ms:8}"
        for item in figures.screens
    ]
    live = figures.live
    lines += [
        f"slower at the median than they may be: {', '.join(figures.slow) or 'none'}",
        f"live   {live.clients} clients, {live.recorded_per_s:.0f} receipts/s: {live.cores:.2f} cores of the router",
        f"       {live.idle_cores:.2f} cores at the same rate with nobody watching",
        f"cut    {live.cut_s:.0f} s, {live.recorded_while_cut:,} receipts: {live.lost} lost, {live.doubled} doubled",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
