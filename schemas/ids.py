"""Identifiers: UUIDv7 (RFC 9562), made once at acceptance and never changed on a retry."""

import re
import uuid
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema
from uuid_utils import uuid7


def new_id() -> str:
    """A new UUIDv7 in its 36-character text form; later ones sort after earlier ones."""
    return str(uuid7())


_CANONICAL = re.compile(r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")


def is_id(text: str) -> bool:
    """Whether ``text`` is an identifier in canonical form."""
    return _CANONICAL.fullmatch(text) is not None


def _in_canonical_form(text: str) -> str:
    return str(uuid.UUID(text))


class _Canonical:
    """Nearly all identifiers are in canonical form: the validating library sees that by itself, without Python."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        canonical = core_schema.str_schema(pattern=_CANONICAL.pattern)
        others = core_schema.no_info_after_validator_function(_in_canonical_form, core_schema.str_schema())
        either = core_schema.union_schema([canonical, others], mode="left_to_right")
        return core_schema.custom_error_schema(either, "uuid_type")

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


def made_at(text: str) -> int | None:
    """When an identifier was made, UTC milliseconds; None for one that does not say, as those of others may be."""
    version_at = 14
    return int(text[:8] + text[9:13], 16) if is_id(text) and text[version_at] == "7" else None


def first_of(ms: int) -> str:
    """What no identifier that was made at this time (UTC milliseconds) or later sorts before."""
    digits = f"{ms:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


Id = Annotated[str, _Canonical()]
"""A UUID in canonical lower-case text form."""

SequenceNumber = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Counts from 1; the upper limit is what JSON readers and databases hold exactly."""
