"""When the organisation's offices work: one setting of routers, gateways and desks, read into a working calendar."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.errors import FieldProblem, InvalidError
from schemas.settings import ProgramSettings
from schemas.working_calendar import (
    OFFICE_HOURS,
    Exceptions,
    WorkingCalendar,
    known_country,
    parse_exceptions,
    parse_office_hours,
)
from schemas.zone import zone

MAX_FILE_BYTES = 256 * 1024
"""Of a file of days that differ: two thousand of them with remarks."""


def _written_hours(text: str) -> str:
    parse_office_hours(text)
    return text


class OfficeSettings(ProgramSettings):
    """The working time, by which deadlines in working days are counted."""

    office_hours: Annotated[str, AfterValidator(_written_hours)] = Field(
        default=OFFICE_HOURS, description="The hours of a working day, by the clock of CONGVAN_TIMEZONE."
    )
    office_country: Annotated[str, AfterValidator(known_country)] = Field(
        default="VN", description="Whose public holidays and weekends count: its ISO 3166 code."
    )
    office_days: Path | None = Field(
        default=None,
        description="A file of days that differ, as the government moves them each year: a line is `2027-02-13 work` "
        "or `2027-02-03 off` and a remark.",
    )


def office_calendar() -> WorkingCalendar:
    """The working calendar, as the settings say.

    Raises:
        ValidationError: a setting is wrong.
        InvalidError: the file of days has lines that cannot be read, or is no text.
        OSError: it cannot be opened.
    """
    settings = OfficeSettings()
    hours = parse_office_hours(settings.office_hours)
    return WorkingCalendar(zone().key, hours, settings.office_country, _exceptions(settings.office_days))


def _exceptions(path: Path | None) -> Exceptions:
    if path is None:
        return Exceptions()
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise InvalidError(str(path), [FieldProblem("(whole)", f"has more than {MAX_FILE_BYTES} bytes")])
    try:
        return parse_exceptions(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidError(str(path), [FieldProblem("(whole)", "is no text in UTF-8")]) from error
