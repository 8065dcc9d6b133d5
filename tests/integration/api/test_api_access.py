"""Who may call what, and what holds for every answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs
from yarl import URL

from router.api import auth
from router.errors import LedgerUnavailableError, UnauthorizedError
from router.faces import PartHealth
from router.ledger.engine import reading, writing
from router.ledger.models import dispatch
from router.ledger.people.accounts import create_account, revoke
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.events import Event
from support.api_server import GATEWAY, ISSUER, OPERATOR, Api, letter, running_api
from support.conditions import until

SOME_ID = "019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69"
CALLS = [
    ("POST", "/api/v1/dispatches"),
    ("GET", "/api/v1/dispatches"),
    ("GET", f"/api/v1/dispatches/{SOME_ID}"),
    ("GET", f"/api/v1/dispatches/{SOME_ID}/receipts"),
    ("POST", "/api/v1/resolve"),
    ("GET", "/api/v1/units"),
    ("GET", "/api/v1/directory"),
    ("POST", "/api/v1/redrives"),
    ("POST", "/api/v1/redrives/dry-run"),
    ("GET", "/api/v1/redrives"),
    ("GET", f"/api/v1/redrives/{SOME_ID}"),
    ("GET", f"/api/v1/redrives/{SOME_ID}/items"),
    ("POST", f"/api/v1/redrives/{SOME_ID}/cancel"),
    ("POST", "/api/v1/certificates"),
    ("PUT", f"/content/{'0' * 64}"),
    ("GET", f"/content/{'0' * 64}"),
]
NOT_FOR_GATEWAYS = [item for item in CALLS if "redrives" in item[1] or item[0] == "PUT"]


async def call(api: Api, method: str, path: str, headers: dict[str, str], **options: Any) -> tuple[int, Any, Any]:
    async with api.http.request(method, path, headers=headers, **options) as answer:
        text = await answer.read()
        return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text, answer.headers


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_a_good_token_nothing_is_told(api: Api, method: str, path: str) -> None:
    token = api.tokens[ISSUER]
    other_end = "A" if token[-1] != "A" else "B"
    for value in (None, "Basic abc", "Bearer", "Bearer x", f"Bearer {token[:-1]}{other_end}", f"Bearer {'x' * 9000}"):
        headers = {} if value is None else {"Authorization": value}
        status, problem, answered = await call(api, method, path, headers)
        assert (status, problem["type"]) == (401, "urn:congvan:problem:unauthorized")
        assert answered["Content-Type"] == "application/problem+json"
        assert answered["WWW-Authenticate"].startswith('Bearer realm="congvan"')
        assert ("invalid_token" in answered["WWW-Authenticate"]) is (value is not None)


@pytest.mark.parametrize(("method", "path"), NOT_FOR_GATEWAYS)
async def test_a_gateway_neither_redrives_nor_puts_content_whole(api: Api, method: str, path: str) -> None:
    status, problem, _ = await call(api, method, path, api.as_(GATEWAY))
    assert (status, problem["type"]) == (403, "urn:congvan:problem:forbidden")


async def test_a_revoked_token_ends_when_the_moment_it_is_remembered_is_over(api: Api) -> None:
    clock = [0.0]
    known = auth.Authenticator(api.engine, clock=lambda: clock[0])
    token = api.tokens[ISSUER]
    await known.account_of(token)
    with writing(api.engine) as conn:
        revoke(conn, ISSUER, now_ms=now_ms())
    clock[0] = auth.REMEMBERED_SECONDS - 0.1
    assert (await known.account_of(token)).name == ISSUER
    clock[0] = auth.REMEMBERED_SECONDS
    with pytest.raises(UnauthorizedError):
        await known.account_of(token)
    assert auth.REMEMBERED_SECONDS <= 30


async def test_a_token_that_is_revoked_while_its_files_come_sends_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_SECONDS", 0.0)

    def happen() -> None:
        until(lambda: any(api.content.incoming.iterdir()), what="the file has begun")
        with writing(api.engine) as conn:
            revoke(conn, ISSUER, now_ms=now_ms())

    async def body() -> AsyncIterator[bytes]:
        head = '--x\r\ncontent-disposition: form-data; name="dispatch"\r\ncontent-type: application/json\r\n\r\n'
        file = '\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        yield (head + json.dumps(letter()) + file).encode() + b"y" * 100_000
        await asyncio.to_thread(happen)
        yield b"y\r\n--x--\r\n"

    headers = api.as_(ISSUER) | {"content-type": "multipart/form-data; boundary=x"}
    status, problem, _ = await call(api, "POST", "/api/v1/dispatches", headers, data=body())
    assert (status, problem["type"]) == (401, "urn:congvan:problem:unauthorized")
    with reading(api.engine) as conn:
        assert conn.scalar(select(func.count()).select_from(dispatch)) == 0


async def test_a_bad_token_becomes_good_the_moment_its_account_is_made(api: Api) -> None:
    with writing(api.engine) as conn:
        token = create_account(conn, parse_account("issuer:LCA.VP:new"), now_ms=now_ms())
    headers = {"Authorization": f"Bearer {token}"}
    assert (await call(api, "GET", "/api/v1/units", headers))[0] == 200


async def test_an_expired_token_is_refused(api: Api) -> None:
    with writing(api.engine) as conn:
        token = create_account(conn, parse_account("issuer:LCA.VP:old"), now_ms=now_ms(), expires_at=now_ms() - 1)
    assert (await call(api, "GET", "/api/v1/units", {"Authorization": f"Bearer {token}"}))[0] == 401


async def test_an_unknown_path_and_an_unknown_method_are_problems_too(api: Api) -> None:
    for path in ("/nothing", "/content/", "/content", "/api/v1/dispatches/", "/docs/x", "/../etc/passwd"):
        status, problem, headers = await call(api, "GET", path, api.as_(ISSUER))
        assert (status, problem["type"]) == (404, "urn:congvan:problem:not-found")
        assert headers["X-Content-Type-Options"] == "nosniff"
    for path, allowed in (("/api/v1/dispatches", "GET, POST"), (f"/content/{'0' * 64}", "GET, HEAD, PUT")):
        status, problem, headers = await call(api, "DELETE", path, api.as_(ISSUER))
        assert (status, problem["type"]) == (405, "urn:congvan:problem:method-not-allowed")
        assert headers["Allow"] == allowed


async def test_a_nul_character_is_refused_before_any_database_meets_it(api: Api) -> None:
    for path in ("/api/v1/dispatches?q=a%00b", "/api/v1/dispatches/%00", "/console/search?q=%00", "/console/login?%00"):
        status, problem, _ = await call(api, "GET", URL(path, encoded=True), api.as_(ISSUER))  # type: ignore[arg-type]
        assert (status, problem["type"]) == (400, "urn:congvan:problem:malformed")
    body = {"filter": 'text:"a\0b"'}
    status, problem, _ = await call(api, "POST", "/api/v1/redrives/dry-run", api.as_(OPERATOR), json=body)
    assert (status, problem["errors"][0]["field"]) == (422, "filter")


async def test_answers_are_not_stored_and_not_guessed_at(api: Api) -> None:
    _, _, headers = await call(api, "GET", "/api/v1/units", api.as_(ISSUER))
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


class FailingIntake:
    """An intake that fails as it is told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def accept(self, *_: object, **__: object) -> Any:
        raise self.error

    def resolve(self, *_: object) -> Any:
        raise self.error


