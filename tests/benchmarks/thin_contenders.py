"""Who is measured on a thin line: congvan, ``curl -C -`` in a resume loop, and whole documents in AMQP messages.

Each gets its own line with the same seed, so the same drops and losses. ``curl`` is told for nothing what to fetch and
when, and the line's hooks stop and start it; it is what a careful administrator would build from it.
"""

import contextlib
import hashlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pika

from benchmarks import busy_clerk, whole_message
from benchmarks.thin_trial import Plan, Seen, Sent
from consumers.reading.inbox import InboxEntry, descriptor_of, list_inbox, receipts_of
from consumers.spool import Spool, open_spool
from rig.emulator import Change
from rig.site import AMQP_PORT, Tls, amqp_url, gateway_at, hook_at, origin_port, origin_url
from rig.tun import TunLine
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.states import Status
from support.desks import let_in
from support.installation import Installation, Program
from support.uploads import submit

LOOK_EVERY = 0.05
_DESK_PORT = 8480
_LEAST_LOOKS = 20
FLASH = "Mưa lũ: sơ tán dân ven suối trước 18 giờ hôm nay. " * 10


@dataclass(slots=True)
class Trial:
    """One contender's place: its line, its unit, what it is to carry, and whether that is encrypted."""

    made: Installation
    line: TunLine
    plan: Plan
    unit: str
    tls: Tls | None = None


class Contender:
    """What all have in common: publish, look, and end."""

    name = ""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.sent: list[Sent] = []

    @property
    def payload_port(self) -> int:
        """The hub's port that documents come from."""
        return origin_port(self.trial.made, self.trial.tls)

    def run(self) -> Seen:
        """The whole trial, in real time."""
        trial, plan = self.trial, self.trial.plan
        trial.line.start(plan.profile, plan.seed, payload_ports=[self.payload_port])
        began = time.monotonic()
        with self.at_work():
            self.publish("bulk", plan.bulk, urgent=False)
            down = plan.outage()
            for number, moment in enumerate(sorted([*plan.moments(), *([] if down is None else [down])])):
                self._look_until(began + moment)
                self.publish(f"urgent-{number}", plan.urgent, urgent=True)
                self.sent[-1].outage = moment == down
            self._look_until(began + plan.deadline, also_done=True)
            standing, at = trial.line.standing(), now_ms()
        trial.line.stop()
        return Seen(self.name, plan, self.sent, standing, at)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Everything of the contender's that runs."""
        raise NotImplementedError

    def publish(self, name: str, size: int, *, urgent: bool) -> None:
        """Hand a document in at the hub and note when."""
        content = random.Random(f"{self.trial.plan.seed} {name}").randbytes(size)
        self.hand_in(name, content, urgent=urgent)
        self.sent.append(Sent(name, size, urgent, now_ms()))

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:
        """Hand a document in at the hub."""
        raise NotImplementedError

    def look(self) -> None:
        """Note in ``sent`` what has come."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether everything has come."""
        return all(item.verified for item in self.sent)

    def _look_until(self, moment: float, *, also_done: bool = False) -> None:
        while time.monotonic() < moment and not (also_done and self.done()):
            time.sleep(LOOK_EVERY)
            self.look()


class Congvan(Contender):
    """A gateway with the product's own defaults, and hooks that tell it of the line as ppp does."""

    name = "congvan"

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A gateway that has connected."""
        trial = self.trial
        program = self.gateway()
        trial.line.on_change = hook_at(trial.made, trial.unit)
        program.start()
        trial.made.wait_until_seen([trial.unit])
        self._spool: Spool = open_spool(Path(program.environment["CONGVAN_GATEWAY_DATA_DIR"]))
        try:
            yield
        finally:
            trial.line.on_change = lambda _: None
            self._spool.close()
            program.stop()

    def gateway(self) -> Program:
        """The unit's, not started yet."""
        return gateway_at(self.trial.made, self.trial.line, self.trial.unit, tls=self.trial.tls)

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:
        """Send it through the router."""
        submit(self.trial.made, self.trial.unit, name, content, flash_text=FLASH if urgent else "")

    def look(self) -> None:
        """Read the inbox as ``congvan gateway inbox`` does."""
        self.look_for(self.sent)

    def look_for(self, items: Sequence[Sent]) -> None:
        """Note which of these documents have come down."""
        entries = {entry.notation: entry for entry in list_inbox(self._spool)}
        for item in items:
            if (entry := entries.get(item.name)) is not None:
                self._note(item, entry)

    def done(self) -> bool:
        """Whether everything has come and the broker has confirmed the receipts."""
        return all(item.confirmed for item in self.sent)

    def _note(self, item: Sent, entry: InboxEntry) -> None:
        if not item.readable and (not item.urgent or descriptor_of(self._spool, entry.delivery_id).flash_text):
            item.readable = now_ms()
        if not item.verified and entry.state is Status.ARRIVED:
            item.verified = entry.state_at
        if item.verified and not item.confirmed:
            told = receipts_of(self._spool, entry.delivery_id)
            item.confirmed = next((one.sent_at or 0 for one in told if one.status is Status.ARRIVED), 0)


