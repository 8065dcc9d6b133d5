"""``congvan units`` over a file and over a ledger: output, exit codes, all or nothing."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.exits import ExitCode, ending_of
from router.cli.units import app
from router.ledger.engine import upgrade

LAO_CAI = Path(__file__).parents[3] / "deploy/examples/lao-cai/units.csv"
HEAD = "code,parent,name,kind,link\n"


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    upgrade(url)
    return url


@dataclass(frozen=True)
class Done:
    """How a command ended, as its caller sees it."""

    returncode: int
    stdout: str
    stderr: str


def units(*arguments: str, ledger_url: str = "sqlite:////nowhere/ledger") -> Done:
    result = CliRunner().invoke(app, arguments, env={"CONGVAN_LEDGER_URL": ledger_url, "COLUMNS": "200"})
    if result.exception is None or isinstance(result.exception, SystemExit):
        return Done(result.exit_code, result.stdout, result.stderr)
    ending = ending_of(result.exception)
    return Done(ending.code, result.stdout, f"{ending.message}\n{ending.hint}")


def in_file(*arguments: str) -> Done:
    return units(*arguments, "--file", str(LAO_CAI))


def objects(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_dry_run_says_who_is_in_who_is_out_and_why() -> None:
    done = in_file("resolve", "LCA.*{district}", "!LCA.02", "!LCA.03.01")
    assert done.returncode == ExitCode.OK
    assert "10 addressed" in done.stdout
    assert "LCA.01\tThành ủy Lào Cai\tdistrict\twan" in done.stdout
    assert "4 left out" in done.stdout
    assert "LCA.02\texcluded_by_rule\tby the rule '!LCA.02'" in done.stdout
    assert "LCA.12\town_network" in done.stdout
    assert "note: exclusion_unused: the rule '!LCA.03.01' takes nobody out" in done.stdout


def test_the_dry_run_as_json_is_one_object() -> None:
    (found,) = objects(in_file("resolve", "LCA.#", "!LCA.VP", "--json"))
    assert found["count"] == len(found["included"]) == 180
    assert found["included"][0] == {"code": "LCA", "name": "Tỉnh ủy Lào Cai", "kind": "province", "link": "lan"}
    assert {item["reason"] for item in found["left_out"]} == {"excluded_by_rule", "own_network"}
    assert {note["code"] for note in found["notes"]} == {"no_line"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("resolve", "lca"), ExitCode.USAGE, "cannot be read at character 1"),
        (("resolve", "LCA.99"), ExitCode.USAGE, "not in the directory"),
        (("resolve", "LCA.#{ward}"), ExitCode.USAGE, "matches nobody"),
        (("resolve",), ExitCode.USAGE, "RULE"),
        (("resolve", "LCA", "--day", "1.7.2025"), ExitCode.USAGE, "is no day"),
        (("resolve", "LCA.12"), ExitCode.REFUSED, ""),
        (("tree", "LCA.99"), ExitCode.NOT_FOUND, "there is no unit LCA.99"),
    ],
)
def test_each_way_to_fail_has_its_exit_code(arguments: tuple[str, ...], code: ExitCode, says: str) -> None:
    done = in_file(*arguments)
    assert done.returncode == code
    assert says in done.stderr


def test_the_tree_begins_anywhere_and_ends_at_a_depth() -> None:
    assert [unit["code"] for unit in objects(in_file("tree", "--depth", "0", "--json"))] == ["LCA"]
    below = objects(in_file("tree", "LCA.02", "--depth", "1", "--json"))
    assert len(below) == 24
    assert below[0]["code"] == "LCA.02"
    lines = in_file("tree", "LCA.12").stdout.splitlines()
    assert lines[0].split("\t") == ["code", "name", "kind", "link", "remark"]
    assert lines[1].endswith("excluded\town network, not on the WAN")


def test_a_list_is_imported_shown_and_imported_again_without_change(ledger: str) -> None:
    first = units("import", str(LAO_CAI), ledger_url=ledger)
    assert (first.returncode, first.stdout) == (ExitCode.OK, "184 added, 0 changed, 0 retired, 0 unchanged\n")
    assert len(objects(units("tree", "--json", ledger_url=ledger))) == 184
    (again,) = objects(units("import", str(LAO_CAI), "--json", ledger_url=ledger))
    assert (again["added"], again["changed"], again["unchanged"]) == ([], [], 184)
    assert units("resolve", "LCA.02.05", ledger_url=ledger).returncode == ExitCode.OK


def test_units_that_a_list_no_longer_names_are_retired_only_when_asked(ledger: str, tmp_path: Path) -> None:
    units("import", str(LAO_CAI), ledger_url=ledger)
    rest = tmp_path / "units.csv"
    rest.write_text("\n".join(LAO_CAI.read_text("utf-8").splitlines()[:2]) + "\n", "utf-8")
    assert "0 retired" in units("import", str(rest), ledger_url=ledger).stdout
    done = units("import", str(rest), "--retire-missing", "2025-06-30", ledger_url=ledger)
    assert "183 retired" in done.stdout
    assert units("resolve", "LCA.02", ledger_url=ledger).returncode == ExitCode.REFUSED
    assert units("resolve", "LCA.02", "--day", "2025-06-30", ledger_url=ledger).returncode == ExitCode.OK


def test_a_list_that_does_not_hold_together_leaves_the_ledger_as_it_was(ledger: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(HEAD + "A,,a,k,lan\nA.1,A,a,k,fax\n", "utf-8")
    done = units("import", str(bad), ledger_url=ledger)
    assert done.returncode == ExitCode.USAGE
    assert "line 3, link" in done.stderr
    assert objects(units("tree", "--json", ledger_url=ledger)) == []


def test_a_list_of_one_changed_unit_is_merged(ledger: str, tmp_path: Path) -> None:
    units("import", str(LAO_CAI), ledger_url=ledger)
    one = tmp_path / "one.csv"
    one.write_text(HEAD + "LCA.02.05,LCA.02,Xã đổi tên,commune,wan\n", "utf-8")
    (done,) = objects(units("import", str(one), "--json", ledger_url=ledger))
    assert (done["added"], done["changed"], done["retired"]) == ([], ["LCA.02.05"], [])


def test_what_a_list_would_change_is_told_before_it_is_done(ledger: str, tmp_path: Path) -> None:
    units("import", str(LAO_CAI), ledger_url=ledger)
    text = LAO_CAI.read_text("utf-8").replace("LCA.02.05,LCA.02,Đảng ủy xã Trịnh Tường", "LCA.02.05,LCA.02,Xã đổi tên")
    new = tmp_path / "new.csv"
    new.write_text("\n".join(text.splitlines()[:-1]) + "\nLCA.02.99,LCA.02,Xã mới,commune,wan,\n", "utf-8")
    dry = units("import", str(new), "--dry-run", ledger_url=ledger)
    assert dry.stdout.splitlines()[0] == "1 added, 1 changed, 0 retired, 182 unchanged"
    assert "changed\tLCA.02.05\tXã đổi tên\tname: Đảng ủy xã Trịnh Tường → Xã đổi tên" in dry.stdout
    assert "stays as it is" in dry.stdout
    day = ("--retire-missing", "2025-06-30")
    (told,) = objects(units("import", str(new), "--dry-run", "--json", *day, ledger_url=ledger))
    assert (told["added"], [item["code"] for item in told["changed"]]) == (["LCA.02.99"], ["LCA.02.05"])
    assert told["retired"][0]["fields"] == [{"field": "valid_to", "before": "", "after": "2025-06-30"}]
    assert len(objects(units("tree", "--json", ledger_url=ledger))) == 184, "nothing was done"
    (done,) = objects(units("import", str(new), "--json", *day, ledger_url=ledger))
    assert [done["added"], done["changed"], done["retired"]] == [
        *(["LCA.02.99"], ["LCA.02.05"], [item["code"] for item in told["retired"]]),
    ]


def test_a_list_that_does_not_fit_what_is_in_the_ledger_is_refused(ledger: str, tmp_path: Path) -> None:
    units("import", str(LAO_CAI), ledger_url=ledger)
    odd = tmp_path / "odd.csv"
    odd.write_text(HEAD + "LCA,,Tỉnh ủy,province,lan\nLCA.02.99,LCA,Xã,commune,wan\n", "utf-8")
    done = units("import", str(odd), ledger_url=ledger)
    assert done.returncode == ExitCode.USAGE
    assert "line 3, parent: has to be LCA.02" in done.stderr


def test_a_missing_file_is_not_found_and_a_missing_ledger_unavailable() -> None:
    assert units("tree", "--file", "/nowhere/units.csv").returncode == ExitCode.NOT_FOUND
    assert units("tree").returncode == ExitCode.UNAVAILABLE


def test_on_a_terminal_the_tree_is_drawn() -> None:
    reader, terminal = os.openpty()
    command = [sys.executable, "-m", "deploy.main", "units", "tree", "LCA.02", "--file", str(LAO_CAI)]
    with subprocess.Popen(command, stdout=terminal, env=os.environ | {"COLUMNS": "100", "TERM": "dumb"}) as child:
        os.close(terminal)
        drawn = b""
        while b"LCA.02.23" not in drawn and (read := os.read(reader, 65536)):
            drawn += read
    os.close(reader)
    assert child.returncode == ExitCode.OK
    assert "├── LCA.02.05 Đảng ủy xã Trịnh Tường commune, dialup" in drawn.decode(errors="replace")
    assert "└── LCA.02.23" in drawn.decode(errors="replace")
