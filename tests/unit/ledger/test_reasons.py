"""Reasons have one table: every code has its words, and what gateways of 0.1 tell as a text alone gets a code of it."""

import pytest

from router.ledger.reasons import code_told
from router.words.filter_words import code_of_word
from schemas.reasons import WORDS, ReasonCode


def test_every_code_has_its_words_in_both_languages_and_no_two_are_called_the_same() -> None:
    assert set(WORDS) == set(ReasonCode)
    for words in WORDS.values():
        assert all((words.vi, words.en, words.advice_vi, words.advice_en))
    for language in ("vi", "en"):
        assert len({getattr(words, language) for words in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize("code", ReasonCode)
def test_a_filter_takes_a_reason_by_its_code_and_by_its_words(code: ReasonCode) -> None:
    assert {code_of_word(text) for text in (code, WORDS[code].vi, WORDS[code].en)} == {code}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("HTTP 507: the disk of the unit's system is full", ReasonCode.SINK_DISK_FULL),
        ("/srv/inbox/LCA.02: [Errno 28] No space left on device", ReasonCode.SINK_DISK_FULL),
        ("/srv/inbox/LCA.02: [Errno 13] Permission denied", ReasonCode.SINK_UNWRITABLE),
        ("http://unit/documents did not answer within 60 s", ReasonCode.SINK_TIMEOUT),
        ("http://unit/documents cannot be reached: Connect call failed", ReasonCode.SINK_UNREACHABLE),
        ("HTTP 401", ReasonCode.SINK_LOGIN),
        ("HTTP 302: redirects are not followed; set webhook_url to the final address", ReasonCode.SINK_ADDRESS),
        ("HTTP 404", ReasonCode.CONTENT_GONE),
        ("HTTP 422: no such unit", ReasonCode.SINK_REFUSED),
        ("HTTP 500", ReasonCode.SINK_TROUBLE),
        ("/srv/take: exit code 3", ReasonCode.SINK_TROUBLE),
        ("không thuộc thẩm quyền", None),
        ("", None),
    ],
)
def test_texts_of_gateways_without_codes_have_theirs(reason: str, code: ReasonCode | None) -> None:
    assert code_told(reason) is code
