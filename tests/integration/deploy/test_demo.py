"""The demonstration as newcomers run it, in an environment full of other things."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ARGUMENTS = [sys.executable, "-m", "deploy.demo"]
DISTURBING = {
    "LOG": "x",
    "CONFIG_FILE": "y",
    "NODENAME": "z",
    "CONGVAN_AMQP_URL": "amqp://elsewhere/x",
    "CONGVAN_DATA_DIR": "/nowhere",
}


def environment(state: Path) -> dict[str, str]:
    return dict(os.environ) | DISTURBING | {"XDG_STATE_HOME": str(state)}


def left_behind(state: Path) -> list[str]:
    """Processes that know of the directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(state) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(words)
    return found


def test_it_ends_well_when_every_reachable_addressee_has_its_dispatch(tmp_path: Path) -> None:
    old = tmp_path / "congvan" / "demo" / "of an earlier run"
    old.mkdir(parents=True)
    done = subprocess.run(
        ARGUMENTS, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not old.exists()
    for line in ("commune on a dial-up line: 1/1 arrived", "communes: 16/24 arrived", "urgent: 120/179 arrived"):
        assert line in done.stdout
    assert "8 pending, for no line leads there" in done.stdout
    assert "59 pending, for no line leads there" in done.stdout
    assert left_behind(tmp_path) == []
    inbox = tmp_path / "congvan" / "demo" / "inbox"
    assert len(list(inbox.glob("*/*/dispatch.json"))) == 1 + 16 + 120
    sizes = [file.stat().st_size for file in inbox.glob("LCA.02*/*/quyet-dinh-ban-quet.jpg")]
    assert sizes == [5_063_216] * 16


def standing(state: Path) -> dict[str, Any]:
    """What `congvan overview` tells of a demonstration that runs."""
    told = subprocess.run(
        [sys.executable, "-m", "deploy.main", "overview", "--json"],
        env={"PATH": os.environ["PATH"], "CONGVAN_CONFIG": str(state / "congvan" / "demo" / "congvan.toml")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def states_at_the_desk(state: Path) -> list[str]:
    """The states of what came to the commune with the desk."""
    told = subprocess.run(
        [sys.executable, "-m", "deploy.main", "gateway", "inbox", "--unit", "LCA.02.05", "--json"],
        env={"PATH": os.environ["PATH"], "CONGVAN_GATEWAY_DATA_DIR": str(state / "congvan/demo/gateways/LCA")},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line)["state"] for line in told.stdout.splitlines()]


@contextmanager
def kept_running(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demonstration that goes on, when it has played its scenes, and what it has said; it ends with the block."""
    with subprocess.Popen(
        [*ARGUMENTS, "--keep"], env=environment(state), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as kept:
        assert kept.stdout is not None
        said = ""
        try:
            for line in kept.stdout:
                said += line
                if "redrive it in the console" in line:
                    break
            yield kept, said
        finally:
            kept.kill()


def test_kept_it_runs_until_it_is_told_to_stop_and_no_second_one_beside_it(tmp_path: Path) -> None:
    with kept_running(tmp_path) as (kept, said):
        address = re.search(r"web API at (http://\S+)", said)
        assert address, said
        with urllib.request.urlopen(f"{address[1]}/readyz", timeout=10) as answer:  # noqa: S310 - http, ours
            assert answer.status == 200
        link = re.search(r"log in once: (http://\S+/console/welcome\?token=\S+)", said)
        assert link, said
        with urllib.request.urlopen(link[1], timeout=10) as answer:  # noqa: S310 - http, ours
            assert "admin" in answer.read().decode()
        assert "registered at 12 units, completed at 4, refused at LCA.02.23" in said
        seen = standing(tmp_path)
        assert (seen["parked"], seen["lines"]) == (2, {"up": 122, "down": 0})
        for name, sign in (("Nguyễn Thị Hoa", "hoa"), ("Trần Văn Nam", "nam")):
            link = re.search(rf"log in once: (http://\S+/desk/welcome\?token=\S+) +\({name}", said)
            assert link, said
            with urllib.request.urlopen(link[1], timeout=10) as answer:  # noqa: S310 - http, ours
                assert sign in answer.read().decode()
        assert set(states_at_the_desk(tmp_path)) >= {
            *(
                "arrived",
                "registered",
                "assigned",
                "processing",
                "completed",
                "refused",
                "take_back_requested",
                "parked",
            )
        }
        second = subprocess.run(ARGUMENTS, env=environment(tmp_path), capture_output=True, text=True, check=False)
        assert second.returncode == 5
        assert "runs already" in second.stderr
        kept.send_signal(signal.SIGINT)
        assert kept.wait(60) == 0
    assert left_behind(tmp_path) == []
