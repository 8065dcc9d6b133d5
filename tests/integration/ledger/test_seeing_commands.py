"""The commands that show what the console shows, from the ledger itself."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, update
from typer.testing import CliRunner, Result

from router.cli import audit, late, lines, overview, search, stats, stuck, units, watch, why
from router.content import ContentStore
from router.errors import ActRefusedError, NotFoundError
from router.ledger.engine import reading, writing
from router.ledger.models import unit as unit_row
from router.ledger.people.accounts import create_account
from router.ledger.people.audit import Act, AuditEntry, record
from router.ledger.queries import find_delivery, read_log
from router.ledger.queries.chain import links_of
from router.ledger.scope import EVERYTHING
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from schemas.accounts import Account, Role
from schemas.clock import now_ms
from schemas.line import LineReport
from schemas.states import Status
from support.ledgers import Clerk, attachment, unit
from support.rot import rot

Run = Callable[..., Result]
UNITS = [unit(code) for code in ("LCA", "LCA.01", "LCA.02", "LCA.02.05")]
APPS = {
    "stats": stats.app,
    "overview": overview.app,
    "stuck": stuck.app,
    "late": late.app,
    "lines": lines.app,
    "why": why.app,
    "watch": watch.app,
    "search": search.app,
    "audit": audit.app,
    "units": units.app,
}
FULL = "HTTP 507: the disk is full"


@pytest.fixture
def run(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the test's ledger."""
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    return lambda name, *arguments: CliRunner().invoke(APPS[name], arguments)


@pytest.fixture
def clerk(ledger: Engine) -> Clerk:
    """A dispatch of a minute ago: arrived at two of four units, parked at one; all lines but one are down."""
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=now_ms() - 60_000)
        clerk.units(*UNITS)
        key = clerk.dispatch("LCA", UNITS)
        for code in ("LCA.02", "LCA.02.05"):
            clerk.tell(key, code, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
        clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN)
        clerk.tell(key, "LCA.01", Status.PARKED, reason=FULL)
        report = LineReport(every=60, rate_down=4035)
        presence.note_report(conn, [unit.code for unit in UNITS], Report(report, clerk.now, clerk.now - 3_600_000))
        presence.note_silent(conn, Listening(now_ms(), 0))
        presence.note_report(conn, ["LCA.01"], Report(report, now_ms(), now_ms()))
    return clerk


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_stats_tell_a_month_by_unit_urgency_and_month(run: Run, clerk: Clerk) -> None:
    del clerk
    (found,) = objects(run("stats", "--json"))
    assert found["unit"] == "LCA"
    assert found["whole"]["accepted"] == 4
    assert found["whole"]["stages"]["arrived"] == {"count": 2, "p50": 3000, "p95": 6000, "p99": 6000}
    assert {code: it["accepted"] for code, it in found["by_unit"].items()} == {"LCA": 1, "LCA.01": 1, "LCA.02": 2}
    assert found["by_urgency"]["0"] == found["by_month"][found["month"]] == found["whole"]
    lines = run("stats", "--unit", "LCA.02").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["unit", "LCA.02", "LCA.02.05", "all"]
    assert lines[-1].split("\t")[1:] == ["2", "2", "100%", "3 s", "6 s", "6 s", "-", "-"]
    assert len(run("stats", "--by", "month", "--stage", "completed").stdout.splitlines()) == 1 + 12 + 1


@pytest.mark.parametrize(("arguments", "code"), [(["--month", "2026-13"], 2), (["--unit", "LCA.77"], 3)])
def test_stats_of_no_month_or_no_unit_say_so(run: Run, clerk: Clerk, arguments: list[str], code: int) -> None:
    del clerk
    result = run("stats", *arguments)
    assert result.exit_code == code
    assert result.stderr


