"""Where settings come from: the environment over the file over the defaults, and nothing misspelt goes unseen."""

from pathlib import Path

import pytest

from consumers.settings import GatewaySettings
from deploy.settings import PROGRAMS, complaints
from router.settings import RouterSettings
from schemas.settings import CONFIG_VARIABLE, origin_of

FILE = """
http_port = 9000
api_url = "https://router:9000"

[gateway]
data_dir = "/srv/gateway"
parallel_fetches = 2
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "congvan.toml"
    path.write_text(FILE)
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


def test_one_file_serves_both_programs_each_its_own_table(file: Path) -> None:
    assert RouterSettings().http_port == 9000
    assert RouterSettings().data_dir != GatewaySettings().data_dir == Path("/srv/gateway")
    assert complaints({CONFIG_VARIABLE: str(file)}) == []


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_HTTP_PORT", "9100")
    origins = origin_of(RouterSettings())
    assert origins["CONGVAN_HTTP_PORT"] == (9100, "environment")
    assert origins["CONGVAN_API_URL"] == ("https://router:9000", str(file))
    assert origins["CONGVAN_RELAY_BATCH"] == (500, "default")
    assert origin_of(GatewaySettings())["CONGVAN_GATEWAY_PARALLEL_FETCHES"] == (2, str(file))


def test_a_misspelt_key_of_the_file_is_named_with_its_place(file: Path) -> None:
    file.write_text("htp_port = 1\n[gateway]\nparalel_fetches = 2\n[gatway]\nunits = 'LCA'\n")
    assert complaints({CONFIG_VARIABLE: str(file)}) == [
        f"unknown setting gateway.paralel_fetches in {file}; did you mean gateway.parallel_fetches?",
        f"unknown setting gatway.units in {file}; did you mean gateway.units?",
        f"unknown setting htp_port in {file}; did you mean http_port?",
    ]


def test_a_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "none.toml"))
    with pytest.raises(FileNotFoundError):
        RouterSettings()


def test_every_setting_has_a_sentence() -> None:
    for program in PROGRAMS:
        for name, field in program.model_fields.items():
            assert field.description, f"{program.__name__}.{name}"
            assert field.description.endswith("."), f"{program.__name__}.{name}"


def test_no_two_programs_share_a_variable() -> None:
    names = [name for program in PROGRAMS for name in program.variables()]
    assert len(names) == len(set(names))
