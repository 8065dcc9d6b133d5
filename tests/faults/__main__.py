"""``python -m tests.faults --seeds 20``: every fault with every seed, and the counts."""

import argparse
import json
import sys
import tempfile
import traceback
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults.ground import Count  # noqa: E402 - the folders above have to be importable first
from faults.scenarios import SCENARIOS  # noqa: E402
from faults.worker import begin, trial  # noqa: E402
from support.commit import commit  # noqa: E402


def main() -> int:
    """Run as the arguments say; 1 when anything was lost, doubled, wrong or disagreeing."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", choices=sorted(SCENARIOS), action="append", help="this fault; may be repeated")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time; most of a fault is waiting")
    options = parser.parse_args()
    seeds, faults = range(options.first, options.first + options.seeds), options.only or list(SCENARIOS)
    pairs = [(fault, seed) for seed in seeds for fault in faults]
    with (
        tempfile.TemporaryDirectory(prefix="congvan-faults-", ignore_cleanup_errors=True) as directory,
        ProcessPoolExecutor(options.jobs, get_context("spawn"), begin, (directory,)) as pool,
    ):
        running = [pool.submit(trial, *pair) for pair in pairs]
        counts = [settled(*pair, one, as_json=options.json) for pair, one in zip(pairs, running, strict=True)]
    bad = sum(count is None or not count.clean for count in counts)
    deliveries = sum(count.deliveries for count in counts if count)
    print(
        f"commit {commit()}: {len(counts)} runs, {deliveries} deliveries, "
        f"{bad} with a loss, a double, a wrong byte, a disagreement or no end",
        file=sys.stderr,
    )
    return 1 if bad else 0


def settled(fault: str, seed: int, running: Future[Count], *, as_json: bool) -> Count | None:
    """Wait for a run and print what it found; None: it came to no end, which keeps no other from being run."""
    if (error := running.exception()) is not None:
        print(f"fault={fault} seed={seed} came to no end", file=sys.stderr)
        traceback.print_exception(error)
        return None
    return show(running.result(), as_json=as_json)


def show(count: Count, *, as_json: bool) -> Count:
    """Print a count and hand it on."""
    fields = asdict(count)
    if as_json:
        print(json.dumps(fields), flush=True)
    else:
        print("  ".join(f"{name}={value}" for name, value in fields.items()), flush=True)
    return count


if __name__ == "__main__":
    sys.exit(main())
