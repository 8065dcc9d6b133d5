"""Puts the web API together."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import Route

from router.api import (
    certificates,
    content,
    copies,
    directory,
    dispatches,
    health,
    log,
    organisation,
    planning,
    problems,
    recalls,
    redrives,
    reference,
    submissions,
    uploads,
)
from router.api.auth import Authenticator
from router.api.document import complete, operation_id
from router.api.guard import Guard
from router.api.packing import Packing
from router.api.tus import Tus
from router.faces import Services
from router.problem import Problem
from schemas.copies import NewPiece
from schemas.dispatch import Submission

_DESCRIPTION = """\
Hand in official dispatches, see what became of each at every addressee, fetch their attachments.

Every call but `/livez`, `/readyz` and this document carries `Authorization: Bearer <token>`; tokens are made by
`congvan token create`. An **issuer** sends for its units and sees what they sent; a **gateway** fetches what is
addressed to its units, and sends for them; an **operator** sees everything within its pattern. What an account may not
see is answered as if it were not there.

Every error is a problem document (RFC 9457): `type` names its kind, `detail` says what happened, `hint` what to do,
`errors` each field that is wrong.
"""
_NO_BODY_PARSED: tuple[type[BaseModel], ...] = (
    Submission,
    organisation.ResolveRequest,
    redrives.DryRunRequest,
    redrives.RedriveRequest,
    NewPiece,
    Problem,
)
"""Models of bodies that FastAPI neither reads nor writes itself, so it does not know them."""
_PARTS = (
    *(submissions, planning, dispatches, recalls, redrives),
    *(organisation, directory, content, uploads, copies, certificates, log, health),
)
OPENAPI = "/api/v1/openapi.json"


class _Api(FastAPI):
    """FastAPI, whose OpenAPI document describes problems and streamed bodies, too."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            template = "#/components/schemas/{model}"
            _, told = models_json_schema([(model, "validation") for model in _NO_BODY_PARSED], ref_template=template)
            super().openapi()["components"]["schemas"].update(told["$defs"])
            complete(super().openapi())
        return super().openapi()


def create_api(services: Services) -> FastAPI:
    """The web API over the router's parts; it owns none of them."""
    app = routes_alone()
    app.state.services = services
    app.state.authenticator = Authenticator(services.engine)
    problems.install(app, [route for part in _PARTS for route in part.router.routes if isinstance(route, Route)])
    reference.install(app, OPENAPI)
    app.add_middleware(Tus)
    app.add_middleware(Packing)
    app.add_middleware(Guard, metrics=services.metrics, hosts=services.allowed_hosts)
    return app


def routes_alone() -> FastAPI:
    """The web API with nothing behind it: enough for its document."""
    app = _Api(
        title="congvan",
        summary="Routes official documents to every unit of an organisation, and proves what became of each.",
        description=_DESCRIPTION,
        version=version("congvan"),
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=operation_id,
    )
    for part in _PARTS:
        app.include_router(part.router)
    return app
