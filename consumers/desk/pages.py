"""Makes the desk's pages."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from consumers.desk import words
from consumers.desk.access import DeskViewer, services_of
from consumers.spool.people import DeskRight
from router.mail import choosing
from router.pages import rendering
from router.pages.access import Visitor
from router.pages.preferences import Preferences

ROOT = "/desk"
_TEMPLATES = Path(__file__).with_name("templates")


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
    language = Preferences.of(request.cookies).language
    environment = environment_of(language, services_of(request).calendar.zone)
    viewer = visitor if isinstance(visitor, DeskViewer) else None
    who = viewer.card.full_name if viewer else visitor.person.name if visitor else ""
    administers = viewer is not None and viewer.may(DeskRight.ADMINISTER)
    looking = {"viewer": viewer, "visitor": visitor, "who": who, "administers": administers}
    return rendering.answer(request, environment, template, status=status, **(looking | context))


@cache
def environment_of(language: str, timezone: str) -> Environment:
    """The templates in a language, with the times of a zone (its IANA name)."""
    known = {"link": link, "words": words, "RIGHTS": DeskRight}
    return rendering.environment_for([_TEMPLATES, choosing.TEMPLATES], ROOT, language, timezone, **known)


def link(path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """The address of a page of ours; what is empty or None is left out of the query."""
    return rendering.link(ROOT, path, query, **more)
