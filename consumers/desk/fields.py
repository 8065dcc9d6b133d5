"""Reads what a form says of a register's entry."""

from typing import Any

from pydantic import ValidationError

from schemas.errors import InvalidError
from schemas.model import problems_of
from schemas.register import RegisterFields


def fields_of(**said: Any) -> RegisterFields:
    """The fields of an entry; what is empty is left out.

    Raises:
        InvalidError: with each field that cannot be read.
    """
    try:
        return RegisterFields.model_validate({name: value for name, value in said.items() if value not in {None, ""}})
    except ValidationError as error:
        raise InvalidError("entry", problems_of(error)) from error
