"""Which day it is for the organisation: the day in its own time zone decides which units exist."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from router.cli.units import app
from router.content import ContentStore
from router.content.encoding import Encoder
from router.content.possession import Possession
from router.directory import Directory
from router.intake import Intake
from router.ledger.writer import Writer
from router.settings import RouterSettings
from schemas.clock import day_at, now_ms, today
from support.organisation import a_unit

SIX_IN_THE_MORNING = 1_751_324_400_000  # 2025-07-01 06:00 in Hanoi, 2025-06-30 23:00 UTC
OLD, NEW = a_unit("LCA.OLD", valid_to="2025-06-30"), a_unit("LCA.NEW", valid_from="2025-07-01")


@dataclass
class Calendar:
    """Directories whose day the test turns."""

    directory: Directory
    today: date


def test_the_day_begins_seven_hours_earlier_in_vietnam() -> None:
    assert day_at(SIX_IN_THE_MORNING, "Asia/Ho_Chi_Minh") == date(2025, 7, 1)
    assert day_at(SIX_IN_THE_MORNING, "UTC") == date(2025, 6, 30)
    assert today("Asia/Ho_Chi_Minh") in {day_at(now_ms() + 7 * 3_600_000 - ago, "UTC") for ago in (0, 60_000)}


def test_vietnams_zone_is_the_default_and_one_that_does_not_exist_is_refused() -> None:
    assert RouterSettings().timezone == "Asia/Ho_Chi_Minh"
    assert RouterSettings(timezone="Europe/Berlin").timezone == "Europe/Berlin"
    for wrong in ("Asia/Lao_Cai", "", "../../etc/passwd"):
        with pytest.raises(ValidationError, match="no time zone of the IANA database"):
            RouterSettings(timezone=wrong)


def test_who_is_addressed_changes_with_the_organisations_day(tmp_path: Path) -> None:
    calendar = Calendar(Directory([a_unit("LCA"), OLD, NEW]), date(2025, 6, 30))
    content = ContentStore(tmp_path, reserve_bytes=0)
    encoder = cast("Encoder", None)
    possession = cast("Possession", None)  # nobody names a file here
    intake = Intake(
        writer=cast("Writer", None), content=content, possession=possession, encoder=encoder, directories=calendar
    )
    rules = ("LCA.*",)
    assert [unit.code for unit in intake.resolve(rules).included] == ["LCA.OLD"]
    calendar.today = date(2025, 7, 1)
    assert [unit.code for unit in intake.resolve(rules).included] == ["LCA.NEW"]


def test_the_dry_run_at_the_command_line_is_of_the_same_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "units.csv"
    zone = "Pacific/Kiritimati"  # UTC+14: for ten hours of every day it is tomorrow there, seen from UTC+4 and west
    day = today(zone)
    file.write_text(f"code,parent,name,kind,link,valid_from\nLCA,,Tỉnh,province,lan,\nLCA.01,LCA,Mới,unit,lan,{day}\n")
    monkeypatch.setenv("CONGVAN_TIMEZONE", zone)
    result = CliRunner().invoke(app, ["resolve", "LCA.01", "--file", str(file)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("1 addressed")
