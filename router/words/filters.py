"""The filter that people write, ``unit:LCA.02.* state:parked since:2h text:"kiểm tra"``, read by one function."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from router.ledger.queries import Filter, Flag, LateFor
from router.pages.language import N_
from router.words.filter_words import (
    DUTY_OPTIONS,
    FLAG_OPTIONS,
    REASON_OPTIONS,
    STATE_OPTIONS,
    bare,
    code_of_word,
    duty_of,
    effect_of,
    flag_of,
    key_of,
    late_for_of,
    nearest,
    state_of,
    token_for,
    urgency_of,
)
from router.words.filter_words import KEYS as WORDS_OF_KEYS
from schemas.clock import to_ms
from schemas.codes import CODE_REGEX
from schemas.dispatch import Urgency
from schemas.duties import Duty
from schemas.reasons import ReasonCode
from schemas.states import Effect, Status
from schemas.text import fold

MAX_LENGTH, MAX_TOKENS = 4000, 30
_TOKEN = re.compile(r'(?:([^\W\d](?:[^\W\d]|-)*):)?("(?:[^"\\]|\\.)*"|\S+)')
_SPAN = re.compile(r"(\d{1,5})\s*([smhdw]|giây|phút|giờ|ngày|tuần|giay|phut|gio|ngay|tuan|g|p|t)")
_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_UNITS = {
    **dict.fromkeys(("s", "giay"), "seconds"),
    **dict.fromkeys(("m", "phut", "p"), "minutes"),
    **dict.fromkeys(("h", "gio", "g"), "hours"),
    **dict.fromkeys(("d", "ngay"), "days"),
    **dict.fromkeys(("w", "tuan", "t"), "weeks"),
}
_DAYS_BACK = {"homnay": 0, "today": 0, "homqua": 1, "yesterday": 1}
_DAYS_AHEAD = {"homnay": 0, "today": 0, "ngaymai": 1, "tomorrow": 1}
_URGENCY = re.compile(r"(>=|<=|>|<)?([0-9])(?:\.\.([0-9]))?")
_NOT_KEPT = re.compile("[\0\ud800-\udfff]")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_IN_LOG = N_("works in the list of deliveries, not in the log")
_STANDING = {"is", "late", "due"}
"""Keys of how a delivery stands now, of which the log knows nothing."""
_LOG_ONLY = N_("works in the log, not in the list of deliveries")


@dataclass(frozen=True, slots=True)
class FilterProblem:
    """A token that cannot be read; ``message`` is translated where it is shown, with ``example`` in it.

    ``suggestion`` is the token that may have been meant; empty: nothing is like it.
    """

    token: str
    message: str
    example: str = ""
    suggestion: str = ""

    @property
    def english(self) -> str:
        """The message as commands and the web API say it."""
        return self.message % {"example": self.example}


class FilterError(ValueError):
    """Tokens that cannot be read, each with what is wrong and how it is written."""

    def __init__(self, problems: tuple[FilterProblem, ...]) -> None:
        super().__init__("; ".join(f"{item.token} {item.english}" for item in problems))
        self.problems = problems


class _TokenError(ValueError):
    """What is wrong with one token."""

    def __init__(self, message: str, example: str = "", suggestion: str = "") -> None:
        super().__init__(message)
        self.message, self.example, self.suggestion = message, example, suggestion


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
    hints: tuple[tuple[str, str], ...] = ()
    """Words that are looked for in the document and are those of a state or the like: word and token."""

    def instead(self, token: str, other: str) -> str:
        """The text with another token in the place of one."""
        return " ".join(other if item == token else item for item in self.tokens)

    def without(self, token: str) -> str:
        """The text of all the other tokens."""
        return " ".join(item for item in self.tokens if item != token)


def parse(text: str, *, now_ms: int, zone: tzinfo, of_log: bool = False) -> Parsed:
    """Read a filter.

    Args:
        text: tokens ``key:value`` with spaces between them, key and value in English or Vietnamese; words without a
            key are looked for in the document. A value with spaces stands in double quotes.
        now_ms: the present (UTC ms), from which ``since:2h`` counts.
        zone: whose times those without an offset are.
        of_log: whether it is for the log, which knows no ``is:``.

    Raises:
        FilterError: with every token that cannot be read.
    """
    wanted, tokens, problems, hints = Filter(), [], [], []
    present = _Present(now_ms, zone)
    if _NOT_KEPT.search(text):
        raise FilterError((FilterProblem("…", N_("has a character that no database keeps; remove it")),))
    for token, key, value in _tokens(text[:MAX_LENGTH]):
        tokens.append(token)
        try:
            wanted = _with(wanted, key, value, present, of_log=of_log)
        except _TokenError as error:
            problems.append(FilterProblem(token, error.message, error.example, error.suggestion))
        if key == "text" and token == value and (meant := token_for(value)):
            hints.append((token, meant))
    if len(tokens) > MAX_TOKENS or len(text) > MAX_LENGTH:
        problems.append(FilterProblem("…", N_("is too long; write fewer tokens")))
    if problems:
        raise FilterError(tuple(problems))
    return Parsed(wanted, tuple(tokens), tuple(hints))


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
        yield match[0], key_of(match[1]) if match[1] else "text", value


def _with(wanted: Filter, key: str, value: str, present: _Present, *, of_log: bool) -> Filter:
    """The filter with one more token."""
    if key not in _KEYS:
        known = key_of(nearest(key, (*_KEYS, *WORDS_OF_KEYS)))
        raise _TokenError(
            N_("is no key; there is %(example)s"), ", ".join(_KEYS), token(known, value) if known in _KEYS else ""
        )
    if key in {*_STANDING, "effect"} and of_log is not (key == "effect"):
        raise _TokenError(_LOG_ONLY if key == "effect" else _NOT_IN_LOG)
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
    found = [(word, state_of(word)) for word in value.split(",")]
    for word, state in found:
        if state is None:
            near = state_of(nearest(word, STATE_OPTIONS))
            raise _TokenError(
                N_("is no state; there is %(example)s"), ", ".join(Status), f"state:{near}" if near else ""
            )
    return replace(wanted, states=wanted.states | {state for _, state in found if state is not None})


def _urgency(wanted: Filter, value: str, _present: _Present) -> Filter:
    degree = urgency_of(value)
    match = _URGENCY.fullmatch(value if degree is None else str(degree))
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
    span = _SPAN.fullmatch(value.lower())
    if span:
        return present.now_ms - _length(span)
    if bare(value) in _DAYS_BACK:
        today = datetime.fromtimestamp(present.now_ms / 1000, present.zone).date()
        value = (today - timedelta(days=_DAYS_BACK[bare(value)])).isoformat()
    try:
        moment = datetime.fromisoformat(_DAY.sub(_as_iso, value))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=present.zone)
        return max(round(moment.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        raise _TokenError(
            N_("is no time; write it as %(example)s"), "30m, 2h, 7d, 22/11/2026, 2026-11-22T08:00"
        ) from None


def _length(span: re.Match[str]) -> int:
    return round(timedelta(**{_UNITS[fold(span[2])]: int(span[1])}) / timedelta(milliseconds=1))


def _as_iso(day: re.Match[str]) -> str:
    return f"{day[3]}-{day[2]:>02}-{day[1]:>02}"


def _text(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, texts=(*wanted.texts, value))


def _reason(wanted: Filter, value: str, _present: _Present) -> Filter:
    return replace(wanted, reason=value)


def _why(wanted: Filter, value: str, _present: _Present) -> Filter:
    code = code_of_word(value)
    if code is None:
        near = code_of_word(nearest(value, REASON_OPTIONS))
        raise _TokenError(
            N_("is not known; there is %(example)s"), ", ".join(ReasonCode), f"why:{near}" if near else ""
        )
    return replace(wanted, code=code)


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
    flag = flag_of(value)
    if flag is None:
        near = flag_of(nearest(value, FLAG_OPTIONS))
        raise _TokenError(N_("is not known; there is %(example)s"), ", ".join(Flag), f"is:{near}" if near else "")
    return replace(wanted, flags=wanted.flags | {flag})


def _late(wanted: Filter, value: str, present: _Present) -> Filter:
    if age := late_for_of(value):
        least, most = age.bounds
        by, since = present.now_ms - least, None if most is None else present.now_ms - most
        return replace(_late_by(wanted, by), late_from=max(filter(None, (wanted.late_from, since)), default=None))
    duty = duty_of(value)
    if duty is None:
        near = duty_of(nearest(value, DUTY_OPTIONS))
        raise _TokenError(
            N_("is not known; there is %(example)s"), ", ".join((*Duty, *LateFor)), f"late:{near}" if near else ""
        )
    return replace(wanted, late=wanted.late | {duty})


def _due(wanted: Filter, value: str, present: _Present) -> Filter:
    return _late_by(wanted, _ahead(value, present))


def _late_by(wanted: Filter, moment: int) -> Filter:
    return replace(wanted, late_by=moment if wanted.late_by is None else min(moment, wanted.late_by))


def _ahead(value: str, present: _Present) -> int:
    """The end of a span from now on, or of a day; or a moment as it is written."""
    if span := _SPAN.fullmatch(value.lower()):
        return present.now_ms + _length(span)
    today = datetime.fromtimestamp(present.now_ms / 1000, present.zone).date()
    try:
        day = date.fromisoformat(_DAY.sub(_as_iso, value))
    except ValueError:
        if bare(value) not in _DAYS_AHEAD:
            return _moment(value, present)
        day = today + timedelta(days=_DAYS_AHEAD[bare(value)])
    return to_ms(datetime.combine(day, time.max, present.zone))


def _effect(wanted: Filter, value: str, _present: _Present) -> Filter:
    effect = effect_of(value)
    if effect is None:
        raise _TokenError(N_("is not known; there is %(example)s"), ", ".join(Effect))
    return replace(wanted, effects=wanted.effects | {effect})


_KEYS: dict[str, Callable[[Filter, str, _Present], Filter]] = {
    "unit": _unit,
    "state": _state,
    "urgency": _urgency,
    "since": _since,
    "until": _until,
    "text": _text,
    "issuer": _issuer,
    "reason": _reason,
    "why": _why,
    "document": _document,
    "delivery": _delivery,
    "is": _is,
    "late": _late,
    "due": _due,
    "effect": _effect,
}
