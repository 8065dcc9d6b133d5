"""Codes, patterns and who covers whom."""

import re

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from schemas.codes import UnitCode, ancestors_of, covers, is_code, is_within, parent_of, pattern_regex
from support.letters import codes

CODE: TypeAdapter[str] = TypeAdapter(UnitCode)


@pytest.mark.parametrize("good", ["L", "LCA.02.05", "000.00.00.H38", "A" * 16, ".".join("ABCDEFGHIJ")])
def test_a_dotted_path_of_capitals_and_digits_is_a_code(good: str) -> None:
    assert is_code(good)
    assert CODE.validate_python(good) == good


@pytest.mark.parametrize(
    "bad",
    ["", "lca", "LCA.", ".LCA", "A..B", "A B", "LCA.#", "A\n", "ĐẢNG", *("A" * 17, ".".join("ABCDEFGHIJK"))],
)
def test_anything_else_is_no_code(bad: str) -> None:
    assert not is_code(bad)
    with pytest.raises(ValidationError):
        CODE.validate_python(bad)


def test_a_code_has_at_most_a_hundred_characters() -> None:
    longest = ".".join(["A" * 16] * 5 + ["A" * 15])
    assert len(longest) == 100
    assert is_code(longest)
    assert not is_code(longest + "A")


@given(codes)
def test_the_ancestors_are_the_proper_beginnings_nearest_first(code: str) -> None:
    parts = code.split(".")
    assert list(ancestors_of(code)) == [".".join(parts[:size]) for size in range(len(parts) - 1, 0, -1)]
    assert parent_of(code) == next(ancestors_of(code), None)


@given(codes, codes)
def test_a_subtree_goes_by_whole_parts(code: str, head: str) -> None:
    assert is_within(code, head) == (code.split(".")[: head.count(".") + 1] == head.split("."))


@given(codes, codes)
def test_a_pattern_covers_its_unit_or_with_a_hash_its_subtree(pattern: str, code: str) -> None:
    assert covers(pattern, code) == (code == pattern)
    assert covers(f"{pattern}.#", code) == is_within(code, pattern)


@given(codes, codes)
def test_the_brokers_expression_covers_what_the_rule_covers(head: str, code: str) -> None:
    for pattern in (head, f"{head}.#"):
        assert (re.fullmatch(pattern_regex(pattern), code) is not None) == covers(pattern, code)


def test_a_longer_number_is_not_a_subtree_of_a_shorter_one() -> None:
    assert not covers("LCA.1.#", "LCA.10")
    assert not covers("LCA.1.#", "LCA.10.01")