def test_who_is_late_is_told_unit_by_unit_with_who_asks(run: Run, ledger: Engine) -> None:
    assert run("late").stdout == "nothing is late\n"
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=now_ms() - 20 * 86_400_000)
        clerk.units(*UNITS)
        key = clerk.dispatch("LCA", UNITS)
        for code in ("LCA.02", "LCA.02.05"):
            clerk.tell(key, code, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
        clerk.tell(key, "LCA.02", Status.REGISTERED)
        clerk.tell(key, "LCA.01", Status.QUEUED, Status.PARKED, reason=FULL)
    found = objects(run("late", "--json"))
    assert [(item["unit"], item["duties"], item["asked_by"]) for item in found] == [
        ("LCA.01", {"send_again": 1}, "LCA"),
        ("LCA.02", {"assign": 1}, "LCA"),
        ("LCA.02.05", {"register": 1}, "LCA.02"),
    ]
    head, row = run("late", "--unit", "LCA.02", "--duty", "register").stdout.splitlines()
    assert dict(zip(head.split("\t"), row.split("\t"), strict=True))["register"] == "1"
    rows = list(csv.DictReader(io.StringIO(run("late", "--csv", ",").stdout.removeprefix("\ufeff"))))
    assert [item["unit"] for item in rows] == ["LCA.01", "LCA.02", "LCA.02.05"]
    assert objects(run("overview", "--json"))[0]["late"] == 3
    assert "Owed: register by the clerk, at the latest" in run("why", key, "LCA.02.05").stdout


def test_a_unit_that_is_not_there_is_not_late(run: Run, clerk: Clerk) -> None:
    del clerk
    assert run("late", "--unit", "LCA.77").exit_code == 3


def test_the_overview_tells_its_numbers_and_what_needs_attention(run: Run, clerk: Clerk) -> None:
    del clerk
    (found,) = objects(run("overview", "--json"))
    assert (found["undelivered"], found["parked"], found["lines"]) == (2, 1, {"up": 1, "down": 3})
    causes = {(group["cause"], group["reason"], group["deliveries"]) for group in found["attention"]}
    assert causes == {("parked", FULL, 1), ("line-down", "", 1)}
    lines = run("overview").stdout.splitlines()
    assert lines[0].split() == ["undelivered", "2"]
    assert "lines down         3 of 4" in lines
    assert any(line.startswith("parked\t1\t1\t") and line.endswith(FULL) for line in lines)


def test_what_is_stuck_is_told_by_reason(run: Run, clerk: Clerk) -> None:
    del clerk
    (found,) = objects(run("stuck", "--json"))
    assert (found["state"], found["reason"], found["parent"], found["deliveries"]) == ("parked", FULL, "LCA", 1)
    assert FULL in run("stuck").stdout


def test_nothing_stuck_is_said(run: Run, ledger: Engine) -> None:
    del ledger
    assert run("stuck").stdout == "nothing is stuck\n"
    assert objects(run("stuck", "--json")) == []


def test_who_takes_care_of_what_is_stuck_is_set_and_shown_wherever_it_is(run: Run, clerk: Clerk) -> None:
    del clerk
    (found,) = objects(run("stuck", "--json"))
    group = found["group"]
    assert found["care"] is None
    (taken,) = objects(run("stuck", "take", group[:4], "--note", "gọi lúc 9 giờ", "--json"))
    assert (taken["group"], taken["note"]) == (group, "gọi lúc 9 giờ")
    (found,) = objects(run("stuck", "--json"))
    assert found["care"] == {name: taken[name] for name in ("owner", "note", "at")}
    assert "gọi lúc 9 giờ" in run("stuck").stdout
    assert "gọi lúc 9 giờ" in run("units", "show", "LCA.01").stdout
    assert objects(run("units", "show", "LCA.01", "--json"))[0]["cares"][0]["owner"] == taken["owner"]
    assert run("stuck", "leave", group).exit_code == 0
    assert isinstance(run("stuck", "leave", group).exception, NotFoundError)
    assert isinstance(run("stuck", "take", "zz").exception, NotFoundError)
    kinds = [entry["act"] for entry in objects(run("audit", "--unit", "LCA", "--json"))]
    assert kinds == ["care_left", "care_taken"]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("command", ["stuck", "audit"])
def test_lists_are_written_for_spreadsheet_programs(run: Run, clerk: Clerk, command: str, separator: str) -> None:
    with writing(clerk.conn.engine) as conn:
        record(conn, AuditEntry(1, "lan", Act.UNIT_PAUSED, "LCA.01", "LCA.01", '=cmd|"/c calc"!A1;@x'))
    text = run(command, "--csv", separator).stdout
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=separator))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for part in row for cell in part.split(";") if cell.startswith(("=", "@"))]


