"""Receipts, bursts, gaps and hellos: who may say what, and with what beside it."""

import json
from typing import Any

import pytest

from schemas.errors import InvalidError
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import MAX_BURST, Burst, Gap, Hello, Receipt, receipt_key
from schemas.states import BY_PEOPLE, BY_UNIT, Status
from support.letters import AT, receipt_fields

COMPLETE = {"reason": "sai thể thức", "register_number": "57"}


def read(**changed: Any) -> Receipt:
    return parse(Receipt, json.dumps(receipt_fields(**changed)), what="receipt")


@pytest.mark.parametrize("status", sorted(BY_UNIT))
def test_a_unit_may_say_what_gateways_and_people_say(status: str) -> None:
    assert read(status=status, **COMPLETE).status == status


@pytest.mark.parametrize("status", sorted(set(Status) - BY_UNIT))
def test_a_unit_may_not_speak_for_the_service_the_issuer_or_an_operator(status: str) -> None:
    with pytest.raises(InvalidError, match=f"status: a unit cannot say '{status}'"):
        read(status=status, **COMPLETE)


@pytest.mark.parametrize("status", ["refused", "parked"])
@pytest.mark.parametrize("reason", [..., "", "  "])
def test_a_refusal_or_a_parking_needs_a_reason(status: str, reason: Any) -> None:
    with pytest.raises(InvalidError, match="needs a reason"):
        read(status=status, reason=reason)


def test_a_registration_needs_the_units_own_number() -> None:
    with pytest.raises(InvalidError, match="register_number"):
        read(status="registered")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2026-11-22T05:04:03"),
        ("at", 1_763_800_000),
        ("seq", 0),
        ("seq", 2**63),
        ("attempts", -1),
        ("unit", "LCA.#"),
        ("delivery_id", "1"),
        ("content_sha256", "xyz"),
        ("reason", "x" * 1001),
        ("register_number", "5" * 51),
        ("password", "x"),
    ],
)
def test_a_field_that_is_wrong_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        read(**{field: value})
    assert [item.field for item in caught.value.problems] == [field]


def test_the_time_at_the_unit_keeps_its_offset() -> None:
    assert json.loads(read().model_dump_json())["at"] == AT


@pytest.mark.parametrize("count", [0, MAX_BURST + 1])
def test_a_burst_holds_one_receipt_to_a_full_load(count: int) -> None:
    with pytest.raises(InvalidError, match="receipts: "):
        parse(Burst, json.dumps({"receipts": [receipt_fields()] * count}), what="burst")


def test_a_wrong_receipt_in_a_burst_is_named_by_its_place() -> None:
    body = json.dumps({"receipts": [receipt_fields(), receipt_fields(seq=0)]})
    with pytest.raises(InvalidError, match=r"receipts\.1\.seq"):
        parse(Burst, body, what="burst")


@pytest.mark.parametrize("missing", [[], [0], [2**53], list(range(1, 1002))])
def test_a_gap_names_sequence_numbers(missing: list[int]) -> None:
    with pytest.raises(InvalidError, match="missing"):
        parse(Gap, json.dumps({"unit": "LCA.02", "missing": missing}), what="gap")


def test_a_hello_names_its_units_and_its_spool() -> None:
    said = {"units": ["LCA.02", "LCA.02.05"], "spool_id": new_id(), "at": AT}
    assert parse(Hello, json.dumps(said), what="hello").units == ("LCA.02", "LCA.02.05")
    with pytest.raises(InvalidError, match="units"):
        parse(Hello, json.dumps(said | {"units": []}), what="hello")


def test_the_routing_key_tells_issuer_unit_and_status() -> None:
    assert receipt_key("LCA.VP", "LCA.02.05", Status.ARRIVED) == "LCA.VP.LCA.02.05.arrived"


def test_a_receipt_that_puts_another_right_names_it_and_says_why() -> None:
    said = {"status": "registered", "register_number": "58", "reason": "ghi nhầm số"}
    assert read(**said, corrects=new_id()).corrects is not None
    assert read(**said, undoes=new_id()).undoes is not None
    for wrong in (
        {**said, "corrects": new_id(), "undoes": new_id()},
        {**said, "corrects": new_id(), "reason": ""},
        {**said, "undoes": new_id(), "reason": ""},
        {**said, "corrects": "57"},
    ):
        with pytest.raises(InvalidError, match=r"correct|undo"):
            read(**wrong)
    key = new_id()
    with pytest.raises(InvalidError, match="names it"):
        read(**said, id=key, corrects=key)


@pytest.mark.parametrize("status", sorted(BY_UNIT))
def test_only_what_people_said_is_put_right_and_only_a_step_of_theirs_undone(status: Status) -> None:
    may = {"corrects": BY_PEOPLE, "undoes": {Status.ARRIVED, Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING}}
    for field, allowed in may.items():
        if status in allowed:
            assert read(status=status, **COMPLETE, **{field: new_id()}).status is status
        else:
            with pytest.raises(InvalidError, match="says one of"):
                read(status=status, **COMPLETE, **{field: new_id()})
