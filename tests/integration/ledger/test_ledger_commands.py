"""The commands that read and change the ledger itself: token, log and redrive."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from router.cli import log, redrive, redrives, token, units
from router.errors import (
    AccountExistsError,
    ActRefusedError,
    DirectoryError,
    LedgerRevisionError,
    LedgerUnavailableError,
    NotFoundError,
    RefusedError,
)
from router.ledger.engine import open_engine, reading, writing
from router.ledger.people.accounts import authenticate
from router.ledger.queries import find_delivery
from router.ledger.redrives.reading import RedriveJob, list_jobs
from router.ledger.redrives.stepping import step
from router.ledger.scope import EVERYTHING
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.audited import list_entries
from support.ledgers import Clerk, unit

Run = Callable[..., Result]


@pytest.fixture
def run(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the test's ledger."""
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    apps = {"token": token.app, "log": log.app, "redrive": redrive.app, "redrives": redrives.app, "units": units.app}
    return lambda name, *arguments: CliRunner().invoke(apps[name], arguments)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_what_an_account_may_send_is_changed_named_by_named_and_shown(run: Run) -> None:
    gateway = "gateway:LCA.02.#"
    assert run("token", "create", gateway).exit_code == 0
    (by_role,) = objects(run("token", "show", gateway, "--json"))
    assert by_role["sent"] == {"dispatches": 0, "deliveries": 0, "bytes": 0}
    (granted,) = objects(run("token", "grant", gateway, "--max-urgency", "4", "--reach", "LCA.#", "--json"))
    assert granted == {name: by_role[name] for name in granted} | {"max_urgency": 4, "reach": ["LCA.#"]}
    (granted,) = objects(run("token", "grant", gateway, "--over-below", "--dispatches-per-hour", "7", "--json"))
    assert (granted["max_urgency"], granted["over_below"], granted["dispatches_per_hour"]) == (4, True, 7)
    (shown,) = objects(run("token", "show", gateway, "--json"))
    assert {name: shown[name] for name in granted} == granted
    said = run("token", "show", gateway).stdout
    assert "LCA.#" in said
    assert "0 of 7" in said
    (again,) = objects(run("token", "grant", gateway, "--as-by-role", "--json"))
    assert again == {name: by_role[name] for name in again}
    assert objects(run("token", "show", gateway, "--json")) == [by_role]