def test_what_waits_for_a_retired_unit_is_told_when_it_is_retired_and_afterwards_and_handed_on(
    run: Run, clerk: Clerk, ledger: Engine
) -> None:
    del clerk
    retire = ("units", "retire", "LCA.01", "--successor", "LCA.02", "--reason", "Decision 12", "--last-day")
    later = run(*retire, "2999-12-31")
    assert later.stdout == "deliveries it does not have yet: 1\nLCA.01 exists until 2999-12-31\n"
    assert "1 deliveries wait for LCA.01" in later.stderr
    assert "congvan units hand-on LCA.01" in later.stderr
    early = run("units", "hand-on", "LCA.01", "--reason", "x")
    assert isinstance(early.exception, ActRefusedError)
    with writing(ledger) as conn:  # years later
        conn.execute(update(unit_row).where(unit_row.c.code == "LCA.01").values(valid_to=date(2020, 12, 31)))
        key = Clerk(conn, now=now_ms()).dispatch("LCA", [UNITS[1]])
    (found,) = objects(run("stuck", "--json"))
    assert (found["gone"], found["parent"], found["successor"], found["deliveries"]) == (True, "LCA.01", "LCA.02", 2)
    assert run("stuck").stdout.splitlines()[-1].endswith("\tunits hand-on LCA.01")
    assert [item["dispatch_id"] for item in objects(run("units", "waiting", "LCA.01", "--json"))][-1] == key
    assert run("units", "hand-on", "LCA.01", "--reason", "x").stdout.startswith("handed on to LCA.02: 1; ")
    assert run("stuck").stdout == "nothing is stuck\n"
    assert run("units", "waiting", "LCA.01").stdout == "nothing waits for LCA.01\n"
    assert run("units", "give-up", "LCA.01", "--reason", "x").stdout == "ended: 0\n"


def test_lines_are_told_with_what_went_down_together(run: Run, clerk: Clerk) -> None:
    del clerk
    (found,) = objects(run("lines", "--json"))
    assert (found["up"], found["down"]) == (1, 3)
    assert [row["line"]["unit"] for row in found["rows"]][:3] == ["LCA", "LCA.02", "LCA.02.05"]
    assert len(found["together"][0]["units"]) == 4
    lines = run("lines", "--down", "--unit", "LCA.02.#").stdout.splitlines()
    assert lines[0].startswith("0 up, 2 down")
    assert [line.split("\t")[0] for line in lines[1:]] == ["unit", "LCA.02", "LCA.02.05"]
    assert run("lines", "--unit", "LCA..02").exit_code == 2


def test_why_explains_a_delivery_by_its_id_or_by_dispatch_and_unit(run: Run, clerk: Clerk, ledger: Engine) -> None:
    (key, _), *_ = clerk.deliveries
    delivery = clerk.deliveries[key, "LCA.01"]
    (found,) = objects(run("why", delivery, "--json"))
    (same,) = objects(run("why", key, "LCA.01", "--json"))
    assert found == same
    assert (found["state"], found["reason"], found["next"]) == (
        "parked",
        FULL,
        "Nothing by itself: it waits for somebody.",
    )
    steps = [step.get("status", step["sort"]) for step in found["steps"]]
    assert steps == ["outage", "accepted", "queued", "taken", "parked"]
    with reading(ledger) as conn:
        detail = find_delivery(conn, EVERYTHING, delivery)
    assert detail is not None
    assert [item["link"] for item in found["chain"]] == list(links_of(delivery, detail.receipts))
    text = run("why", delivery).stdout
    assert "What to do:\n  Mend what the reason names, then redrive it." in text
    assert f"parked  {FULL}" in text


def test_why_of_what_is_not_there_says_so(run: Run, clerk: Clerk) -> None:
    (key, _), *_ = clerk.deliveries
    for arguments in ([key], [key, "LCA.77"]):
        result = run("why", *arguments)
        assert result.exit_code == 3
        assert "there is no delivery" in result.stderr


def test_search_finds_documents_and_units_without_accents(run: Run, clerk: Clerk) -> None:
    (key, _), *_ = clerk.deliveries
    documents = objects(run("search", "kiem tra", "--json"))
    assert [(found["found"], found["id"]) for found in documents] == [("document", key)]
    units = objects(run("search", "lca.02", "--json"))
    assert [found["code"] for found in units if found["found"] == "unit"] == ["LCA.02", "LCA.02.05"]
    assert "2/4" in run("search", "kiểm tra").stdout
    nothing = run("search", "no such thing")
    assert (nothing.exit_code, nothing.stdout) == (3, "nothing was found\n")


