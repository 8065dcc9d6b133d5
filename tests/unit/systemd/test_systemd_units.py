"""The systemd units: they call what there is, set what is known, and shut in what they start."""

import os
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

import deploy
from consumers.desk.beside import OF_THE_GATEWAY_ALONE
from consumers.settings import GatewaySettings
from deploy.settings import complaints

HOW_TO = Path(deploy.__file__).parents[1] / "docs" / "how-to"
UNITS = sorted(Path(deploy.__file__).parent.glob("systemd/*.service"))
EXPOSURE_LIMIT = 20
"""Of ``systemd-analyze security``, in tenths; a service without any hardening has 96."""


class _Unit(RawConfigParser):
    optionxform = staticmethod(str)  # type: ignore[assignment]


def _service(path: Path) -> dict[str, str]:
    unit = _Unit(strict=False, interpolation=None, delimiters=("=",))
    unit.read_string(path.read_text("utf-8"))
    return dict(unit["Service"])


def _startable(path: Path, directory: Path) -> Path:
    """The unit with a program that stands on every machine, for the tools that look whether it does."""
    copy = directory / path.name
    copy.write_text(path.read_text("utf-8").replace("/opt/congvan/bin/congvan", "/bin/true"))
    return copy


def _paths(value: str) -> list[Path]:
    return [Path(word.lstrip("-+")) for word in value.split()]


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    return found or pytest.skip("systemd-analyze is not installed")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_command_of_a_unit_is_one_of_ours(path: Path) -> None:
    program, *arguments = _service(path)["ExecStart"].split()
    assert program == "/opt/congvan/bin/congvan"
    done = subprocess.run(
        [sys.executable, "-c", "from deploy.main import main; main()", *arguments, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_variables_of_a_unit_are_settings(path: Path) -> None:
    name, _, _value = _service(path)["Environment"].partition("=")
    assert complaints({name: "x"}) == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_no_fault_in_a_unit(path: Path, tmp_path: Path, systemd_analyze: str) -> None:
    unit = _startable(path, tmp_path)
    done = subprocess.run([systemd_analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_hardly_exposed(path: Path, tmp_path: Path, systemd_analyze: str) -> None:
    command = [systemd_analyze, "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", "--no-pager"]
    unit = _startable(path, tmp_path)
    done = subprocess.run([*command, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


BY_CREDENTIAL = [path for path in UNITS if "#LoadCredential=" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", BY_CREDENTIAL, ids=lambda path: path.name)
def test_a_key_that_root_alone_reads_comes_as_a_credential(path: Path, tmp_path: Path) -> None:
    text = re.sub(r"^#(?=LoadCredential=|Environment=)", "", path.read_text("utf-8"), flags=re.MULTILINE)
    (name,) = re.findall(r"^LoadCredential=(\S+?):/etc/congvan/tls/\S+\.pem$", text, re.MULTILINE)
    (variable,) = re.findall(rf"^Environment=(\w+)=%d/{re.escape(name)}$", text, re.MULTILINE)
    assert complaints({variable: "x"}) == []
    unit = _startable(path, tmp_path)
    unit.write_text(text.replace("/opt/congvan/bin/congvan", "/bin/true"))
    if found := shutil.which("systemd-analyze"):
        done = subprocess.run([found, "verify", str(unit)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_each_timer_starts_a_service_that_there_is() -> None:
    timers = Path(deploy.__file__).parent.glob("systemd/*.timer")
    assert {timer.stem for timer in timers} == {"congvan-pki-renew"} <= {unit.stem for unit in UNITS}


WRITTEN_BY = {"INBOX_DIR": ("gateway",), "OUTBOX_DIR": ("gateway",), "BACKUP_DIR": ("gateway", "desk")}
"""Directories that settings name beside the data directory, and which services write them."""


def _directories_of_the_how_tos() -> list[tuple[str, Path]]:
    written = "\n".join((HOW_TO / name).read_text("utf-8") for name in ("gateway.md", "desk.md"))
    found = re.findall(r"CONGVAN_GATEWAY_([A-Z_]+_DIR)=(/[^\s`]+)", written)
    return [(name, Path(path)) for name, path in found]


def test_every_directory_of_a_gateway_is_one_that_somebody_writes() -> None:
    named = {name.upper() for name in GatewaySettings.model_fields if name.endswith("_dir")}
    assert named == {"DATA_DIR", *WRITTEN_BY}


def test_every_directory_that_the_how_tos_name_may_be_written_by_the_services_that_do() -> None:
    told = _directories_of_the_how_tos()
    assert {name for name, _ in told} == set(WRITTEN_BY)
    for name, path in told:
        for program in WRITTEN_BY[name]:
            unit = _service(next(unit for unit in UNITS if unit.name.startswith(f"congvan-{program}@")))
            assert any(path.is_relative_to(root) for root in _paths(unit["ReadWritePaths"])), (program, name)


def test_the_desks_service_has_no_secret_of_the_gateways() -> None:
    desk = _service(next(unit for unit in UNITS if unit.name.startswith("congvan-desk@")))
    assert set(desk["UnsetEnvironment"].split()) == OF_THE_GATEWAY_ALONE
    assert "CONGVAN_GATEWAY_TOKEN" in OF_THE_GATEWAY_ALONE
    assert Path(desk["EnvironmentFile"]) in _paths(desk["InaccessiblePaths"])