@pytest.mark.parametrize("arguments", [("grant", "--max-urgency", "1"), ("show",)])
def test_rights_of_an_account_that_is_not_there_are_none(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("token", "create", "issuer:LCA.VP").exit_code == 0
    verb, *options = arguments
    result = run("token", verb, "issuer:LCA.XX", *options)
    assert isinstance(result.exception, NotFoundError)


def test_a_grant_that_is_wrong_changes_nothing(run: Run) -> None:
    assert run("token", "create", "issuer:LCA.VP").exit_code == 0
    before = objects(run("token", "show", "issuer:LCA.VP", "--json"))
    for wrong in (("--max-urgency", "5"), ("--reach", "lca"), ("--dispatches-per-hour", "-1")):
        assert run("token", "grant", "issuer:LCA.VP", *wrong).exit_code != 0
    assert objects(run("token", "show", "issuer:LCA.VP", "--json")) == before


def test_the_first_token_may_be_made_before_any_router_ran(run: Run, ledger_url: str) -> None:
    result = run("token", "create", "issuer:LCA.VP", "--label", "erp")
    assert result.exit_code == 0
    engine = open_engine(ledger_url)
    with reading(engine) as conn:
        account = authenticate(conn, result.stdout.strip(), now_ms=now_ms())
    assert account is not None
    assert account.name == "issuer:LCA.VP:erp"
    engine.dispose()


def test_a_token_is_shown_once_and_never_listed(run: Run, ledger: Engine) -> None:
    del ledger
    (made,) = objects(run("token", "create", "gateway:LCA.02.#", "--expires", "90d", "--json"))
    listed = run("token", "list", "--json")
    (row,) = objects(listed)
    assert made["account"] == row["account"] == "gateway:LCA.02.#"
    assert row["state"] == "valid"
    assert row["expires_at"] > now_ms() + 89 * 86_400_000
    assert made["token"] not in listed.output
    assert made["token"].rpartition(".")[2] not in run("token", "list").output


def test_a_token_is_given_an_end_or_none_and_every_act_is_in_the_audit_log(run: Run, ledger: Engine) -> None:
    run("token", "create", "issuer:LCA.VP")
    (before,) = objects(run("token", "list", "--json"))
    (after,) = objects(run("token", "let-end", "issuer:LCA.VP", "--on", "2999-12-31", "--json"))
    assert (before["expires_at"], after["state"]) == (None, "valid")
    assert after["expires_at"] > before["created_at"]
    assert "does not end" in run("token", "let-end", "issuer:LCA.VP", "--on", "never").stdout
    assert run("token", "let-end", "issuer:LCA.VP", "--on", "2001-01-01").exit_code == 2
    run("token", "rotate", "issuer:LCA.VP")
    for _ in range(2):
        run("token", "revoke", "issuer:LCA.VP")
    assert isinstance(run("token", "let-end", "issuer:LCA.VP", "--on", "1d").exception, RefusedError)
    with reading(ledger) as conn:
        acts = [row.entry.act.value for row in list_entries(conn, EVERYTHING)]
    assert acts == ["token_revoked", "token_replaced", "token_ends", "token_ends", "token_made"]


def test_rotate_replaces_and_revoke_ends(run: Run, ledger: Engine) -> None:
    (first,) = objects(run("token", "create", "operator:LCA.#", "--json"))
    (second,) = objects(run("token", "rotate", "operator:LCA.#", "--json"))
    with reading(ledger) as conn:
        assert authenticate(conn, first["token"], now_ms=now_ms()) is None
        assert authenticate(conn, second["token"], now_ms=now_ms()) is not None
    assert objects(run("token", "revoke", "operator:LCA.#", "--json"))[0]["state"] == "revoked"
    with reading(ledger) as conn:
        assert authenticate(conn, second["token"], now_ms=now_ms()) is None


def test_what_cannot_be_done_with_an_account_leaves_as_its_error(run: Run, ledger: Engine) -> None:
    del ledger
    run("token", "create", "issuer:LCA")
    assert isinstance(run("token", "create", "issuer:LCA").exception, AccountExistsError)
    assert isinstance(run("token", "revoke", "issuer:LCB").exception, NotFoundError)
    assert isinstance(run("token", "rotate", "issuer:LCB").exception, NotFoundError)


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "create", "nobody"),
        ("token", "create", "issuer:LCA", "--label", "Ü"),
        ("token", "create", "issuer:LCA", "--expires", "soon"),
        ("token", "create", "issuer:LCA", "--expires", "2001-01-01"),
        ("log", "--since", "yesterday-ish"),
        ("log", "--unit", "lca"),
        ("log", "--state", "lost"),
        ("redrive", "--reason", "x"),
        ("redrive", "colour:red", "--reason", "x"),
        ("redrive", "is:parked"),
        ("redrive", "is:parked", "--reason", "  "),
        ("redrive", "is:parked", "--reason", "x", "--canary", "--rate", "3/min"),
        ("redrive", "is:parked", "--reason", "x", "--rate", "0/min"),
        ("redrive", "is:parked", "--reason", "x", "--rate", "3/s"),
    ],
)
def test_wrong_usage_ends_with_2_and_touches_nothing(run: Run, ledger_url: str, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    with pytest.raises(LedgerRevisionError):
        raise run("token", "list").exception or AssertionError
    del ledger_url


@pytest.mark.parametrize("command", [("log",), ("token", "list"), ("redrive", "unit:LCA", "--reason", "x")])
def test_a_ledger_that_is_not_there_is_told_and_not_made(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", f"sqlite:///{tmp_path}/nowhere/x.sqlite3")
    apps = {"token": token.app, "log": log.app, "redrive": redrive.app}
    assert isinstance(CliRunner().invoke(apps[command[0]], command[1:]).exception, LedgerRevisionError)
    assert not (tmp_path / "nowhere").exists()


def test_a_database_that_is_down_is_called_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert isinstance(CliRunner().invoke(log.app, []).exception, LedgerUnavailableError)


@pytest.fixture
def parked(ledger: Engine) -> tuple[str, list[str]]:
    """A dispatch to three units, parked at the first two: its id and the ids of its deliveries."""
    units = [unit("LCA.02"), unit("LCA.02.01"), unit("LCA.03")]
    with writing(ledger) as conn:
        clerk = Clerk(conn, now_ms() - 600_000)
        key = clerk.dispatch("LCA", units)
        for code in ("LCA.02", "LCA.02.01"):
            clerk.tell(key, code, Status.QUEUED, Status.PARKED, reason="disk full")
    return key, [clerk.deliveries[key, item.code] for item in units]


def test_the_log_shows_lines_for_people_and_objects_for_programs(run: Run, parked: tuple[str, list[str]]) -> None:
    key, _ = parked
    lines = run("log").stdout.splitlines()
    assert len(lines) == 4
    assert "parked" in lines[1]
    assert "LCA.02" in lines[1]
    assert lines[1].endswith("disk full")
    entries = objects(run("log", "--unit", "LCA.02.#", "--state", "parked", "--dispatch", key, "--json"))
    assert [(entry["unit"], entry["status"]) for entry in entries] == [("LCA.02", "parked"), ("LCA.02.01", "parked")]
    assert len(objects(run("log", "--last", "1", "--json"))) == 1
    assert len(objects(run("log", "--since", "1h", "--last", "1", "--json"))) == 4
    assert objects(run("log", "--since", "1m", "--json")) == []


def test_a_dry_run_shows_what_would_go_again_and_changes_nothing(
    run: Run, parked: tuple[str, list[str]], ledger: Engine
) -> None:
    _, ids = parked
    (told,) = objects(run("redrive", "unit:LCA.#", "--dry-run", "--json"))
    assert (told["eligible"], told["skipped"]) == (2, {"pending": 1})
    text = run("redrive", "unit:LCA.#", "--dry-run").stdout
    assert [key in text for key in ids] == [True, True, False]
    assert objects(run("redrives", "list", "--json")) == []
    with reading(ledger) as conn:
        detail = find_delivery(conn, EVERYTHING, ids[0])
    assert detail is not None
    assert detail.delivery.state is Status.PARKED


def test_a_redrive_is_a_job_that_a_router_carries_out_in_the_operators_name(
    run: Run, parked: tuple[str, list[str]], ledger: Engine
) -> None:
    _, ids = parked
    (job,) = objects(
        run("redrive", "unit:LCA.02.#", "--reason", "the disk was freed", "--rate", "30/min", "--detach", "--json")
    )
    assert (job["state"], job["total"], job["sent"], job["pace"]) == ("running", 2, 0, "rate")
    assert "@" in job["made_by"]
    with writing(ledger) as conn:
        assert step(conn, job["id"], now_ms=now_ms()).sent == 1
    (listed,) = objects(run("redrives", "list", "--json"))
    assert (listed["sent"], listed["outcomes"]) == (1, {"waiting": 1, "watched": 1})
    (paused,) = objects(run("redrives", "pause", job["id"], "--json"))
    assert paused["state"] == "paused"
    with writing(ledger) as conn:
        assert step(conn, job["id"], now_ms=now_ms() + 60_000).sent == 0
        detail = find_delivery(conn, EVERYTHING, ids[0])
    assert detail is not None
    assert (detail.receipts[-1].person, detail.receipts[-1].reason) == (job["made_by"], "the disk was freed")
    assert run("redrives", "show", job["id"]).exit_code == 4
    assert objects(run("redrives", "resume", job["id"], "--json"))[0]["state"] == "running"
    assert objects(run("redrives", "cancel", job["id"], "--json"))[0]["state"] == "cancelled"
    assert isinstance(run("redrives", "resume", job["id"]).exception, ActRefusedError)
    assert isinstance(run("redrives", "pause", new_id()).exception, NotFoundError)


def test_a_redrive_is_shown_until_it_stands_still_and_a_failure_ends_with_1(
    run: Run, parked: tuple[str, list[str]], ledger: Engine
) -> None:
    key, ids = parked

    def comes_back() -> None:
        """What a router and a unit do meanwhile."""
        deadline = time.monotonic() + 60
        while not (jobs := _jobs(ledger)):
            assert time.monotonic() < deadline, "the command made a redrive"
        with writing(ledger) as conn:
            assert step(conn, jobs[0].id, now_ms=now_ms()).sent == 1
            Clerk(conn, now_ms(), {(key, "LCA.02"): ids[0]}).tell(key, "LCA.02", Status.PARKED, reason="full again")
            step(conn, jobs[0].id, now_ms=now_ms())

    with ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(comes_back)
        result = run("redrive", "unit:LCA.#", "--canary", "--reason", "x", "--json")
        meanwhile.result()
    assert result.exit_code == 1, result.output
    last = json.loads(result.stdout.splitlines()[-1])
    assert (last["state"], last["note"]) == ("stopped", "LCA.02 parked: full again")


def _jobs(engine: Engine) -> list[RedriveJob]:
    with reading(engine) as conn:
        return list_jobs(conn, EVERYTHING)


def test_a_filter_that_nothing_stuck_fits_is_told_with_what_fits(run: Run, parked: tuple[str, list[str]]) -> None:
    key, ids = parked
    with pytest.raises(NotFoundError, match="what fits: 1 pending"):
        raise run("redrive", f"delivery:{ids[2]}", "--reason", "x").exception or AssertionError
    with pytest.raises(NotFoundError, match="what fits: nothing"):
        raise run("redrive", f"document:{key} is:expired", "--dry-run").exception or AssertionError


def test_a_unit_is_paused_muted_opened_and_retired_with_a_reason(run: Run, ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn, now_ms())
        clerk.units(unit("LCA"), unit("LCA.02"), unit("LCA.03"))
        clerk.dispatch("LCA", [unit("LCA.02")])
    why = ("--reason", "the office moves", "--json")
    (paused,) = objects(run("units", "pause", "LCA.02", *why))
    assert (paused["act"], paused["changed"], paused["held"]) == ("unit_paused", ["LCA.02"], 1)
    again = objects(run("units", "pause", "LCA.02.#", *why))[0]
    assert (again["changed"], again["unchanged"]) == ([], ["LCA.02"])
    assert objects(run("units", "mute", "LCA.02", "--until", "3d", *why))[0]["changed"]
    assert "that are sent now: 1" in run("units", "open", "LCA.02", "--reason", "moved").stdout
    retired = run("units", "retire", "LCA.02", "--last-day", "2030-06-30", "--successor", "LCA.03", *why)
    assert objects(retired)[0]["changed"]
    for wrong in (
        ("pause", "LCA.02"),
        ("pause", "LCA.02", "--reason", "x" * 501),
        ("mute", "LCA.02", "--until", "2001-01-01", "--reason", "x"),
        ("retire", "LCA.02", "--last-day", "soon", "--reason", "x"),
    ):
        assert run("units", *wrong).exit_code == 2, wrong
    assert isinstance(run("units", "open", "LCA.99", "--reason", "x").exception, NotFoundError)
    unknown = run("units", "retire", "LCA.02", "--last-day", "2030-06-30", "--successor", "LCA.99", "--reason", "x")
    assert isinstance(unknown.exception, DirectoryError)
    with reading(ledger) as conn:
        entries = [row.entry for row in list_entries(conn, EVERYTHING)]
    assert [entry.act.value for entry in entries] == ["unit_retired", "unit_opened", "unit_muted", "unit_paused"]
    assert {entry.person.count("@") for entry in entries} == {1}


def test_a_followed_log_shows_what_comes_until_it_is_interrupted(
    parked: tuple[str, list[str]], ledger_url: str, ledger: Engine
) -> None:
    key, ids = parked
    command = [sys.executable, "-c", "from router.cli.log import app; app()", "--follow", "--last", "1", "--json"]
    environment = os.environ | {"CONGVAN_LEDGER_URL": ledger_url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["status"] == "parked"
        with writing(ledger) as conn:
            Clerk(conn, now_ms(), {(key, "LCA.03"): ids[2]}).tell(key, "LCA.03", Status.ARRIVED)
        assert json.loads(process.stdout.readline())["status"] == "arrived"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
