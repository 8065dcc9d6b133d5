"""What each answer of a webhook means: every status, every Retry-After, every charset."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.sinks.answers import LONGEST_RETRY_AFTER, HandedOver, Refused, TryAgain, decide, retry_after, text_of
from schemas.reasons import ReasonCode as R

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
LOGIN, ADDRESS = {401, 403, 407}, {404, 405, 410, 421}
PASSING = {402, 408, 423, 424, 425, 426, 429}


def expected(status: int) -> HandedOver | TryAgain | Refused:
    if 200 <= status < 300:
        return HandedOver()
    if status in LOGIN:
        return TryAgain(R.SINK_LOGIN)
    if status in ADDRESS or 300 <= status < 400:
        return TryAgain(R.SINK_ADDRESS)
    if 400 <= status < 500 and status not in PASSING:
        return Refused(R.SINK_REFUSED)
    return TryAgain(R.SINK_TROUBLE)


@pytest.mark.parametrize("hundred", range(1, 6))
def test_every_status_has_its_decision(hundred: int) -> None:
    for status in range(hundred * 100, hundred * 100 + 100):
        assert decide(status, {}, now=NOW) == expected(status), status


@given(status=st.integers(100, 599), value=st.text(max_size=60))
def test_no_header_changes_whether_a_document_is_parked(status: int, value: str) -> None:
    assert type(decide(status, {"retry-AFTER": value}, now=NOW)) is type(decide(status, {}, now=NOW))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        (" 0 ", 0.0),
        ("9" * 400, LONGEST_RETRY_AFTER),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("Sat, 28 Nov 2026 20:01:00 -0000", 60.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2359", LONGEST_RETRY_AFTER),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Thu, 32 Nov 2026 00:00:00 GMT", None),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661\u0667", None),
    ],
)
def test_retry_after_in_any_form_is_a_bounded_pause_or_none(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == seconds


@given(st.text(max_size=80))
def test_retry_after_never_raises_and_is_bounded(value: str) -> None:
    pause = retry_after(value, now=NOW)
    assert pause is None or 0 <= pause <= LONGEST_RETRY_AFTER


WORDS = "Số công văn đã có"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (WORDS.encode(), "text/plain; charset=utf-8", WORDS),
        (WORDS.encode(), "text/plain", WORDS),
        (WORDS.encode()[:-1], "", "Số công văn đã c�"),
        (WORDS.encode("utf-16"), "text/plain; charset=UTF-16", WORDS),
        ("đã có".encode("cp1258", "replace"), "text/plain; charset=windows-1258", "đ? có"),
        ("có gì".encode("cp1258", "replace"), "application/json", "có g?"),
        ("登録済み".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "登録済み"),
        (WORDS.encode(), "text/plain; charset=no-such-thing", WORDS),
        (WORDS.encode(), "text/plain; charset=zlib", WORDS),
        (b"ok", "\x00;;charset", "ok"),
    ],
)
def test_an_answer_is_read_in_the_charset_it_is_written_in(body: bytes, content_type: str, text: str) -> None:
    assert text_of(body, content_type) == text


@given(st.binary(max_size=200), st.text(max_size=40))
def test_no_answer_is_unreadable(body: bytes, content_type: str) -> None:
    text_of(body, content_type)
