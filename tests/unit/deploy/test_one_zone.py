"""One setting says where the organisation is: no door asks the machine, whose zone is another one here."""

import ast
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

import consumers
import deploy
import router
import schemas
from consumers.cli import showing
from consumers.line.openings import local_clock
from consumers.sending.writing import _name_of
from consumers.settings import GatewaySettings
from consumers.sinks import make_sink
from consumers.sinks.folder import directory_name
from deploy.demo.screen import receipt_line
from router.cli import console_output, unit_acts
from router.console.exports import CellWriter
from router.pages.shown import Shown
from router.pages.spreadsheet import Separator
from router.settings import RouterSettings
from schemas.clock import day_at, iso, now_ms, to_ms, today
from schemas.zone import local_time, zone

AT = to_ms(datetime(2026, 11, 21, 22, 4, 3, tzinfo=UTC))
"""Five in the morning of the next day in Viet Nam, six in the evening in New York."""
DOCUMENT = SimpleNamespace(
    received_at=AT, delivery_id="019b", descriptor=SimpleNamespace(notation="1-CV", subject="Về việc kiểm tra")
)
TOLD = {"unit": "LCA", "recorded_at": iso(AT), "status": "arrived"}


def _folder(_: Path) -> str:
    return directory_name(DOCUMENT, GatewaySettings().timezone)  # type: ignore[arg-type]


def _sink(data: Path) -> str:
    sink = make_sink(GatewaySettings(data_dir=data))
    return f"2026-11-22 {sink._timezone}"  # type: ignore[attr-defined]


def _csv(_: Path) -> str:
    services = SimpleNamespace(zone=ZoneInfo(RouterSettings().timezone))
    return CellWriter("en", services, Separator.COMMA).at(AT)  # type: ignore[arg-type]


def _receipt(_: Path) -> str:
    followed = SimpleNamespace(addressees=(), notation="1-CV")
    return f"2026-11-22 {receipt_line(followed, TOLD)}"  # type: ignore[arg-type]


DOORS: dict[str, Callable[[Path], str]] = {
    "the router's commands": lambda _: console_output.local_time(AT),
    "the gateway's commands": lambda _: showing.local_time(AT),
    "the hours of a line": lambda _: f"2026-11-22 {local_clock(datetime.fromtimestamp(AT / 1000, UTC))}",
    "a folder of the inbox": _folder,
    "the folder sink": _sink,
    "the console and the certificate": lambda _: Shown("en", ZoneInfo(RouterSettings().timezone)).moment(AT),
    "CSV": _csv,
    "the demonstration": _receipt,
    "a time that is read": lambda _: local_time(console_output.past_moment("2026-11-22T05:04:03")),
}
SHOWN = ("2026-11-22 05:04", "22/11/2026 05:04", "2026-11-22 1-CV", "2026-11-22 Asia/Ho_Chi_Minh")


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_document_that_a_command_puts_into_the_outbox_has_the_organisations_day() -> None:
    letter = b'{"notation": "1-CV", "subject": "S"}'
    before = today(zone().key)
    assert _name_of(letter) in {f"{day} 1-CV S" for day in (before, today(zone().key))}


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("door", DOORS)
def test_every_door_shows_and_reads_times_of_the_organisations_zone(door: str, tmp_path: Path) -> None:
    assert any(text in DOORS[door](tmp_path) for text in SHOWN)


@pytest.mark.usefixtures("_elsewhere")
def test_a_day_is_the_organisations_and_the_setting_may_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Asia/Ho_Chi_Minh", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        monkeypatch.setenv("CONGVAN_TIMEZONE", name)
        assert zone().key == GatewaySettings().timezone == RouterSettings().timezone == name
        before = today(name)
        assert unit_acts._today() in {before, day_at(now_ms(), name)}


def test_a_zone_that_is_none_is_refused_at_routers_and_gateways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_TIMEZONE", "Hanoi")
    for settings in (RouterSettings, GatewaySettings):
        with pytest.raises(ValueError, match="no time zone of the IANA database"):
            assert settings().timezone


def test_no_line_of_the_code_asks_the_machine_for_its_zone() -> None:
    root = Path(router.__file__).parents[1]
    found = set()
    for package in (router, consumers, schemas, deploy):
        for file in Path(package.__path__[0]).rglob("*.py"):
            calls = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
            if any(_is_local(call) for call in calls):
                found.add(str(file.relative_to(root)))
    assert found == set()


def _is_local(call: ast.Call) -> bool:
    """``x.astimezone()``, ``datetime.now()``, ``datetime.fromtimestamp(x)``, ``date.today()``, ``time.localtime()``."""
    if not isinstance(call.func, ast.Attribute):
        return False
    given = len(call.args) + len(call.keywords)
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    most = {"astimezone": 0, "fromtimestamp": 1}.get(call.func.attr)
    by_owner = {("datetime", "now"), ("datetime", "today"), ("date", "today"), ("time", "localtime"), ("time", "ctime")}
    return (most is not None and given <= most) or (given == 0 and (owner, call.func.attr) in by_owner)