class CongvanInUse(Congvan):
    """The same with its desk beside it, and a clerk who looks at a page every second."""

    name = "congvan, desk in use"

    def gateway(self) -> Program:
        """With a desk at the unit's own loopback address."""
        program = super().gateway()
        program.command.append("--desk")
        program.environment |= {"CONGVAN_DESK_PORT": str(_DESK_PORT)}
        return program

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """And the clerk."""
        unit, looked = self.trial.unit, self.trial.made.directory / f"looked-{self.trial.unit}"
        with super().at_work():
            let_in(self._spool, [unit], at=unit)
            command = [sys.executable, busy_clerk.__file__, f"http://127.0.0.1:{_DESK_PORT}", "hoa"]
            with looked.open("wb") as out, subprocess.Popen(self.trial.line.within(command), stdout=out) as clerk:
                yield
                clerk.kill()
        statuses = [line.split()[1] for line in looked.read_text().splitlines()]
        if len(statuses) < _LEAST_LOOKS or set(statuses) != {"200"}:
            raise AssertionError(f"the clerk saw {len(statuses)} pages: {sorted(set(statuses))}")


class Curl(Contender):
    """``curl -C -`` for each document, restarted until it has all; several run in parallel."""

    name = "curl -C -"

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A folder, and a lock on what runs."""
        self._folder = self.trial.made.directory / f"curl-{self.trial.unit}"
        self._folder.mkdir()
        self._token = self.trial.made.account(Role.GATEWAY, self.trial.unit)
        self._up = threading.Event()
        self._up.set()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted: dict[str, str] = {}
        self._ended = False
        self.trial.line.on_change = self._hook
        try:
            yield
        finally:
            self._ended = True
            self._up.set()
            for process in list(self._running.values()):
                process.kill()

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:
        """Send it through the router, and let curl know at once."""
        sha256 = submit(self.trial.made, self.trial.unit, name, content, flash_text=FLASH if urgent else "")
        self._wanted[name] = sha256
        threading.Thread(target=self._fetch, args=(name, sha256), daemon=True).start()

    def look(self) -> None:
        """Nothing: the threads note what has come."""

    def _fetch(self, name: str, sha256: str) -> None:
        target = self._folder / name
        command = ["curl", "-sf", "-C", "-", "-o", str(target), "--speed-limit", "1", "--speed-time", "25"]
        command += ["-H", f"Authorization: Bearer {self._token}"]
        command += ["--cacert", str(self.trial.tls.files.authority)] if self.trial.tls else []
        command += [f"{origin_url(self.trial.made, self.trial.line, self.trial.tls)}/content/{sha256}"]
        while not self._ended:
            self._up.wait()
            self._running[name] = process = subprocess.Popen(self.trial.line.within(command))
            if process.wait() == 0 and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
                item = next(item for item in self.sent if item.name == name)
                item.readable = item.verified = now_ms()
                return
            time.sleep(0.2)

    def _hook(self, change: Change) -> None:
        if change.up:
            self._up.set()
            return
        self._up.clear()
        for process in list(self._running.values()):
            process.kill()


class WholeMessages(Contender):
    """Each document one AMQP message, consumed as tutorials show it."""

    name = "AMQP message"

    @property
    def payload_port(self) -> int:
        """The broker's."""
        return AMQP_PORT

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A queue, and a consumer behind the line."""
        trial = self.trial
        self._folder = trial.made.directory / f"amqp-{trial.unit}"
        self._folder.mkdir()
        self._queue = f"whole.{trial.unit}"
        with self._channel() as channel:
            channel.queue_declare(self._queue, durable=True)
        login = f"{trial.made.vhost.user}:{trial.made.vhost.password}@"
        url = amqp_url(trial.line).replace("://", f"://{login}", 1)
        command = [sys.executable, whole_message.__file__, url, self._queue, str(self._folder)]
        process = subprocess.Popen(trial.line.within(command), stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def hand_in(self, name: str, content: bytes, *, urgent: bool) -> None:  # noqa: ARG002 - a queue knows no urgency
        """Publish it."""
        with self._channel() as channel:
            channel.confirm_delivery()
            channel.basic_publish("", self._queue, content, pika.BasicProperties(message_id=name, delivery_mode=2))

    def look(self) -> None:
        """See which files are there; the consumer gives them their names when they are whole."""
        for item in self.sent:
            if not item.verified and (self._folder / item.name).exists():
                item.readable = item.verified = now_ms()

    @contextlib.contextmanager
    def _channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        connection = pika.BlockingConnection(pika.URLParameters(self.trial.made.vhost.login_url))
        try:
            yield connection.channel()
        finally:
            connection.close()


CONTENDERS: tuple[type[Contender], ...] = (Congvan, CongvanInUse, Curl, WholeMessages)
