"""Whom rules reach: who is in, who is out and why, on a given day."""

from datetime import date
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.directory import Directory, LeftOut, Note, NoteCode, Reason, Resolution, load_csv, load_file, resolve
from schemas.addressing import parse_rule
from schemas.errors import AddressingError
from schemas.unit import Link, Unit

TODAY = date(2026, 11, 22)
DIRECTORY = Directory(
    load_csv(
        "code,parent,name,kind,link,valid_from,valid_to,successor\n"
        "LCA,,Tỉnh ủy,province,lan,,,\n"
        "LCA.1,LCA,Huyện một,district,wan,,,\n"
        "LCA.1.01,LCA.1,Xã một,commune,dialup,,,\n"
        "LCA.1.02,LCA.1,Xã hai,commune,none,,,\n"
        "LCA.1.03,LCA.1,Xã cũ,commune,dialup,,2025-06-30,LCA.2.01\n"
        "LCA.1.04,LCA.1,Xã cũ hơn,commune,dialup,,2019-12-31,LCA.1.03\n"
        "LCA.1.05,LCA.1,Xã đã giải thể,commune,dialup,,2025-06-30,\n"
        "LCA.10,LCA,Huyện mười,district,wan,,,\n"
        "LCA.2,LCA,Huyện hai,district,wan,,,\n"
        "LCA.2.01,LCA.2,Xã mới,commune,none,2025-07-01,,\n"
        "LCA.2.02,LCA.2,Xã tương lai,commune,dialup,2027-01-01,,\n"
        "LCA.9,LCA,Quân đội,district,excluded,,,\n"
    )
)


def reach(*rules: str, day: date = TODAY) -> Resolution:
    return resolve(DIRECTORY, rules, day)


def included(*rules: str, day: date = TODAY) -> list[str]:
    return [unit.code for unit in reach(*rules, day=day).included]


def test_the_same_unit_named_twice_is_addressed_once_in_tree_order() -> None:
    assert included("LCA.10", "LCA.1.01", "LCA.1.#{commune}", "LCA.1.01") == [
        "LCA.1.01",
        "LCA.1.02",
        "LCA.10",
        "LCA.2.01",
    ]


def test_an_excluded_unit_is_out_with_the_most_particular_rule_named() -> None:
    assert reach("LCA.1.#", "!LCA.1.#{commune}", "!LCA.1.01", "!LCA.#{commune}").left_out[:2] == (
        LeftOut("LCA.1.01", Reason.EXCLUDED_BY_RULE, "by the rule '!LCA.1.01'"),
        LeftOut("LCA.1.02", Reason.EXCLUDED_BY_RULE, "by the rule '!LCA.1.#{commune}'"),
    )


def test_an_exclusion_wins_over_a_rule_that_names_the_very_unit() -> None:
    assert included("LCA.1.01", "LCA.10", "!LCA.1.#") == ["LCA.10"]


def test_a_unit_on_a_network_of_its_own_is_never_addressed() -> None:
    found = reach("LCA.9")
    assert found.included == ()
    assert [(item.unit_code, item.reason) for item in found.left_out] == [("LCA.9", Reason.OWN_NETWORK)]


def test_a_unit_without_a_line_is_addressed_with_a_note() -> None:
    found = reach("LCA.1.02")
    assert [unit.link for unit in found.included] == [Link.NONE]
    assert [(note.unit_code, note.code) for note in found.notes] == [("LCA.1.02", NoteCode.NO_LINE)]


def test_an_abolished_units_successor_takes_its_place_down_the_whole_chain() -> None:
    found = reach("LCA.1.04")
    assert [unit.code for unit in found.included] == ["LCA.2.01"]
    assert found.left_out == (
        LeftOut("LCA.1.03", Reason.ABOLISHED, "existed until 2025-06-30; its successor is LCA.2.01"),
        LeftOut("LCA.1.04", Reason.ABOLISHED, "existed until 2019-12-31; its successor is LCA.1.03"),
    )
    assert Note(NoteCode.SUCCESSOR_USED, "takes the documents of LCA.1.03", "LCA.2.01") in found.notes


def test_a_chain_goes_only_as_far_as_the_day() -> None:
    assert included("LCA.1.04", day=date(2025, 6, 30)) == ["LCA.1.03"]
    assert included("LCA.1.04", day=date(2019, 12, 31)) == ["LCA.1.04"]


def test_an_abolished_unit_without_successor_is_out() -> None:
    left_out = reach("LCA.1.05").left_out
    assert left_out == (LeftOut("LCA.1.05", Reason.ABOLISHED, "existed until 2025-06-30 and has no successor"),)


def test_a_successor_that_the_directory_lacks_is_told() -> None:
    lone = DIRECTORY["LCA.1.03"].model_copy(update={"parent": None})
    left_out = resolve(Directory([lone]), ["LCA.1.03"], TODAY).left_out
    assert "its successor LCA.2.01 is not in the directory" in left_out[0].detail


def test_a_unit_that_does_not_exist_yet_is_out_until_its_first_day() -> None:
    assert reach("LCA.2.02").left_out == (LeftOut("LCA.2.02", Reason.NOT_YET, "exists from 2027-01-01"),)
    assert included("LCA.2.02", day=date(2027, 1, 1)) == ["LCA.2.02"]


def test_an_excluded_successor_stays_out_and_an_excluded_unit_brings_none_in() -> None:
    assert included("LCA.1.03", "LCA.10", "!LCA.2.01") == ["LCA.10"]
    assert included("LCA.1.03", "LCA.10", "!LCA.1.03") == ["LCA.10"]


