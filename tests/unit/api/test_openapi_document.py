"""The OpenAPI document: everything in it is described, shown by an example that is right, and named for ever."""

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest

from router import errors
from router.api.app import routes_alone
from router.api.document.examples import EXAMPLES
from router.api.document.operations import OF_ACCOUNTS, OPEN, OPERATIONS

NOT_OVER_HTTP = {
    "RouterError": "an error of ours, which no operation promises",
    "RefusedError": "only its kinds are raised",
    "AccountExistsError": "of the commands",
    "DirectoryError": "of the commands",
    "LedgerTroubleError": "said as the ledger that does not answer, whose kind it is",
    "LedgerRevisionError": "ends the router before it serves",
    "UnavailableError": "its kinds are told",
    "LogKeyError": "ends the router before it serves",
    "ToldProblemError": "what a command says of an answer",
}


@cache
def document() -> dict[str, Any]:
    return routes_alone().openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_operation_has_its_row_and_every_row_its_operation() -> None:
    assert {(method, path) for method, path, _ in operations()} == set(OPERATIONS)


def test_names_in_generated_clients_are_told_apart_and_stay() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert names[0] == "submitDispatch"  # clients are built on it


def test_every_operation_and_parameter_says_what_it_is_for() -> None:
    for _, path, operation in operations():
        assert operation["summary"], path
        assert len(operation["description"]) > 20, path
        assert operation["tags"], path
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description") or parameter["schema"].get("description"), (path, parameter["name"])


def fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, schema in document()["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            yield name, field, part


def resolved(part: dict[str, Any]) -> bool:
    """Whether a field's own model, or that of its items, shows what it is."""
    return "$ref" in part or "$ref" in part.get("items", {}) or any("$ref" in item for item in part.get("anyOf", ()))


def test_every_field_is_described_and_shown() -> None:
    for name, field, part in fields():
        assert part.get("description"), f"{name}.{field}"
        assert part.get("examples") or resolved(part), f"{name}.{field} has no example"


def test_every_example_is_valid() -> None:
    schemas = {"components": document()["components"]}
    for name, field, part in fields():
        checker = jsonschema.Draft202012Validator(part | schemas, format_checker=jsonschema.FormatChecker())
        for example in part.get("examples", ()):
            problems = [error.message for error in checker.iter_errors(example)]
            assert problems == [], f"{name}.{field}"


def test_every_example_is_used() -> None:
    there = {name for _, field, _ in fields() for name in (field,)} | {f"{name}.{field}" for name, field, _ in fields()}
    assert set(EXAMPLES) <= there


def test_bodies_of_bytes_have_a_schema() -> None:
    for _, path, operation in operations():
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media_type, told in body.get("content", {}).items():
                assert told.get("schema"), f"{path}: {media_type}"


def test_every_operation_of_accounts_says_how_it_is_refused() -> None:
    for _, path, operation in operations():
        if path in OPEN:
            assert operation["security"] == []
            continue
        assert operation["security"]
        for kind in OF_ACCOUNTS:
            assert kind.slug in str(operation["responses"][str(kind.status)]), path


@pytest.mark.parametrize(
    "kind", [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.RouterError)]
)
def test_every_kind_of_problem_is_told_somewhere(kind: type[errors.RouterError]) -> None:
    told = {known for row in OPERATIONS.values() for known in (*row.problems, *OF_ACCOUNTS)}
    assert (kind in told) is not (kind.__name__ in NOT_OVER_HTTP)
