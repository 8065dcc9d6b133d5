"""How somebody wants pages: kept in cookies, because it is the browser's matter."""

from collections.abc import Mapping
from dataclasses import dataclass

from router.pages.language import LANGUAGES

THEMES = ("auto", "light", "dark")
KEYS = ("on", "off")
SEPARATORS = ("comma", "semicolon")
COOKIES = {
    "language": "congvan-language",
    "theme": "congvan-theme",
    "keys": "congvan-keys",
    "separator": "congvan-separator",
}
CHOICES = {"language": LANGUAGES, "theme": THEMES, "keys": KEYS, "separator": SEPARATORS}


@dataclass(frozen=True, slots=True)
class Preferences:
    """Language, theme, and whether keys act: each one of its choices."""

    language: str
    theme: str
    keys: str
    separator: str
    """Of the cells in files for spreadsheet programs."""

    @classmethod
    def of(cls, cookies: Mapping[str, str]) -> "Preferences":
        """What cookies say, as far as it is one of the choices; else the first."""
        return cls(**{name: _choice(cookies.get(COOKIES[name]), CHOICES[name]) for name in COOKIES})


def _choice(given: str | None, choices: tuple[str, ...]) -> str:
    return given if given in choices else choices[0]
