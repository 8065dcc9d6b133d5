"""The filter that people write, ``unit:LCA.02.* state:parked since:2h text:"kiểm tra"``, read by one function."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from router.console.language import N_
from router.ledger.queries import Filter, Flag
from schemas.codes import CODE_REGEX
from schemas.dispatch import Urgency
from schemas.states import Status

MAX_LENGTH, MAX_TOKENS = 4000, 30
_TOKEN = re.compile(r'(?:([a-z]+):)?("(?:[^"\\]|\\.)*"|\S+)')
_SPAN = re.compile(r"(\d{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_URGENCY = re.compile(r"(>=|<=|>|<)?([0-9])(?:\.\.([0-9]))?")
_NOT_KEPT = re.compile("[\0\ud800-\udfff]")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOG_ONLY = N_("works in the list of deliveries, not in the log")


@dataclass(frozen=True, slots=True)
class Problem:
    """A token that cannot be read; ``message`` is translated where it is shown, with ``example`` in it."""

    token: str
    message: str
    example: str = ""

    @property
    def english(self) -> str:
        """The message as commands and the web API say it."""
        return self.message % {"example": self.example}


class FilterError(ValueError):
    """Tokens that cannot be read, each with what is wrong and how it is written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{item.token} {item.english}" for item in problems))
        self.problems = problems


class _TokenError(ValueError):
    """What is wrong with one token."""

    def __init__(self, message: str, example: str = "") -> None:
        super().__init__(message)
        self.message, self.example = message, example


@dataclass(frozen=True, slots=True)
class _Present:
    """When a filter is read (UTC ms), and where."""

    now_ms: int
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Parsed:
    """A filter, and the tokens it was read from."""

    wanted: Filter
    tokens: tuple[str, ...]

    def without(self, token: str) -> str:
        """The text of all the other tokens."""
        return " ".join(item for item in self.tokens if item != token)


def parse(text: str, *, now_ms: int, zone: tzinfo, of_log: bool = False) -> Parsed:
    """Read a filter.

    Args:
        text: tokens ``key:value`` with spaces between them; words without a key are looked for in the document.
            A value with spaces stands in double quotes.
        now_ms: the present (UTC ms), from which ``since:2h`` counts.
        zone: whose times those without an offset are.
        of_log: whether it is for the log, which knows no ``is:``.

    Raises:
        FilterError: with every token that cannot be read.
    """
    wanted, tokens, problems = Filter(), [], []
    present = _Present(now_ms, zone)
    if _NOT_KEPT.search(text):
        raise FilterError((Problem("…", N_("has a character that no database keeps; remove it")),))
    for token, key, value in _tokens(text[:MAX_LENGTH]):
        tokens.append(token)
        try:
            wanted = _with(wanted, key, value, present, of_log=of_log)
        except _TokenError as error:
            problems.append(Problem(token, error.message, error.example))
    if len(tokens) > MAX_TOKENS or len(text) > MAX_LENGTH:
        problems.append(Problem("…", N_("is too long; write fewer tokens")))
    if problems:
        raise FilterError(tuple(problems))
    return Parsed(wanted, tuple(tokens))


def token(key: str, value: str) -> str:
    """A token as :func:`parse` reads it."""
    if value and not re.search(r'[\s"]', value):
        return f"{key}:{value}"
    quoted = re.sub(r'([\\"])', r"\\\1", value)
    return f'{key}:"{quoted}"'


def _tokens(text: str) -> Iterator[tuple[str, str, str]]:
    for match in _TOKEN.finditer(text):
        value = match[2]
        if value.startswith('"') and len(value) > 1 and value.endswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        yield match[0], match[1] or "text", value


def _with(wanted: Filter, key: str, value: str, present: _Present, *, of_log: bool) -> Filter:
    """The filter with one more token."""
    if key not in _KEYS:
        raise _TokenError(N_("is no key; there is %(example)s"), ", ".join(_KEYS))
    if key == "is" and of_log:
        raise _TokenError(_LOG_ONLY)
    if not value:
        raise _TokenError(N_("has no value"))
    return _KEYS[key](wanted, value, present)


