"""A country on one broker: what 5,000 units cost the broker and the router, and how soon each way of harm is healed.

``python -m tests.benchmarks.many_units [--units 5000]`` runs a router over a private node with a queue for each lane of
each unit and a gateway's login for each province. It prints as one JSON object, in seconds from the act on:

- ``made``: the router starts with an empty broker and is ready;
- ``started_again``: it starts with a broker that stands as planned;
- ``addressed``: one dispatch to every unit lies in all their queues;
- ``queue_healed``, ``receipts_healed``, ``access_healed``: while all is connected somebody deletes a unit's queue, with
  its message in it (until the message lies there again), the router's own queue of receipts, a gateway's permissions;
- ``broker_back``: the broker is killed and started (until the router is ready again).
"""

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import psutil  # noqa: E402 - the folders above have to be importable first
from pika.adapters.blocking_connection import BlockingChannel  # noqa: E402
from pika.exceptions import ChannelClosedByBroker  # noqa: E402

from benchmarks.nation import COMMUNES, PROVINCES, ROOT  # noqa: E402
from router.broker.topology.capacity import handles_for  # noqa: E402
from schemas.accounts import Role  # noqa: E402
from schemas.dispatch import Submission  # noqa: E402
from schemas.unit import Link, Unit  # noqa: E402
from support.amqp import administrator  # noqa: E402
from support.broker import PatientNode, Vhost, call, empty_vhost  # noqa: E402
from support.commit import commit  # noqa: E402
from support.counting import log_to_stderr  # noqa: E402
from support.installation import Installation, Program, installation  # noqa: E402
from support.organisation import a_unit  # noqa: E402

_WITHIN = 1800.0
_OWN_QUEUES = 10
_HARMED = f"{ROOT}.01.001"


@dataclass(slots=True)
class Figures:
    """What was found; times in seconds, memory in bytes."""

    commit: str
    units: int
    queues: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    broker_memory: int = 0
    router_memory: int = 0
    file_handles: str = ""


def main() -> None:
    """Run as the arguments say and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.many_units", description=__doc__)
    parser.add_argument("--units", type=int, default=5000, help="how many units, the country itself among them")
    options = parser.parse_args()
    log_to_stderr()
    _allow(handles_for(2 * options.units + _OWN_QUEUES))
    print(json.dumps(asdict(measure(options.units))))


def _allow(handles: int) -> None:
    """So many files for the broker; more than the machine's limit takes a privileged user."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= handles:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
    except ValueError:
        sys.exit(
            f"the broker needs {handles} file handles and may have {hard}: fewer --units, or a higher `ulimit -Hn`"
        )


def country(count: int) -> list[Unit]:
    """The country, its provinces, their communes, and offices below these in turn until there are enough."""
    provinces = [f"{ROOT}.{number:02}" for number in range(1, PROVINCES + 1)]
    communes = [f"{code}.{number:03}" for number in range(1, COMMUNES + 1) for code in provinces]
    offices = [f"{code}.{number:02}" for number in range(1, 100) for code in communes]
    return [a_unit(code, link=Link.DIALUP) for code in [ROOT, *provinces, *communes, *offices][:count]]


def measure(count: int) -> Figures:
    """The whole run."""
    figures = Figures(commit(), count)
    with tempfile.TemporaryDirectory(prefix="congvan-bench-") as name:
        directory = Path(name)
        node = PatientNode(directory / "node", name="congvan-tests")
        try:
            node.start()
            units = country(count)
            with empty_vhost(node) as vhost, installation(directory, vhost, units) as made:
                Run(figures, node, vhost, made, units).all()
        finally:
            node.kill()
    return figures


