"""The committed JSON Schemas are those of the models, valid themselves, agree with them, and break nobody."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

import schemas
from schemas.compatibility import compare
from schemas.descriptor import encode, full_descriptor
from schemas.dispatch import Submission
from schemas.errors import InvalidError
from schemas.export import DIALECT, MODELS, files, schema_of
from schemas.ids import new_id
from schemas.model import parse
from support.letters import AT, SHA, receipt_fields, submission_fields, submissions

FOLDER = Path(schemas.__path__[0]) / "json"


@cache
def checker(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        schema_of(name), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@pytest.mark.parametrize("name", MODELS)
def test_each_committed_schema_is_current(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text("utf-8")
    assert committed == files()[f"{name}.json"], "run `congvan schemas export` and commit schemas/json"


@pytest.mark.parametrize("name", MODELS)
def test_each_schema_breaks_nothing_released_under_its_major_version(name: str) -> None:
    major = MODELS[name][1]
    released = FOLDER / "released" / str(major) / f"{name}.json"
    if released.exists():  # else: a major version that is not out yet
        changes = compare(json.loads(released.read_text("utf-8")), schema_of(name))
        assert not changes, f"raise the major version of {name!r} in schemas/export.py to {major + 1}: {changes}"


@pytest.mark.parametrize("name", MODELS)
def test_no_major_version_skips_one_that_was_never_released(name: str) -> None:
    for major in range(1, MODELS[name][1]):
        assert (FOLDER / "released" / str(major) / f"{name}.json").exists()


KEYWORDS = {
    *("$schema", "$id", "$defs", "$ref", "title", "description", "default", "contentEncoding"),
    *("type", "enum", "const", "anyOf", "properties", "required", "additionalProperties"),
    *("items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format"),
    *("minimum", "maximum"),
}
"""Those of draft 2020-12 that are used: validators that are strict, as ajv can be, refuse what they do not know."""
FORMATS = {"date", "date-time", "uuid"}


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    yield schema
    for keyword in ("properties", "$defs"):
        for part in schema.get(keyword, {}).values():
            yield from subschemas(part)
    for part in (*schema.get("anyOf", ()), *schema.get("prefixItems", ()), schema.get("items")):
        if isinstance(part, dict):
            yield from subschemas(part)


@pytest.mark.parametrize("name", MODELS)
def test_strict_validators_know_every_word_of_a_schema(name: str) -> None:
    for part in subschemas(schema_of(name)):
        assert not set(part) - KEYWORDS
        assert part.get("format") in {None, *FORMATS}


@pytest.mark.parametrize("name", MODELS)
def test_every_field_says_what_it_means(name: str) -> None:
    for part in subschemas(schema_of(name)):
        for field, schema in part.get("properties", {}).items():
            assert len(schema.get("description", "")) > 5, field


def test_nothing_else_lies_among_the_schemas() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(files())


@pytest.mark.parametrize("name", MODELS)
def test_each_schema_is_draft_2020_12_with_its_own_name(name: str) -> None:
    schema = schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:congvan:schema:{name}:{MODELS[name][1]}"
    assert schema["title"]
    assert schema["additionalProperties"] is False


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(submissions)
def test_what_the_models_take_and_write_the_schemas_take(fields: dict[str, Any]) -> None:
    submission = parse(Submission, json.dumps(fields), what="submission")
    checker("submission").validate(fields)
    checker("submission").validate(json.loads(submission.model_dump_json()))
    checker("descriptor").validate(json.loads(encode(full_descriptor(new_id(), submission))))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("submission", submission_fields(colour="red")),
        ("submission", submission_fields(issuer="lca")),
        ("submission", submission_fields(issuer=...)),
        ("submission", submission_fields(urgency="1")),
        ("submission", submission_fields(number=True)),
        ("submission", submission_fields(subject="x" * 501)),
        ("submission", submission_fields(due=20260101)),
        ("submission", submission_fields(attachments=[{"name": "a", "size": 1}])),
        ("receipt", receipt_fields(seq=0)),
        ("receipt", receipt_fields(status="eaten")),
        ("burst", {"receipts": []}),
        ("gap", {"unit": "LCA.02", "missing": [0]}),
        ("hello", {"units": [], "spool_id": new_id(), "at": AT}),
        ("unit", {"code": "A", "name": "a", "kind": "K", "link": "lan"}),
        ("accepted", {"id": new_id(), "addressees": -1, "duplicate": False}),
        ("descriptor", {"id": new_id(), "notation": "1", "subject": "s", "issuer": "LCA", "v": 2}),
    ],
)
def test_what_the_schemas_refuse_the_models_refuse(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        checker(name).validate(fields)
    with pytest.raises(InvalidError):
        parse(MODELS[name][0], json.dumps(fields), what=name)


def test_an_attachment_and_a_receipt_are_taken_by_both() -> None:
    checker("submission").validate(submission_fields(attachments=[{"name": "a", "size": 1, "sha256": SHA}]))
    checker("burst").validate({"receipts": [receipt_fields()]})
