"""Makes pages: a program's own templates over those that every page is made of, in a language and a zone."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from router.pages.language import ENGLISH, LANGUAGES, translations
from router.pages.preferences import THEMES, Preferences
from router.pages.sending import MOST_PLANNED, WORDS
from router.pages.shown import Shown

STATIC = Path(__file__).with_name("static")
_TEMPLATES = Path(__file__).with_name("templates")


def environment_for(templates: Path, root: str, language: str, timezone: str, **known: Any) -> Environment:
    """A program's templates in a language.

    Args:
        templates: the program's own; they extend ``page.html``, which asks for ``visitor``, ``who``, ``preferences``
            and ``here``.
        root: the path below which its pages lie.
        language: of the words.
        timezone: IANA name of the zone of the times.
        known: what else the templates know.
    """
    environment = Environment(
        loader=FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "english": translations(ENGLISH).gettext,
        "languages": LANGUAGES,
        "letter_words": WORDS,
        "most_planned": MOST_PLANNED,
        "root": root,
        "shown": Shown(language, ZoneInfo(timezone)),
        "themes": THEMES,
        "version": version(),
        "vietnamese": translations(LANGUAGES[0]).gettext,
        **known,
    }
    return environment


def answer(request: Request, environment: Environment, template: str, *, status: int, **context: Any) -> HTMLResponse:
    """A page of a program.

    Args:
        request: what is answered.
        environment: the program's templates, in the language and zone of who asks.
        template: its file.
        status: the answer's.
        context: what the template shows.
    """
    preferences = Preferences.of(request.cookies)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    common = {"preferences": preferences, "here": here, "path": request.url.path}
    text = environment.get_template(template).render(common | context)
    return HTMLResponse(text, status, headers={"vary": "cookie", "content-language": preferences.language})


def part(request: Request, environment: Environment, template: str, macro: str, *values: Any) -> HTMLResponse:
    """A part of a page that a script asked for: what a macro of a template draws of some values."""
    text = getattr(environment.get_template(template).module, macro)(*values)
    language = Preferences.of(request.cookies).language
    return HTMLResponse(text, headers={"vary": "cookie", "content-language": language})


def link(root: str, path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """The address of a page below a root; what is empty or None is left out of the query."""
    given = {key: value for key, value in {**(query or {}), **more}.items() if value not in {None, ""}}
    return f"{root}{path}" + (f"?{urlencode(given)}" if given else "")


@cache
def version() -> str:
    """Names the static files as they are, so that browsers may keep them until they change."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Static(StaticFiles):
    """The static files, which browsers keep when they were asked for by their version."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file."""
        response = await super().get_response(path, scope)
        named = f"v={version()}".encode() == scope["query_string"]
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return response