def test_audit_tells_acts_by_person_and_kind(run: Run, ledger: Engine) -> None:
    with writing(ledger) as conn:
        for at, person, act in ((1, "lan", Act.UNIT_PAUSED), (2, "minh", Act.UNIT_PAUSED), (3, "lan", Act.UNIT_OPENED)):
            record(conn, AuditEntry(at, person, act, "LCA.02", "LCA.02", "the office moves", "10.0.0.1"))
    newest, *_ = objects(run("audit", "--json"))
    assert (newest["person"], newest["act"], newest["reason"]) == ("lan", "unit_opened", "the office moves")
    assert [it["at"] for it in objects(run("audit", "--person", "lan", "--act", "unit_paused", "--json"))] == [1]
    assert [it["at"] for it in objects(run("audit", "--before", str(newest["pos"]), "--json"))] == [2, 1]
    assert "the office moves" in run("audit", "--last", "1").stdout
    assert [it["at"] for it in objects(run("audit", "--since", "1970-01-02", "--json"))] == []
    assert [it["at"] for it in objects(run("audit", "--until", "1970-01-02", "--json"))] == [3, 2, 1]
    assert run("audit", "--unit", "lca..").exit_code == 2
    unknown = run("audit", "--act", "danced")
    assert unknown.exit_code == 2
    assert "unit_paused" in unknown.stderr


def test_a_unit_is_shown_with_its_line_and_what_waits_and_without_its_secret(
    run: Run, clerk: Clerk, ledger: Engine
) -> None:
    del clerk
    with writing(ledger) as conn:
        create_account(conn, Account(Role.GATEWAY, "LCA.01"), now_ms=now_ms())
    result = run("units", "show", "LCA.01", "--json")
    (found,) = objects(result)
    assert (found["unit"]["code"], found["line"]["line"]["rate_down"]) == ("LCA.01", 4035)
    assert [entry["status"] for entry in found["entries"]] == ["parked", "taken", "queued"]
    assert found["account"]["name"] == "gateway:LCA.01"
    assert "hash" not in result.stdout
    text = run("units", "show", "LCA.01").stdout
    assert "4035 B/s down" in text
    assert FULL in text
    missing = run("units", "show", "LCA.77")
    assert missing.exit_code == 3
    assert "units tree" in missing.stderr


def test_watch_tells_each_look_with_what_is_new(run: Run, clerk: Clerk) -> None:
    del clerk
    first, *others = objects(run("watch", "--json", "--for", "0"))
    assert (first["parked"], len(first["new"])) == (1, 9)
    assert others == []
    (district,) = objects(run("watch", "--json", "--for", "0", "--unit", "LCA.01"))
    assert [entry["status"] for entry in district["new"]] == ["queued", "taken", "parked"]
    refused = run("watch")
    assert refused.exit_code == 2
    assert "--follow" in refused.stderr


@pytest.mark.parametrize("height", [10, 24, 60])
def test_the_watched_screen_fits_and_shows_the_numbers_and_the_latest_receipt(
    clerk: Clerk, ledger: Engine, height: int
) -> None:
    del clerk
    console = Console(width=100, height=height, record=True, file=io.StringIO())
    with reading(ledger) as conn:
        console.print(watch.picture(overview.look(conn), read_log(conn, EVERYTHING), height))
    text = console.export_text()
    assert len(text.splitlines()) <= max(height, 14)
    assert "3 of 4" in text
    assert "parked" in text.splitlines()[-2]


def test_why_blames_the_store_and_not_the_unit_when_the_routers_copy_is_gone(
    run: Run, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    file = attachment(b"a document")
    asyncio.run(store.put(b"a document"))
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(*UNITS)
        key = clerk.dispatch("LCA", UNITS, attachments=[file])
        clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN)
        clerk.tell(key, "LCA.01", Status.PARKED, reason="content came wrong")
    (sound,) = objects(run("why", key, "LCA.01", "--json"))
    assert (sound["damaged"], sound["advice"]) == ([], "Mend what the reason names, then redrive it.")
    rot(store.path(file.sha256))
    assert store.sound(file.sha256, doubted=True) is None
    (found,) = objects(run("why", key, "LCA.01", "--json"))
    assert found["damaged"] == [file.sha256]
    assert found["advice"].startswith(f"The router's own copy of a.pdf ({file.sha256}) is damaged or lost")
    asyncio.run(store.put(b"a document"))
    assert objects(run("why", key, "LCA.01", "--json")) == [sound]
