"""A scope asks nothing of what is asked for anyway, and never lets more be seen by it."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import true

from router.ledger.scope import Scope
from schemas.codes import covers, parent_of

CODES = ("LCA", "LCA.02", "LCA.02.05", "LCA.03", "LCB")
patterns = st.builds(lambda code, tail: code + tail, st.sampled_from(CODES), st.sampled_from(["", ".#"]))
wishes = st.builds(lambda code, tail: code + tail, st.sampled_from(CODES), st.sampled_from(["", ".#", ".*"]))


def _named(wish: str) -> set[str]:
    if wish.endswith(".*"):
        return {code for code in CODES if parent_of(code) == wish[:-2]}
    return {code for code in CODES if covers(wish, code)}


@given(st.lists(patterns, max_size=3), st.lists(wishes, min_size=1, max_size=3))
def test_the_scope_is_left_out_only_when_all_that_is_asked_for_lies_in_it(units: list[str], asked: list[str]) -> None:
    own = {code for code in CODES if any(covers(pattern, code) for pattern in units)}
    condition = Scope(units=tuple(units), issuers=("LCC",)).sees_delivery_of(units=asked)
    if condition.compare(true()):
        assert set().union(*map(_named, asked)) <= own


def test_a_district_asks_nothing_more_of_its_own_units_and_everything_of_others() -> None:
    scope = Scope(units=("LCA.02.#",), issuers=("LCA.02.#",))
    assert scope.sees_delivery_of(units=["LCA.02.05", "LCA.02.*"]).compare(true())
    assert scope.sees_delivery_of(issuers=["LCA.02.#"]).compare(true())
    for units in ([], ["LCA.#"], ["LCA.02.05", "LCA.03"]):
        assert scope.sees_delivery_of(units=units).compare(scope.sees_delivery())
