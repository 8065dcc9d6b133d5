"""The base of everything that travels: unknown fields are refused, values do not change after validation."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import FieldProblem, InvalidError

M = TypeVar("M", bound=BaseModel)
_SHOWN = 80


class Travelling(BaseModel):
    """Base of the models that cross a process border."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """Each failed field of a validation: where it stands, what is wrong, what was given."""
    return [
        FieldProblem(
            field=".".join(str(part) for part in item["loc"]) or "(whole)",
            problem=item["msg"].removeprefix("Value error, "),
            given="" if item["type"] == "missing" else _short(item.get("input")),
        )
        for item in error.errors(include_url=False, include_context=False)
    ]


def parse(model: type[M], body: bytes | str, *, what: str) -> M:
    """Validate JSON text against a model, strictly: a number in quotes is no number, a number is no date.

    Args:
        model: the pydantic model.
        body: JSON text in UTF-8.
        what: what the text is, for the error's sentence ("submission", "receipt").

    Raises:
        InvalidError: with one problem per field that is wrong.
    """
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidError(what, problems_of(error)) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
