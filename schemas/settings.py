"""The base of the programs' settings: environment variables with one prefix, secret files, a TOML file, defaults.

A variable that carries the prefix, or a key of the file, that belongs to no program is an error, so a misspelt
setting never goes unseen.
"""

import errno
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from schemas.encrypted import require_protected
from schemas.hidden import hide_always

PREFIX = "CONGVAN_"
CONFIG_VARIABLE = "CONGVAN_CONFIG"
"""Names the TOML file, which may hold the settings of all programs: each reads its own table."""
SECRETS_VARIABLE = "CONGVAN_SECRETS_DIR"
"""Names a directory of files that each hold one setting and are named like its variable in lower case."""
_CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""The same, set by systemd for a unit with ``LoadCredential=`` (systemd.exec(5))."""


class ProgramSettings(BaseSettings):
    """Base of one program's settings; the environment wins over the file, the file over the defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)
    toml_table: ClassVar[str] = ""
    """The file's table that holds this program's settings; empty: they stand at its top."""
    login_urls: ClassVar[tuple[str, ...]] = ()
    """The settings that are URLs to which logins are sent; a program that has any has `allow_plaintext`, too."""

    def model_post_init(self, _context: Any) -> None:
        """Keep the secrets that were read out of every log line."""
        values = (getattr(self, name) for name in type(self).model_fields)
        hide_always(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then secret files, then the TOML file that CONGVAN_CONFIG names."""
        secrets = SecretsSettingsSource(settings_cls, secrets_dir=secret_directories())
        return (init_settings, env_settings, secrets, InitSettingsSource(settings_cls, cls.in_file(read_file())))

    @model_validator(mode="after")
    def _keeps_logins_private(self) -> Self:
        if self.login_urls and not getattr(self, "allow_plaintext", False):
            variable = {name: variable for variable, name in self.variables().items()}
            urls = {variable[name]: getattr(self, name) for name in self.login_urls}
            require_protected(urls, variable["allow_plaintext"])
        return self

    @classmethod
    def in_file(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """What the file's content says for this program."""
        table = content.get(cls.toml_table, {}) if cls.toml_table else content
        return {key: value for key, value in table.items() if not isinstance(value, dict)}

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment variable → field name."""
        prefix = cls.model_config.get("env_prefix", PREFIX)
        return {f"{prefix}{name}".upper(): name for name in cls.model_fields}


def secret_directories() -> list[Path]:
    """Where secret files are looked for; the last one that has a setting gives it.

    Raises:
        NotADirectoryError: a variable names something else.
    """
    named = [Path(os.environ[name]) for name in (SECRETS_VARIABLE, _CREDENTIALS_VARIABLE) if os.environ.get(name)]
    for path in named:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no directory of secret files", str(path))
    return named


def state_home() -> Path:
    """Where programs of this user keep state (XDG Base Directory Specification): a relative value does not count."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"


def read_file() -> dict[str, Any]:
    """The content of the TOML file that CONGVAN_CONFIG names; empty when it names none.

    Raises:
        FileNotFoundError: the file is not there.
        tomllib.TOMLDecodeError: it is no TOML.
    """
    file = os.environ.get(CONFIG_VARIABLE)
    return tomllib.loads(Path(file).read_text("utf-8")) if file else {}


def unknown_variables(environ: Mapping[str, str], programs: Iterable[type[ProgramSettings]]) -> list[str]:
    """The variables with our prefix that no program knows."""
    known = {CONFIG_VARIABLE, SECRETS_VARIABLE}.union(*(program.variables() for program in programs))
    return sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def unknown_keys(content: Mapping[str, Any], programs: Iterable[type[ProgramSettings]]) -> list[str]:
    """The dotted keys of a file's content that no program knows."""
    known = {(program.toml_table, name) for program in programs for name in program.model_fields}
    found = [("", key) for key, value in content.items() if not isinstance(value, dict)]
    found += [(table, key) for table, value in content.items() if isinstance(value, dict) for key in value]
    return sorted(".".join(filter(None, place)) for place in found if place not in known)


def origin_of(settings: ProgramSettings) -> dict[str, tuple[Any, str]]:
    """Each variable's value and where it comes from: ``environment``, a file's path, or ``default``."""
    in_environment = {name.upper() for name in os.environ}
    in_secrets = {path.name.upper(): str(path) for directory in secret_directories() for path in directory.iterdir()}
    in_file = settings.in_file(read_file())
    found: dict[str, tuple[Any, str]] = {}
    for variable, field in settings.variables().items():
        if variable in in_environment:
            origin = "environment"
        elif variable in in_secrets:
            origin = in_secrets[variable]
        elif field in in_file:
            origin = os.environ[CONFIG_VARIABLE]
        else:
            origin = "default"
        found[variable] = (getattr(settings, field), origin)
    return found
