"""Keeps child processes running: started again after a pause that grows, ended when asked, gone when we are gone."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

from deploy.errors import ChildError
from deploy.logs import open_private
from router.process.leash import leashed
from schemas.events import Event

log = structlog.get_logger()
_LOOK_EVERY = 0.1
_LAST_LINES = 15
_MAX_LOG_BYTES = 50 * 1024**2


@dataclass(frozen=True, slots=True)
class RestartBackoff:
    """The pauses between starts of a child that keeps ending, in seconds; a long enough run resets them."""

    first: float = 0.5
    longest: float = 30.0
    settled_after: float = 60.0

    def pause(self, failures: int) -> float:
        """The pause after so many short runs in a row (at least one)."""
        return min(self.first * 2.0 ** min(failures - 1, 30), self.longest)


@dataclass(slots=True)
class Child:
    """One program that is to run: what it is, and how it goes.

    Args:
        name: what logs and people call it.
        argv: an absolute program and its arguments.
        env: its whole environment.
        log_file: where its output goes; set aside as ``.1`` at a start when it is large.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_file: Path
    backoff: RestartBackoff = RestartBackoff()
    exits: int = field(default=0, init=False)
    """How often it ended although it should run."""
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _keeping: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def keeping(self) -> "asyncio.Task[None] | None":
        """What keeps it running; None when it is not to run."""
        return self._keeping

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    def start(self) -> None:
        """Begin to keep it running."""
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def ready(self, probe: Callable[[], Awaitable[bool]], *, within: float) -> None:
        """Wait until it answers for the first time.

        Args:
            probe: whether it is ready.
            within: seconds it may take.

        Raises:
            ChildError: it ended before, or did not answer in time; with the last lines of its log.
        """
        deadline = time.monotonic() + within
        while not await probe():
            if self._keeping is not None and self._keeping.done():
                self._keeping.result()  # raises what kept it from being started at all
            if self.exits:
                raise ChildError(f"the {self.name} ended at its start", self.last_lines())
            if time.monotonic() > deadline:
                raise ChildError(f"the {self.name} was not ready within {within:.0f} s", self.last_lines())
            await asyncio.sleep(_LOOK_EVERY)

    async def stop(self, *, within: float = 20.0) -> None:
        """End it: SIGTERM, and SIGKILL when it still runs after so many seconds."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            log.warning(Event.CHILD_KILLED, child=self.name, after_seconds=within)
            process.kill()
            await process.wait()

    def last_lines(self) -> str:
        """The end of its log."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text("utf-8", errors="replace").splitlines()[-_LAST_LINES:])

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                status = await self._run_once()
            except OSError as error:  # no descriptors, no memory, no room for its log
                if self._process is None:
                    raise  # it has never run: whoever waits for it is told
                failures += 1
                pause = self.backoff.pause(failures)
                log.warning(Event.CHILD_NOT_STARTED, child=self.name, problem=str(error), again_in_seconds=pause)
            else:
                failures = 1 if time.monotonic() - began >= self.backoff.settled_after else failures + 1
                pause = self.backoff.pause(failures)
                log.warning(Event.CHILD_ENDED, child=self.name, status=_status_name(status), again_in_seconds=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        self._process = await self._spawn()
        status = await self._process.wait()
        self.exits += 1
        return status

    async def _spawn(self) -> asyncio.subprocess.Process:
        with await asyncio.to_thread(self._open_log) as output:
            process = await asyncio.create_subprocess_exec(
                *leashed(*self.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.env),
                start_new_session=True,  # a Ctrl-C at the terminal is ours to handle, in order
            )
        log.info(Event.CHILD_STARTED, child=self.name, pid=process.pid)
        return process

    def _open_log(self) -> BinaryIO:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.log_file.stat().st_size > _MAX_LOG_BYTES:
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return open_private(self.log_file)


def _status_name(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
