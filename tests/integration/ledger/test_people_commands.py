"""``congvan people``: the command by which people get into the console, and lose it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from router.cli import people as command
from router.errors import RefusedError
from router.ledger.engine import open_engine, reading, writing
from router.ledger.people import identities
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE, THROTTLE
from router.ledger.scope import EVERYTHING
from router.pages.errors import GrantMissingError, UnknownPersonError
from router.pages.people import Attempt, throttle
from schemas.clock import now_ms
from support.audited import list_entries

Run = Callable[..., Result]


@pytest.fixture
def run(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    monkeypatch.setenv("CONGVAN_API_URL", "https://congvan.example/")
    return lambda *arguments: CliRunner().invoke(command.app, arguments)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_first_administrator_may_be_invited_before_any_router_ran(run: Run, ledger_url: str) -> None:
    result = run("invite", "nguyen.van.a", "--role", "admin", "--on", "LCA.#")
    assert result.exit_code == 0, result.output
    link = result.stdout.strip()
    assert link.startswith("https://congvan.example/console/welcome?token=")
    engine = open_engine(ledger_url)
    with writing(engine) as conn:
        person = PEOPLE.set_password(conn, link.partition("token=")[2], "hash", now_ms=now_ms())
    assert [(grant.role, grant.pattern) for grant in person.grants] == [("admin", "LCA.#")]
    engine.dispose()


def test_people_are_listed_with_their_state_and_no_secret(run: Run, ledger: Engine) -> None:
    (made,) = objects(run("invite", "lan", "--role", "viewer", "--on", "LCA.02", "--json"))
    listed = run("list", "--json")
    assert objects(listed)[0] | {"created_at": 0} == {
        "person": "lan",
        "state": "invited",
        "roles": [{"role": "viewer", "on": "LCA.02"}],
        "created_at": 0,
        "revoked_at": None,
    }
    assert made["link"].partition("token=")[2] not in listed.stdout
    with writing(ledger) as conn:
        PEOPLE.set_password(conn, made["link"].partition("token=")[2], "hash", now_ms=now_ms())
        for number in range(throttle.FREE_BY_NAME):
            THROTTLE.begin(conn, Attempt("lan", f"10.0.0.{number}"), now_ms=now_ms())
    assert "locked out" in run("list").stdout
    assert run("invite", "lan").exit_code == 0
    assert "active" in run("list").stdout


def test_a_role_or_all_access_is_taken_and_every_step_is_audited(run: Run, ledger: Engine) -> None:
    run("invite", "lan", "--role", "viewer", "--on", "LCA.02")
    assert run("revoke", "lan", "--role", "viewer", "--on", "LCA.02").exit_code == 0
    assert objects(run("list", "--json"))[0]["roles"] == []
    assert isinstance(run("revoke", "lan", "--role", "viewer", "--on", "LCA.02").exception, GrantMissingError)
    assert objects(run("revoke", "lan", "--json")) == [{"person": "lan", "revoked": "everything"}]
    assert objects(run("list", "--json"))[0]["state"] == "revoked"
    assert isinstance(run("revoke", "nobody").exception, UnknownPersonError)
    with reading(ledger) as conn:
        acts = [(row.entry.act, row.entry.unit) for row in list_entries(conn, EVERYTHING)]
    assert acts == [(Act.REVOKED, ""), (Act.WITHDRAWN, "LCA.02"), (Act.INVITED, "LCA.02")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("Nguyễn",),
        ("lan", "--role", "viewer"),
        ("lan", "--on", "LCA"),
        ("lan", "--role", "king", "--on", "LCA"),
        ("lan", "--role", "viewer", "--on", "LCA.*"),
    ],
)
def test_names_roles_and_patterns_that_cannot_be_are_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("invite", *arguments).exit_code == 2


def test_an_address_lets_the_providers_account_in_and_is_refused_when_it_is_none(run: Run, ledger: Engine) -> None:
    assert run("invite", "lan", "--email", "Lan@example.vn").exit_code == 0
    with writing(ledger) as conn:
        found = identities.enter(conn, issuer="https://i", subject="1", email="lan@example.vn")
    assert found.name == "lan"
    refused = run("invite", "lan", "--email", "lan")
    assert refused.exit_code == 2
    assert "nguyen.van.a@example.vn" in refused.output
    assert isinstance(run("invite", "hoa", "--email", "lan@example.vn").exception, RefusedError)
    assert [item["person"] for item in objects(run("list", "--json"))] == ["lan"]
