"""The figures of a thin line beside the yardsticks: ``python -m tests.benchmarks.thin_line --profile A --seeds 1,2,3``.

| id | figure |
|---|---|
| G | goodput: verified payload bits / (line rate * seconds the line stood); the headers leave 0.961 |
| U | an urgent document published in the middle of the transfer → verified in the sink, in seconds |
| F | the same → its flash text can be read in the inbox, in seconds |
| W | bytes sent again per drop, the new connections' set-up among them |
| S | the line is up → first new byte of payload, in seconds |
| O | the same, published while the line is down: the line is back → its flash text can be read, in seconds |
| R | a document is verified → the broker has confirmed its receipt, in seconds |

The line is emulated in network namespaces (:mod:`rig.tun`), the product on it is real. Thin lines run side by side, as
the machine is idle then; fast ones one after the other.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benchmarks.thin_contenders import CONTENDERS, Congvan, CongvanInUse, Contender, Trial  # noqa: E402 - the folders come first
from benchmarks.thin_trial import Figures, Plan, Seen, figures_of  # noqa: E402
from rig.namespaces import NoNamespacesError  # noqa: E402
from rig.profiles import PROFILES, Profile  # noqa: E402
from rig.site import site, tls_in  # noqa: E402
from rig.tun import TunRig, tun_rig  # noqa: E402
from schemas.unit import Link  # noqa: E402
from support.commit import commit  # noqa: E402
from support.ledgers import unit  # noqa: E402

BULK, URGENT = 5_000_000, 60_000
FAST_BULK, FAST_URGENT = 300_000, 20_000
SIZES = {"D": (5_000_000, 60_000), "E": (60_000_000, 60_000)}
"""Documents of lines that are not thin, in bytes: the large one, the urgent one."""

_DESK_MAY_COST = {"goodput": 0.97, "urgent": 1.15}
"""Shares of the figures without a desk."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure: its id, what it is called, its field in Figures, its targets by profile, whether more is better."""

    id: str
    title: str
    field: str
    targets: dict[str, float]
    form: str = "{:.1f} s"
    more: bool = False

    def meets(self, value: float, target: float) -> bool:
        """Whether a value is as good as a target."""
        return value >= target if self.more else value <= target

    @property
    def worst(self) -> Callable[[Sequence[float]], float]:
        """Picks the worst of several values."""
        return min if self.more else max


METRICS = (
    Metric("G", "goodput", "goodput", {"A": 0.92, "C": 0.93, "A by TLS": 0.87}, "{:.3f}", more=True),
    Metric("U", "urgent verified", "urgent", {"A": 20.0, "A by TLS": 22.0}),
    Metric("F", "flash text readable", "flash", {"A": 3.0, "A by TLS": 3.0}),
    Metric("W", "sent again per drop", "again", {"A": 8192 + 1500}, "{:.0f} B"),
    Metric("S", "up to first byte", "first_byte", {"A": 4.0}),
    Metric("O", "after an outage", "outage", {"A": 30.0, "A by TLS": 30.0}),
    Metric("R", "receipt confirmed", "receipt", {"A": 3.0}),
)


