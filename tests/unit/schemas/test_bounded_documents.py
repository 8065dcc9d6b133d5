"""A document that is wrong costs, and is told, a bound much."""

import json
from typing import Any

import pytest

from router.errors import AddressingError
from router.problem import problem_of
from schemas.dispatch import Submission
from schemas.errors import MAX_PROBLEMS, FieldProblem, InvalidError
from schemas.model import MAX_PARTS, parse

LETTER: dict[str, Any] = {"notation": "1", "subject": "s", "issuer": "LCA", "addressees": ["LCA.02"]}


def refused(body: Any) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        parse(Submission, json.dumps(body), what="submission")
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        LETTER | {f"key{number}": 1 for number in range(100_000)},
        LETTER | {"attachments": [{f"key{number}": 1 for number in range(100_000)}]},
        LETTER | {"attachments": [{"a": {"b": [{str(number): 1} for number in range(100_000)]}}]},
        [{str(number): 1} for number in range(100_000)],
    ],
)
def test_a_flood_of_unknown_keys_is_counted_before_a_model_sees_it(body: Any) -> None:
    (problem,) = refused(body).problems
    assert str(MAX_PARTS) in problem.problem


def test_at_most_twenty_problems_are_told_and_the_rest_counted() -> None:
    problems = refused(LETTER | {f"key{number}": 1 for number in range(500)}).problems
    assert len(problems) == MAX_PROBLEMS
    assert problems[-1] == FieldProblem("(others)", "481 more are wrong; mend these first")


def test_any_problem_document_is_as_short() -> None:
    many = [FieldProblem(f"addressees.{number}", "x" * 100) for number in range(1000)]
    told = problem_of(AddressingError("; ".join(item.problem for item in many), problems=many))
    assert len(told.errors) == MAX_PROBLEMS
    assert len(told.detail) <= 2000
    assert told.errors[-1].problem == "981 more are wrong; mend these first"
