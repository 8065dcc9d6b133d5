"""``congvan gateway run`` and ``status`` as processes, with no broker and no router within reach."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.conditions import holds


def _environment(data_dir: Path, **variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    return clean | {"CONGVAN_GATEWAY_DATA_DIR": str(data_dir)} | variables


def _congvan(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.main", "gateway", *arguments]
    environment = _environment(data_dir, **variables)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


@pytest.fixture
def nobody() -> Iterator[str]:
    """Host and port that refuse connections for as long as the test lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def running(tmp_path: Path, nobody: str) -> Iterator[subprocess.Popen[str]]:
    urls = ("--amqp-url", f"amqp://{nobody}/congvan", "--origin-url", f"http://{nobody}")
    command = [sys.executable, "-m", "deploy.main", "gateway", "run", "--units", "LCA.02.05", *urls]
    process = subprocess.Popen(command, env=_environment(tmp_path), stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


async def test_a_gateway_whose_line_is_down_runs_says_so_and_ends_in_good_order(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    await holds((tmp_path / "status.json").exists, what="the gateway's status is there")
    standing = json.loads(_congvan(tmp_path, "status", "--json").stdout)
    assert (standing["units"], standing["sink"], standing["pid"]) == (1, "working", running.pid)
    assert standing["broker"] in {"down", "connecting"}

    second = _congvan(tmp_path, "run", "--units", "LCA.02.05", "--amqp-url", "amqp://127.0.0.1/")
    assert second.returncode == 4

    running.send_signal(signal.SIGTERM)
    _, logged = running.communicate(timeout=30)
    assert running.returncode == 0
    events = [json.loads(line) for line in logged.splitlines()]
    assert {"gateway_started", "gateway_stopped"} <= {event["event"] for event in events}
    assert {event["program"] for event in events} == {"gateway"}


def test_a_gateway_that_does_not_run_any_more_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"at": "2026-11-22T05:04:03.210Z", "line": "up"}')
    ended = _congvan(tmp_path, "status")
    assert ended.returncode == 5
    assert "last wrote its status at 2026-11-22 12:04:03" in ended.stderr
    assert "up" in ended.stdout


def test_without_a_status_no_gateway_has_run(tmp_path: Path) -> None:
    assert _congvan(tmp_path, "status").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "units"),
        (("--units", "LCA.02.05"), "amqp_url"),
        (("--units", "lca"), "units"),
        (("--units", "LCA", "--amqp-url", "amqp://127.0.0.1/", "--sink", "webhook"), "webhook_url"),
    ],
)
def test_settings_that_are_missing_or_wrong_end_it_at_once(
    tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    ended = _congvan(tmp_path, "run", *arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_of_authorities_that_is_not_there_ends_the_start_as_a_wrong_setting(tmp_path: Path, nobody: str) -> None:
    settings = {
        "CONGVAN_GATEWAY_UNITS": "LCA.02.05",
        "CONGVAN_GATEWAY_TOKEN": "t",
        "CONGVAN_GATEWAY_AMQP_URL": f"amqps://{nobody}/congvan",
        "CONGVAN_GATEWAY_CA_FILE": str(tmp_path / "none.pem"),
    }
    ended = _congvan(tmp_path / "gateway", "run", **settings)
    assert ended.returncode == 2
    assert f"CONGVAN_GATEWAY_CA_FILE: {tmp_path / 'none.pem'} cannot be read" in ended.stderr
