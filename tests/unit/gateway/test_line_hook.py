"""The pipe that the line's hooks write to, and the script that ppp runs."""

import asyncio
import os
import subprocess
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consumers.errors import GatewayStoppedError
from consumers.line.hook import FILE_NAME, listening, tell
from schemas.events import Event
from support.conditions import holds

SCRIPT = Path(__file__).parents[3] / "deploy" / "ppp" / "congvan"


async def test_a_running_gateway_is_told_at_once(tmp_path: Path) -> None:
    told: list[bool] = []
    with listening(tmp_path, told.append):
        tell(tmp_path, up=False)
        await holds(lambda: told == [False])
        tell(tmp_path, up=True)
        await holds(lambda: told == [False, True])


async def test_of_several_words_the_last_counts_and_others_are_reported(tmp_path: Path) -> None:
    told: list[bool] = []
    with listening(tmp_path, told.append), capture_logs() as logs:
        (tmp_path / FILE_NAME).write_text("up\nsideways\ndown\n")
        await holds(lambda: told == [False])
    assert [entry["event"] for entry in logs] == [Event.HOOK_UNREADABLE]


async def test_a_pipe_of_before_is_used_again_and_a_file_in_its_place_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("not a pipe")
    for _ in range(2):
        with listening(tmp_path, lambda _: None):
            assert (tmp_path / FILE_NAME).is_fifo()


@pytest.mark.parametrize("ran_before", [True, False])
async def test_where_no_gateway_runs_the_hook_says_so_and_does_not_wait(tmp_path: Path, *, ran_before: bool) -> None:
    if ran_before:
        with listening(tmp_path, lambda _: None):
            pass
    with pytest.raises(GatewayStoppedError, match="no gateway runs"):
        tell(tmp_path, up=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
async def test_root_writes_nothing_that_the_gateways_user_may_not_write(tmp_path: Path) -> None:
    nobody = 65534
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        if above.stat().st_uid == os.geteuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o055)
    root_s = tmp_path / "roots-own"
    root_s.write_text("untouched")
    root_s.chmod(0o600)
    pipe_of_root = tmp_path / "roots-pipe"
    os.mkfifo(pipe_of_root, 0o600)
    reader = os.open(pipe_of_root, os.O_RDWR | os.O_NONBLOCK)
    state = tmp_path / "state"
    victim = state / "gateway"
    victim.mkdir(parents=True)
    os.mkfifo(victim / "fifo", 0o666)
    for path in (victim, victim / "fifo"):
        os.chown(path, nobody, nobody)
    script = tmp_path / "ip-up.d" / "90congvan"
    script.parent.mkdir()
    script.write_text(SCRIPT.read_text())
    script.chmod(0o755)
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for target in ("fifo", root_s, pipe_of_root):
                (victim / "new").symlink_to(target)
                (victim / "new").rename(victim / "line")

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        for _ in range(40):
            run = await asyncio.to_thread(
                subprocess.run, [str(script)], env={"CONGVAN_STATE": str(state), "PATH": "/usr/bin:/bin"}, check=False
            )
            assert run.returncode == 0
    finally:
        stop.set()
        flipping.join()
    assert root_s.read_text() == "untouched"
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)
    os.close(reader)


@pytest.mark.parametrize(("folder", "up"), [("ip-up.d", True), ("ip-down.d", False)])
async def test_the_script_tells_every_gateway_of_the_machine_and_stops_at_none_that_is_down(
    tmp_path: Path, folder: str, *, up: bool
) -> None:
    told: list[bool] = []
    dead, live = tmp_path / "a-dead", tmp_path / "b-live"
    for directory in (dead, live):
        directory.mkdir()
    with listening(dead, lambda _: None):
        pass
    script = tmp_path / folder / "90congvan"
    script.parent.mkdir()
    script.write_text(SCRIPT.read_text())
    script.chmod(0o755)
    with listening(live, told.append):
        run = await asyncio.to_thread(
            subprocess.run, [str(script)], env={"CONGVAN_STATE": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False
        )
        assert run.returncode == 0
        await holds(lambda: told == [up])
