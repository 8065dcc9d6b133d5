"""The words of a filter as people say them, in both languages, with accents or without; and the nearest to a word."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from router.ledger.queries import Flag, LateFor
from router.pages.language import N_, VIETNAMESE, translations
from router.words.duties import DUTIES, LATE_FOR
from router.words.terms import FLAGS, STATES, URGENCIES
from schemas.dispatch import Urgency
from schemas.duties import Duty
from schemas.reasons import WORDS, ReasonCode
from schemas.states import Effect, Status
from schemas.text import fold

T = TypeVar("T")
_APART = re.compile(r"[\s_\-.]+")
_CLOSE = 0.6
"""How alike two words have to be so that one is offered for the other."""

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "donvi": "unit",
        "noinhan": "unit",
        "trangthai": "state",
        "dokhan": "urgency",
        "tu": "since",
        "den": "until",
        "tuluc": "since",
        "tungay": "since",
        "denngay": "until",
        "truoc": "until",
        "noidung": "text",
        "trichyeu": "text",
        "soky": "text",
        "sokyhieu": "text",
        "coquan": "issuer",
        "coquanbanhanh": "issuer",
        "lydo": "reason",
        "vanban": "document",
        "luotchuyen": "delivery",
        "luot": "delivery",
        "la": "is",
        "tinhtrang": "is",
        "cham": "late",
        "tre": "late",
        "han": "due",
        "thoihan": "due",
        "nguyennhan": "why",
        "cause": "why",
        "ketqua": "effect",
    }
)
"""A filter's keys by what they are called in Vietnamese, as :func:`bare` writes it."""
FLAG_WORDS: Mapping[Flag, str] = MappingProxyType(
    {flag: word.label for flag, word in FLAGS.items()}
    | {
        Flag.UNDELIVERED: N_("Undelivered"),
        Flag.RETRYING: N_("Retrying"),
        Flag.LATE: N_("Late"),
        Flag.MUTED: N_("Alerts off"),
        Flag.UNMUTED: N_("Alerts on"),
    }
)


def bare(text: str) -> str:
    """A word as it is compared: small, without accents, its parts together: ``Bị giữ lại`` is ``bigiulai``."""
    return _APART.sub("", fold(text.strip()))


def key_of(word: str) -> str:
    """A key by its word in either language; one that is none stays as it is."""
    return KEYS.get(bare(word), bare(word))


def state_of(word: str) -> Status | None:
    """A state by its code or its word."""
    return _STATES.get(bare(word))


def flag_of(word: str) -> Flag | None:
    """A way of standing by its code or its word."""
    return _FLAGS.get(bare(word))


def duty_of(word: str) -> Duty | None:
    """What is owed, by its code or its word."""
    return _DUTIES.get(bare(word))


def late_for_of(word: str) -> LateFor | None:
    """For how long something has been late, by its days as ``1-3`` or by its words."""
    return _LATE_FOR.get(word) or _LATE_FOR.get(bare(word))


def urgency_of(word: str) -> int | None:
    """An urgency by its word."""
    return _URGENCIES.get(bare(word))


def effect_of(word: str) -> Effect | None:
    """What a receipt did, by its code."""
    return _EFFECTS.get(bare(word))


def code_of_word(word: str) -> ReasonCode | None:
    """A reason's code, by itself or by its words in either language."""
    return _REASONS.get(bare(word))


def nearest(word: str, options: Iterable[str]) -> str:
    """The option that is most like a word; empty: none is."""
    bares = {bare(option): option for option in options}
    found = difflib.get_close_matches(bare(word), bares, n=1, cutoff=_CLOSE)
    return bares[found[0]] if found else ""


def token_for(word: str) -> str:
    """The token that somebody may have meant who wrote a word without a key; empty: it is a word like any other."""
    if (state := state_of(word)) is not None:
        return f"state:{state.value}"
    if (flag := flag_of(word)) is not None:
        return f"is:{flag.value}"
    degree = urgency_of(word)
    return f"urgency:{degree}" if degree is not None else ""


def _said(words: Mapping[T, str]) -> dict[str, T]:
    """By the words in both languages; of two things of one word the first."""
    vietnamese = translations(VIETNAMESE).gettext
    found: dict[str, T] = {}
    for thing, label in words.items():
        for text in (label, vietnamese(label)):
            found.setdefault(bare(text), thing)
    return found


_STATES = {bare(status.value): status for status in Status} | _said(
    {status: word.label for status, word in STATES.items()}
)
_FLAGS = {bare(flag.value): flag for flag in Flag} | _said(FLAG_WORDS)
_DUTIES = {bare(duty.value): duty for duty in Duty} | _said({duty: word.label for duty, word in DUTIES.items()})
_LATE_FOR = {age.value: age for age in LateFor} | _said(LATE_FOR)
_URGENCIES = _said({int(degree): URGENCIES[degree].label for degree in Urgency})
_REASONS = {bare(text): code for code in reversed(ReasonCode) for text in (WORDS[code].vi, WORDS[code].en, code.value)}
_EFFECTS = {bare(effect.value): effect for effect in Effect}
STATE_OPTIONS = tuple({**{status.value: None for status in Status}, **dict.fromkeys(_STATES)})
REASON_OPTIONS = tuple({**{code.value: None for code in ReasonCode}, **dict.fromkeys(_REASONS)})
DUTY_OPTIONS = tuple({**{duty.value: None for duty in Duty}, **dict.fromkeys(_DUTIES)})
FLAG_OPTIONS = tuple({**{flag.value: None for flag in Flag}, **dict.fromkeys(_FLAGS)})
