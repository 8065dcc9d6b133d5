"""Settings: environment before file before default, no unknown variable unseen, every value with its origin."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from schemas.settings import ProgramSettings, origin_of, state_home, unknown_variables


class Pump(ProgramSettings):
    speed: int = Field(default=1, ge=1)
    colour: str = "red"


class Valve(ProgramSettings):
    model_config = SettingsConfigDict(env_prefix="CONGVAN_VALVE_", extra="ignore", frozen=True)
    width: int = 3


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "congvan.toml"
    file.write_text('speed = 5\ncolour = "xanh"\n', "utf-8")
    monkeypatch.setenv("CONGVAN_CONFIG", str(file))
    return file


@pytest.mark.usefixtures("config")
def test_the_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_SPEED", "9")
    assert (Pump().speed, Pump().colour, Valve().width) == (9, "xanh", 3)
    assert Pump(speed=2).speed == 2


def test_every_value_has_its_origin(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_SPEED", "9")
    assert origin_of(Pump()) == {"CONGVAN_SPEED": (9, "environment"), "CONGVAN_COLOUR": ("xanh", str(config))}
    assert origin_of(Valve()) == {"CONGVAN_VALVE_WIDTH": (3, "default")}


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("variable", ["CONGVAN_SECRETS_DIR", "CREDENTIALS_DIRECTORY"])
def test_a_secret_file_wins_over_the_settings_file_and_the_environment_over_both(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets" / "congvan_speed"
    file.write_text("7\n", "utf-8")
    monkeypatch.setenv(variable, str(tmp_path / "secrets"))
    assert (Pump().speed, Pump().colour) == (7, "xanh")
    assert origin_of(Pump())["CONGVAN_SPEED"] == (7, str(file))
    monkeypatch.setenv("CONGVAN_SPEED", "9")
    assert origin_of(Pump())["CONGVAN_SPEED"] == (9, "environment")


def test_a_directory_of_secrets_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="nowhere"):
        Pump()


@pytest.mark.parametrize(
    ("given", "expected"), [("/state", "/state"), ("", "/home/a/.local/state"), ("state", "/home/a/.local/state")]
)
def test_state_is_kept_where_the_user_keeps_state(given: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    monkeypatch.setenv("XDG_STATE_HOME", given)
    assert state_home() == Path(expected)


def test_a_variable_that_no_program_knows_is_named() -> None:
    environ = {
        "CONGVAN_SPEED": "1",
        "congvan_colour": "x",
        "CONGVAN_CONFIG": "f",
        "CONGVAN_VALVE_WIDTH": "1",
        "HOME": "/",
    }
    assert unknown_variables(environ, [Pump, Valve]) == []
    misspelt = {"CONGVAN_SPED": "1", "CONGVAN_WIDTH": "2"}
    assert unknown_variables(environ | misspelt, [Pump, Valve]) == ["CONGVAN_SPED", "CONGVAN_WIDTH"]


def test_a_value_out_of_range_is_refused_by_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_SPEED", "0")
    with pytest.raises(ValidationError, match="speed"):
        Pump()


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValidationError):
        Pump().speed = 7  # type: ignore[misc] # the very mistake
