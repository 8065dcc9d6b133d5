"""``python -m tests.faults.thin_line --runs 200``: seeded runs on a line that drops, and the counts."""

import argparse
import json
import sys
import tempfile
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

BATCH = 5
"""Runs that share an installation."""
TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults.thin_line.batch import run_batch  # noqa: E402 - the folders above have to be importable first
from faults.thin_line.crowd import crowd  # noqa: E402
from faults.thin_line.ground import Count  # noqa: E402
from support.broker import PatientNode  # noqa: E402
from support.commit import commit  # noqa: E402
from support.counting import log_to_stderr  # noqa: E402


def main() -> int:
    """Run as the arguments say; 1 when a document was lost, doubled, wrong, or a drop counted as an attempt."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.thin_line", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--crowd", action="store_true", help="105 gateways at once instead")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time; most of a run is waiting")
    options = parser.parse_args()
    if options.crowd:
        log_to_stderr()
        return run_crowd()
    seeds = range(options.first, options.first + options.runs)
    batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), log_to_stderr) as pool:
        running = [pool.submit(run_batch, batch) for batch in batches]
        counts = [
            show(count, as_json=options.json)
            for batch, one in zip(batches, running, strict=True)
            for count in settled(batch, one)
        ]
    print(summary(counts), file=sys.stderr)
    return 0 if len(counts) == options.runs and all(count.clean for count in counts) else 1


def settled(seeds: Sequence[int], running: Future[list[Count]]) -> list[Count]:
    """Wait for a batch; one that comes to no end keeps no other from being run."""
    if (error := running.exception()) is not None:
        print(f"the batch of seeds {seeds[0]} to {seeds[-1]} came to no end", file=sys.stderr)
        traceback.print_exception(error)
        return []
    return running.result()


def run_crowd() -> int:
    """105 gateways at once; 1 when a document did not arrive or the router's memory grew."""
    with tempfile.TemporaryDirectory(prefix="congvan-crowd-") as name:
        node = PatientNode(Path(name) / "node")
        try:
            found = crowd(Path(name), node)
        finally:
            node.kill()
    print(json.dumps(asdict(found) | {"growth": round(found.growth, 3), "commit": commit()}))
    return 0 if found.clean else 1


def show(count: Count, *, as_json: bool) -> Count:
    """Print a count and hand it on."""
    fields = asdict(count)
    print(json.dumps(fields) if as_json else "  ".join(f"{key}={value}" for key, value in fields.items()), flush=True)
    return count


def summary(counts: list[Count]) -> str:
    """All runs in one line."""
    names = ("documents", "lost", "twice", "wrong", "attempts", "parked")
    totals = ", ".join(f"{sum(getattr(count, name) for count in counts)} {name}" for name in names)
    return f"commit {commit()}: {len(counts)} runs, {totals}"


if __name__ == "__main__":
    sys.exit(main())
