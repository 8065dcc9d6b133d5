"""What a unit sends over a thin line: ``python -m tests.benchmarks.upward_line --profile A --seeds 1,2``.

| id | figure |
|---|---|
| G | goodput: payload bits that are at the router / (line rate * seconds the line stood); the headers leave 0.961 |
| U | an urgent document put into the outbox in the middle of a large one's transfer → accepted, in seconds |

With ``--both`` a document of the same size comes down for each that goes up, at the same time, and both directions are
measured: how fairly they share the line, and whether the urgent is first in both.

As :mod:`benchmarks.thin_line`: lines emulated in network namespaces, the product on them real, in real time.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benchmarks.thin_contenders import Congvan, Trial  # noqa: E402 - the folders come first
from benchmarks.thin_trial import Figures, Plan, Sent, figures_of  # noqa: E402
from consumers.spool import sending  # noqa: E402
from rig.namespaces import NoNamespacesError  # noqa: E402
from rig.profiles import PROFILES  # noqa: E402
from rig.site import site, tls_in  # noqa: E402
from rig.tun import tun_rig  # noqa: E402
from schemas.clock import now_ms  # noqa: E402
from schemas.stages import Stage  # noqa: E402
from schemas.unit import Link  # noqa: E402
from support.commit import commit  # noqa: E402
from support.ledgers import unit  # noqa: E402
from support.outboxes import put_out  # noqa: E402

BULK, URGENT, URGENTS = 1_000_000, 60_000, 2


class Upward(Congvan):
    """A gateway with the product's own defaults, whose people put documents into its outbox."""

    name = "congvan upward"

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A gateway that has connected."""
        with super().at_work():
            self._outbox = self._spool.path.parent / "outbox"
            yield

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:
        """Put it into the outbox."""
        letter = {"notation": name, "subject": name, "addressees": ["LCA"], "urgency": 2 if urgent else 0}
        put_out(self._outbox, name, {"scan.bin": content}, **letter)

    def look(self) -> None:
        """Read the list of the outbox as ``congvan gateway outbox`` does."""
        with self._spool.reading() as conn:
            accepted = {item.name: item.state_at for item in sending.listed(conn, stages=[Stage.ACCEPTED], limit=50)}
        for item in self.sent:
            item.verified = item.confirmed = accepted.get(item.name, 0)


class BothWays(Upward):
    """The same, while as much comes down."""

    name = "congvan both ways"

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        self.coming: list[Sent] = []

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:
        """Put it into the outbox, and send as much from the hub."""
        super().hand_in(name, content, urgent=urgent)
        Congvan.hand_in(self, f"down {name}", content[::-1], urgent=urgent)
        self.coming.append(Sent(f"down {name}", len(content), urgent, now_ms()))

    def look(self) -> None:
        """Read the outbox and the inbox."""
        super().look()
        self.look_for(self.coming)

    def done(self) -> bool:
        """Whether everything has gone and everything has come."""
        return super().done() and all(item.verified for item in self.coming)


def main() -> int:
    """Measure as the arguments say; 1 when a document never arrived, 2 when lines cannot be emulated here."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.upward_line", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="A")
    parser.add_argument("--seeds", default="1", help="as 1,2,3")
    parser.add_argument("--bulk", type=int, default=BULK, help="bytes of the large document")
    parser.add_argument("--both", action="store_true", help="as much comes down at the same time")
    parser.add_argument("--tls", action="store_true", help="content by TLS as nginx serves it, AMQP by TLS")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    plans = [Plan(PROFILES[options.profile], seed, options.bulk, URGENT, URGENTS) for seed in seeds]
    try:
        found = measure(plans, BothWays if options.both else Upward, encrypted=options.tls)
    except NoNamespacesError as error:
        print(f"a line cannot be emulated here: {error}", file=sys.stderr)
        return 2
    show(
        found,
        {"commit": commit(), "profile": options.profile, "tls": options.tls, "seeds": seeds, "bulk": options.bulk},
        options.json,
    )
    return 1 if any(figures.unfinished for figures in found.values()) else 0


def measure(plans: Sequence[Plan], kind: type[Upward], *, encrypted: bool = False) -> dict[str, Figures]:
    """Run every plan, side by side; the figures of each direction."""
    codes = [f"LCA.{number:02d}" for number in range(len(plans))]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="congvan-upward-")))
        rig = stack.enter_context(tun_rig(len(plans)))
        units = [unit("LCA"), *(unit(code, Link.DIALUP) for code in codes)]
        tls = tls_in(directory / "tls", rig) if encrypted else None
        made = stack.enter_context(site(directory, rig, units, codes, tls=tls))
        trials = [Trial(made, rig.lines[number], plan, codes[number], tls) for number, plan in enumerate(plans)]
        pool = stack.enter_context(ThreadPoolExecutor(len(plans)))
        contenders = [kind(trial) for trial in trials]
        up = list(pool.map(lambda contender: contender.run(), contenders))
    found = {"up": figures_of(up)}
    if kind is BothWays:
        found["down"] = figures_of([replace(seen, sent=one.coming) for seen, one in zip(up, contenders, strict=True)])  # type: ignore[attr-defined]
    return found


def show(found: dict[str, Figures], heading: dict[str, object], as_json: bool) -> None:  # noqa: FBT001 - an option
    """Print every observation."""
    if as_json:
        names = ("goodput", "urgent", "unfinished")
        print(json.dumps(heading | {way: {name: getattr(it, name) for name in names} for way, it in found.items()}))
        return
    print(", ".join(f"{name} {value}" for name, value in heading.items()))
    for way, figures in found.items():
        print(f"G  goodput {way:<10}" + "  ".join(f"{value:.3f}" for value in figures.goodput))
        print(f"U  urgent {way:<11}" + "  ".join(f"{value:.1f} s" for value in figures.urgent))
        print(f"   never came {way:<7}{figures.unfinished}")


if __name__ == "__main__":
    sys.exit(main())
