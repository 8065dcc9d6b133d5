"""The all-in-one as users run it: it starts everything, keeps it running, and leaves nothing behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import psutil

from deploy.exits import ExitCode
from support.all_in_one import UpProcess, gone
from support.conditions import until


def ready(up: UpProcess) -> bool:
    try:
        with urllib.request.urlopen(f"{up.where['api_url']}/readyz", timeout=5) as answer:  # noqa: S310 - http, ours
            return bool(answer.status == 200)
    except OSError:
        return False


def commands(up: UpProcess, *arguments: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    env = clean | {"CONGVAN_CONFIG": str(up.where["config_file"])}
    command = [sys.executable, "-m", "deploy.main", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_it_says_where_everything_is_and_everything_is_ready(up: UpProcess) -> None:
    assert ready(up)
    assert up.where["gateways"] == ["LCA.#"]
    assert up.where["amqp_url"].startswith("amqp://127.0.0.1:")
    assert "token" not in str(up.where)


def test_its_secrets_are_for_their_owner_alone(up: UpProcess) -> None:
    private = [Path(up.where["config_file"]), *(up.home / "secrets").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_what_it_writes_is_its_users_alone_and_only_what_people_read_is_their_groups(up: UpProcess) -> None:
    assert ready(up)
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in up.home.rglob("*") if not path.is_symlink()}
    assert any(path.name.startswith("ledger") for path in found)
    assert any(path.suffix == ".log" for path in found)
    assert {path for path, mode in found.items() if mode & 0o007} == set()
    people = ("inbox", "outbox", "content")
    shared = {path for path, mode in found.items() if mode & 0o070}
    assert {path for path in shared if not set(people).intersection(path.relative_to(up.home).parts)} == set()


def test_its_settings_file_lets_the_commands_find_it(up: UpProcess) -> None:
    done = commands(up, "doctor")
    assert done.returncode == ExitCode.OK, done.stdout
    shown = commands(up, "config", "show", "--origin")
    password = tomllib.loads(Path(up.where["config_file"]).read_text())["amqp_password"]
    assert password not in shown.stdout
    assert str(up.where["config_file"]) in shown.stdout


def test_a_killed_router_and_a_killed_gateway_are_started_again(up: UpProcess) -> None:
    router, gateway = up.child("deploy.main", "router"), up.child("deploy.main", "gateway")
    router.kill()
    gateway.kill()
    assert gone([router, gateway])
    until(lambda: ready(up))
    assert up.child("deploy.main", "router").pid != router.pid
    until(lambda: any("gateway" in item.cmdline() for item in up.family()))


def test_a_killed_broker_is_started_again(up: UpProcess) -> None:
    broker = next(item for item in up.family() if "beam" in item.name())
    broker.kill()
    until(lambda: not ready(up))
    until(lambda: ready(up))


def test_a_second_one_in_the_same_directory_is_refused(up: UpProcess) -> None:
    second = UpProcess(up.home)
    code, said = second.fail()
    assert code == ExitCode.UNAVAILABLE
    assert "it runs already" in said
    assert ready(up)


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = UpProcess(tmp_path / "home", CONGVAN_HTTP_PORT=str(port)).fail()
    assert code == ExitCode.UNAVAILABLE
    assert f"127.0.0.1:{port}" in said
    assert "CONGVAN_HTTP_PORT" in said
    assert not (tmp_path / "home" / "broker").exists()


def test_an_unknown_example_is_told_with_those_there_are(tmp_path: Path) -> None:
    code, said = UpProcess(tmp_path / "home").fail("--example", "nowhere")
    assert code == ExitCode.UNAVAILABLE
    assert "lao-cai" in said


def test_a_start_that_waits_for_its_broker_can_be_broken_off(tmp_path: Path) -> None:
    up = UpProcess(
        tmp_path / "home", CONGVAN_AMQP_URL="amqp://127.0.0.1:1/x", CONGVAN_MANAGEMENT_URL="http://127.0.0.1:1"
    )
    up._launch()
    try:
        until(lambda: any("router" in item.cmdline() for item in up.family()))
        family = up.family()
        assert up.stop() == 0
        assert gone(family)
    finally:
        up.end()


def test_sigterm_stops_everything_in_order(tmp_path: Path) -> None:
    for name in ("schemas", "router", "consumers", "deploy"):  # whatever else lies in the folder it is started in
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not ours')", "utf-8")
    up = UpProcess(tmp_path / "home")
    try:
        up.start("--no-gateways")
        family = up.family()
        assert len(family) >= 3
        assert up.stop() == 0
        assert gone(family)
    finally:
        up.end()


def test_kill_9_leaves_nothing_running(up: UpProcess) -> None:
    family = up.family()
    assert {"beam.smp", "epmd"} <= {item.name() for item in family}
    os.kill(up.process.pid, signal.SIGKILL)
    assert gone(family), [item.cmdline() for item in family if item.is_running()]
    assert not psutil.pid_exists(up.process.pid) or up.process.wait() == -signal.SIGKILL
