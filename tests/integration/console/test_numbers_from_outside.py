"""Whatever number stands in an address, the router answers it: no parameter of any page or call is a 500."""

import base64
from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from router.api import content, dispatches, health, organisation, planning, redrives, submissions, uploads
from router.console.app import PARTS, ROOT
from router.ledger.engine import writing
from router.ledger.people.accounts import create_account
from schemas.accounts import parse_account
from schemas.clock import now_ms
from support.consoles import Console
from support.ledgers import POSTGRESQL

API = (submissions, planning, dispatches, redrives, organisation, content, uploads, health)
KEY = "019b0c5e-7a11-7c22-8d33-9e44af55b066"


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


NUMBERS = ["9" * 30, "9" * 5000, "-1", "-" + "9" * 30, "1e999", "0x10", "٣", "9223372036854775808", "1" + "0" * 18, ""]
VALUES = [
    *NUMBERS,
    *(cursor(f"{number}:{KEY}") for number in NUMBERS[:4]),
    cursor(f"{'9' * 15}:{KEY}"),
    *(f"{word}:{number}" for word in ("since", "until", "urgency", "unit") for number in ("9" * 30, "99999w")),
    "99999w",
    "9999-12-31T23:59:59Z",
    "0001-01-01",
    "9" * 30 + "-12",
    f"{'9' * 18}:{'9' * 18}-{'9' * 18}",
    "urgency:99999..99999",
]


def parameters_of(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        fields = getattr(field.field_info.annotation, "model_fields", None)
        yield from fields or [field.alias]
    for inner in dependant.dependencies:
        yield from parameters_of(inner)


def asked(routes: list[BaseRoute], prefix: str) -> list[tuple[str, str]]:
    found = [route for route in routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())]
    return [(prefix + route.path, name) for route in found for name in sorted(set(parameters_of(route.dependant)))]


def place(path: str, console: Console) -> str:
    known: dict[str, Any] = {"dispatch_id": console.story.district, "code": "LCA.02", "unit": "LCA.02"}
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{", "").replace("}", "")


PAGES = [item for part in PARTS for item in asked(part.router.routes, ROOT)]
CALLS = [item for part in API for item in asked(part.router.routes, "")]


def test_the_walk_finds_what_is_there() -> None:
    assert len(PAGES) > 25
    assert {("/api/v1/dispatches", "cursor"), ("/api/v1/dispatches/{dispatch_id}/receipts", "after")} <= set(CALLS)


async def test_no_number_in_an_address_breaks_the_router(console: Console) -> None:
    with writing(console.engine) as conn:
        token = create_account(conn, parse_account("operator:LCA.#"), now_ms=now_ms())
    headers = {"Authorization": f"Bearer {token}"}
    async with console.as_("admin") as browser:
        for place_in_walk, (path, name) in enumerate([*PAGES, *CALLS]):
            if "live" in path:  # it has no end; its number is read by `read_name`, which bounds it
                continue
            # Each parameter meets each value, on either database half of them.
            for value in VALUES[(place_in_walk + (console.engine.dialect.name == POSTGRESQL)) % 2 :: 2]:
                url, params = place(path, console), {name: value}
                sent = headers if path.startswith("/api") else {}
                async with browser.http.get(url, params=params, headers=sent, allow_redirects=False) as answer:
                    assert answer.status < 500, (path, name, value[:60])
