"""One application of the router's two faces: the web API, and the console below a path of its own."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from router.api.app import create_api
from router.console.app import ROOT, create_console
from router.faces import Services

_SEE_OTHER = 303


def create_app(services: Services) -> FastAPI:
    """API and console over the router's parts; it owns none of them."""
    app = create_api(services)
    app.mount(ROOT, create_console(services))
    for path in ("/", ROOT):
        app.add_route(path, _to_console, include_in_schema=False)
    return app


async def _to_console(_request: Request) -> Response:
    return RedirectResponse(f"{ROOT}/", _SEE_OTHER)
