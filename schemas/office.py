"""When the organisation's offices work, and how long is at once: the settings of routers, gateways and desks."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.dispatch import Urgency
from schemas.duties import Terms
from schemas.errors import FieldProblem, InvalidError
from schemas.settings import CONFIG_VARIABLE, SECRETS_VARIABLE, ProgramSettings
from schemas.working_calendar import (
    OFFICE_HOURS,
    Exceptions,
    WorkingCalendar,
    known_country,
    parse_exceptions,
    parse_office_hours,
)
from schemas.zone import ZoneSettings, zone

MAX_FILE_BYTES = 256 * 1024
"""Of a file of days that differ: two thousand of them with remarks."""

MOST_AT_ONCE = 7 * 86400.0
"""Seconds that "at once" may last: what takes longer is not urgent."""


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
    office_at_once: Annotated[float, Field(gt=0, le=MOST_AT_ONCE)] = Field(
        default=1800.0, description="Seconds of office hours in which an urgent document is dealt with: at once."
    )
    office_any_hour_from: Annotated[int, Field(ge=Urgency.URGENT, le=Urgency.EXPRESS_TIMED)] = Field(
        default=Urgency.EXPRESS.value,
        description="The urgency from which nights and days off count, too: 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, "
        "4 hỏa tốc hẹn giờ.",
    )


_VARIABLES = (*OfficeSettings.variables(), *ZoneSettings.variables(), CONFIG_VARIABLE, SECRETS_VARIABLE)


def office_terms() -> Terms:
    """By which deadlines are counted, as the settings say: read once for what the environment says.

    Raises:
        ValidationError: a setting is wrong.
        InvalidError: the file of days has lines that cannot be read, or is no text.
        OSError: it cannot be opened.
    """
    return _terms(*(os.environ.get(name) for name in _VARIABLES))


@lru_cache(maxsize=4)
def _terms(*_environment: str | None) -> Terms:
    settings = OfficeSettings()
    hours, exceptions = parse_office_hours(settings.office_hours), _exceptions(settings.office_days)
    calendar = WorkingCalendar(zone().key, hours, settings.office_country, exceptions)
    return Terms(calendar, settings.office_at_once, Urgency(settings.office_any_hour_from))


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
