"""The grammar of addressing rules: what is read, and how clearly the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.addressing import Reach, Rule, parse_rule, parse_rules, within
from schemas.codes import covers, is_within, parent_of
from schemas.errors import AddressingError
from support.letters import codes

kinds = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
rules = st.one_of(
    st.builds(Rule, codes, st.just(Reach.UNIT), exclude=st.booleans()),
    st.builds(Rule, codes, st.sampled_from([Reach.SUBTREE, Reach.CHILDREN]), kinds | st.just(""), st.booleans()),
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("LCA.02.05", Rule("LCA.02.05")),
        ("LCA.02.#", Rule("LCA.02", Reach.SUBTREE)),
        ("LCA.02.*", Rule("LCA.02", Reach.CHILDREN)),
        ("LCA.#{commune}", Rule("LCA", Reach.SUBTREE, "commune")),
        ("LCA.*{district}", Rule("LCA", Reach.CHILDREN, "district")),
        ("!LCA.02.05", Rule("LCA.02.05", exclude=True)),
        ("!LCA.#{commune}", Rule("LCA", Reach.SUBTREE, "commune", exclude=True)),
    ],
)
def test_each_form_of_the_grammar_is_read(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@given(rules)
def test_a_rule_written_and_read_again_is_the_same(rule: Rule) -> None:
    assert parse_rule(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "character", "says"),
    [
        ("", 1, "a unit's code"),
        ("!", 2, "a unit's code"),
        ("#", 1, "a unit's code"),
        ("lca.02", 1, "capital letters"),
        (" LCA", 1, "a unit's code"),
        ("!!LCA", 2, "a unit's code"),
        ("LCA..05", 5, "has to follow the dot"),
        ("LCA.", 5, "has to follow the dot"),
        ("LCA.02 ", 7, "' ' cannot stand"),
        ("LCA.02,LCA.03", 7, "',' cannot stand"),
        ("LCA.0à", 6, "'à' cannot stand"),
        ("LCA\n", 4, "cannot stand"),
        ("LCA{commune}", 4, "after .# or .*"),
        ("LCA.#.02", 6, "nothing but a kind"),
        ("LCA.##", 6, "nothing but a kind"),
        ("LCA.#{Commune}", 7, "closed by }"),
        ("LCA.#{}", 7, "closed by }"),
        ("LCA.#{commune", 7, "closed by }"),
        ("LCA.#{commune}x", 7, "closed by }"),
        ("LCA.ABCDEFGHIJKLMNOPQ.#", 5, "longer than 16"),
        ("A.B.C.D.E.F.G.H.I.J.K", 1, "at most 10 parts"),
        (".".join(["ABCDEFGHIJKLMNOP"] * 6), 1, "100 characters"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_the_character(text: str, character: int, says: str) -> None:
    with pytest.raises(AddressingError) as caught:
        parse_rule(text)
    assert f"at character {character}:" in str(caught.value)
    assert says in str(caught.value)
    assert repr(text) in str(caught.value)


def test_every_unreadable_rule_of_a_list_is_named_at_once() -> None:
    with pytest.raises(AddressingError) as caught:
        parse_rules(["LCA.02", "lca", "LCA.03", "LCA..#"])
    assert [(item.field, item.given) for item in caught.value.problems] == [
        ("addressees.1", "lca"),
        ("addressees.3", "LCA..#"),
    ]


@given(st.text(max_size=40))
def test_any_text_is_read_as_it_stands_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except AddressingError:
        return
    assert str(rule) == text


_CODE = st.lists(st.sampled_from(["A", "B"]), min_size=1, max_size=4).map(".".join)
_PATTERN = st.builds(str.__add__, _CODE, st.sampled_from(["", ".#"]))
_RULE = st.builds(str.__add__, _CODE, st.sampled_from(["", ".#", ".*"]))


def _names(rule: Rule, code: str) -> bool:
    if rule.reach is Reach.CHILDREN:
        return parent_of(code) == rule.head
    return code == rule.head or (rule.reach is Reach.SUBTREE and is_within(code, rule.head))


@given(st.lists(_RULE, min_size=1, max_size=4), st.lists(_PATTERN, min_size=1, max_size=3), _CODE)
def test_rules_within_patterns_name_of_their_units_what_the_rules_name_and_nothing_else(
    rules: list[str], patterns: list[str], code: str
) -> None:
    told = [parse_rule(text) for text in within(rules, patterns)]
    named = any(_names(parse_rule(rule), code) for rule in rules)
    assert any(_names(rule, code) for rule in told) == (named and any(covers(pattern, code) for pattern in patterns))


@pytest.mark.parametrize(
    ("rule", "pattern", "told"),
    [
        ("LCA.#{commune}", "LCA.02.#", ("LCA.02.#{commune}",)),
        ("LCA.*{district}", "LCA.02.#", ("LCA.02.#{district}",)),
        ("LCA.*{district}", "LCA.02", ("LCA.02",)),
        ("LCA.*", "LCA.02.05.#", ()),
        ("!LCA.03.01", "LCA.02.#", ()),
        ("!LCA.02.#{commune}", "LCA.02.05", ("!LCA.02.05",)),
    ],
)
def test_kinds_and_exclusions_are_kept_within_patterns(rule: str, pattern: str, told: tuple[str, ...]) -> None:
    assert within([rule], [pattern]) == told
