"""Makes the console's pages."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from router.console.access import services_of, viewer_for
from router.ledger.queries import REDRIVABLE
from router.mail import choosing
from router.pages import rendering
from router.pages.access import Visitor
from router.pages.language import ENGLISH, translations
from router.pages.preferences import Preferences
from router.pages.shown import Shown
from router.words import certificates, duties, terms
from router.words.filter_words import FLAG_WORDS
from router.words.filters import token
from schemas.reasons import WORDS, known_code

ROOT = "/console"
MOST_CHOSEN = 100
"""Rows of a page that can be acted on together."""
_TEMPLATES = Path(__file__).with_name("templates")


def preferences_of(request: Request) -> Preferences:
    """How the person who asks wants pages."""
    return Preferences.of(request.cookies)


def page(
    request: Request, visitor: Visitor | None, template: str, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page.

    Args:
        request: what is answered.
        visitor: who looks; None: nobody is logged in.
        template: its file.
        status: the answer's.
        context: what the template shows.
    """
    environment = environment_of(preferences_of(request).language, services_of(request).timezone)
    who = visitor.person.name if visitor else ""
    looking = {"viewer": visitor and viewer_for(visitor), "visitor": visitor, "who": who}
    return rendering.answer(request, environment, template, status=status, **(looking | context))


def shown_to(request: Request) -> Shown:
    """How times and numbers are written for the person who asks."""
    return Shown(preferences_of(request).language, services_of(request).zone)


def say_to(request: Request) -> Callable[[str], str]:
    """Translates messages for the person who asks."""
    return translations(preferences_of(request).language).gettext


@cache
def environment_of(language: str, timezone: str) -> Environment:
    """The templates in a language, with the times of a zone (its IANA name)."""
    return rendering.environment_for(
        [_TEMPLATES, choosing.TEMPLATES],
        ROOT,
        language,
        timezone,
        asked_in=asked_in,
        coded=partial(coded, language),
        duties=duties,
        flag_words=FLAG_WORDS,
        link=link,
        redrivable=REDRIVABLE,
        token=token,
        words=terms,
        certificate=certificates.certificate,
    )


def coded(language: str, code: str) -> tuple[str, str]:
    """What a machine's code of a reason means, and what can be done; both empty for none that is known."""
    known = known_code(code)
    if known is None:
        return "", ""
    told = WORDS[known]
    return (told.en, told.advice_en) if language == ENGLISH else (told.vi, told.advice_vi)


def link(path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """The address of a page of ours; what is empty or None is left out of the query."""
    return rendering.link(ROOT, path, query, **more)


def asked_in(query: str) -> str:
    """What an address asks for, to be read: the filter, or each field with what stands in it."""
    return " ".join(value if key == "q" else f"{key}:{value}" for key, value in parse_qsl(query))
