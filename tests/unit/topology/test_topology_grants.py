import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.broker.topology import may_be_answered_at
from router.broker.topology.grants import Grant, grant
from schemas.codes import covers
from schemas.dispatch import Lane
from schemas.receipt import receipt_key
from schemas.states import BY_UNIT, Status

ROOTS = ["LCA", "YBI"]
PARTS = st.sampled_from(["LCA", "VP", "02", "05", "YBI"])
CODES = st.lists(PARTS, min_size=0, max_size=3).map(lambda parts: ".".join(["LCA", *parts]))
PATTERNS = st.tuples(CODES, st.booleans()).map(lambda item: f"{item[0]}.#" if item[1] else item[0])
NOT_THEIRS = ["amq.default", "org.LCA", "org.LCA.02", "dead", "receipts.ledger", "intake2", "xintake", "amq.topic"]


def granted(account: str) -> Grant:
    found = grant(account, ROOTS)
    assert found is not None
    return found


def allows(regex: str, name: str) -> bool:
    return re.search(regex, name) is not None  # as the broker does it: anywhere in the name


@given(pattern=PATTERNS, unit=CODES, lane=st.sampled_from(list(Lane)))
def test_a_gateway_reads_the_queues_of_the_units_it_covers_and_no_others(pattern: str, unit: str, lane: Lane) -> None:
    read = granted(f"gateway:{pattern}").permission.read
    assert allows(read, f"unit.{unit}.{lane}") == covers(pattern, unit)


@given(pattern=PATTERNS, issuer=CODES, unit=CODES, status=st.sampled_from(list(Status)))
def test_a_gateway_says_of_its_units_what_units_may_say(pattern: str, issuer: str, unit: str, status: Status) -> None:
    write = granted(f"gateway:{pattern}").topic.write
    key = receipt_key(issuer, unit, status)
    if covers(pattern, unit) and status in BY_UNIT:
        assert allows(write, key)
    # The two codes in a key run into each other, so the last parts decide: a unit's whole code has to stand there.
    if allows(write, key):
        said_of = [".".join(key.split(".")[n:-1]) for n in range(1, key.count("."))]
        assert any(covers(pattern, code) for code in said_of)
        assert status in BY_UNIT


@pytest.mark.parametrize("word", ["gap", "hello"])
def test_a_gateway_says_gap_and_hello_for_its_own_units_only(word: str) -> None:
    write = granted("gateway:LCA.02.#").topic.write
    assert allows(write, f"LCA.02.{word}")
    assert allows(write, f"LCA.02.05.{word}")
    assert not allows(write, f"LCA.{word}")
    assert not allows(write, f"LCA.03.{word}")
    assert not allows(write, f"LCA.03.LCA.02.{word}")


@pytest.mark.parametrize("account", ["gateway:LCA.02.#", "gateway:LCA.02", "issuer:LCA.VP", "issuer:LCA.#:erp"])
def test_no_account_writes_or_configures_what_is_the_routers(account: str) -> None:
    permission = granted(account).permission
    for name in NOT_THEIRS:
        assert not allows(permission.write, name)
    for name in [*NOT_THEIRS, "intake", "receipts", "unit.LCA.02.express"]:
        assert not allows(permission.configure, name)


def test_an_operator_has_no_grant() -> None:
    assert grant("operator:LCA.#", ROOTS) is None


@pytest.mark.parametrize(
    ("account", "key"),
    [
        ("issuer:LCA.VP", "LCA.VP.LCA.#"),
        ("issuer:LCA.VP:erp", "LCA.VP.YBI.02.arrived"),
        ("issuer:LCA.#", "LCA.#"),
        ("issuer:LCA.02.#", "LCA.02.05.#"),
    ],
)
def test_an_issuer_may_bind_the_receipts_of_what_it_issues(account: str, key: str) -> None:
    assert allows(granted(account).topic.read, key)


@pytest.mark.parametrize(
    ("account", "key"),
    [
        ("issuer:LCA.VP", "#"),
        ("issuer:LCA.VP", "LCA.#"),
        ("issuer:LCA.VP", "*.VP.LCA.#"),
        ("issuer:LCA.VP", "LCA.BTC.LCA.#"),
        ("issuer:LCA.VP", "LCA.VP2.LCA.#"),
        ("issuer:LCA", "LCA.#"),  # would catch what LCA.02 has issued as well
        ("issuer:LCA", "LCA.*.arrived"),
        ("issuer:LCA.02.#", "LCA.03.#"),
        ("issuer:LCA.02.#", "LCA.020.LCA.#"),
    ],
)
def test_an_issuer_may_not_bind_the_receipts_of_others(account: str, key: str) -> None:
    assert not allows(granted(account).topic.read, key)


def test_an_issuers_queues_carry_its_whole_name() -> None:
    permission = granted("issuer:LCA.VP").permission
    for regex in (permission.configure, permission.write, permission.read):
        assert allows(regex, "upstream.issuer:LCA.VP.receipts")
        assert not allows(regex, "upstream.issuer:LCA.VP:erp.receipts")
        assert not allows(regex, "upstream.issuer:LCA.VP.02.receipts")
        assert not allows(regex, "upstream.issuer:LCAxVP.receipts")


@pytest.mark.parametrize(
    ("queue", "allowed"),
    [
        ("upstream.issuer:LCA.VP.replies", True),
        # As a broker of 3.10 made it; at the others its channel process crashes, and with it our connection.
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzQxMzg4MzYAAAuXAAAAAGsLNWQ=.MgY3NHAL2I335VmcBwFyxQ==", True),
        ("amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzQxMzg4MzYAAAuXAAAAAGsLNQ==.MgY3NHAL2I335VmcBwFyxQ==", False),
        ("amq.rabbitmq.reply-to.eHh4eHh4eHh4eHh4eHh4eHh4eHh4.MgY3NHAL2I335VmcBwFyxQ==", False),
        ("amq.rabbitmq.reply-to.g1h2AA==.x", False),
        ("amq.rabbitmq.reply-to.a.b", False),
        ("amq.rabbitmq.reply-to." + "\ufffd" * 80, False),
        ("upstream.issuer:LCA.BTC.replies", False),
        ("upstream.issuer:LCA.VP.02.replies", False),
        ("unit.LCA.02.express", False),
        ("receipts.ledger", False),
        ("", False),
    ],
)
def test_an_answer_goes_only_to_a_queue_of_the_asker(queue: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    assert may_be_answered_at("issuer:LCA.VP", queue) is allowed
