"""``/livez``, ``/readyz`` and ``/metrics``: for whoever watches the process."""

import asyncio
import ipaddress
from typing import Annotated, Literal

import prometheus_client
from fastapi import APIRouter, Query, Request, Response

from router.api.auth import Parts, account_of
from router.errors import ForbiddenError
from router.words.view import View
from schemas.accounts import Role

router = APIRouter(tags=["service"])
Needs = Annotated[
    list[Literal["broker", "database", "topology"]],
    Query(description="Only these parts decide. A load balancer that is to keep accepting asks for `database`."),
]


class Alive(View):
    """The process answers."""

    status: Literal["ok"] = "ok"
    """Always so."""


class PartView(View):
    """Whether a part works, and its state in a word."""

    up: bool
    """Whether it works."""
    state: str
    """In a word."""


class Readiness(View):
    """Whether the parts work that the router needs."""

    status: Literal["ok", "unavailable"]
    """`ok` when every part that counts works."""
    parts: dict[str, PartView]
    """Each part, by its name."""


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Alive:
    """200 as long as the event loop turns; depends on nothing else, so a restart is the right answer to silence."""
    return Alive()


@router.get("/readyz", summary="Do broker and database work?", responses={503: {"model": Readiness}})
async def readyz(services: Parts, response: Response, need: Needs = []) -> Readiness:  # noqa: B006 - read only
    """200 when every part works, 503 with the name of each that does not.

    While only the broker is away, submissions are still accepted: they wait in the ledger.
    """
    parts = {name: PartView(up=part.up, state=part.state) for name, part in (await services.health()).items()}
    down = [name for name, part in parts.items() if not part.up and (not need or name in need)]
    if down:
        response.status_code = 503
        response.headers["retry-after"] = "5"
    return Readiness(status="unavailable" if down else "ok", parts=parts)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(request: Request, services: Parts) -> Response:
    """The metrics in Prometheus' text format, without a token from this very machine.

    From elsewhere with the token of a `watcher` (`congvan token create 'watcher:LCA.#'`), which may do nothing else, or
    of an operator.
    """
    if not _is_local(request):
        account = await account_of(request)
        if account.role not in {Role.WATCHER, Role.OPERATOR}:
            raise ForbiddenError(f"{account.name} may not see the metrics; it takes a watcher or an operator")
    text = await asyncio.to_thread(services.metrics.exposition)
    return Response(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """Whether the caller itself is on this machine, rather than a proxy on it that speaks for somebody."""
    if request.client is None or "forwarded" in request.headers or "x-forwarded-for" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
