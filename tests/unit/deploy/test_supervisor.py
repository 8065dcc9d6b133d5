"""The supervisor keeps real processes: small Python programs stand in for the router and the gateways."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import ChildError
from deploy.supervisor import Child, RestartBackoff
from support.conditions import holds

QUICK = RestartBackoff(first=0.05, longest=0.2)


def child(tmp_path: Path, program: str, name: str = "router", backoff: RestartBackoff = QUICK) -> Child:
    argv = (sys.executable, "-c", textwrap.dedent(program))
    return Child(name, argv, dict(os.environ), tmp_path / "logs" / f"{name}.log", backoff)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def never() -> bool:
    return False


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    kept = child(tmp_path, "import time; time.sleep(60)")
    kept.start()
    await holds(lambda: kept.pid is not None)
    first = kept.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await holds(lambda: kept.pid not in {None, first})
    assert kept.exits == 1
    await kept.stop()
    assert kept.pid is None


async def test_a_child_that_ends_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    kept = child(tmp_path, "import sys; sys.exit('the port 8470 is taken')")
    kept.start()
    with pytest.raises(ChildError, match="router ended at its start") as caught:
        await kept.ready(never, within=30)
    assert "the port 8470 is taken" in caught.value.hint
    await kept.stop()


async def test_a_child_that_is_never_ready_is_told_so(tmp_path: Path) -> None:
    kept = child(tmp_path, "import time; time.sleep(60)")
    kept.start()
    with pytest.raises(ChildError, match="not ready within"):
        await kept.ready(never, within=0.3)
    await kept.stop()


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    kept = Child("router", ("/no/such/program",), {}, tmp_path / "router.log", QUICK)
    kept.start()
    with pytest.raises(ChildError) as caught:
        await kept.ready(never, within=30)
    assert "/no/such/program" in caught.value.hint or "No such file" in caught.value.hint
    await kept.stop()


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    kept = child(
        tmp_path,
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(60)
        """,
    )
    kept.start()
    await holds(lambda: "deaf" in kept.last_lines())
    pid = kept.pid
    assert pid is not None
    await kept.stop(within=0.2)
    assert not alive(pid)


KEEPER = """
import asyncio, os, sys
from pathlib import Path
from deploy.logs import configure_logs
from deploy.supervisor import Child

async def main():
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    kept = Child("c", argv, dict(os.environ), Path(sys.argv[1]) / "c.log")
    kept.start()
    while kept.pid is None:
        await asyncio.sleep(0.01)
    print(kept.pid, flush=True)
    await asyncio.sleep(60)

configure_logs(program="test")
asyncio.run(main())
"""


async def test_a_child_dies_when_its_keeper_is_killed(tmp_path: Path) -> None:
    keeper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KEEPER, str(tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert keeper.stdout is not None
    pid = int(await keeper.stdout.readline())
    assert alive(pid)
    keeper.kill()
    await keeper.wait()
    await holds(lambda: not alive(pid))


async def test_a_large_log_is_set_aside_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.supervisor._MAX_LOG_BYTES", 10)
    kept = child(tmp_path, "import time; print('new', flush=True); time.sleep(60)")
    kept.log_file.parent.mkdir()
    kept.log_file.write_text("old and long enough\n")
    kept.start()
    await holds(lambda: kept.last_lines() == "new")
    assert kept.log_file.with_suffix(".log.1").read_text() == "old and long enough\n"
    await kept.stop()


async def test_a_child_that_cannot_be_started_again_now_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = child(tmp_path, "import time; time.sleep(60)")
    kept.start()
    await holds(lambda: kept.pid is not None)
    first, spawn = kept.pid, asyncio.create_subprocess_exec
    refused: list[OSError] = []

    async def refusing(*given: Any, **named: Any) -> asyncio.subprocess.Process:
        if len(refused) < 3:
            refused.append(OSError(errno.EMFILE, "Too many open files"))
            raise refused[-1]
        return await spawn(*given, **named)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refusing)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await holds(lambda: kept.pid not in {None, first})
    assert len(refused) == 3
    assert kept.exits == 1
    await kept.stop()


def test_pauses_double_up_to_the_longest() -> None:
    backoff = RestartBackoff(first=1, longest=30)
    assert [backoff.pause(n) for n in (1, 2, 3, 5, 6, 1000)] == [1, 2, 4, 16, 30, 30]


async def test_stopping_what_never_started_is_nothing(tmp_path: Path) -> None:
    await asyncio.wait_for(child(tmp_path, "").stop(), 5)


async def test_a_log_is_its_owners_alone_one_from_before_too(tmp_path: Path) -> None:
    kept = child(tmp_path, "import time; time.sleep(60)")
    kept.log_file.parent.mkdir()
    kept.log_file.write_text("from an older version\n")
    kept.log_file.chmod(0o644)
    kept.start()
    await holds(lambda: kept.pid is not None)
    assert kept.log_file.stat().st_mode & 0o777 == 0o600
    await kept.stop()
