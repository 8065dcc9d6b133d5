"""Whether a schema still takes every document that an older one took.

Compares the part of JSON Schema that the models produce; any other difference between keywords counts as breaking, so
the checker errs on the side of a new major version.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "examples", "deprecated"}
_ANNOTATIONS |= {"contentEncoding", "contentMediaType"}  # annotations since 2019-09 (JSON Schema Validation, 8.2)
_LOWER_LIMITS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_LIMITS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_COMPARED = {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "$ref"}


def compare(old: Schema, new: Schema) -> list[str]:
    """The changes by which ``new`` refuses what ``old`` took, each with its place; empty when there is none."""
    return list(_Comparison(old, new).of(old, new, "$"))


class _Comparison:
    """Two documents whose ``$ref`` point into their own ``$defs``."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._under_way: set[tuple[str, str]] = set()

    def of(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if "$ref" in old and "$ref" in new:
            if pair in self._under_way:
                return  # a recursive schema: the outer comparison decides
            self._under_way.add(pair)
        yield from self._of_resolved(_resolved(self._old, old), _resolved(self._new, new), place)
        self._under_way.discard(pair)

    def _of_resolved(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, place)
            return
        if lost := _lost_types(old, new):
            yield f"{place}: no longer takes {', '.join(sorted(lost))}"
            return
        yield from _values(old, new, place)
        yield from _limits(old, new, place)
        yield from _other_keywords(old, new, place)
        yield from self._object(old, new, place)
        yield from self._items(old, new, place)

    def _alternatives(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        """Every old alternative has to fit into one of the new."""
        choices = new.get("anyOf", [new])
        for alternative in old.get("anyOf", [old]):
            complaints = [list(self.of(alternative, choice, place)) for choice in choices]
            if all(complaints):
                yield from min(complaints, key=len)

    def _object(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        closed = new.get("additionalProperties") is False
        if closed and old.get("additionalProperties", True) is not False and "object" in _type_names(old):
            yield f"{place}: fields that are not named are no longer taken"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{place}.{name}: is now required"
        for name, schema in before.items():
            if name in after:
                yield from self.of(schema, after[name], f"{place}.{name}")
            elif closed:
                yield f"{place}.{name}: is removed"

    def _items(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        if "items" in new:
            yield from self.of(old.get("items", {}), new["items"], f"{place}[]")


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        target = document["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _type_names(schema: Schema) -> set[str]:
    found = schema.get("type", ["object", "array", "string", "number", "boolean", "null"])
    return {found} if isinstance(found, str) else set(found)


def _lost_types(old: Schema, new: Schema) -> set[str]:
    taken = _type_names(new)
    return _type_names(old) - taken - ({"integer"} if "number" in taken else set())


def _values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    after = _choices(new)
    if after is None:
        return
    before = _choices(old)
    if before is None:
        yield f"{place}: takes only certain values now"
    elif lost := [value for value in before if value not in after]:
        yield f"{place}: no longer takes {', '.join(map(repr, lost))}"


def _choices(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _limits(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for keyword in _LOWER_LIMITS:
        if new.get(keyword, -math.inf) > old.get(keyword, -math.inf):
            yield f"{place}: {keyword} rose from {old.get(keyword, 'none')} to {new[keyword]}"
    for keyword in _UPPER_LIMITS:
        if new.get(keyword, math.inf) < old.get(keyword, math.inf):
            yield f"{place}: {keyword} fell from {old.get(keyword, 'none')} to {new[keyword]}"


def _other_keywords(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """Keywords that are compared by nothing but equality (pattern, format …); dropping one only widens."""
    for keyword in sorted(set(new) - _ANNOTATIONS - _COMPARED - {*_LOWER_LIMITS, *_UPPER_LIMITS}):
        if old.get(keyword) != new[keyword]:
            yield f"{place}: {keyword} changed from {old.get(keyword, 'none')} to {new[keyword]}"
