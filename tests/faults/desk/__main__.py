"""``python -m tests.faults.desk --acts 2000``: a desk that is killed in the midst of every act, and the counts.

With ``--sending 100`` so many documents are sent instead, desk and gateway killed meanwhile.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults.desk.ground import run  # noqa: E402 - the folders above have to be importable first
from faults.desk.sending_ground import run_sending  # noqa: E402
from support.commit import commit  # noqa: E402


def main() -> int:
    """Run as the arguments say; 1 when anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.desk", description=__doc__)
    parser.add_argument("--acts", type=int, default=200, help="how many forms are sent")
    parser.add_argument("--documents", type=int, default=50, help="how many documents there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sending", type=int, default=0, help="send so many documents instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="congvan-desk-") as name:
        if options.sending:
            sent = asyncio.run(run_sending(Path(name), options.seed, options.sending))
            print(json.dumps(asdict(sent)))
            return 1 if sent.wrong else 0
        count = asyncio.run(run(Path(name), options.seed, options.acts, options.documents))
    print(json.dumps(asdict(count)))
    print(f"commit {commit()}: {count.acts} acts, {len(count.wrong)} things wrong", file=sys.stderr)
    return 0 if count.clean else 1


if __name__ == "__main__":
    sys.exit(main())