def test_a_note_tells_when_only_the_abolished_code_of_an_addressee_is_excluded() -> None:
    found = reach("LCA.#{commune}", "!LCA.1.03")
    assert "LCA.2.01" in [unit.code for unit in found.included]
    notes = [note for note in found.notes if note.code is NoteCode.SUCCESSOR_NOT_EXCLUDED]
    assert notes == [
        Note(
            NoteCode.SUCCESSOR_NOT_EXCLUDED,
            "is the successor of LCA.1.03, which the rule '!LCA.1.03' names",
            "LCA.2.01",
        )
    ]


@pytest.mark.parametrize("exclusion", ["!LCA.10", "!LCA.10.*", "!LCA.1.#{ward}"])
def test_an_exclusion_that_takes_nobody_out_is_a_note(exclusion: str) -> None:
    notes = [note.detail for note in reach("LCA.1", exclusion).notes]
    assert notes == [f"the rule '{exclusion}' takes nobody out"]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("LCA.3", "names the unit LCA.3, which is not in the directory"),
        ("LCA.3.#", "which is not in the directory"),
        ("!LCA.3", "which is not in the directory"),
        ("LCA.10.*", "matches nobody"),
        ("LCA.#{ward}", "matches nobody"),
        ("lca", "cannot be read"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name_and_place(rule: str, says: str) -> None:
    with pytest.raises(AddressingError, match=says) as caught:
        reach("LCA.1", rule)
    assert [(item.field, item.given) for item in caught.value.problems] == [("addressees.1", rule)]


def test_all_rules_that_make_no_sense_are_told_at_once() -> None:
    with pytest.raises(AddressingError) as caught:
        reach("LCA.3", "LCA.1", "LCA.10.*")
    assert [item.field for item in caught.value.problems] == ["addressees.0", "addressees.2"]


def test_exclusions_alone_reach_nobody() -> None:
    assert reach("!LCA.1").included == ()


def test_the_whole_province_but_two_is_whom_the_example_addresses() -> None:
    lao_cai = Directory(load_file(Path(__file__).parents[3] / "deploy/examples/lao-cai/units.csv"))
    found = resolve(lao_cai, ["LCA.#", "!LCA.02.05", "!LCA.VP"], TODAY)
    assert len(found.included) == 184 - 3 - 2
    assert [item.unit_code for item in found.left_out] == ["LCA.02.05", "LCA.12", "LCA.13", "LCA.14", "LCA.VP"]
    assert sum(note.code is NoteCode.NO_LINE for note in found.notes) == 59


def _rule_texts(*, exclude: bool) -> st.SearchStrategy[str]:
    heads = st.sampled_from([unit.code for unit in DIRECTORY.all])
    tails = st.sampled_from(["", "", ".#", ".*", ".#{commune}", ".*{district}"])
    return st.builds(lambda head, tail: f"{'!' * exclude}{head}{tail}", heads, tails)


def _sensible(rule: str) -> bool:
    return rule.startswith("!") or bool(DIRECTORY.named_by(parse_rule(rule)))


inclusions = st.lists(_rule_texts(exclude=False).filter(_sensible), min_size=1, max_size=4)
exclusions = st.lists(_rule_texts(exclude=True), max_size=4)
days = st.dates(date(2019, 1, 1), date(2027, 12, 31))


def _codes(units: tuple[Unit, ...]) -> set[str]:
    return {unit.code for unit in units}


@given(inclusions, exclusions, days)
def test_every_unit_that_is_named_is_in_or_out_once_and_others_only_as_successors(
    wanted: list[str], spared: list[str], day: date
) -> None:
    found = resolve(DIRECTORY, wanted + spared, day)
    ins, outs = _codes(found.included), {item.unit_code for item in found.left_out}
    named = {unit.code for rule in wanted for unit in DIRECTORY.named_by(parse_rule(rule))}
    successors = {DIRECTORY[item.unit_code].successor for item in found.left_out if item.reason is Reason.ABOLISHED}
    assert not ins & outs
    assert len(ins) + len(outs) == len(found.included) + len(found.left_out)
    assert named <= ins | outs <= named | successors
    assert [unit.code for unit in found.included] == sorted(ins)


@given(inclusions, exclusions, days)
def test_whoever_is_addressed_exists_has_no_network_of_its_own_and_is_not_excluded(
    wanted: list[str], spared: list[str], day: date
) -> None:
    out = {unit.code for rule in spared for unit in DIRECTORY.named_by(parse_rule(rule))}
    for unit in resolve(DIRECTORY, wanted + spared, day).included:
        assert unit.exists_on(day)
        assert unit.link is not Link.EXCLUDED
        assert unit.code not in out


@given(inclusions, exclusions, days, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_rules_matters(
    wanted: list[str], spared: list[str], day: date, shuffler: Random
) -> None:
    rules = wanted + spared
    shuffled = [*rules, *rules[:2]]
    shuffler.shuffle(shuffled)
    one, other = resolve(DIRECTORY, rules, day), resolve(DIRECTORY, shuffled, day)
    assert (one.included, one.left_out, sorted(map(str, one.notes))) == (
        other.included,
        other.left_out,
        sorted(map(str, other.notes)),
    )


@given(inclusions, exclusions, _rule_texts(exclude=True), days)
def test_one_more_exclusion_never_adds_an_addressee(wanted: list[str], spared: list[str], more: str, day: date) -> None:
    before = _codes(resolve(DIRECTORY, wanted + spared, day).included)
    after = _codes(resolve(DIRECTORY, [*wanted, *spared, more], day).included)
    assert after <= before
