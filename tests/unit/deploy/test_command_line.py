"""The ``congvan`` command itself: what its help costs, what it refuses, how errors end."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from deploy.exits import ExitCode, ending_of, report
from deploy.lazy import Mount, load
from deploy.main import MOUNTS
from router.cli.console_output import future_moment, past_moment
from schemas.clock import iso
from schemas.errors import InvalidError, TransitionError

HEAVY = ("sqlalchemy", "alembic", "fastapi", "uvicorn", "pika", "aiohttp", "orjson", "structlog", "pydantic_settings")


def congvan(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    command = [sys.executable, "-m", "deploy.main", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean | variables | {"COLUMNS": "120"}
    )


def test_help_lists_every_command_and_imports_none_of_the_heavy_libraries() -> None:
    program = (
        "import sys; sys.argv = ['congvan', '--help']; import deploy.main as m\n"
        "try: m.main()\n"
        f"finally: print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    for mount in MOUNTS:
        assert mount.name in done.stdout


def test_a_command_ends_without_a_walk_through_its_memory() -> None:
    program = (
        "import atexit, gc, sys; sys.argv = ['congvan', 'schemas', 'export', '--json']; import deploy.main as m\n"
        "atexit.register(lambda: print('left:', len(gc.get_objects())))\n"
        "m.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.rpartition("left: ")[2]) < 1000


def test_an_unknown_setting_in_the_environment_is_refused_with_the_nearest_known_name() -> None:
    done = congvan("config", "show", CONGVAN_HTTP_PROT="8470")
    assert done.returncode == ExitCode.USAGE
    assert "unknown setting CONGVAN_HTTP_PROT" in done.stderr
    assert "did you mean CONGVAN_HTTP_PORT?" in done.stderr


def test_a_setting_like_no_other_points_to_the_list() -> None:
    done = congvan("config", "show", CONGVAN_ZZZZZZ="1")
    assert done.returncode == ExitCode.USAGE
    assert "`congvan config show`" in done.stderr


def test_known_settings_of_every_program_are_taken() -> None:
    variables = {"CONGVAN_HTTP_PORT": "1", "CONGVAN_GATEWAY_UNITS": "LCA.#", "CONGVAN_LOG_LEVEL": "debug"}
    done = congvan("config", "show", "--json", **variables)
    assert done.returncode == 0
    assert {name: json.loads(done.stdout)[name]["value"] for name in variables} == variables


def test_the_version_is_told_whatever_the_settings_are() -> None:
    done = congvan("--version", CONGVAN_ZZZZZZ="1")
    assert done.returncode == 0
    assert done.stdout.startswith("congvan ")


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    done = congvan(
        *("config", "show", "--json"),
        CONGVAN_TOKEN="cv1.secret",
        CONGVAN_LEDGER_URL="postgresql://u:secret@db/congvan?sslmode=verify-full",
    )
    assert done.returncode == 0
    assert "secret" not in done.stdout
    assert "postgresql://u:***@db/congvan?sslmode=verify-full" in done.stdout


def test_an_unknown_command_is_wrong_usage() -> None:
    done = congvan("sned")
    assert done.returncode == ExitCode.USAGE
    assert "send" in done.stderr


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.name)
def test_the_outline_in_the_table_is_the_first_line_of_the_commands_own_help(mount: Mount) -> None:
    command = load(mount)
    assert command.help.partition("\n")[0] == mount.summary
    assert not any("--install-completion" in parameter.opts for parameter in command.params)


def test_names_in_the_table_are_unique() -> None:
    names = [mount.name for mount in MOUNTS]
    assert len(names) == len(set(names))


class HintedError(Exception):
    hint = "turn it on"


class OurNotFoundError(HintedError):
    status = 404


class OurConflictError(Exception):
    status = 409


class OurOutageError(Exception):
    status = 503


class OurRateError(Exception):
    status = 429


@dataclass
class OurExitError(Exception):
    exit_code: int = 3


class BrokerError(Exception):
    pass


class BrokerAwayError(BrokerError):
    pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OurNotFoundError("no dispatch 1"), ExitCode.NOT_FOUND),
        (OurConflictError("same key"), ExitCode.REFUSED),
        (OurOutageError("ledger"), ExitCode.UNAVAILABLE),
        (OurRateError("slow down"), ExitCode.UNAVAILABLE),
        (OurExitError(), ExitCode.NOT_FOUND),
        (BrokerAwayError("away"), ExitCode.UNAVAILABLE),
        (InvalidError("submission", []), ExitCode.USAGE),
        (TransitionError("completed cannot follow arrived"), ExitCode.REFUSED),
        (FileNotFoundError(2, "No such file", "a.pdf"), ExitCode.NOT_FOUND),
        (ConnectionRefusedError("no"), ExitCode.UNAVAILABLE),
        (TimeoutError(), ExitCode.UNAVAILABLE),
        (PermissionError("no"), ExitCode.FAILED),
        (ZeroDivisionError("bug"), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_every_error_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    assert ending_of(error).code is code


def test_an_error_of_the_system_names_its_file() -> None:
    assert ending_of(FileNotFoundError(2, "No such file or directory", "a.pdf")).message == (
        "a.pdf: No such file or directory"
    )


def test_an_error_is_told_in_one_line_and_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(OurNotFoundError("no dispatch\n 019b")) is ExitCode.NOT_FOUND
    assert capsys.readouterr().err == "congvan: no dispatch 019b\n  hint: turn it on\n"


def test_an_unforeseen_error_says_how_to_see_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    report(ZeroDivisionError("division by zero"))
    shown = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in shown
    assert "--debug" in shown


BROKEN = """
import json, sys
import deploy.main as m
from deploy.lazy import Mount
import types, typer
module = types.ModuleType("broken"); module.app = typer.Typer(add_completion=False)
@module.app.command()
def fail() -> None:
    raise ConnectionRefusedError("the router does not answer")
sys.modules["broken"] = module
m.Congvan.mounts = (Mount("fail", "broken", "Fail.", "Run"),)
sys.argv = json.loads(sys.argv[1])
m.main()
"""


def run_broken(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BROKEN, json.dumps(["congvan", *arguments])]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_commands_error_ends_without_a_traceback() -> None:
    done = run_broken("fail")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert done.stderr == "congvan: the router does not answer\n"


def test_debug_shows_the_traceback() -> None:
    done = run_broken("--debug", "fail")
    assert done.returncode == ExitCode.FAILED
    assert "Traceback" in done.stderr


def test_a_term_of_a_day_ends_with_its_last_moment_in_the_organisations_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_TIMEZONE", "Asia/Ho_Chi_Minh")
    monkeypatch.setenv("TZ", "America/New_York")
    assert iso(future_moment("2090-11-30")) == "2090-11-30T16:59:59.999Z"
    assert iso(future_moment("2090-11-30T17:00")) == "2090-11-30T10:00:00.000Z"
    assert iso(past_moment("2020-11-30")) == "2020-11-29T17:00:00.000Z"


def test_an_argument_that_is_not_utf8_is_wrong_usage_and_is_named() -> None:
    command: list[str | bytes] = [sys.executable, "-m", "deploy.main", "send", b"b\xb8o c\xb8o.pdf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "argument 2 is not UTF-8" in done.stderr
    assert "please report it" not in done.stderr
