"""Deliveries per second from submission to the receipt committed in the ledger, beside the yardsticks.

``python -m tests.benchmarks.throughput`` runs, interleaved and against one broker, so that all see the same machine:

- the bare loop: the same two messages per delivery through pika, tuned by hand, with group commits of the same rows
  (:mod:`bare_loop`);
- congvan: real processes, submissions by the AMQP door, a gateway that hosts ten units and keeps what it takes;
- the textbook version: a blocking publish, a commit and an ack for every message (:mod:`textbook`).

All on quorum queues with publisher confirms and SQLite with ``synchronous=FULL`` at both ends. It prints rates, their
ratios (medians over the rounds), CPU per 1,000 deliveries by process, memory, and the latency at 100 deliveries/s.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import pika  # noqa: E402 - the folders above have to be importable first
import psutil  # noqa: E402
from sqlalchemy import func, select  # noqa: E402

from benchmarks import bare_loop, textbook  # noqa: E402
from router.broker import Outgoing, PublishOutcome, Session, Template  # noqa: E402
from router.broker.node import NodeAddress  # noqa: E402
from router.ledger.engine import reading  # noqa: E402
from router.ledger.models import delivery, dispatch, receipt  # noqa: E402
from schemas.accounts import Role  # noqa: E402
from schemas.clock import now_ms  # noqa: E402
from schemas.dispatch import Submission  # noqa: E402
from support.broker import Vhost, fresh_vhost, shared_node  # noqa: E402
from support.commit import commit  # noqa: E402
from support.installation import Installation, Program, installation  # noqa: E402
from support.ledgers import unit  # noqa: E402

UNITS = [f"LCA.{number:02d}" for number in range(1, 11)]
BODY_BYTES = 2000
_TEXTBOOK_DISPATCHES = 40
_ENVIRONMENT = {"PYTHONPATH": str(TESTS), "PATH": "/usr/bin:/bin"}


@dataclass(slots=True)
class Figures:
    """What one run of the benchmark found."""

    commit: str
    deliveries_per_s: float = 0.0
    ratio_to_loop: float = 0.0
    ratio_to_textbook: float = 0.0
    loop_per_s: float = 0.0
    textbook_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    lost: int = 0
    duplicated: int = 0
    memory_growth: float = 0.0
    """Resident memory of router and gateway at the end of all rounds, as a multiple of that after the first."""
    cpu_s_per_1000: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Run as the arguments say and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.throughput", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quick", action="store_true", help="one short round, done in a minute")
    parser.add_argument("--rounds", type=int, default=3, help="how often the contenders take turns")
    parser.add_argument("--dispatches", type=int, default=1000, help="dispatches of 2 kB to 10 units each")
    options = parser.parse_args()
    rounds, dispatches, seconds = (1, 500, 8) if options.quick else (options.rounds, options.dispatches, 30)
    with contextlib.redirect_stdout(sys.stderr):
        figures = measure(rounds, dispatches, seconds)
    print(json.dumps(asdict(figures)) if options.json else _table(figures))


def measure(rounds: int, dispatches: int, paced_seconds: int) -> Figures:
    """All contenders in turn, ``rounds`` times over, then congvan at 100 deliveries/s."""
    figures = Figures(commit())
    loops, ours, books, memory = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="congvan-bench-") as name, shared_node(Path(name) / "node") as node:
        directory = Path(name)
        with fresh_vhost(node) as vhost, _running(directory, vhost) as running:
            for number in range(rounds):
                loops.append(_loop(directory / f"loop-{number}", node, dispatches))
                ours.append(asyncio.run(running.burst(f"round-{number}", dispatches)))
                memory.append(running.memory())
                books.append(_textbook(directory / f"textbook-{number}", node))
            latencies = asyncio.run(running.paced(paced_seconds))
            figures.lost, figures.duplicated = running.lost_and_duplicated()
            figures.cpu_s_per_1000 = running.cpu_per_1000
    figures.loop_per_s, figures.deliveries_per_s = statistics.median(loops), statistics.median(ours)
    figures.textbook_per_s = statistics.median(books)
    figures.ratio_to_loop = statistics.median(mine / loop for mine, loop in zip(ours, loops, strict=True))
    figures.ratio_to_textbook = statistics.median(mine / book for mine, book in zip(ours, books, strict=True))
    figures.memory_growth = memory[-1] / memory[0]
    figures.p50_ms, figures.p99_ms = (statistics.quantiles(latencies, n=100)[rank] for rank in (49, 98))
    return figures


@dataclass(slots=True)
class Running:
    """congvan's processes while they are measured."""

    made: Installation
    router: Program
    gateway: Program
    sent: int = 0
    cpu_per_1000: dict[str, float] = field(default_factory=dict)

    async def burst(self, name: str, dispatches: int) -> float:
        """Submit all at once; deliveries per second from the first submission to the last receipt's commit."""
        bodies = [_submission(f"{name}-{number}") for number in range(dispatches)]
        before = self._cpu()
        async with self._upstream() as publisher:
            started = now_ms()
            outcomes = await publisher.publish([_message(f"{name}-{i}", body) for i, body in enumerate(bodies)])
        assert set(outcomes) == {PublishOutcome.CONFIRMED}
        self.sent += dispatches * len(UNITS)
        await asyncio.to_thread(self.made.wait, self._all_arrived, f"{self.sent} arrived", 300)
        seconds = (self._last_recorded() - started) / 1000
        used = self._cpu()
        self.cpu_per_1000 = {
            part: round((used[part] - before[part]) / dispatches / len(UNITS) * 1000, 3) for part in used
        }
        return dispatches * len(UNITS) / seconds

    async def paced(self, seconds: int) -> list[float]:
        """Ten dispatches a second to ten units; milliseconds from each submission to each receipt's commit."""
        sent: dict[str, int] = {}
        async with self._upstream() as publisher:
            started = time.monotonic()
            for number in range(seconds * 10):
                await asyncio.sleep(max(0.0, started + number / 10 - time.monotonic()))
                sent[f"paced-{number}"] = now_ms()
                await publisher.publish([_message(f"paced-{number}", _submission(f"paced-{number}"))])
        self.sent += len(sent) * len(UNITS)
        await asyncio.to_thread(self.made.wait, self._all_arrived, f"{self.sent} arrived", 120)
        recorded = (
            select(dispatch.c.idempotency_key, receipt.c.recorded_at)
            .join(delivery, delivery.c.dispatch_id == dispatch.c.id)
            .join(receipt, receipt.c.delivery_id == delivery.c.id)
            .where(receipt.c.status == "arrived", dispatch.c.idempotency_key.like("paced-%"))
        )
        with reading(self.made.engine) as connection:
            return [float(at - sent[key]) for key, at in connection.execute(recorded)]

    def memory(self) -> int:
        """Resident bytes of router and gateway."""
        return sum(psutil.Process(program.pid).memory_info().rss for program in (self.router, self.gateway))

    def lost_and_duplicated(self) -> tuple[int, int]:
        """Deliveries that never arrived, and those recorded as arrived more than once."""
        arrivals = select(receipt.c.delivery_id, func.count().label("times")).where(receipt.c.status == "arrived")
        counted = arrivals.group_by(receipt.c.delivery_id).subquery()
        with reading(self.made.engine) as connection:
            arrived = connection.scalar(select(func.count()).select_from(counted)) or 0
            twice = connection.scalar(select(func.count()).select_from(counted).where(counted.c.times > 1)) or 0
        return self.sent - arrived, twice

    @contextlib.asynccontextmanager
    async def _upstream(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a publisher
        token = self.made.account(Role.ISSUER, "LCA.#")
        session = Session(self.made.vhost.amqp_url, user="issuer:LCA.#", password=token, name="upstream")
        await session.start()
        await session.ready(60)
        try:
            yield session.publisher()
        finally:
            await session.close()

    def _all_arrived(self) -> bool:
        return self.made.states().get("arrived", 0) >= self.sent

    def _last_recorded(self) -> int:
        with reading(self.made.engine) as connection:
            return connection.scalar(select(func.max(receipt.c.recorded_at)).where(receipt.c.status == "arrived")) or 0

    def _cpu(self) -> dict[str, float]:
        broker = [item for item in psutil.Process().children(recursive=True) if item.name() == "beam.smp"]
        parts = {"router": [psutil.Process(self.router.pid)], "gateway": [psutil.Process(self.gateway.pid)]}
        return {name: sum(map(_seconds, group)) for name, group in (parts | {"broker": broker}).items()}


@contextlib.contextmanager
def _running(directory: Path, vhost: Vhost) -> Iterator[Running]:
    units = [unit("LCA"), *(unit(code) for code in UNITS)]
    with installation(directory, vhost, units) as made:
        made.account(Role.ISSUER, "LCA.#")
        gateway = made.gateway("LCA.#", sink="none")
        router = made.router()
        router.start()
        made.wait_until_ready()
        gateway.start()
        made.wait_until_seen(UNITS)
        yield Running(made, router, gateway)


def _submission(subject: str) -> bytes:
    """A submission whose message to each unit is 2 kB."""
    letter = Submission(
        notation="1-CV/TU", subject=subject, issuer="LCA", addressees=("LCA.*",), flash_text="x" * (BODY_BYTES - 250)
    )
    return letter.model_dump_json(exclude_defaults=True).encode()


def _message(key: str, body: bytes) -> Outgoing:
    return Outgoing(Template("intake", "submission", body), "intake", key)


def _loop(directory: Path, node: NodeAddress, dispatches: int) -> float:
    with _yardstick(directory, node) as url:
        common = [url, str(directory), ",".join(UNITS)]
        with _child([bare_loop.__file__, "unit", *common]):
            command = [sys.executable, bare_loop.__file__, "origin", *common, str(dispatches), str(BODY_BYTES)]
            seconds = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    return dispatches * len(UNITS) / float(seconds)


def _textbook(directory: Path, node: NodeAddress) -> float:
    count = _TEXTBOOK_DISPATCHES * len(UNITS)
    with _yardstick(directory, node) as url:
        common = [url, str(directory), ",".join(UNITS)]
        publisher = [textbook.__file__, "publisher", *common, str(_TEXTBOOK_DISPATCHES), str(BODY_BYTES)]
        with _child([textbook.__file__, "unit", *common]), _child(publisher, wait=False):
            return count / textbook.record(url, directory, count)


@contextlib.contextmanager
def _yardstick(directory: Path, node: NodeAddress) -> Iterator[str]:
    """The broker's URL in a vhost of its own, with the yardsticks' exchanges and empty quorum queues.

    New names each time: a quorum queue that is deleted and declared again at once may begin without a leader and stand
    still for a minute and a half.
    """
    directory.mkdir()
    with fresh_vhost(node) as vhost:
        _declare(vhost)
        yield vhost.login_url


def _declare(vhost: Vhost) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(vhost.login_url))
    channel = connection.channel()
    bindings = [(f"bench.{code}", "bench.out", code) for code in UNITS] + [("bench.receipts", "bench.in", "receipts")]
    for exchange in ("bench.out", "bench.in"):
        channel.exchange_declare(exchange, "direct", durable=True)
    for queue, exchange, key in bindings:
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue, exchange, key)
    connection.close()


@contextlib.contextmanager
def _child(command: list[str], *, wait: bool = True) -> Iterator[None]:
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, env=_ENVIRONMENT) as process:
        try:
            if wait and process.stdout is not None:
                process.stdout.readline()
            yield
        finally:
            process.kill()


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _table(figures: Figures) -> str:
    cpu = ", ".join(f"{part} {seconds:.3f} s" for part, seconds in figures.cpu_s_per_1000.items())
    return "\n".join(
        (
            f"commit            {figures.commit}",
            f"congvan           {figures.deliveries_per_s:8.0f} deliveries/s",
            f"bare pika loop    {figures.loop_per_s:8.0f} deliveries/s; congvan is {figures.ratio_to_loop:.2f} of it",
            f"textbook          {figures.textbook_per_s:8.0f} deliveries/s, {figures.ratio_to_textbook:.1f} of it",
            f"latency at 100/s  p50 {figures.p50_ms:.0f} ms, p99 {figures.p99_ms:.0f} ms",
            f"lost              {figures.lost}, duplicated {figures.duplicated}",
            f"CPU per 1,000     {cpu}",
            f"memory            {figures.memory_growth:.2f} of that after the first round",
        )
    )


if __name__ == "__main__":
    main()
