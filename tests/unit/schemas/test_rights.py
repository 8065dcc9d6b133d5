"""Whom an account may address, how much, and whose dispatches it may change: the one rule, as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.accounts import Role
from schemas.rights import (
    DEFAULTS,
    UNBOUND,
    Allowance,
    Amount,
    Rights,
    may_address,
    may_change,
    out_of_reach,
    parse_reach,
)

UNITS = ("LCA", "LCA.VP", "LCA.02", "LCA.02.01", "LCA.02.01.A", "LCA.02.02", "LCA.03", "LCA.03.01", "YBI")
CODES = st.sampled_from(UNITS)


@pytest.mark.parametrize(
    ("issuer", "reached"),
    [
        ("LCA.02.01", {"LCA", "LCA.02", "LCA.02.01", "LCA.02.02", "LCA.02.01.A"}),
        ("LCA.02", {"LCA", "LCA.VP", "LCA.02", "LCA.02.01", "LCA.02.02", "LCA.02.01.A", "LCA.03"}),
        ("LCA", set(UNITS) - {"YBI"}),
    ],
)
def test_a_gateway_reaches_what_is_above_beside_and_below_its_unit(issuer: str, reached: set[str]) -> None:
    rights = DEFAULTS[Role.GATEWAY]
    assert {unit for unit in UNITS if may_address(rights, issuer, unit)} == reached
    assert set(out_of_reach(rights, issuer, UNITS)) == set(UNITS) - reached


def test_an_issuer_reaches_everybody_and_an_operator_nobody() -> None:
    assert not out_of_reach(DEFAULTS[Role.ISSUER], "LCA.VP", UNITS)
    assert list(out_of_reach(DEFAULTS[Role.OPERATOR], "LCA", UNITS)) == list(UNITS)


def test_a_reach_may_name_units_and_subtrees() -> None:
    rights = Rights(parse_reach(["LCA.03.#", "LCA.VP"]))
    assert out_of_reach(rights, "LCA.02", UNITS) == ["LCA", "LCA.02.01", "LCA.02.01.A", "LCA.02.02", "YBI"]


@pytest.mark.parametrize("text", ["", "up", "LCA.*", "LCA.02.05.#.#", "lca", "above "])
def test_a_reach_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no reach"):
        parse_reach([text])


@given(CODES, CODES, st.booleans())
def test_a_dispatch_is_changed_by_its_issuer_or_from_above_with_that_right(owner: str, by: str, right: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    allowed = may_change(Rights(over_below=right), by, owner)
    assert allowed == (by == owner or (right and owner.startswith(f"{by}.")))


@given(CODES, CODES)
def test_who_may_do_all_is_never_out_of_reach(issuer: str, unit: str) -> None:
    assert may_address(UNBOUND, issuer, unit)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_an_allowance_is_passed_by_one_more_and_not_by_as_much(dispatches: int, deliveries: int, size: int) -> None:
    allowance = Allowance(dispatches, deliveries, size)
    assert not allowance.excess(Amount(dispatches, deliveries, size))
    for more in (Amount(1), Amount(0, 1), Amount(0, 0, 1)):
        assert allowance.excess(Amount(dispatches, deliveries, size) + more)
    assert not Allowance().is_bounded