def _unit(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, units=(*wanted.units, _pattern(value)))


def _issuer(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, issuers=(*wanted.issuers, _pattern(value)))


def _pattern(value: str) -> str:
    pattern = value.upper()
    if not re.fullmatch(CODE_REGEX, pattern.removesuffix(".#").removesuffix(".*")):
        raise _TokenError(N_("is no unit; write one as %(example)s"), "LCA.02, LCA.02.*, LCA.02.#")
    return pattern


def _state(wanted: Filter, value: str, _present: _Present) -> Filter:
    words = value.split(",")
    if not set(words) <= set(Status):
        raise _TokenError(N_("is no state; there is %(example)s"), ", ".join(Status))
    return replace(wanted, states=wanted.states | {Status(word) for word in words})


def _urgency(wanted: Filter, value: str, _present: _Present) -> Filter:
    match = _URGENCY.fullmatch(value)
    bounds = match and _bounds(match[1] or "", int(match[2]), match[3])
    least, most = min(Urgency), max(Urgency)
    if not bounds or not least <= bounds[0] <= bounds[1] <= most:
        raise _TokenError(N_("is no urgency; write it as %(example)s"), "3, >=2, 1..3")
    return replace(wanted, urgency=(max(bounds[0], wanted.urgency[0]), min(bounds[1], wanted.urgency[1])))


def _bounds(sign: str, number: int, upper: str | None) -> tuple[int, int] | None:
    if upper is not None:
        return None if sign else (number, int(upper))
    least, most = int(min(Urgency)), int(max(Urgency))
    bounds = {"": (number, number), ">=": (number, most), ">": (number + 1, most)}
    return (bounds | {"<=": (least, number), "<": (least, number - 1)})[sign]


def _since(wanted: Filter, value: str, present: _Present) -> Filter:
    return replace(wanted, since=max(_moment(value, present), wanted.since or 0))


def _until(wanted: Filter, value: str, present: _Present) -> Filter:
    moment = _moment(value, present)
    return replace(wanted, until=moment if wanted.until is None else min(moment, wanted.until))


def _moment(value: str, present: _Present) -> int:
    span = _SPAN.fullmatch(value)
    if span:
        return present.now_ms - round(timedelta(**{_UNITS[span[2]]: int(span[1])}) / timedelta(milliseconds=1))
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=present.zone)
        return max(round(moment.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        raise _TokenError(
            N_("is no time; write it as %(example)s"), "30m, 2h, 7d, 2026-11-22, 2026-11-22T08:00"
        ) from None


def _text(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, texts=(*wanted.texts, value))


def _reason(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, reason=value)


def _document(wanted: Filter, value: str, _present: _Present) -> Filter:
    if not _ID.fullmatch(value):
        raise _TokenError(N_("is no document's id; it looks like %(example)s"), "019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69")
    return replace(wanted, dispatch_id=value)


def _delivery(wanted: Filter, value: str, _present: _Present) -> Filter:
    ids = value.split(",")
    if not all(map(_ID.fullmatch, ids)):
        raise _TokenError(N_("is no delivery's id; it looks like %(example)s"), "019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69")
    return replace(wanted, deliveries=wanted.deliveries.union(ids))


def _is(wanted: Filter, value: str, _present: _Present) -> Filter:
    if value not in set(Flag):
        raise _TokenError(N_("is not known; there is %(example)s"), ", ".join(Flag))
    return replace(wanted, flags=wanted.flags | {Flag(value)})


_KEYS: dict[str, Callable[[Filter, str, _Present], Filter]] = {
    "unit": _unit,
    "state": _state,
    "urgency": _urgency,
    "since": _since,
    "until": _until,
    "text": _text,
    "issuer": _issuer,
    "reason": _reason,
    "document": _document,
    "delivery": _delivery,
    "is": _is,
}
