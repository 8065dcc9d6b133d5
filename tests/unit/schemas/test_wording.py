"""What is wrong with a value is said in our words, whatever kind of error the validating library has for it."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from consumers.settings import GatewaySettings
from deploy.exits import ExitCode, ending_of
from router.settings import RouterSettings
from schemas.descriptor import Descriptor
from schemas.dispatch import Submission
from schemas.errors import InvalidError
from schemas.health import Trouble
from schemas.model import parse, problems_of
from schemas.receipt import Burst, Gap, Hello, Receipt
from schemas.unit import Unit
from schemas.wording import said_of

KINDS: tuple[str, ...] = get_args(core_schema.ErrorType)
FOREIGN = re.compile(
    r"Input should|Field required|Extra inputs|String should|Value error|Assertion failed|valid (integer|string|list)|"
    r"at least \d+ item\b|pydantic|type=|unable to parse",
    re.IGNORECASE,
)
LETTER = {"issuer": "LCA", "notation": "1-CV", "subject": "Họp", "addressees": ["LCA.#"]}
FILE = {"name": "a.pdf", "media_type": "application/pdf", "size": 1, "sha256": "0" * 64}


def letter(**fields: Any) -> dict[str, Any]:
    """A letter that is right but for these fields."""
    return LETTER | fields


CASES: dict[str, tuple[type[BaseModel], dict[str, Any], str, str]] = {
    "missing": (Submission, {"issuer": "LCA"}, "subject", "is missing; give it"),
    "extra_forbidden": (Submission, letter(colour=1), "colour", "is not known here; leave it out"),
    "string_type": (Submission, letter(subject=5), "subject", "has to be text"),
    "string_too_long": (Submission, letter(subject="x" * 600), "subject", "has 600 characters; at most 500 are taken"),
    "string_too_short": (Submission, letter(subject=""), "subject", "is empty"),
    "string_pattern_mismatch": (Submission, letter(issuer="lca"), "issuer", "a unit's code, written as LCA.02.05"),
    "list_type": (Submission, letter(addressees="LCA"), "addressees", "has to be a list"),
    "too_short": (Submission, letter(addressees=[]), "addressees", "is empty; something has to be in it"),
    "too_long": (Submission, letter(attachments=[FILE] * 501), "attachments", "has 501 items; at most"),
    "one rule of several that is no text": (Submission, letter(addressees=["LCA", 7]), "addressees.1", "to be text"),
    "int_type": (Submission, letter(urgency="3"), "urgency", ""),
    "a field of an attachment": (
        Submission,
        letter(attachments=[FILE, FILE | {"name": "b.pdf", "size": -1}]),
        "attachments.1.size",
        "has to be 0 or more",
    ),
    "sha256": (Submission, letter(attachments=[FILE | {"sha256": "x"}]), "attachments.0.sha256", "64 of the digits"),
    "media type": (Submission, letter(attachments=[FILE | {"media_type": "pdf"}]), "attachments.0.media_type", "a/pdf"),
    "value_error": (Submission, letter(due="tomorrow"), "due", "has to be written as 2026-11-22T05:04:03+07:00"),
    "literal or enum": (Submission, letter(kind="note"), "kind", "has to be one of"),
    "model_type": (Submission, letter(attachments=[1]), "attachments.0", "has to be an object with named fields"),
    "kind of a unit": (Unit, {"code": "LCA", "name": "x", "kind": "A B", "link": "lan"}, "kind", "as commune"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_our_models_refuse_is_said_with_its_place_and_how_to_mend_it(case: str) -> None:
    model, written, field, words = CASES[case]
    with pytest.raises(InvalidError) as caught:
        parse(model, orjson.dumps(written), what="letter")
    told = {problem.field: problem.problem for problem in caught.value.problems}
    assert words.replace("a/pdf", "application/pdf") in told[field]
    assert not FOREIGN.search(str(caught.value))


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_error_is_said_in_the_librarys_words(kind: str) -> None:
    bounds = dict.fromkeys(("gt", "ge", "lt", "le", "expected", "pattern", "max_length"), "7") | {"min_length": 2}
    said = said_of(kind, f"Value error, Input should be a valid {kind}" if kind != "value_error" else "", "x", bounds)
    assert kind in {"value_error", "assertion_error"} or (said and not FOREIGN.search(said))


def test_a_list_of_wrong_items_is_not_called_too_short_as_well() -> None:
    with pytest.raises(InvalidError) as caught:
        parse(Submission, orjson.dumps(letter(addressees=[7, 8, 9])), what="letter")
    assert [problem.field for problem in caught.value.problems] == [f"addressees.{place}" for place in range(3)]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=5)
    | st.just("2026-11-22"),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
MODELS: tuple[type[BaseModel], ...] = (
    *(Submission, Descriptor, Receipt, Burst, Gap, Hello, Trouble, Unit, RouterSettings, GatewaySettings),
)


def _kinds(model: type[BaseModel], values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each kind of error of the values, read as what travels and as what stands in settings, and how it is said."""
    try:
        model.model_validate_json(orjson.dumps(values), strict=True)
    except ValidationError as error:
        yield from _told(error)
    try:
        model(**values)
    except ValidationError as error:
        yield from _told(error)


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    return zip((item["type"] for item in error.errors()), (it.problem for it in problems_of(error)), strict=False)


@given(data=st.data())
def test_whatever_is_thrown_at_our_models_is_answered_in_words_of_its_kind(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(MODELS))
    values = data.draw(st.dictionaries(st.sampled_from([*model.model_fields, "colour"]), JUNK, max_size=6))
    for kind, problem in _kinds(model, values):
        assert not FOREIGN.search(problem), kind
        assert "the schema says what does" not in problem, kind


def test_a_command_names_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_GATEWAY_SINK", "ftp")
    monkeypatch.setenv("CONGVAN_GATEWAY_PREFETCH", "many")
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()
    ending = ending_of(caught.value)
    assert ending.code is ExitCode.USAGE
    assert "CONGVAN_GATEWAY_PREFETCH has to be a whole number" in ending.message
    assert "CONGVAN_GATEWAY_SINK has to be one of 'none', 'folder', 'webhook' or 'command'" in ending.message
    assert not FOREIGN.search(ending.message)
