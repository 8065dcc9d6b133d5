"""What a log line may not hold is taken out of it, by whatever way it was found."""

import json
import re
from collections.abc import Callable
from contextvars import copy_context
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import hidden
from schemas.hidden import SHOWN, blanked, hide


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in hidden._SECRETS], ids=lambda it: it.pattern[:20])
def test_the_look_that_spares_most_texts_the_patterns_misses_nothing_that_one_of_them_finds(
    pattern: re.Pattern[str],
) -> None:
    @given(st.from_regex(pattern), st.text(max_size=20))
    def found_by_both(found: str, around: str) -> None:
        text = f"{around}{found}{around}"
        assert pattern.search(text) is None or hidden._IN_ALL_OF_THEM.search(text)

    found_by_both()


def while_hidden(values: list[str], text: str) -> str:
    """A text as it is logged in a context of its own that hides values: no other test's lines are without them."""

    def log() -> str:
        hide(values)
        return blanked(text)

    return copy_context().run(log)


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in Python": lambda value: repr(value)[1:-1],
    "in JSON": lambda value: json.dumps(value)[1:-1],
    "in an address": quote_plus,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_hidden_value_is_in_no_text_however_it_is_written(way: str) -> None:
    @given(st.text(min_size=4, max_size=40))
    def gone(value: str) -> None:
        written = WAYS[way](value)
        assert written not in while_hidden([value], f"before {written} behind").replace(SHOWN, "")

    gone()


def test_of_two_hidden_values_the_longer_leaves_nothing_behind() -> None:
    assert while_hidden(["abcd", "abcdefgh"], "it is abcdefgh") == f"it is {SHOWN}"
