"""What a list of units would change, told before anything is changed."""

import time
from datetime import date

import pytest

from router.directory import Directory, load_list
from router.directory.difference import Difference, FieldChange, difference
from router.errors import DirectoryError
from schemas.unit import Link, OtherCode, Unit
from support.ledgers import unit

DAY = date(2026, 11, 30)
HEAD = "code,parent,name,kind,link\n"


def told(
    known: list[Unit], units: list[Unit], last_day: date | None = None, own: list[str] | None = None
) -> Difference:
    return difference(Directory(known).all, units, last_day=last_day, own=own)


def codes(units: object) -> list[str]:
    return [item.code for item in units]  # type: ignore[attr-defined]


def test_units_are_new_changed_unchanged_or_not_named() -> None:
    known = [unit("LCA"), unit("LCA.02"), unit("LCA.03"), unit("LCA.04", valid_to=DAY)]
    found = told(known, [unit("LCA"), unit("LCA.02", Link.DIALUP, name="Huyện Bát Xát"), unit("LCA.05")])
    assert codes(found.added) == ["LCA.05"]
    assert [item.code for item in found.changed] == ["LCA.02"]
    assert found.changed[0].fields == (
        FieldChange("name", "Đơn vị LCA.02", "Huyện Bát Xát"),
        FieldChange("link", "lan", "dialup"),
    )
    assert (found.unchanged, codes(found.missing), found.retired) == (1, ["LCA.03"], ())


def test_with_a_day_what_is_not_named_is_retired_and_what_ends_before_stays() -> None:
    known = [unit("LCA"), unit("LCA.02"), unit("LCA.03", valid_to=date(2027, 1, 1)), unit("LCA.04", valid_to=DAY)]
    found = told(known, [unit("LCA")], DAY)
    assert [(item.code, item.after.valid_to) for item in found.retired] == [("LCA.02", DAY), ("LCA.03", DAY)]
    assert found.retired[1].fields == (FieldChange("valid_to", "2027-01-01", "2026-11-30"),)
    assert found.missing == ()


def test_who_administers_a_part_retires_nothing_outside_of_it() -> None:
    known = [unit("LCA"), unit("LCA.02"), unit("LCA.02.05"), unit("LCA.03")]
    found = told(known, [unit("LCA.02")], DAY, own=["LCA.02.#"])
    assert [item.code for item in found.retired] == ["LCA.02.05"]
    assert codes(told(known, [unit("LCA.02")], own=["LCA.02.#"]).missing) == ["LCA.02.05"]


def test_other_codes_are_told_as_the_list_writes_them() -> None:
    before, after = OtherCode(scheme="old", code="H38"), OtherCode(scheme="new", code="H39", valid_from=DAY)
    found = told([unit("LCA", codes=[before])], [unit("LCA", codes=[before, after])])
    assert found.changed[0].fields == (FieldChange("codes", "old=H38", "old=H38;new=H39 (2026-11-30..)"),)


def test_the_seal_is_the_same_for_the_same_change_and_another_for_any_other() -> None:
    known, units = [unit("LCA"), unit("LCA.02")], [unit("LCA"), unit("LCA.02", name="a")]
    seal = told(known, units).seal
    assert told(known, list(reversed(units))).seal == seal
    others = [
        told([unit("LCA"), unit("LCA.02", name="b")], units),
        told([*known, unit("LCA.03")], units, DAY),
        told(known, [*units, unit("LCA.03")]),
    ]
    assert seal not in {other.seal for other in others}
    assert len({other.seal for other in others}) == 3


def test_a_list_that_changes_nothing_says_so() -> None:
    assert told([unit("LCA")], [unit("LCA")]).is_empty
    assert not told([], [unit("LCA")]).is_empty


def test_a_line_of_somebody_elses_unit_is_wrong_whether_the_unit_is_there_or_not() -> None:
    known = [unit("LCA"), unit("LCA.02"), unit("LCA.03"), unit("LCA.03.01")]
    text = HEAD + "LCA.02.01,LCA.02,Xã,commune,lan\nLCA.03.01,LCA,Xã,commune,lan\nLCA.03.99,LCA.03,Xã,commune,lan\n"
    with pytest.raises(DirectoryError) as caught:
        load_list("units.csv", text.encode(), beside=known, own=["LCA.02.#"])
    assert [(item.field, item.problem) for item in caught.value.problems] == [
        (f"line {line}, code", "is none of the units that you administer; take the line out") for line in (3, 4)
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("units.csv", b"," * 1_000_000),
        ("units.csv", b"code,parent,name,kind,link,codes\n" + b"A,,a,k,lan," + b";" * 130_000),
        ("units.json", b'[{"codes":[' + b"{}," * 300_000 + b"{}]}]"),
        ("units.json", b"[" * 100_000),
        ("units.json", b'[{"code":' + b'"A",'),
        ("units.json", b"\xff"),
        ("units.csv", b""),
        ("units.csv", b'code,"'),
        ("units.xlsx", b"PK"),
    ],
)
def test_what_is_no_list_is_refused_quickly_however_it_is_made(name: str, data: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(DirectoryError) as caught:
        load_list(name, data)
    assert time.monotonic() - began < 2
    assert all(len(item.problem) < 1000 for item in caught.value.problems)
