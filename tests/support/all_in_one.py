"""``congvan up`` as users start it: a process with its children."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil


class UpProcess:
    """One all-in-one in a directory of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.where: dict[str, Any] = {}
        self.program = [str(Path(sys.executable).with_name("congvan"))]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
        self._environment = clean | {"CONGVAN_DATA_DIR": str(home), "CONGVAN_HTTP_PORT": "0", **settings}
        self._process: subprocess.Popen[str] | None = None
        self._errors = home.with_suffix(".stderr")

    def start(self, *arguments: str) -> None:
        """Start it and wait until it says where everything is."""
        self._launch(*arguments)
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, f"up ended with {self.process.wait()}:\n{self.errors}"
        self.where = json.loads(line)

    def fail(self, *arguments: str) -> tuple[int, str]:
        """Start it when it cannot; its exit code and what it said."""
        self._launch(*arguments)
        try:
            return self.process.wait(60), self.errors
        finally:
            self.end()

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    @property
    def errors(self) -> str:
        return self._errors.read_text("utf-8")

    def family(self) -> list[psutil.Process]:
        """Every process below it, the broker's too."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, *words: str) -> psutil.Process:
        """The process below it whose command line has these words."""
        return next(item for item in self.family() if set(words) <= set(item.cmdline()))

    def stop(self, within: float = 60.0) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def end(self) -> None:
        """Whatever its state, it is gone afterwards."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()

    def _launch(self, *arguments: str) -> None:
        command = [*self.program, "up", "--json", *arguments]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self.home.parent,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )


def gone(processes: list[psutil.Process], within: float = 20.0) -> bool:
    """Whether all processes end within so many seconds."""
    deadline = time.monotonic() + within
    while any(item.is_running() and item.status() != psutil.STATUS_ZOMBIE for item in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
