"""The settings of all programs together, and those that every program shares: how it logs."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from consumers.settings import DeskSettings, GatewaySettings
from router.mail.settings import MailSettings
from router.settings import RouterSettings
from schemas.hidden import blanked
from schemas.office import OfficeSettings
from schemas.settings import (
    CONFIG_VARIABLE,
    PREFIX,
    SECRETS_VARIABLE,
    ProgramSettings,
    origin_of,
    read_file,
    unknown_keys,
    unknown_variables,
)


class LogSettings(ProgramSettings):
    """How every program of congvan logs."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important lines that are written."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="Form of the lines on standard error; auto: pretty on a terminal, else JSON."
    )


PROGRAMS: tuple[type[ProgramSettings], ...] = (
    RouterSettings,
    GatewaySettings,
    DeskSettings,
    OfficeSettings,
    MailSettings,
    LogSettings,
)


def complaints(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable and each key of the file that no program knows, with the nearest known name."""
    variables = [CONFIG_VARIABLE, SECRETS_VARIABLE, *(name for program in PROGRAMS for name in program.variables())]
    keys = [".".join(filter(None, (program.toml_table, name))) for program in PROGRAMS for name in program.model_fields]
    unknown = [(name, "the environment", variables) for name in unknown_variables(environ, PROGRAMS)]
    unknown += [(name, environ[CONFIG_VARIABLE], keys) for name in unknown_keys(read_file(), PROGRAMS)]
    return [_sentence(*item) for item in unknown]


def _sentence(name: str, where: str, known: list[str]) -> str:
    bare = {item.upper().removeprefix(PREFIX): item for item in known}  # the prefix would make all look alike
    near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), bare, n=1)
    advice = f"did you mean {bare[near[0]]}?" if near else "without it, `congvan config show` lists all that are known"
    return f"unknown setting {name} in {where}; {advice}"


@dataclass(frozen=True, slots=True)
class Row:
    """A setting as it stands: its variable, its value as text (secrets masked), and where the value comes from."""

    variable: str
    value: str
    origin: str


def listing() -> list[Row]:
    """Every setting of every program, as this process reads them."""
    return [
        Row(variable, _shown(value), origin)
        for program in PROGRAMS
        for variable, (value, origin) in origin_of(program()).items()
    ]


def _shown(value: object) -> str:
    """The value as text; a secret that is set is ``***``, and so is a password inside a URL."""
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return blanked(text)
