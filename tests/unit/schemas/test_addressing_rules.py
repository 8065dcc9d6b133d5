"""The grammar of addressing rules: what is read, and how clearly the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.addressing import Reach, Rule, parse_rule, parse_rules
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
