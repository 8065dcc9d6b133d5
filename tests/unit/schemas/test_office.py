"""When offices work, by the settings: hours, a country's holidays, a file of days that differ."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.dispatch import Urgency
from schemas.duties import Terms
from schemas.errors import InvalidError
from schemas.office import MAX_FILE_BYTES, office_terms


def test_without_a_setting_they_are_those_of_vietnam() -> None:
    calendar = office_terms().calendar
    assert (calendar.country, calendar.zone) == ("VN", "Asia/Ho_Chi_Minh")
    assert not calendar.works_on(date(2026, 9, 2))
    assert calendar.works_on(date(2026, 11, 30))


def test_hours_and_days_that_differ_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    days = tmp_path / "days.txt"
    days.write_text("# Bộ Nội vụ thông báo\n2027-02-13 work Làm bù\n2026-11-30 off\n", "utf-8")
    monkeypatch.setenv("CONGVAN_OFFICE_DAYS", str(days))
    monkeypatch.setenv("CONGVAN_OFFICE_HOURS", "08:00-12:00")
    calendar = office_terms().calendar
    assert not calendar.works_on(date(2026, 11, 30))
    assert calendar.works_on(date(2027, 2, 13))
    assert [str(item) for item in calendar.hours] == ["08:00-12:00"]


def test_how_long_at_once_is_and_from_which_urgency_nights_count_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert office_terms() == Terms(office_terms().calendar)
    monkeypatch.setenv("CONGVAN_OFFICE_AT_ONCE", "3600")
    monkeypatch.setenv("CONGVAN_OFFICE_ANY_HOUR_FROM", "2")
    terms = office_terms()
    assert (terms.at_once, terms.any_hour_from) == (3600.0, Urgency.VERY_URGENT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AT_ONCE", "0"),
        ("ANY_HOUR_FROM", "0"),
        ("ANY_HOUR_FROM", "5"),
        ("HOURS", "8-12"),
        ("HOURS", ""),
        ("HOURS", "08:00-12:00, 11:00-17:00"),
        ("COUNTRY", "XX"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CONGVAN_OFFICE_{name}", value)
    with pytest.raises(ValidationError, match=f"office_{name.lower()}"):
        office_terms()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"2027-02-13 work\n13/02/2027 off\n2027-02-30 off\n", "line 2: .*line 3: there is no day 2027-02-30"),
        ("13-02 nghỉ".encode("utf-16"), "is no text in UTF-8"),
        (b"#" * (MAX_FILE_BYTES + 1), f"has more than {MAX_FILE_BYTES} bytes"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, problem: str
) -> None:
    days = tmp_path / "days.txt"
    days.write_bytes(content)
    monkeypatch.setenv("CONGVAN_OFFICE_DAYS", str(days))
    with pytest.raises(InvalidError, match=problem):
        office_terms()


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONGVAN_OFFICE_DAYS", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        office_terms()
