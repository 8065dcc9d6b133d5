"""The console's words: both languages are whole, and times, spans and counts read as people write them."""

import re
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from router.ledger.people.audit import Act
from router.ledger.people.persons import PersonRole
from router.ledger.queries import CAUSES, LateFor
from router.pages.language import LANGUAGES, LOCALE, VIETNAMESE, translations
from router.pages.shown import Shown
from router.rules.outages import LineState, ToldBy
from router.words.duties import DUTIES, LATE_FOR, PARTIES, WHO
from router.words.terms import ACTS, FLAGS, KINDS, LINE_STATES, LINKS, ROLES, STATES, TOLD_BY, URGENCIES
from schemas.dispatch import Kind, Urgency
from schemas.duties import Duty, Party
from schemas.states import Status
from schemas.unit import Link
from support.catalogues import extracted

NOW = 1_795_298_643_000  # 2026-11-22 05:04:03 at UTC+7, 22:04:03 UTC the day before
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def test_no_message_lacks_a_translation_and_none_is_left_over() -> None:
    with (LOCALE / "vi.po").open("rb") as source:
        catalogue = read_po(source, locale=VIETNAMESE)
    translated = {
        message.id for message in catalogue if message.id and not message.fuzzy and all(_texts(message.string))
    }
    assert translated == {message.id for message in extracted() if message.id}


def test_translations_keep_the_places_of_what_is_put_in() -> None:
    with (LOCALE / "vi.po").open("rb") as source:
        catalogue = read_po(source, locale=VIETNAMESE)
    for message in catalogue:
        wanted = {_places(text) for text in _texts(message.id)}
        assert {_places(text) for text in _texts(message.string)} <= wanted, message.id


def test_every_state_urgency_line_kind_act_role_and_cause_has_its_word() -> None:
    assert set(STATES) == set(Status)
    assert len(URGENCIES) == len(Urgency)
    assert set(LINKS) == set(Link)
    assert set(LINE_STATES) == set(LineState)
    assert set(TOLD_BY) == set(ToldBy)
    assert set(KINDS) == set(Kind)
    assert set(ACTS) == set(Act)
    assert set(ROLES) == set(PersonRole)
    assert set(FLAGS) == set(CAUSES)
    assert set(DUTIES) == set(WHO) == set(Duty)
    assert set(PARTIES) == set(Party)
    assert set(LATE_FOR) == set(LateFor)


def test_states_are_told_apart_without_colour() -> None:
    words = [(word.icon, word.label) for word in STATES.values()]
    assert len(set(words)) == len(words)
    for language in LANGUAGES:
        labels = [translations(language).gettext(word.label) for word in STATES.values()]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (0, "05:04:03"),
        (5 * 3_600_000, "00:04:03"),
        (6 * 3_600_000, "21/11 23:04"),
        (400 * 86_400_000, "18/10/2025 05:04"),
    ],
)
def test_a_moment_is_written_in_the_installations_time_with_utc_in_its_title(ago: int, text: str) -> None:
    shown = Shown(VIETNAMESE, ZONE, clock=lambda: NOW)
    assert f">{text}</time>" in shown.at(NOW - ago)
    assert 'title="2026-11-21 22:04:03 UTC"' in shown.at(NOW)


def test_another_installation_has_another_time() -> None:
    assert ">22:04:03</time>" in Shown(VIETNAMESE, ZoneInfo("Europe/London"), clock=lambda: NOW).at(NOW)


def test_spans_counts_sizes_and_shares_read_as_the_language_writes_them() -> None:
    vietnamese, english = Shown("vi", ZONE), Shown("en", ZONE)
    assert vietnamese.span(2 * 86_400_000 + 3 * 3_600_000 + 5000) == "2 ngày 3 giờ"
    assert english.span(59_999) == "59 s"
    assert english.span(3_600_000) == "1 h"
    assert english.span(-5) == english.span(0) == "0 s"
    assert (vietnamese.count(12_345), english.count(12_345)) == ("12.345", "12,345")
    assert (vietnamese.size(1536), english.size(10)) == ("1,5 kB", "10 B")
    assert (english.percent(999, 1000), english.percent(3, 3), english.percent(0, 0)) == (
        "99%",
        "100%",
        "0%",
    )


def test_a_length_is_one_number_to_a_tenth_and_a_change_has_its_sign() -> None:
    vietnamese, english = Shown("vi", ZONE), Shown("en", ZONE)
    assert (english.took(90), english.took(1500), english.took(3 * 3_600_000)) == ("under 1 s", "1.5 s", "3 h")
    assert (vietnamese.took(5_400_000), vietnamese.took(None)) == ("1,5 giờ", "\u2013")
    assert (english.change(150, 100), english.change(50, 100), english.change(5, 0)) == (
        "+50%",
        "\u221250%",
        "\u2013",
    )


def test_a_rate_is_in_bits_and_only_an_undisturbed_line_was_there_all_the_time() -> None:
    shown = Shown("en", ZONE)
    assert (shown.rate(4035), shown.rate(None)) == ("32.3 kbit/s", "\u2013")
    assert Shown("vi", ZONE).rate(132_560_313) == "1.060,5 Mbit/s"
    assert (shown.availability(0, 1000), shown.availability(1, 10_000)) == ("100%", "99.9%")
    assert shown.availability(2000, 1000) == "0%"


def _texts(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def _places(text: str) -> frozenset[str]:
    braces = {name for _, name, _, _ in Formatter().parse(text.replace("%", "%%")) if name}
    return frozenset(re.findall(r"%\((\w+)\)s", text)) | braces
