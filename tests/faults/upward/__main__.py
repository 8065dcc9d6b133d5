"""``python -m tests.faults.upward --runs 20``: documents that units send, on a line that drops, and the counts."""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults.upward.ground import Count, ground, run  # noqa: E402 - the folders above have to be importable first
from support.broker import PatientNode, empty_vhost  # noqa: E402
from support.commit import commit  # noqa: E402


def main() -> int:
    """Run as the arguments say; 1 when a document was lost, submitted twice, wrong or rejected."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.upward", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.runs)
    with tempfile.TemporaryDirectory(prefix="congvan-upward-") as name:
        node = PatientNode(Path(name) / "node")
        try:
            with empty_vhost(node) as vhost, ground(Path(name), vhost) as laid:
                counts = [show(asyncio.run(run(laid, seed)), as_json=options.json) for seed in seeds]
        finally:
            node.kill()
    names = ("documents", "lost", "twice", "wrong", "rejected")
    totals = ", ".join(f"{sum(getattr(count, name) for count in counts)} {name}" for name in names)
    print(f"commit {commit()}: {len(counts)} runs, {totals}", file=sys.stderr)
    return 0 if all(count.clean for count in counts) else 1


def show(count: Count, *, as_json: bool) -> Count:
    """Print a count and hand it on."""
    fields = asdict(count)
    print(json.dumps(fields) if as_json else "  ".join(f"{key}={value}" for key, value in fields.items()), flush=True)
    return count


if __name__ == "__main__":
    sys.exit(main())
