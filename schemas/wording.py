"""Says what is wrong with a value in our own words: what it is, what it has to be, how to mend it.

The validating library says "Input should be a valid integer", in the words of its own types; whoever reads an answer, a
line of a command or the reason of a message in ``dead`` gets these sentences instead, everywhere by this one function.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.codes import CODE_REGEX, PATTERN_REGEX
from schemas.months import MONTH_REGEX

_WRITTEN_BY_US = ("value_error", "assertion_error")
"""Kinds whose message is a sentence of our own checks."""
_PLAINLY = {
    "missing": "is missing; give it",
    "extra_forbidden": "is not known here; leave it out, or see how it is spelt",
    "invalid_key": "has a name that is no text",
    "json_type": "has to be JSON text",
    "model_type": "has to be an object with named fields",
    "model_attributes_type": "has to be an object with named fields",
    "dict_type": "has to be an object with named fields",
    "list_type": "has to be a list",
    "tuple_type": "has to be a list",
    "set_type": "has to be a list",
    "frozen_set_type": "has to be a list",
    "iterable_type": "has to be a list",
    "string_type": "has to be text",
    "string_unicode": "is no valid Unicode text; write it as UTF-8",
    "string_sub_type": "has to be text",
    "bool_type": "has to be true or false",
    "bool_parsing": "has to be true or false",
    "int_type": "has to be a whole number, without quotes",
    "int_parsing": "has to be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "has to be a whole number, without a fraction",
    "float_type": "has to be a number, without quotes",
    "float_parsing": "has to be a number",
    "finite_number": "has to be a finite number",
    "bytes_type": "has to be text",
    "path_type": "has to be the path of a file or folder",
    "none_required": "has to be left out, or null",
    "date_type": "has to be a day, written as 2026-11-22",
    "date_parsing": "has to be a day, written as 2026-11-22",
    "date_from_datetime_parsing": "has to be a day, written as 2026-11-22",
    "date_from_datetime_inexact": "has to be a day without a time, written as 2026-11-22",
    "datetime_type": "has to be a time with its offset, written as 2026-11-22T05:04:03+07:00",
    "datetime_parsing": "has to be a time with its offset, written as 2026-11-22T05:04:03+07:00",
    "datetime_from_date_parsing": "has to be a time with its offset, written as 2026-11-22T05:04:03+07:00",
    "timezone_aware": "lacks its offset; write it as 2026-11-22T05:04:03+07:00",
    "uuid_type": "has to be an id, written as 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69",
    "uuid_parsing": "has to be an id, written as 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69",
}
_WRITTEN_AS = {
    CODE_REGEX: "has to be a unit's code, written as LCA.02.05",
    PATTERN_REGEX: "has to be a unit's code, written as LCA.02.05, or a unit with all below it, written as LCA.02.#",
    MONTH_REGEX: "has to be a month, written as 2026-11",
    "^[0-9a-f]{64}$": "has to be a SHA-256, written as 64 of the digits 0-9 and a-f",
    "^[a-z][a-z0-9_-]{0,31}$": "has to be a word of small letters, digits, - and _, written as commune",
    "^[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+_-]{1,80}$": "has to be a media type, written as application/pdf",
}
_OTHERWISE = "is not what belongs here; the schema says what does"


def said_of(kind: str, message: str, value: Any, context: Mapping[str, Any]) -> str:
    """What is wrong with a value.

    Args:
        kind: the library's name of the error's kind.
        message: the library's sentence; only what our own checks wrote is taken from it.
        value: what was given.
        context: the bounds that belong to the kind.
    """
    if kind in _WRITTEN_BY_US:
        return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in _PLAINLY:
        return _PLAINLY[kind]
    say = _BOUNDED.get(kind)
    return say(value, context) if say else _OTHERWISE


def follows_from_others(kind: str, value: Any, context: Mapping[str, Any]) -> bool:
    """Whether an error is only the consequence of others: a list is called too short because its items are wrong."""
    return kind == "too_short" and isinstance(value, list | tuple) and len(value) >= context.get("min_length", 0)


def _counted(value: Any, context: Mapping[str, Any]) -> str:
    unit = "bytes" if isinstance(value, bytes) else "characters" if isinstance(value, str) else "items"
    count = len(value) if hasattr(value, "__len__") else context.get("actual_length")
    return f"{count} {unit}" if count is not None else unit


def _too_long(value: Any, context: Mapping[str, Any]) -> str:
    return f"has {_counted(value, context)}; at most {context['max_length']} are taken"


def _too_short(value: Any, context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if least == 1:
        return "is empty; something has to be in it"
    return f"has {_counted(value, context)}; at least {least} are needed"


def _otherwise_written(_: Any, context: Mapping[str, Any]) -> str:
    pattern = context["pattern"]
    return _WRITTEN_AS.get(pattern, f"has to be written as this pattern says: {pattern}")


def _json(_: Any, context: Mapping[str, Any]) -> str:
    return f"is not JSON: {context.get('error', 'it cannot be read')}"


_BOUNDED: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "json_invalid": _json,
    "too_long": _too_long,
    "string_too_long": _too_long,
    "bytes_too_long": _too_long,
    "too_short": _too_short,
    "string_too_short": _too_short,
    "bytes_too_short": _too_short,
    "greater_than": lambda _, bound: f"has to be more than {bound['gt']}",
    "greater_than_equal": lambda _, bound: f"has to be {bound['ge']} or more",
    "less_than": lambda _, bound: f"has to be less than {bound['lt']}",
    "less_than_equal": lambda _, bound: f"has to be {bound['le']} or less",
    "enum": lambda _, bound: f"has to be one of {bound['expected']}",
    "literal_error": lambda _, bound: f"has to be one of {bound['expected']}",
    "string_pattern_mismatch": _otherwise_written,
}
