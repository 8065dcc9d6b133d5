"""The compatibility checker tells what breaks a reader of older documents, and lets pass what does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.compatibility import compare
from schemas.export import MODELS, schema_of


def closed(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    } | more


TEXT = {"type": "string"}
OPTIONAL = {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (closed({"a": TEXT}), closed({}), "$.a: is removed"),
        (closed({"a": TEXT}), closed({"a": TEXT}, "a"), "$.a: is now required"),
        (closed({}), closed({"a": TEXT}, "a"), "$.a: is now required"),
        ({"type": "object"}, closed({}), "not named"),
        (TEXT, {"type": "integer"}, "no longer takes string"),
        ({"type": "number"}, {"type": "integer"}, "no longer takes number"),
        ({}, TEXT, "no longer takes"),
        ({"type": ["string", "null"]}, TEXT, "no longer takes null"),
        (OPTIONAL, {"type": "string", "maxLength": 5}, "no longer takes null"),
        (OPTIONAL, {"anyOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]}, "maxLength fell"),
        ({"enum": [1, 2]}, {"enum": [1]}, "no longer takes 2"),
        ({"const": 1}, {"const": 2}, "no longer takes 1"),
        (TEXT, {"type": "string", "enum": ["a"]}, "only certain values"),
        (TEXT, {"type": "string", "maxLength": 5}, "maxLength fell from none"),
        ({"minimum": 1}, {"minimum": 2}, "minimum rose from 1 to 2"),
        ({"type": "array", "minItems": 0}, {"type": "array", "minItems": 1}, "minItems rose"),
        ({"type": "array"}, {"type": "array", "items": TEXT}, "$[]: no longer takes"),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": {"type": "string", "maxLength": 1}}, "$[]"),
        (TEXT, {"type": "string", "pattern": "^a$"}, "pattern changed"),
        ({"pattern": "^a$"}, {"pattern": "^b$"}, "pattern changed"),
        ({"format": "date"}, {"format": "date-time"}, "format changed"),
        (TEXT, {"type": "string", "not": {"const": ""}}, "not changed"),
    ],
)
def test_a_narrowing_is_told_with_its_place(old: dict[str, Any], new: dict[str, Any], says: str) -> None:
    changes = compare(old, new)
    assert len(changes) == 1
    assert says in changes[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (closed({}), closed({"a": TEXT})),
        (closed({"a": TEXT}, "a"), closed({"a": TEXT})),
        (closed({"a": TEXT}), {"type": "object"}),
        ({"type": "integer"}, {"type": "number"}),
        ({"type": "string", "maxLength": 5}, OPTIONAL),
        ({"enum": [1]}, {"enum": [1, 2]}),
        ({"const": 1}, {"enum": [1, 2]}),
        ({"type": "string", "maxLength": 5, "pattern": "^a"}, {"type": "string", "maxLength": 6}),
        ({"title": "A", "description": "one", "default": 1}, {"title": "B", "description": "two"}),
    ],
)
def test_a_widening_passes(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert compare(old, new) == []


def test_a_change_behind_a_reference_is_found_and_a_recursive_schema_ends() -> None:
    def tree(limit: int) -> dict[str, Any]:
        node = closed({"name": {"type": "string", "maxLength": limit}, "below": {"$ref": "#/$defs/node"}})
        return {"$ref": "#/$defs/node", "$defs": {"node": node}}

    assert compare(tree(5), tree(5)) == []
    assert compare(tree(5), tree(4)) == ["$.name: maxLength fell from 5 to 4"]


@pytest.mark.parametrize("name", MODELS)
def test_every_schema_is_compatible_with_itself(name: str) -> None:
    assert compare(schema_of(name), schema_of(name)) == []


limits = st.fixed_dictionaries({}, optional={"minimum": st.integers(-3, 3), "maximum": st.integers(-3, 3)})


@given(limits, limits)
def test_limits_are_compatible_exactly_when_no_number_is_lost(old: dict[str, int], new: dict[str, int]) -> None:
    def takes(schema: dict[str, int], number: int) -> bool:
        return schema.get("minimum", -9) <= number <= schema.get("maximum", 9)

    lost = [number for number in range(-9, 10) if takes(old, number) and not takes(new, number)]
    if lost:
        assert compare(old, new)
    elif any(takes(old, number) for number in range(-9, 10)):
        assert not compare(old, new)
