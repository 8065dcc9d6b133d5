"""Letters over an emulated dial-up line: what travels, how long it takes, and what the plan had said beforehand.

``python -m tests.benchmarks.compression_line`` sends, one after the other to an idle line of 33.6 kbit/s that does not
drop: three letters from one template, a text, a PDF. The line is emulated in network namespaces (:mod:`rig.tun`), the
product on it is real. The plan is asked for just before; it counts bytes, not round trips, so it is the shorter.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benchmarks.compression import docx, pdf, text  # noqa: E402 - the folders above have to be importable first
from consumers.reading.inbox import list_inbox  # noqa: E402
from consumers.spool import Spool, open_spool  # noqa: E402
from rig.namespaces import NoNamespacesError  # noqa: E402
from rig.profiles import PROFILES  # noqa: E402
from rig.site import gateway_at, hook_at, site  # noqa: E402
from rig.tun import tun_rig  # noqa: E402
from schemas.accounts import Role  # noqa: E402
from schemas.clock import now_ms  # noqa: E402
from schemas.states import Status  # noqa: E402
from schemas.unit import Link  # noqa: E402
from support.commit import commit  # noqa: E402
from support.installation import Installation  # noqa: E402
from support.ledgers import unit  # noqa: E402
from support.uploads import submit  # noqa: E402

CODE = "LCA.01"
SEED = 1
WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Row:
    """One document: its bytes, those that travel, the seconds that were planned and those that it took."""

    name: str
    size: int
    travels: int
    planned: float
    took: float


def main() -> int:
    """Measure and print; 2 when lines cannot be emulated here."""
    documents = {"letter 1": docx(1), "letter 2": docx(2), "letter 3": docx(3), "text": text(1), "PDF": pdf(1)}
    try:
        with _installation() as (made, spool):
            rows = [_send(made, spool, name, data) for name, data in documents.items()]
    except NoNamespacesError as error:
        print(f"a line cannot be emulated here: {error}", file=sys.stderr)
        return 2
    print(f"commit {commit()}, profile C (33.6 kbit/s, no drops), seed {SEED}")
    print(f"{'':10}{'bytes':>10}{'travels':>10}{'planned':>10}{'took':>10}")
    for row in rows:
        print(f"{row.name:10}{row.size:10,}{row.travels:10,}{row.planned:8.1f} s{row.took:8.1f} s")
    return 0


@contextlib.contextmanager
def _installation() -> Iterator[tuple[Installation, Spool]]:
    """Broker and router at the hub, a gateway that has connected behind the line."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="congvan-line-")))
        rig = stack.enter_context(tun_rig(1))
        made = stack.enter_context(site(directory, rig, [unit("LCA"), unit(CODE, Link.DIALUP)], [CODE]))
        line = rig.lines[0]
        line.start(PROFILES["C"], SEED, payload_ports=[made.port])
        program = gateway_at(made, line, CODE)
        line.on_change = hook_at(made, CODE)
        program.start()
        made.wait_until_seen([CODE])
        spool = open_spool(Path(program.environment["CONGVAN_GATEWAY_DATA_DIR"]))
        try:
            yield made, spool
        finally:
            line.on_change = lambda _: None
            spool.close()
            program.stop()


def _send(made: Installation, spool: Spool, name: str, data: bytes) -> Row:
    sha256 = hashlib.sha256(data).hexdigest()
    _ask(made, "PUT", f"/content/{sha256}", data, "application/octet-stream")
    listed = {"name": f"{name}.bin", "size": len(data), "sha256": sha256}
    letter = {"notation": name, "subject": name, "issuer": "LCA", "addressees": [CODE], "attachments": [listed]}
    (planned,) = _ask(made, "POST", "/api/v1/dispatches/plan", json.dumps(letter).encode(), "application/json")["units"]
    began = now_ms()
    submit(made, CODE, name, data)
    arrived = _arrival(spool, name)
    return Row(name, len(data), planned["bytes"], planned["seconds"], (arrived - began) / 1000)


def _arrival(spool: Spool, name: str) -> int:
    """When a letter had arrived (UTC ms), and the ledger has had time to learn of it."""
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        for entry in list_inbox(spool):
            if entry.notation == name and entry.state is Status.ARRIVED:
                time.sleep(5)
                return entry.state_at
        time.sleep(0.05)
    raise AssertionError(f"{name} did not arrive within {WITHIN:.0f} s")


def _ask(made: Installation, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}", "Content-Type": kind}
    request = urllib.request.Request(f"{made.api}{path}", body, headers, method=method)  # noqa: S310 - http, ours
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        told: dict[str, Any] = json.loads(answer.read())
        return told


if __name__ == "__main__":
    sys.exit(main())