def main() -> int:
    """Measure as the arguments say; 1 when a target is missed, 2 when lines cannot be emulated here."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.thin_line", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="A")
    parser.add_argument("--seeds", default="1", help="as 1,2,3")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--bulk", type=int, default=0, help="bytes of the large document instead of the profile's")
    parser.add_argument("--tls", action="store_true", help="content by TLS as nginx serves it, AMQP by TLS")
    parser.add_argument("--fast", action="store_true", help="300 kB in under three minutes, judged against curl")
    parser.add_argument("--desk", action="store_true", help="also with a desk whose clerk looks at a page every second")
    parser.add_argument("--only", action="append", choices=[item.name for item in CONTENDERS], help="may be repeated")
    parser.add_argument("--keep", type=Path, help="work in this directory and leave spools and logs there")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    plans = [plan_for(PROFILES[options.profile], seed, fast=options.fast) for seed in seeds]
    plans = [replace(plan, bulk=options.bulk or plan.bulk) for plan in plans]
    chosen = [item for item in CONTENDERS if not options.only or item.name in options.only]
    chosen = [item for item in chosen if options.desk or item is not CongvanInUse]
    try:
        seen = measure(plans, chosen, options.keep, encrypted=options.tls)
    except NoNamespacesError as error:
        print(f"a line cannot be emulated here: {error}", file=sys.stderr)
        return 2
    found = {item.name: figures_of([one for one in seen if one.contender == item.name]) for item in chosen}
    profile = options.profile + (" by TLS" if options.tls else "")
    missed = [] if "congvan" not in found else judge_fast(found) if options.fast else judge(found, profile)
    missed += judge_desk(found)
    heading = {"commit": commit(), "profile": profile, "seeds": seeds, "bulk": plans[0].bulk, "missed": missed}
    if options.json:
        print(json.dumps(heading | {"figures": {name: asdict(figures) for name, figures in found.items()}}))
    else:
        print(table(heading, found, profile))
    return 1 if missed else 0


def plan_for(profile: Profile, seed: int, *, fast: bool) -> Plan:
    """What is carried; the fast version drops oftener, so that 300 kB see two drops."""
    if fast:
        drops = profile.up_for and (30.0, 40.0)
        return Plan(replace(profile, up_for=drops, redial=5.0), seed, FAST_BULK, FAST_URGENT, 1)
    bulk, urgent = SIZES.get(profile.name, (BULK, URGENT))
    return Plan(profile, seed, bulk, urgent, 3 if profile.thin else 1)


def measure(
    plans: Sequence[Plan], chosen: Sequence[type[Contender]], keep: Path | None = None, *, encrypted: bool = False
) -> list[Seen]:
    """Run every contender with every plan."""
    count = len(plans) * len(chosen)
    codes = [f"LCA.{number:02d}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        directory = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="congvan-thin-")))
        rig: TunRig = stack.enter_context(tun_rig(count))
        units = [unit("LCA"), *(unit(code, Link.DIALUP) for code in codes)]
        tls = tls_in(directory / "tls", rig) if encrypted else None
        made = stack.enter_context(site(directory, rig, units, codes, tls=tls))
        trials = [
            (kind, Trial(made, rig.lines[number], plan, codes[number], tls))
            for number, (plan, kind) in enumerate((plan, kind) for plan in plans for kind in chosen)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(count if plans[0].profile.thin else 1))
        return list(pool.map(lambda given: given[0](given[1]).run(), trials))


def judge(found: dict[str, Figures], profile: str) -> list[str]:
    """The targets that are missed, in words."""
    ours = found["congvan"]
    missed = ["documents that never came"] if ours.unfinished else []
    for metric in METRICS:
        value, target = ours.median(metric.field), metric.targets.get(profile)
        if target is not None and (value is None or not metric.meets(value, target)):
            missed.append(f"{metric.id} {value} instead of {target}")
    if profile == "E" and "curl -C -" in found:
        share = (ours.median("goodput") or 0) / (found["curl -C -"].median("goodput") or 1)
        missed += [f"G is {share:.2f} of curl's instead of 0.80"] if share < 0.8 else []
    return missed


def judge_fast(found: dict[str, Figures]) -> list[str]:
    """The same as ratios to curl on the same line, so that they hold for small documents, too."""
    ours, curls = found["congvan"], found.get("curl -C -", Figures())
    ratios = {"goodput": 0.9, "urgent": 0.6, "flash": 0.35, "again": 1.0}
    missed = ["documents that never came"] if ours.unfinished else []
    for metric in METRICS:
        mine, theirs = ours.median(metric.field), curls.median(metric.field)
        share = ratios.get(metric.field)
        if share is not None and mine is not None and theirs and not metric.meets(mine, share * theirs):
            missed.append(f"{metric.id} is {mine / theirs:.2f} of curl's instead of {share}")
    return missed


def judge_desk(found: dict[str, Figures]) -> list[str]:
    """What a desk in use costs its gateway's transfers beyond what differs from run to run."""
    alone, beside = found.get(Congvan.name), found.get(CongvanInUse.name)
    if alone is None or beside is None:
        return []
    missed = ["documents that never came beside the desk"] if beside.unfinished else []
    for metric in METRICS:
        share = _DESK_MAY_COST.get(metric.field)
        mine, other = beside.median(metric.field), alone.median(metric.field)
        if share is not None and mine is not None and other and not metric.meets(mine, share * other):
            missed.append(f"{metric.id} beside the desk is {mine / other:.2f} of that without it instead of {share}")
    return missed


def table(heading: dict[str, object], found: dict[str, Figures], profile: str) -> str:
    """Medians, the worst behind them."""
    line = PROFILES[profile.partition(" ")[0]]
    rows = [["", "target", *found]]
    for metric in METRICS:
        target = metric.targets.get(profile)
        rows.append(
            [
                f"{metric.id}  {metric.title}",
                ("≥ " if metric.more else "≤ ") + metric.form.format(target) if target is not None else "",
                *(_cell(metric, figures) for figures in found.values()),
            ]
        )
    rows.append(["   never came", "0", *(str(figures.unfinished) for figures in found.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    body = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rates = f"{line.down_rate / 1000:g}/{line.up_rate / 1000:g} kbit/s, {line.rtt * 1000:g} ms, {line.loss:.1%} loss"
    first = f"commit {heading['commit']}, profile {profile} ({rates}), "
    first += f"seeds {heading['seeds']}, {heading['bulk']} bytes"
    return "\n".join([first, "median (worst)", *body, f"missed: {heading['missed'] or 'nothing'}"])


def _cell(metric: Metric, figures: Figures) -> str:
    value, worst = figures.median(metric.field), figures.worst(metric.field, metric.worst)
    if value is None or worst is None:
        return "-"
    return f"{metric.form.format(value)} ({metric.form.format(worst)})"


if __name__ == "__main__":
    sys.exit(main())