@dataclass(slots=True)
class Run:
    """One run's parts."""

    figures: Figures
    node: PatientNode
    vhost: Vhost
    made: Installation
    units: list[Unit]

    def all(self) -> None:
        """Everything in turn."""
        issuer = self.made.account(Role.ISSUER, f"{ROOT}.#")
        gateways = [f"{ROOT}.{number:02}.#" for number in range(1, PROVINCES + 1)]
        for pattern in gateways:
            self.made.account(Role.GATEWAY, pattern)
        router = self.made.router()
        with self._timed("made"):
            self._start(router)
        router.stop()
        with self._timed("started_again"):
            self._start(router)
        with self._timed("addressed"):
            self._submit(issuer)
            self._wait(lambda: self._all_queued() and set(self._in_queues()) == {1}, "each has its message, once")
        self._harm(gateways[0])
        with self._timed("broker_back"):
            self.node.kill()
            self.node.start(_WITHIN)
            self._wait_until_ready()
        self._wait(lambda: self._all_queued() and min(self._in_queues()) >= 1, "nothing was lost")
        self._look_at_processes(router)

    def _harm(self, pattern: str) -> None:
        queue, receipts = f"unit.{_HARMED}.normal", "receipts.ledger"
        with self._timed("queue_healed"):
            self._delete("queues", self.vhost.name, queue)
            self._wait(lambda: (at := self._queue(queue)) and at.message_count == 1, f"{queue} has its message again")
        with self._timed("receipts_healed"):
            self._delete("queues", self.vhost.name, receipts)
            self._wait(lambda: (at := self._queue(receipts)) and at.consumer_count, f"{receipts} is read again")
        account = f"gateway:{pattern}"
        with self._timed("access_healed"):
            self._delete("permissions", self.vhost.name, account)
            self._wait(lambda: self._permissions(account), "the access is back")

    def _start(self, router: Program) -> None:
        router.start()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        self._wait(self._stands, "the router is ready, all queues stand")

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        self.made.wait(lambda: bool(condition()), what, _WITHIN)

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.figures.seconds[name] = round(time.monotonic() - began, 1)
        print(f"{name}: {self.figures.seconds[name]} s", file=sys.stderr, flush=True)

    def _submit(self, token: str) -> None:
        letter = Submission(notation="1-CV/TU", subject="Chủ động ứng phó", issuer=ROOT, addressees=(f"{ROOT}.#",))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": "country"}
        body = letter.model_dump_json(exclude_defaults=True).encode()
        request = urllib.request.Request(f"{self.made.api}/api/v1/dispatches", body, headers)  # noqa: S310 - http, ours
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - as above
            assert answer.status == HTTPStatus.ACCEPTED

    def _all_queued(self) -> bool:
        return self.made.states() == {"queued": self.figures.units}

    def _in_queues(self) -> list[int]:
        """How many messages each unit's queue holds: two once the receipts' queue was lost, for then all are asked."""
        with administrator(self.vhost).channel() as channel:
            return [_state(channel, f"unit.{unit.code}.normal").message_count for unit in self.units]

    def _queue(self, name: str) -> Any:
        """The messages and consumers of a queue; None when it is not there."""
        with administrator(self.vhost).channel() as channel, contextlib.suppress(ChannelClosedByBroker):
            return _state(channel, name)
        return None

    def _stands(self) -> bool:
        with contextlib.suppress(OSError):  # the broker starts
            told = json.loads(call(self.vhost, "GET", "overview"))
            self.figures.queues = told["object_totals"]["queues"]
        return self.figures.queues >= 2 * self.figures.units and self.made.is_ready()

    def _delete(self, *path: str) -> None:
        call(self.vhost, "DELETE", "/".join(quote(part, safe="") for part in path))

    def _permissions(self, account: str) -> bool:
        with contextlib.suppress(urllib.error.HTTPError):
            call(self.vhost, "GET", f"permissions/{self.vhost.name}/{quote(account, safe='')}")
            return True
        return False

    def _look_at_processes(self, router: Program) -> None:
        (broker,) = (item for item in psutil.Process().children(recursive=True) if item.name() == "beam.smp")
        self.figures.broker_memory = broker.memory_info().rss
        self.figures.router_memory = psutil.Process(router.pid).memory_info().rss
        self.figures.file_handles = f"{broker.num_fds()} open, {handles_for(self.figures.queues)} needed"


def _state(channel: BlockingChannel, queue: str) -> Any:
    return channel.queue_declare(queue, passive=True).method


if __name__ == "__main__":
    main()
