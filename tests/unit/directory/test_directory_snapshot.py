"""The tree of units: order, subtrees, children, and what a rule names."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.directory import Directory, load_file
from schemas.addressing import Reach, Rule, parse_rule
from schemas.codes import ancestors_of, is_within
from schemas.unit import Link, Unit
from support.letters import codes

LAO_CAI = Path(__file__).parents[3] / "deploy/examples/lao-cai/units.csv"
KINDS = ("province", "district", "commune")


def tree_of(names: Sequence[str]) -> list[Unit]:
    """Units for the codes, each below its nearest ancestor among them."""
    known = set(names)
    return [
        Unit(
            code=code,
            parent=next((above for above in ancestors_of(code) if above in known), None),
            name=code,
            kind=KINDS[min(code.count("."), 2)],
            link=Link.LAN,
        )
        for code in names
    ]


trees = st.lists(codes, unique=True, max_size=30).map(tree_of)


def named(directory: Directory, rule: str) -> list[str]:
    return [unit.code for unit in directory.named_by(parse_rule(rule))]


@given(trees)
def test_the_order_is_that_of_a_walk_through_the_tree(units: list[Unit]) -> None:
    directory = Directory(units)

    def walk(unit: Unit) -> list[Unit]:
        return [unit, *(item for child in directory.children(unit.code) for item in walk(child))]

    assert [item for root in directory.roots for item in walk(root)] == list(directory.all)


@given(trees, codes, st.sampled_from([*KINDS, ""]))
def test_a_rule_names_what_its_words_say(units: list[Unit], head: str, kind: str) -> None:
    directory = Directory(units)
    of_kind = [unit for unit in directory.all if kind in {"", unit.kind}]
    for reach, expected in (
        (Reach.SUBTREE, [unit for unit in of_kind if is_within(unit.code, head) and head in directory]),
        (Reach.CHILDREN, [unit for unit in of_kind if unit.parent == head]),
    ):
        assert list(directory.named_by(Rule(head, reach, kind))) == expected
    assert [unit.code for unit in directory.named_by(Rule(head))] == [head] * (head in directory)


@given(trees)
def test_every_unit_is_found_by_its_code_and_nothing_else_is(units: list[Unit]) -> None:
    directory = Directory(units)
    assert len(directory) == len(units)
    assert all(directory[unit.code] is unit and directory.get(unit.code) is unit for unit in units)
    assert "NOBODY" not in directory
    assert directory.get("NOBODY") is None
    assert directory.within("NOBODY") == directory.children("NOBODY") == ()


def test_a_longer_number_is_not_below_a_shorter_one() -> None:
    directory = Directory(tree_of(["LCA", "LCA.1", "LCA.10", "LCA.1.01", "LCA.10.01"]))
    assert [unit.code for unit in directory.all] == ["LCA", "LCA.1", "LCA.1.01", "LCA.10", "LCA.10.01"]
    assert named(directory, "LCA.1.#") == ["LCA.1", "LCA.1.01"]
    assert named(directory, "LCA.1.*") == ["LCA.1.01"]
    assert named(directory, "LCA.1.#{commune}") == ["LCA.1.01"]


def test_a_level_may_be_missing() -> None:
    directory = Directory(tree_of(["VN", "VN.10.02"]))
    assert [unit.code for unit in directory.children("VN")] == ["VN.10.02"]


def test_the_example_organisation_is_the_one_described() -> None:
    directory = Directory(load_file(LAO_CAI))
    assert len(directory) == 184
    assert [unit.code for unit in directory.roots] == ["LCA"]
    assert len(named(directory, "LCA.*{district}")) == 14
    communes = directory.named_by(parse_rule("LCA.#{commune}"))
    assert (len(communes), sum(unit.link is Link.NONE for unit in communes)) == (164, 59)
