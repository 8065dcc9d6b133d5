"""Completes the OpenAPI document that FastAPI makes: meanings, examples, problems by status, headers, binary bodies."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel

from router.api.document.examples import example_of
from router.api.document.operations import OF_ACCOUNTS, OPEN, OPERATIONS, ErrorKind, Operation
from router.problem import TYPE_PREFIX
from schemas.fields import describe, plain

PROBLEM_TYPE = "application/problem+json"
_FASTAPIS = ("HTTPValidationError", "ValidationError")
"""What FastAPI would answer for parameters that are not valid; here that is a problem, too."""
_UNSAID = "Successful Response"
_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head"})
_BINARY = {"type": "string", "format": "binary"}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_TAGS = {
    "dispatches": "Hand official dispatches in, and see what became of each at every addressee.",
    "redrives": "Have stuck deliveries sent again, for operators.",
    "organisation": "The units, and who addressing rules would reach.",
    "content": "Attachments by their hash.",
    "uploads": "Attachments that come in pieces, over lines that break (tus 1.0.0).",
    "certificates": "Certificates of accounts, where the router has an authority.",
    "service": "For whoever watches the process.",
}
Json = dict[str, Any]


def operation_id(route: APIRoute) -> str:
    """The stable id of a route's operation."""
    method = min(route.methods or {"GET"}).lower()
    known = OPERATIONS.get((method, route.path))
    return known.id if known else f"{method}_{route.name}"


def complete(document: Json) -> Json:
    """Complete a document in place, and give it back."""
    document["servers"] = [{"url": "/", "description": "The router that serves this document"}]
    document["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    models = {model.__name__: model for model in _ours(BaseModel)}
    for name in _FASTAPIS:
        document["components"]["schemas"].pop(name, None)
    for name, schema in document["components"]["schemas"].items():
        _complete_schema(name, schema, models.get(name))
    for path, method, operation in _operations(document):
        _complete_operation(path, operation, OPERATIONS[method, path])
        _describe_answers(operation, document["components"]["schemas"])
    return document


def _ours(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith(("router.", "schemas.")):
            yield model
        yield from _ours(model)


def _complete_schema(name: str, schema: Json, model: type[BaseModel] | None) -> None:
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    if model is not None:
        describe(schema, model)
    for field, part in schema.get("properties", {}).items():
        examples = example_of(name, field)
        if examples and "examples" not in part:
            part["examples"] = list(examples)


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _complete_operation(path: str, operation: Json, known: Operation) -> None:
    operation["operationId"] = known.id
    operation["description"] = plain(operation.get("description", ""))
    if path in OPEN:
        operation["security"] = []
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        _give_bytes_a_schema(body.get("content", {}))
    good = next(status for status in sorted(operation["responses"]) if status.startswith("2"))
    for name, text in known.headers.items():
        header = {"description": text, "schema": {"type": "string"}}
        operation["responses"][good].setdefault("headers", {})[name] = header
    operation["responses"].pop("422", None)
    kinds = (*known.problems, *(() if path in OPEN else OF_ACCOUNTS))
    for status, found in _by_status(kinds).items():
        operation["responses"].setdefault(str(status), _answer(found))
    operation["responses"]["default"] = {
        "description": "Another problem: its `type` names the kind.",
        "content": {PROBLEM_TYPE: {"schema": _PROBLEM}},
    }


def _describe_answers(operation: Json, schemas: Json) -> None:
    for answer in operation["responses"].values():
        if answer["description"] != _UNSAID:
            continue
        told = answer.get("content", {}).get("application/json", {}).get("schema", {})
        name = (told.get("items", told)).get("$ref", "").rpartition("/")[2]
        answer["description"] = schemas[name]["description"].partition("\n\n")[0] if name else "It is done."


def _give_bytes_a_schema(content: Json) -> None:
    for media_type, told in content.items():
        if not told and not media_type.endswith("json"):
            told["schema"] = dict(_BINARY)


def _by_status(kinds: Iterable[ErrorKind]) -> dict[int, list[ErrorKind]]:
    found: dict[int, list[ErrorKind]] = {}
    for kind in dict.fromkeys(kinds):
        found.setdefault(kind.status, []).append(kind)
    return dict(sorted(found.items()))


def _answer(kinds: Iterable[ErrorKind]) -> Json:
    listed = list(kinds)
    examples = {kind.slug: {"summary": kind.title, "value": _example(kind)} for kind in listed}
    return {
        "description": "; or: ".join(f"{kind.title} (`{TYPE_PREFIX}{kind.slug}`)" for kind in listed),
        "content": {PROBLEM_TYPE: {"schema": _PROBLEM, "examples": examples}},
    }


def _example(kind: ErrorKind) -> Mapping[str, Any]:
    hint = getattr(kind, "default_hint", "")
    told = {"type": f"{TYPE_PREFIX}{kind.slug}", "title": kind.title, "status": kind.status}
    return told | ({"hint": hint} if hint else {})
