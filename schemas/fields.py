"""What each field of a model means: the docstring that stands behind it in the source, for schemas that people read.

Read from the source when a schema is made rather than by pydantic when the class is: programs that only validate do
not pay for it.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, MutableMapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_ROLE = re.compile(r":\w+:`~?\.?(?:[\w.]*\.)?(\w+)`")
_LITERAL = re.compile(r"``([^`]+)``")


@cache
def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The documented fields of a model and of what it is made from, as Markdown; empty where the source is away."""
    found: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, BaseModel) and ancestor is not BaseModel:
            found |= dict(_documented(ancestor))
    return {name: text for name, text in found.items() if name in model.model_fields}


class Described(GenerateJsonSchema):
    """Makes JSON Schemas in which every field says what it means, in JSON Schema's own words alone."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model's schema, with the meanings of its fields and of itself."""
        made = super().model_schema(schema)
        describe(made, schema["cls"])
        return made


def describe(schema: MutableMapping[str, Any], model: type[BaseModel]) -> None:
    """Give a model's JSON Schema and its properties their meanings, where they have no words of their own."""
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    for name, text in meanings(model).items():
        field = schema.get("properties", {}).get(name)
        if field is not None and "description" not in field:
            field["description"] = text


def plain(text: str) -> str:
    """A docstring without the markup of the code's own documentation, in one line per paragraph."""
    text = _LITERAL.sub(r"`\1`", _ROLE.sub(r"`\1`", inspect.cleandoc(text)))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _documented(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, SyntaxError):
        return
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(following, ast.Expr):
            yield node.target.id, plain(ast.literal_eval(following.value))
