"""A list of the organisation is taken over as it was looked at, and the audit log tells of every unit."""

from datetime import date

import pytest
from sqlalchemy import Engine

from router.errors import DirectoryError
from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act, By, Wanted, find_entries
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units.unit_import import ListOutdatedError, NewList, foresee, head_of, import_list
from router.ledger.units.unit_list import ImportResult, list_units
from schemas.unit import Link, Unit
from support.audited import list_entries
from support.ledgers import START, unit

DAY = date(2026, 11, 30)
WHO = By("lan", "QĐ-12", START, "10.1.1.1")
OLD = [unit("LCA"), unit("LCA.02"), unit("LCA.02.05"), unit("LCA.03")]
NEW = [unit("LCA"), unit("LCA.02", Link.DIALUP), unit("LCA.02.07")]


def take(ledger: Engine, units: list[Unit], last_day: date | None = None, *, seal: str = "") -> ImportResult:
    with writing(ledger) as conn:
        return import_list(conn, NewList("units.csv", units, last_day), WHO, seal=seal)


def seal_of(ledger: Engine, units: list[Unit], last_day: date | None = None) -> str:
    with reading(ledger) as conn:
        return foresee(conn, NewList("units.csv", units, last_day)).seal


def units_of(ledger: Engine) -> list[Unit]:
    with reading(ledger) as conn:
        return list_units(conn)


def test_the_audit_log_has_a_row_of_the_whole_and_one_of_each_unit_for_who_audits_a_part(ledger: Engine) -> None:
    take(ledger, OLD)
    take(ledger, NEW, DAY)
    with reading(ledger) as conn:
        rows = [row.entry for row in list_entries(conn, EVERYTHING)][:5]
        folded = find_entries(conn, EVERYTHING, Wanted(), folded=True)
        part = find_entries(conn, Scope(units=("LCA.02.#",)), Wanted(), limit=3)
    assert [(row.act, row.subject, row.unit) for row in reversed(rows)] == [
        (Act.UNITS_IMPORTED, "units.csv", "LCA"),
        (Act.UNIT_ADDED, "LCA.02.07", "LCA.02.07"),
        (Act.UNIT_CHANGED, "LCA.02", "LCA.02"),
        (Act.UNIT_RETIRED, "LCA.02.05", "LCA.02.05"),
        (Act.UNIT_RETIRED, "LCA.03", "LCA.03"),
    ]
    assert {(row.person, row.reason, row.address) for row in rows} == {("lan", "QĐ-12", "10.1.1.1")}
    assert [row.detail for row in rows[:3]] == ["2026-11-30", "2026-11-30", "link: lan → dialup"]
    assert rows[4].detail.startswith("+1 ~1 -2 ")
    assert [(row.entry.act, row.more) for row in folded] == [(Act.UNITS_IMPORTED, 4), (Act.UNITS_IMPORTED, 4)]
    assert [row.entry.unit for row in part] == ["LCA.02.05", "LCA.02", "LCA.02.07"]


def test_a_list_that_changes_nothing_leaves_no_trace(ledger: Engine) -> None:
    take(ledger, OLD)
    assert take(ledger, OLD) == ImportResult((), (), (), 4, 0, 0)
    with reading(ledger) as conn:
        assert len(list_entries(conn, EVERYTHING, act=Act.UNITS_IMPORTED)) == 1


def test_what_is_done_is_what_was_looked_at_or_nothing(ledger: Engine) -> None:
    take(ledger, OLD)
    seal = seal_of(ledger, NEW, DAY)
    take(ledger, [unit("LCA.04")])
    with pytest.raises(ListOutdatedError):
        take(ledger, NEW, DAY, seal=seal)
    assert [item.code for item in units_of(ledger)] == ["LCA", "LCA.02", "LCA.02.05", "LCA.03", "LCA.04"]
    assert take(ledger, NEW, DAY, seal=seal_of(ledger, NEW, DAY)).retired == ("LCA.02.05", "LCA.03", "LCA.04")
    with pytest.raises(ListOutdatedError):
        take(ledger, NEW, DAY, seal=seal)


def test_a_change_elsewhere_that_the_list_does_not_touch_is_no_reason_to_look_again(ledger: Engine) -> None:
    take(ledger, OLD)
    seal = seal_of(ledger, NEW)
    take(ledger, [unit("LCA.03", name="Đổi tên")])
    assert take(ledger, NEW, seal=seal).changed == ("LCA.02",)


def test_what_would_not_hold_together_is_refused_with_its_unit(ledger: Engine) -> None:
    take(ledger, [*OLD, unit("LCA.05", valid_from=date(2027, 1, 1))])
    with pytest.raises(DirectoryError) as caught:
        take(ledger, NEW, DAY)
    assert [(item.field, item.problem) for item in caught.value.problems] == [
        ("LCA.05, valid_to", "is before valid_from 2027-01-01")
    ]
    assert units_of(ledger)[1].link is Link.LAN


def test_the_unit_at_or_above_all_is_found_by_whole_parts() -> None:
    assert head_of(["LCA.02.05"]) == "LCA.02.05"
    assert head_of(["LCA.02.05", "LCA.02", "LCA.02.07"]) == "LCA.02"
    assert head_of(["LCA.1.01", "LCA.10"]) == "LCA"
    assert head_of(["LCA", "YBA"]) == ""