async def test_an_error_of_ours_is_logged_and_tells_nothing_of_the_inside(tmp_path: Path) -> None:
    async with running_api(tmp_path, intake=FailingIntake(RuntimeError("secret inside"))) as api:
        with capture_logs() as logs:
            status, problem, headers = await call(api, "POST", "/api/v1/dispatches", api.as_(ISSUER), json=letter())
        assert status == 500
        assert headers["Content-Type"] == "application/problem+json"
        assert problem["type"] == "urn:congvan:problem:internal-error"
        assert "secret" not in json.dumps(problem)
        assert "Traceback" not in json.dumps(problem)
        assert [line["event"] for line in logs] == [Event.REQUEST_FAILED, Event.REQUEST_ANSWERED]
        assert (logs[1]["status"], logs[1]["account"]) == (500, ISSUER)


async def test_a_ledger_that_is_away_is_told_as_503_with_when_to_come_again(tmp_path: Path) -> None:
    async with running_api(tmp_path, intake=FailingIntake(LedgerUnavailableError("away"))) as api:
        status, problem, headers = await call(api, "POST", "/api/v1/dispatches", api.as_(ISSUER), json=letter())
        assert (status, problem["type"]) == (503, "urn:congvan:problem:ledger-unavailable")
        assert int(headers["Retry-After"]) > 0
        assert "same idempotency key" in problem["hint"]


