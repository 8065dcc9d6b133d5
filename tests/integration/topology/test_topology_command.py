"""``congvan topology`` against a real broker and a ledger: what it prints and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.exits import ExitCode
from router.ledger.engine import open_engine, upgrade, writing
from router.ledger.people.accounts import create_account, revoke
from router.ledger.units.unit_list import import_units
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.unit import Link, Unit
from support.amqp import administrator
from support.broker import Vhost
from support.organisation import a_unit

UNITS = [a_unit("LCA"), a_unit("LCA.02")]


class Organisation:
    """A ledger with units and accounts, and the command's settings."""

    def __init__(self, vhost: Vhost, ledger: Path) -> None:
        self.engine = open_engine(f"sqlite:///{ledger}")
        upgrade(self.engine)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")} | {
            "CONGVAN_LEDGER_URL": f"sqlite:///{ledger}",
            "CONGVAN_AMQP_URL": vhost.amqp_url,
            "CONGVAN_MANAGEMENT_URL": vhost.management_url,
            "CONGVAN_AMQP_USER": vhost.user,
            "CONGVAN_AMQP_PASSWORD": vhost.password,
        }

    def load(self, units: list[Unit]) -> None:
        with writing(self.engine) as conn:
            import_units(conn, units, now_ms=now_ms())

    def topology(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.main", "topology", *arguments]
        environment = self.environment | settings
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def organisation(vhost: Vhost, tmp_path: Path) -> Organisation:
    made = Organisation(vhost, tmp_path / "ledger.sqlite3")
    made.load(UNITS)
    with writing(made.engine) as conn:
        create_account(conn, parse_account("gateway:LCA.#"), now_ms=now_ms())
    return made


def test_plan_shows_what_apply_does_and_then_nothing(organisation: Organisation) -> None:
    planned = organisation.topology("plan")
    assert planned.returncode == ExitCode.OK, planned.stderr
    assert planned.stdout.startswith("= 7 queues planned; how many fit is not known")
    assert "+ queue unit.LCA.02.express" in planned.stdout.splitlines()
    assert "+ user gateway:LCA.#" in planned.stdout.splitlines()
    applied = organisation.topology("apply")
    assert applied.returncode == ExitCode.OK
    assert applied.stdout == planned.stdout.partition("\n")[2]
    assert organisation.topology("plan").stdout.endswith("\nthe broker stands as planned\n")


def test_plan_tells_how_many_queues_fit_and_names_those_that_do_not(organisation: Organisation) -> None:
    enough = organisation.topology("plan", CONGVAN_BROKER_FILE_HANDLES="20000")
    assert enough.stdout.startswith("= 7 queues planned; 5970 fit into the broker's 20000 file handles\n")
    done = organisation.topology("plan", CONGVAN_BROKER_FILE_HANDLES="100")
    assert done.returncode == ExitCode.REFUSED
    assert "! 7 queues from dead on do not fit" in done.stdout
    assert "ulimit -n" in done.stdout
    assert "+ queue" not in done.stdout


def test_a_revoked_account_and_a_unit_that_lost_its_line_are_taken_away(organisation: Organisation) -> None:
    organisation.topology("apply")
    with writing(organisation.engine) as conn:
        revoke(conn, "gateway:LCA.#", now_ms=now_ms())
    organisation.load([a_unit("LCA.02", link=Link.NONE)])
    rows = [json.loads(line) for line in organisation.topology("apply", "--json").stdout.splitlines()]
    assert {"change": "remove", "what": "user gateway:LCA.#"} in rows
    assert {"change": "remove", "what": "queue unit.LCA.02.normal"} in rows
    assert {row["change"] for row in rows} == {"remove"}


def test_a_conflict_ends_with_its_own_exit_code_and_says_what_to_do(organisation: Organisation, vhost: Vhost) -> None:
    with administrator(vhost).channel() as channel:
        channel.queue_declare("intake", durable=True)
    for command in ("plan", "apply"):
        done = organisation.topology(command)
        assert done.returncode == ExitCode.REFUSED
        assert "! queue intake" in done.stdout
        assert "stop all senders" in done.stdout


def test_export_prints_definitions_with_or_without_logins(organisation: Organisation) -> None:
    whole = json.loads(organisation.topology("export").stdout)
    assert [user["name"] for user in whole["users"]] == ["gateway:LCA.#"]
    shape = json.loads(organisation.topology("export", "--without-logins", CONGVAN_AMQP_URL="").stdout)
    assert shape["users"] == shape["permissions"] == shape["topic_permissions"] == []
    assert len(shape["queues"]) == 7
    assert shape["vhosts"] == [{"name": "congvan"}]


def test_a_broker_that_is_not_named_is_wrong_usage(organisation: Organisation) -> None:
    done = organisation.topology("plan", CONGVAN_MANAGEMENT_URL="")
    assert done.returncode == ExitCode.USAGE
    assert "CONGVAN_MANAGEMENT_URL" in done.stderr


def test_a_broker_that_does_not_answer_is_unavailable(organisation: Organisation) -> None:
    done = organisation.topology("apply", CONGVAN_MANAGEMENT_URL="http://127.0.0.1:9")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "127.0.0.1:9" in done.stderr
