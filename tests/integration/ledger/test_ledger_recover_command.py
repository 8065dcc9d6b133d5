"""``congvan ledger recover`` over a ledger of either kind, and every place that says that it is older."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from deploy.doctor import services
from deploy.doctor.findings import CheckOutcome
from router.cli import ledger as ledger_command
from router.cli import overview, stuck
from router.content import ContentStore
from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act
from router.ledger.queries import Filter, find_deliveries
from router.ledger.recovery import forgotten, rebuilding, recovering
from router.ledger.scope import EVERYTHING
from router.settings import RouterSettings
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.audited import list_entries
from support.deliveries import a_descriptor, by_reference
from support.forgetting import Holder
from support.ledgers import Clerk, unit

Run = Callable[..., Result]
A = "LCA.01"


@pytest.fixture
def run(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the test's ledger."""
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    apps = {"recover": ledger_command.app, "overview": overview.app, "stuck": stuck.app}
    return lambda name, *arguments: CliRunner().invoke(
        apps[name], ["recover", *arguments] if name == "recover" else arguments
    )


@pytest.fixture
def holder(ledger: Engine) -> Holder:
    """A gateway that holds two documents of which the ledger knows nothing, and has spoken of one."""
    holder = Holder(A)
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), unit(A))
        for number in range(2):
            letter = a_descriptor(id=new_id(), issuer="LCA", attachments=(by_reference("a.pdf", b"%d" % number),))
            holder.hold(letter, Status.TAKEN, Status.ARRIVED)
        holder.held = [item.model_copy(update={"id": new_id(), "receipts": ()}) for item in holder.held]
        forgotten.note(conn, {holder.held[0].id: A}, now_ms())
    return holder


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_dry_run_tells_what_is_missing_and_changes_nothing(run: Run, holder: Holder, ledger: Engine) -> None:
    found = told(run("recover", "--dry-run", "--json"))
    assert (found["forgotten"]["deliveries"], found["recovery"], found["since"]) == (1, None, 0)
    assert [item["delivery_id"] for item in found["lost"]] == [holder.held[0].id]
    text = run("recover", "--dry-run").stdout
    assert "the ledger is older than what gateways tell: 1 deliveries of 1 units" in text
    assert "its gateway has not told it" in text
    with reading(ledger) as conn:
        assert recovering.current(conn) is None
    assert run("recover", "--dry-run", "--end").exit_code == 2


def test_a_recovery_is_opened_goes_on_is_ended_and_stands_in_the_audit_log(
    run: Run, holder: Holder, ledger: Engine, tmp_path: Path
) -> None:
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    asyncio.run(store.put(b"0"))
    assert told(run("recover", "--json", "--reason", "the disk was lost"))["recovery"]["since"] == 0
    with writing(ledger) as conn:
        recovering.greet(conn, holder.spool_id, [A], now_ms(), anew=True)
        (rebuilt,) = rebuilding.rebuild(conn, [holder.page(at=now_ms())])
        assert rebuilt.deliveries == 2
    found = told(run("recover", "--json"))
    assert (found["recovery"]["deliveries"], found["lost"], found["forgotten"]["deliveries"]) == (2, [], 0)
    assert [(item["unit"], item["told"], item["done_at"] is not None) for item in found["units"]] == [(A, 2, True)]
    (missing,) = found["missing_contents"]
    assert missing == by_reference("a.pdf", b"1").sha256
    text = run("recover").stdout
    assert "rebuilt so far: 2 dispatches, 2 deliveries, 2 receipts" in text
    assert "1 units: has told everything" in text
    assert f"content {missing} of a rebuilt dispatch is not in the store" in text
    assert told(run("recover", "--json", "--end"))["recovery"] is None
    with reading(ledger) as conn:
        entries = [row.entry for row in list_entries(conn, EVERYTHING)]
        assert [(entry.act, entry.reason) for entry in entries] == [
            (Act.RECOVERY_ENDED, ""),
            (Act.RECOVERY_BEGUN, "the disk was lost"),
        ]
        assert len(find_deliveries(conn, EVERYTHING, Filter(), now_ms=now_ms())) == 2


def test_what_is_given_up_stays_named_and_calls_for_nobody(run: Run, holder: Holder) -> None:
    run("recover")
    found = told(run("recover", "--end", "--json"))
    assert found["forgotten"]["deliveries"] == 0
    assert [item["delivery_id"] for item in found["lost"]] == [holder.held[0].id]


@pytest.mark.usefixtures("ledger")
def test_where_nothing_is_missing_nothing_is_opened_unless_a_time_is_named(run: Run) -> None:
    assert run("recover").stdout == "nothing tells that the ledger is older than its gateways\n"
    found = told(run("recover", "--since", "2h", "--json"))
    assert now_ms() - found["recovery"]["since"] == pytest.approx(7_200_000, abs=600_000)


def test_overview_stuck_and_doctor_say_that_the_ledger_is_older(
    run: Run, holder: Holder, ledger_url: str, tmp_path: Path
) -> None:
    del holder
    for name in ("overview", "stuck"):
        text = run(name).stdout
        assert "older than what gateways tell: 1 deliveries of 1 units" in text, name
        assert "lies in the queue dead: see `congvan ledger recover`" in text, name
    assert told(run("overview", "--json"))["forgotten"]["deliveries"] == 1
    assert "nothing is stuck" not in run("stuck").stdout
    settings = RouterSettings(data_dir=tmp_path, ledger_url=ledger_url)
    answer = asyncio.run(services.memory(settings))
    assert (answer.verdict, "congvan ledger recover" in answer.hint) == (CheckOutcome.FAILED, True)
    run("recover")
    assert asyncio.run(services.memory(settings)).verdict is CheckOutcome.NOTE
    run("recover", "--end")
    assert asyncio.run(services.memory(settings)).verdict is CheckOutcome.OK
