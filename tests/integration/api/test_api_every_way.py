"""Every call of the OpenAPI document by every role, with what fits the document and what does not.

Whatever is sent, the router meets no error of its own, says each error as a problem, answers as the document says, and
tells no account what lies outside its scope.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from router.ledger.engine import writing
from router.ledger.queries import Filter
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import Pace
from router.ledger.redrives.making import NewRedrive, make
from schemas.clock import now_ms
from schemas.states import Status
from support.api_server import (
    ACCOUNTS,
    DISTRICT_OPERATOR,
    GATEWAY,
    ISSUER,
    OPERATOR,
    OTHER_GATEWAY,
    OTHER_ISSUER,
    UNITS,
    Api,
)
from support.api_thread import api_in_thread
from support.ledgers import POSTGRESQL, SQLITE, Clerk, empty_ledger

if TYPE_CHECKING:
    import schemathesis
    from schemathesis import GenerationMode

EXAMPLES = 8
"""Of each call in each mode; each is made by every role, over either kind of ledger."""
HERE, THERE = "only-for-district-two", "only-for-district-three"
HIDDEN = {
    ISSUER: (THERE,),
    OTHER_ISSUER: (HERE,),
    GATEWAY: (THERE,),
    OTHER_GATEWAY: (HERE,),
    OPERATOR: (),
    DISTRICT_OPERATOR: (THERE,),
}
"""By account the words that no good answer to it may hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """An API over one kind of ledger, the ids that are there by the path's parameter, and a connection to it."""

    api: Api
    ids: Mapping[str, Sequence[str]]
    http: requests.Session


@pytest.fixture(scope="module")
def places(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    with contextlib.ExitStack() as stack:
        made = []
        for kind in (SQLITE, POSTGRESQL):
            directory = tmp_path_factory.mktemp(kind)
            url = stack.enter_context(empty_ledger(kind, directory, postgres_url))
            api = stack.enter_context(api_in_thread(directory, ledger_url=url))
            made.append(Place(api, fill(api), stack.enter_context(requests.Session())))
        yield made


def fill(api: Api) -> dict[str, list[str]]:
    """Dispatches and redrives of two districts; their ids."""
    dispatches, redrives = [], []
    with writing(api.engine) as conn:
        clerk = Clerk(conn, now_ms() - 600_000)
        for issuer, code, word in (("LCA.VP", "LCA.02", HERE), ("LCA.03", "LCA.03", THERE)):
            reached = [item for item in UNITS if item.code.startswith(code)]
            key = clerk.dispatch(issuer, reached, subject=word, notation=word, addressees=[f"{code}.#"])
            dispatches.append(key)
            clerk.tell(key, code, Status.QUEUED, Status.PARKED, reason=word)
            who = Authority(AuthorityKind.TERMINAL, "root@here")
            wanted = Filter(units=(code,))
            new = NewRedrive(who, word, f"unit:{code}", wanted, clerk.now + 1, word, Pace.HAND, 60_000)
            redrives.append(make(conn, new, now_ms=clerk.now))
    return {"dispatch_id": dispatches, "redrive_id": redrives}


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_no_call_breaks_the_router_or_tells_what_is_not_the_callers(places: list[Place], mode: str) -> None:
    import schemathesis  # it takes seconds, and every worker looks at this file
    from schemathesis import GenerationMode
    from schemathesis.core.result import Ok

    for media_type in ("application/offset+octet-stream", "application/pkcs10", "application/x-pem-file"):
        schemathesis.serializer.alias(media_type, "application/octet-stream")
    schema = schemathesis.openapi.from_url(f"{places[0].api.url}/api/v1/openapi.json")
    found = list(schema.get_all_operations())
    operations = [item.ok() for item in found if isinstance(item, Ok)]
    assert len(found) == len(operations) > 15
    for operation in operations:
        if mode == GenerationMode.POSITIVE.value or any(operation.iter_parameters()) or operation.body:
            call_in_ways(operation, GenerationMode(mode), places)


def call_in_ways(operation: Any, mode: "GenerationMode", places: Sequence[Place]) -> None:
    """Make a call with some values that fit the document, or do not."""

    @settings(max_examples=EXAMPLES, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def call(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        known = sorted(set(places[0].ids) & set(case.path_parameters or {}))
        which = {name: data.draw(st.sampled_from([None, 0, 1])) for name in known}
        for place in places:
            for name, index in which.items():
                if index is not None:
                    case.path_parameters[name] = place.ids[name][index]
            for account in ACCOUNTS:
                answer = case.call(place.api.url, place.http, headers=place.api.as_(account), timeout=30)
                judge(case, answer, account)

    call()


def judge(case: "schemathesis.Case[Any]", response: "schemathesis.Response", account: str) -> None:
    """What holds for every answer."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

    checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
    how = f"{account}: {case.as_curl_command()}"
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"] or case.method == "HEAD", how
        return
    text = response.content.decode(errors="replace")
    assert not [word for word in HIDDEN[account] if word in text], how
