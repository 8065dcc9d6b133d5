"""Makes pages: templates in the viewer's language, with what every page needs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from router.console.access import Viewer, services_of
from router.ledger.queries import REDRIVABLE
from router.ledger.reasons import cause_of
from router.pages.language import ENGLISH, LANGUAGES, translations
from router.pages.shown import Shown
from router.words import terms
from router.words.filter_words import FLAG_WORDS
from router.words.filters import token
from schemas.reasons import WORDS, known_code

ROOT = "/console"
STATIC = Path(__file__).with_name("static")
THEMES = ("auto", "light", "dark")
KEYS = ("on", "off")
MOST_CHOSEN = 100
"""Rows of a page that can be acted on together."""
COOKIES = {"language": "congvan-language", "theme": "congvan-theme", "keys": "congvan-keys"}
CHOICES = {"language": LANGUAGES, "theme": THEMES, "keys": KEYS}


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody wants pages; kept in cookies, because it is the browser's matter."""

    language: str
    theme: str
    keys: str


def preferences_of(request: Request) -> Preferences:
    """What the cookies say, as far as it is one of the choices."""
    return Preferences(**{name: _choice(request.cookies.get(COOKIES[name]), CHOICES[name]) for name in COOKIES})


def page(request: Request, viewer: Viewer | None, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page.

    Args:
        request: what is answered.
        viewer: who looks; None: nobody is logged in.
        template: its file.
        status: the answer's.
        context: what the template shows.
    """
    preferences = preferences_of(request)
    environment = environment_of(preferences.language, services_of(request).timezone)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    common = {"viewer": viewer, "preferences": preferences, "here": here, "path": request.url.path}
    text = environment.get_template(template).render(common | context)
    return HTMLResponse(text, status, headers={"vary": "cookie", "content-language": preferences.language})


def shown_to(request: Request) -> Shown:
    """How times and numbers are written for who asks."""
    return Shown(preferences_of(request).language, services_of(request).zone)


@cache
def environment_of(language: str, timezone: str) -> Environment:
    """The templates in a language, with the times of a zone (its IANA name)."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "cause_of": cause_of,
        "coded": partial(_coded, language),
        "english": translations(ENGLISH).gettext,
        "flag_words": FLAG_WORDS,
        "languages": LANGUAGES,
        "link": link,
        "redrivable": REDRIVABLE,
        "root": ROOT,
        "shown": Shown(language, ZoneInfo(timezone)),
        "themes": THEMES,
        "token": token,
        "version": version(),
        "vietnamese": translations(LANGUAGES[0]).gettext,
        "words": terms,
    }
    return environment


def _coded(language: str, code: str) -> tuple[str, str]:
    """What a machine's code of a reason means, and what can be done; both empty for none that is known."""
    known = known_code(code)
    if known is None:
        return "", ""
    told = WORDS[known]
    return (told.en, told.advice_en) if language == ENGLISH else (told.vi, told.advice_vi)


def link(path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """The address of a page of ours; what is empty or None is left out of the query."""
    given = {key: value for key, value in {**(query or {}), **more}.items() if value not in {None, ""}}
    return f"{ROOT}{path}" + (f"?{urlencode(given)}" if given else "")


@cache
def version() -> str:
    """Names the static files as they are, so that browsers may keep them until they change."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _choice(given: str | None, choices: tuple[str, ...]) -> str:
    return given if given in choices else choices[0]
