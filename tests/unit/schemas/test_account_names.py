"""An account's name says its role and the units it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.accounts import MAX_ACCOUNT_NAME, Account, Role, parse_account
from support.letters import codes

labels = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True) | st.just("")
accounts = st.builds(Account, st.sampled_from(Role), codes | codes.map(lambda code: f"{code}.#"), labels)


@given(accounts)
def test_a_name_written_and_read_again_is_the_same_account(account: Account) -> None:
    assert parse_account(account.name) == account


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "gateway",
        "gateway:",
        "root:LCA",
        "GATEWAY:LCA",
        "gateway:lca",
        "gateway:LCA.*",
        "gateway:LCA:",
        "issuer:LCA:É",
        "issuer:LCA:a:b",
        "issuer:LCA\n",
        f"issuer:LCA:{'a' * 32}",
        f"issuer:{'.'.join(['A' * 16] * 7)}",
    ],
)
def test_anything_else_is_refused_with_an_example(bad: str) -> None:
    with pytest.raises(ValueError, match=r"issuer:LCA\.VP"):
        parse_account(bad)


def test_a_name_longer_than_the_ledgers_column_is_refused() -> None:
    longest = "operator:" + ".".join(["ABCDEFGHI"] * 10) + ".#"
    assert len(parse_account(longest).name) <= MAX_ACCOUNT_NAME
    with pytest.raises(ValueError, match="longer than 120"):
        parse_account(f"{longest}:{'a' * 31}")


@pytest.mark.parametrize(
    ("pattern", "unit", "stands"),
    [
        ("LCA.02.#", "LCA.02", True),
        ("LCA.02.#", "LCA.02.05", True),
        ("LCA.02.#", "LCA.021", False),
        ("LCA.02", "LCA.02.05", False),
        ("LCA.02", "LCA.02", True),
    ],
)
def test_an_account_stands_for_its_unit_or_its_subtree(pattern: str, unit: str, stands: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Account(Role.GATEWAY, pattern).stands_for(unit) is stands
