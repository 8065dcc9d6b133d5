"""Puts the console together: its door, its pages, and its static files."""

from functools import partial

from fastapi import FastAPI

from router.console import (
    audit,
    care,
    certificate,
    deliveries,
    documents,
    help,  # noqa: A004 - a page is called so
    lines,
    live,
    log,
    overview,
    people,
    provider_login,
    recall,
    redrives,
    search,
    send,
    sheets,
    statistics,
    stuck,
    tokens,
    unit,
    unit_acts,
    unit_import,
    unit_retire,
    unit_rules,
    unit_waiting,
    units,
    views,
)
from router.console.access import note_at_door
from router.console.newsroom import Newsroom
from router.console.pages import ROOT, page
from router.errors import RouterError
from router.faces import Services
from router.ledger.engine import reading, writing
from router.ledger.people.persons import PEOPLE, SESSIONS, THROTTLE
from router.pages import door
from router.pages.access import Door
from router.pages.compression import Compression
from router.pages.language import N_
from router.pages.rendering import Static
from router.pages.safety import Safety
from router.pages.telling import Told, tell_errors
from router.words.errors import ERRORS

__all__ = ["PARTS", "ROOT", "create_console"]
PARTS = (
    *(
        door,
        provider_login,
        overview,
        log,
        live,
        deliveries,
        certificate,
        documents,
        units,
        unit_acts,
        unit_import,
        unit_rules,
        unit_retire,
        unit_waiting,
        unit,
        lines,
    ),
    *(stuck, care, views, redrives, statistics, search, audit, tokens, people, sheets, send, recall, help),
)
LABELS = {
    "reason": N_("Why?"),
    "day": N_("Last day"),
    "successor": N_("Its successor (may be empty)"),
    "q": N_("Filter"),
    "text": N_("Note"),
    "name": N_("What it is called"),
}
"""Fields of forms that a person fills, with what they are called."""


def create_console(services: Services) -> FastAPI:
    """The console over the router's parts; it owns none of them."""
    app = FastAPI(title="congvan console", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.newsroom = Newsroom(services)
    app.state.door = Door(
        root=ROOT,
        people=PEOPLE,
        sessions=SESSIONS,
        throttle=THROTTLE,
        reading=partial(reading, services.engine),
        writing=partial(writing, services.engine),
        note=note_at_door,
        page=page,
        has_provider=services.provider is not None,
        labels=LABELS,
    )
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/static", Static(), name="static")
    tell_errors(app, {RouterError: _told_of}, ERRORS)
    app.add_middleware(Safety)
    app.add_middleware(Compression)
    return app


def _told_of(error: RouterError) -> Told:
    return Told(error.status, error.slug, error.detail, error.hint, getattr(error, "retry_after", None))
