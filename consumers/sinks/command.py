"""The command sink: a program of the unit's own per document, by an argument list, never through a shell."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from consumers.errors import SinkRefusedError, SinkRetryError, SinkSettingsError
from consumers.sinks.base import Document
from consumers.sinks.record import RECORD_NAME, encode_record, file_names
from consumers.sinks.tail import Tail
from consumers.sinks.trouble import told
from router.process.trouble import code_of_trouble
from router.storage.files import copy_file, write_file
from schemas.reasons import ReasonCode
from schemas.settings import PREFIX

REFUSED = 100
"""The exit status by which a program says: never this document."""
_GRACE_SECONDS = 2.0


class CommandSink:
    """Runs ``command`` for each document.

    The program finds the record on its standard input, and a private directory ``$CONGVAN_DIR`` (also its working
    directory) with the record as ``dispatch.json`` and the attachments; the directory is gone when it has ended.
    ``$CONGVAN_DELIVERY_ID`` and ``$CONGVAN_UNIT`` say which delivery it is, ``$TRACEPARENT`` the trace. The gateway's
    own settings, its token among them, are not passed on. What it writes to standard output is thrown away.

    Args:
        command: program and arguments.
        work_dir: where the private directories are made; best on the spool's file system.
        timeout: seconds until the program and all it started is killed.

    Raises:
        SinkSettingsError: the command is empty.
    """

    def __init__(self, command: Sequence[str], *, work_dir: Path, timeout: float = 60.0) -> None:
        if not command:
            raise SinkSettingsError('command is empty; the command sink needs a JSON list such as ["/usr/bin/take"]')
        self._command = tuple(command)
        self._work_dir = work_dir
        self._timeout = timeout
        shutil.rmtree(work_dir, ignore_errors=True)  # what a killed gateway left

    async def deliver(self, document: Document) -> None:
        """Run the program; exit status 0 means that it has the document.

        Raises:
            SinkRefusedError: exit status 100; the reason is the last line of its standard error.
            SinkRetryError: any other status, a signal, a time-out, or the program cannot be started.
            SinkTroubleError: this machine is short of something, as descriptors or room for the files.
        """
        try:
            directory = await asyncio.to_thread(self._lay_out, document)
            try:
                status, last_line = await self._run(document, directory)
            finally:
                await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        except OSError as error:
            code = code_of_trouble(error, otherwise=ReasonCode.SINK_UNREACHABLE)
            raise told(error, f"{self._command[0]} cannot be run: {error}", local=True, code=code) from error
        self._judge(status, last_line)

    async def close(self) -> None:
        """Nothing to let go of: a program ends with its document."""

    def _lay_out(self, document: Document) -> Path:
        self._work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f"{document.delivery_id}-", dir=self._work_dir))
        names = file_names(file.name for file in document.files)
        try:
            for file, name in zip(document.files, names, strict=True):
                copy_file(file.path, directory / name, durable=False)
            write_file(directory / RECORD_NAME, encode_record(document, names))
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return directory

    async def _run(self, document: Document, directory: Path) -> tuple[int | None, str]:
        with Tail() as errors, (directory / RECORD_NAME).open("rb") as record:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=record,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors.write_end,
                cwd=directory,
                env=_environment(document, directory),
                start_new_session=True,
            )
            errors.follow()
            status = await self._wait(process)
            return status, errors.last_line()

    async def _wait(self, process: asyncio.subprocess.Process) -> int | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await process.wait()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                await asyncio.shield(_end_group(process))

    def _judge(self, status: int | None, last_line: str) -> None:
        program = self._command[0]
        if status == 0:
            return
        if status == REFUSED:
            raise SinkRefusedError(last_line or f"{program} refused the document and gave no reason")
        if status is None:
            late = f"{program} did not end within {self._timeout:g} s and was killed"
            raise SinkRetryError(late, code=ReasonCode.SINK_TIMEOUT)
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise SinkRetryError(f"{program} {how}: {last_line}" if last_line else f"{program} {how}")


def _environment(document: Document, directory: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return own | {
        "CONGVAN_DELIVERY_ID": document.delivery_id,
        "CONGVAN_UNIT": document.unit,
        "CONGVAN_DIR": str(directory),
        "TRACEPARENT": document.traceparent,
    }


async def _end_group(process: asyncio.subprocess.Process) -> None:
    for kind, grace in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await process.wait()
