"""Whatever an address names, it is answered with a page: no number and no day of a query or a path is trusted."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from consumers.desk.app import PARTS
from support.deliveries import UNIT, came, inside
from support.desks import RunningDesk, today

ODD = ("-1", "9223372036854775808", "0001-01-01", "9999-12-31")


def pages(router: APIRouter) -> Iterator[APIRoute]:
    """Every page of a router that is looked at, those of routers inside it among them."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if isinstance(inner, APIRouter):
            yield from pages(inner)
        elif isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            yield route


def parameters(dependant: Any, kind: str) -> Iterator[str]:
    """The names of a page's parameters in paths, or in queries where they are no text; of what it depends on, too."""
    fields = getattr(dependant, f"{kind}_params")
    yield from (field.alias for field in fields if kind == "path" or field.field_info.annotation is not str)
    for inner in dependant.dependencies:
        yield from parameters(inner, kind)


def places(delivery: str) -> Iterator[str]:
    """Every page with every parameter at odd values, all others being right."""
    right = {"delivery_id": delivery, "unit": UNIT, "kind": "incoming", "year": today()[:4], "number": "1"}
    for route in (route for part in PARTS for route in pages(part.router)):
        named = {name: right.get(name, "1") for name in parameters(route.dependant, "path")}
        yield route.path_format.format(**named)
        for name in named.keys() & {"year", "number"}:
            yield from (route.path_format.format(**(named | {name: odd})) for odd in ODD)
        for name in dict.fromkeys(parameters(route.dependant, "query")):
            for odd in ODD:
                yield f"{route.path_format.format(**named)}?{name}={odd}"


async def test_no_number_and_no_day_of_an_address_is_trusted(desk: RunningDesk) -> None:
    delivery = came(desk.spool, attachments=(inside("a.txt", b"a"),))
    found = list(dict.fromkeys(places(delivery)))
    for name in ("before", "from", "to", "year", "month", "first", "last", "file", "check", "urgency"):
        assert any(f"?{name}=9999-12-31" in place for place in found), name
    failed: dict[str, int] = {}
    async with desk.as_("hoa") as hoa:
        assert (await hoa.act(delivery, "register", day=today(), subject="Về việc")).status == 303
        for place in found:
            answer = await hoa.get(f"/desk{place}")
            if answer.status not in {200, 303, 403, 404, 409, 422}:
                failed[place] = answer.status
            elif answer.status >= 400 and answer.content_type != "text/html":
                failed[f"{place} is no page"] = answer.status
    assert failed == {}
