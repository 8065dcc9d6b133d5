"""What is too large is refused before a model sees it, and an answer names so many problems and no more."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import AddressingError
from router.problem import problem_of
from schemas.dispatch import Submission
from schemas.errors import MAX_PROBLEMS, FieldProblem, InvalidError
from schemas.model import MAX_PARTS, parse
from schemas.receipt import MAX_BURST, MAX_SAID_BYTES, Burst, Gap, Hello
from support.letters import receipt_fields

MEGABYTE = 1024 * 1024
WHOLE = b'{"notation":"1","subject":"x","issuer":"LCA","addressees":["LCA.#"],"attachments":[]}'


def seconds(body: bytes) -> float:
    began = time.perf_counter()
    with pytest.raises(InvalidError):
        parse(Submission, body, what="submission")
    return time.perf_counter() - began


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({f"k{number}": 1 for number in range(90_000)}).encode(),
        b"{" + b",".join([b'"a":1'] * 170_000) + b"}",
        b'{"addressees":[' + b",".join([b"1"] * 500_000) + b"]}",
        b'{"attachments":[' + b",".join([b'{"a":1,"b":2,"c":3}'] * 50_000) + b"]}",
    ],
    ids=["unknown keys", "one key", "items", "objects"],
)
def test_a_megabyte_of_nonsense_costs_no_more_than_to_look_at_it(body: bytes) -> None:
    fair = min(seconds(json.dumps({f"k{number}": 1 for number in range(MAX_PARTS - 1)}).encode()) for _ in range(3))
    assert min(seconds(body) for _ in range(3)) < fair, "what is refused unread is cheaper than the most that is read"
    with pytest.raises(InvalidError, match=r"commas; at most 10000 are read"):
        parse(Submission, body, what="submission")


@given(count=st.integers(1, 300))
def test_an_answer_names_twenty_problems_and_counts_the_others(count: int) -> None:
    body = json.dumps(json.loads(WHOLE) | {f"unknown-{number}": 1 for number in range(count)}).encode()
    with pytest.raises(InvalidError) as caught:
        parse(Submission, body, what="submission")
    problems = caught.value.problems
    assert len(problems) == min(count, MAX_PROBLEMS)
    if count > MAX_PROBLEMS:
        assert problems[-1].problem == f"{count - MAX_PROBLEMS + 1} more are wrong; mend these first"


def test_the_name_of_a_field_that_nobody_knows_is_shown_in_part() -> None:
    with pytest.raises(InvalidError) as caught:
        parse(Submission, json.dumps(json.loads(WHOLE) | {"x" * MEGABYTE: "y" * 1000}).encode(), what="submission")
    (problem,) = caught.value.problems
    assert len(problem.field) == 200
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("model", [Burst, Gap, Hello])
def test_what_a_gateway_says_is_measured_before_it_is_read(model: type[Burst] | type[Gap] | type[Hello]) -> None:
    with pytest.raises(InvalidError, match=rf"is {MAX_SAID_BYTES + 1} bytes; at most {MAX_SAID_BYTES} are read"):
        parse(model, b" " * (MAX_SAID_BYTES + 1), what="message", most=MAX_SAID_BYTES)


def test_the_largest_that_is_right_is_read() -> None:
    full = dict.fromkeys(("person", "department"), "a, b") | {"register_number": "57", "traceparent": "00"}
    burst = {"receipts": [receipt_fields() | full for _ in range(MAX_BURST)]}
    assert parse(Burst, json.dumps(burst), what="burst").receipts
    many = json.loads(WHOLE) | {"addressees": [f"LCA.{number}" for number in range(1000)]}
    assert parse(Submission, json.dumps(many), what="submission", most=MEGABYTE).addressees


def test_an_answer_over_http_or_amqp_names_twenty_rules_and_counts_the_others() -> None:
    problems = [FieldProblem(f"addressees.{number}", "reaches nobody") for number in range(1000)]
    errors = problem_of(AddressingError("no rule reaches a unit", problems=problems)).errors
    assert [item.field for item in errors] == [*(f"addressees.{number}" for number in range(19)), "(others)"]
    assert errors[-1].problem == "981 more are wrong; mend these first"
