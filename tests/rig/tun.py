"""The TUN rig as tests use it: a hub and units in namespaces, with an emulated line to each unit."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rig import namespaces
from rig.emulator import Change, Standing
from rig.names import hub_address, hub_name, unit_address, unit_name
from rig.profiles import Profile

_ANSWERS_WITHIN = 20.0


class TunLine:
    """One line of the rig; its unit's processes run in ``namespace`` and reach the hub at ``hub_address``."""

    def __init__(self, rig: "TunRig", number: int) -> None:
        self._rig = rig
        self._number = number
        self.namespace = unit_name(rig.owner, number)
        self.hub_address = hub_address(number)
        self.unit_address = unit_address(number)
        self.on_change: Callable[[Change], None] = lambda _: None
        """Called in the rig's thread, as ppp calls its hooks."""

    def start(self, profile: Profile, seed: int, *, payload_ports: Sequence[int] = ()) -> None:
        """Let the line come up now, with all figures at nothing."""
        self._rig.ask(self._number, "start", profile=asdict(profile), seed=seed, ports=list(payload_ports))

    def stop(self) -> None:
        """Let nothing through any more."""
        self._rig.ask(self._number, "stop")

    def switch(self, *, up: bool) -> None:
        """Drop it, or let it come up, beside its schedule."""
        self.on_change(Change(**self._rig.ask(self._number, "switch", up=up)))

    def standing(self) -> Standing:
        """The figures since the start."""
        found = self._rig.ask(self._number, "standing")
        return Standing(**(found | {"changes": [Change(**change) for change in found["changes"]]}))

    def within(self, command: list[str]) -> list[str]:
        """A command as the unit's process."""
        return namespaces.within(self.namespace, command)


class TunRig:
    """The scheduler's process and its lines; see :func:`tun_rig`."""

    def __init__(self, count: int) -> None:
        self.owner = os.getpid()
        self.hub = hub_name(self.owner)
        command = [sys.executable, str(Path(__file__).with_name("scheduler.py")), str(self.owner), str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._turn = threading.Lock()
        self.lines = [TunLine(self, number) for number in range(count)]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._answers.get(timeout=_ANSWERS_WITHIN)

    def ask(self, number: int, do: str, **arguments: Any) -> Any:
        """Give the scheduler a command for a line; its answer."""
        with self._turn:
            self._tell({"line": number, "do": do, **arguments})
            return self._answers.get(timeout=_ANSWERS_WITHIN)["answer"]

    def close(self) -> None:
        """Remove the namespaces."""
        self._tell({"do": "close"})
        self._process.wait(_ANSWERS_WITHIN)
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _tell(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            message = json.loads(text)
            if "change" in message:
                self.lines[message["line"]].on_change(Change(**message["change"]))
            else:
                self._answers.put(message)


@contextlib.contextmanager
def tun_rig(count: int = 1) -> Iterator[TunRig]:
    """A hub with so many lines to units; everything is removed at the end, also when this process is killed.

    Raises:
        NoNamespacesError: the machine does not let us.
    """
    namespaces.sweep()
    namespaces.require()
    rig = TunRig(count)
    try:
        yield rig
    finally:
        rig.close()
