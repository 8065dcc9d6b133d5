"""What the views of the web API are made of."""

from typing import Annotated

from pydantic import BaseModel, WithJsonSchema

Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time as :func:`schemas.clock.iso` writes it."""
Identifier = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
"""An id as :func:`schemas.ids.new_id` makes it."""


class View(BaseModel):
    """Base of what is answered; each field's docstring is its description in the OpenAPI document."""
