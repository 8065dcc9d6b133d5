"""The base of everything that travels: unknown fields are refused, values do not change after validation."""

from codecs import BOM_UTF8
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import FieldProblem, InvalidError

M = TypeVar("M", bound=BaseModel)
MAX_PROBLEMS = 20
"""In one answer: who sends a thousand wrong fields needs to see the first to mend them all."""
MAX_KEYS = 5_000
"""Of all objects of a document together; a burst of 200 receipts, the richest, has 3,001."""
MORE = "(more)"
"""The field of the problem that counts those left out."""
_SMALL_BYTES = 32 * 1024
_SHOWN = 80
_SHOWN_PLACE = 200


class Travelling(BaseModel):
    """Base of the models that cross a process border."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """Each failed field of a validation: where it stands, what is wrong, what was given."""
    found = error.errors(include_url=False, include_context=False)
    problems = [
        FieldProblem(
            field=".".join(str(part) for part in item["loc"])[:_SHOWN_PLACE] or "(whole)",
            problem=item["msg"].removeprefix("Value error, "),
            given="" if item["type"] == "missing" else _short(item.get("input")),
        )
        for item in found[:MAX_PROBLEMS]
    ]
    more = len(found) - len(problems)
    return [*problems, FieldProblem(MORE, f"{more} more are wrong")] if more else problems


def parse(model: type[M], body: bytes | str, *, what: str) -> M:
    """Validate JSON text against a model, strictly: a number in quotes is no number, a number is no date.

    Args:
        model: the pydantic model.
        body: JSON text in UTF-8.
        what: what the text is, for the error's sentence ("submission", "receipt").

    Raises:
        InvalidError: with one problem per field that is wrong.
    """
    body = body.removeprefix("\ufeff") if isinstance(body, str) else body.removeprefix(BOM_UTF8)
    if len(body) > _SMALL_BYTES:
        _require_few_keys(body, what)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidError(what, problems_of(error)) from error


def _require_few_keys(body: bytes | str, what: str) -> None:
    """Count keys before a model sees them: it makes an error of each that it does not know (2.5 s for a megabyte)."""
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return  # the model says where it ends to be JSON
    count, waiting = 0, [whole]
    while waiting and count <= MAX_KEYS:
        item = waiting.pop()
        if isinstance(item, dict):
            count += len(item)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    if count > MAX_KEYS:
        raise InvalidError(what, [FieldProblem("(whole)", f"has more than {MAX_KEYS} keys, of which most are unknown")])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
