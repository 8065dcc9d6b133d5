"""``python -m tests.faults.desk --acts 2000``: desk and gateway killed in the midst of every act, and the counts.

With ``--days 30`` the gateway is without the network for so long; with ``--sending 100`` so many documents are sent.
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

from faults.desk.ground import Count, run  # noqa: E402 - the folders above have to be importable first
from faults.desk.month import run_month  # noqa: E402
from faults.desk.sending_ground import run_sending  # noqa: E402
from faults.desk.test_desk_faults import UNITS  # noqa: E402
from support.broker import PatientNode, empty_vhost  # noqa: E402
from support.commit import commit  # noqa: E402
from support.installation import Installation, installation  # noqa: E402


def main() -> int:
    """Run as the arguments say; 1 when anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.desk", description=__doc__)
    parser.add_argument("--acts", type=int, default=200, help="how many forms are sent")
    parser.add_argument("--documents", type=int, default=50, help="how many documents there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=0, help="instead: a line that is down so many days")
    parser.add_argument("--sending", type=int, default=0, help="instead: send so many documents")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="congvan-desk-") as name:
        if options.sending:
            sent = asyncio.run(run_sending(Path(name), options.seed, options.sending))
            print(json.dumps(asdict(sent)))
            return 1 if sent.wrong else 0
        node = PatientNode(Path(name) / "node")
        try:
            with empty_vhost(node) as vhost, installation(Path(name) / "office", vhost, UNITS) as made:
                count = asyncio.run(_run(made, options))
        finally:
            node.kill()
    print(json.dumps(asdict(count)))
    told = f"{count.acts} acts, {count.receipts} receipts, {count.recorded} recorded, {len(count.wrong)} things wrong"
    print(f"commit {commit()}, seed {count.seed}: {told}", file=sys.stderr)
    return 0 if count.clean else 1


async def _run(made: Installation, options: argparse.Namespace) -> Count:
    if options.days:
        return await run_month(made, options.seed, days=options.days, acts=options.acts, documents=options.documents)
    return await run(made, options.seed, options.acts, options.documents)


if __name__ == "__main__":
    sys.exit(main())