async def test_a_token_cannot_be_checked_while_the_ledger_is_away_and_that_is_no_401(api: Api) -> None:
    database = Path(str(api.engine.url.database))
    api.engine.dispose()
    database.rename(database.with_suffix(".away"))
    database.mkdir()
    status, _, _ = await call(api, "GET", "/api/v1/units", api.as_(ISSUER))
    assert status == 503
    database.rmdir()
    database.with_suffix(".away").rename(database)
    assert (await call(api, "GET", "/api/v1/units", api.as_(ISSUER)))[0] == 200


async def test_health_tells_broker_and_database_apart(api: Api) -> None:
    assert (await call(api, "GET", "/livez", {}))[:2] == (200, {"status": "ok"})
    assert (await call(api, "GET", "/readyz", {}))[0] == 200
    api.health.parts["broker"] = PartHealth(up=False, state="connecting")
    status, seen, headers = await call(api, "GET", "/readyz", {})
    assert (status, seen["status"]) == (503, "unavailable")
    assert seen["parts"] == {
        "broker": {"up": False, "state": "connecting"},
        "database": {"up": True, "state": "up"},
    }
    assert headers["Retry-After"]
    assert (await call(api, "GET", "/readyz?need=database", {}))[0] == 200
    assert (await call(api, "GET", "/readyz?need=broker", {}))[0] == 503
    assert (await call(api, "GET", "/readyz?need=moon", {}))[0] == 422
    assert (await call(api, "GET", "/livez", {}))[0] == 200


async def test_metrics_are_for_operators_and_for_this_machine(api: Api) -> None:
    status, text, _ = await call(api, "GET", "/metrics", {})
    assert status == 200
    assert b"congvan_ledger_up 1.0" in text
    for forwarded in ({"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}):
        assert (await call(api, "GET", "/metrics", forwarded))[0] == 401
        assert (await call(api, "GET", "/metrics", forwarded | api.as_(ISSUER)))[0] == 403
        assert (await call(api, "GET", "/metrics", forwarded | api.as_(OPERATOR)))[0] == 200


async def test_requests_are_measured_by_their_route_not_by_their_path(api: Api) -> None:
    await call(api, "GET", f"/api/v1/dispatches/{SOME_ID}", api.as_(ISSUER))
    await call(api, "GET", "/nowhere/at/all", {})
    text = api.services.metrics.exposition().decode()
    assert 'route="/api/v1/dispatches/{dispatch_id}",status="404"' in text
    assert 'route="(none)",status="404"' in text
    assert SOME_ID not in text


async def test_the_api_describes_itself(api: Api) -> None:
    status, document, _ = await call(api, "GET", "/api/v1/openapi.json", {})
    assert status == 200
    described = set(document["components"]["schemas"])
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= described
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]
            assert "default" in operation["responses"]
