"""The base of everything that travels: unknown fields are refused, values do not change after validation."""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import MAX_PROBLEMS, FieldProblem, InvalidError, capped
from schemas.wording import follows_from_others, said_of

M = TypeVar("M", bound=BaseModel)
MAX_PARTS = 10_000
"""Commas in a JSON text, and so its keys and items: the largest that is right has fewer than 6,000."""
_SHOWN = 80
_PLACE = 200
_FEW = 5
_SENTENCE = 500
_NOTHING_GIVEN = {"missing", "json_invalid"}
"""Kinds whose input is the whole around the field."""


class Travelling(BaseModel):
    """Base of the models that cross a process border."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """Each failed field of a validation: where it stands, what is wrong, what was given.

    At most twenty, the last of which then says how many more there are.
    """
    return problems_among(error.errors(include_url=False))


def said(error: ValidationError) -> str:
    """The failed fields of a validation as one sentence."""
    return "; ".join(f"{item.field} {item.problem}" for item in problems_of(error))


def problems_among(errors: Sequence[Any]) -> list[FieldProblem]:
    """The same of errors as the validating library gives them, one mapping each."""
    alone = len(errors) == 1
    found = [item for item in errors if alone or not follows_from_others(item["type"], item["input"], _context(item))]
    return capped([_problem(item) for item in found[:MAX_PROBLEMS]], len(found))


def _problem(item: Any) -> FieldProblem:
    place = ".".join(str(part) for part in item["loc"]) or "(whole)"
    return FieldProblem(
        field=place if len(place) <= _PLACE else place[: _PLACE - 1] + "…",
        problem=_cut(said_of(item["type"], item["msg"], item["input"], _context(item))),
        given="" if item["type"] in _NOTHING_GIVEN else _short(item["input"]),
    )


def _context(item: Any) -> Mapping[str, Any]:
    context: Mapping[str, Any] = item.get("ctx", {})
    return context


def parse(model: type[M], body: bytes | str, *, what: str, most: int | None = None) -> M:
    """Validate JSON text against a model, strictly: a number in quotes is no number, a number is no date.

    What is too large, or has too many parts, is refused before any model sees it: the time that a model takes over
    things it does not know is not bounded by anything else.

    Args:
        model: the pydantic model.
        body: JSON text in UTF-8.
        what: what the text is, for the error's sentence ("submission", "receipt").
        most: bytes that it may have; None: the caller has looked.

    Raises:
        InvalidError: with one problem per field that is wrong.
    """
    body = body.removeprefix("\ufeff") if isinstance(body, str) else body.removeprefix(BOM_UTF8)
    if most is not None and len(body) > most:
        raise InvalidError(what, [FieldProblem("(whole)", f"is {len(body)} bytes; at most {most} are read")])
    if (parts := body.count(",") if isinstance(body, str) else body.count(b",")) > MAX_PARTS:
        raise InvalidError(what, [FieldProblem("(whole)", f"has {parts} commas; at most {MAX_PARTS} are read")])
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidError(what, problems_of(error)) from error


def _cut(text: str) -> str:
    return text if len(text) <= _SENTENCE else text[: _SENTENCE - 1] + "…"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = dict(islice(value.items(), _FEW))
    text = repr(value[: _SHOWN * 2] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
