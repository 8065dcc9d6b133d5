"""The filter that people write."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ledger.queries import Filter, Flag
from router.words.filters import FilterError, parse, token
from schemas.clock import to_ms
from schemas.duties import Duty
from schemas.states import Status

NOW = to_ms(datetime(2026, 11, 22, 3, 0, tzinfo=UTC))
HOUR = 3_600_000
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
ID = "019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69"


def read(text: str) -> Filter:
    return parse(text, now_ms=NOW, zone=ZONE).wanted


def test_an_empty_filter_asks_for_nothing() -> None:
    assert read("") == read("   ") == Filter()


def test_every_key_is_read() -> None:
    text = f'unit:LCA.02.* unit:lca.03 issuer:LCA.# state:parked,expired urgency:>=2 since:2h until:30m is:retrying \
document:{ID} reason:"disk \\"full\\"" text:"kiểm tra" khẩn'
    assert read(text) == Filter(
        units=("LCA.02.*", "LCA.03"),
        issuers=("LCA.#",),
        states=frozenset({Status.PARKED, Status.EXPIRED}),
        urgency=(2, 4),
        since=NOW - 2 * HOUR,
        until=NOW - HOUR // 2,
        flags=frozenset({Flag.RETRYING}),
        dispatch_id=ID,
        reason='disk "full"',
        texts=("kiểm tra", "khẩn"),
    )


@pytest.mark.parametrize(
    ("text", "bounds"),
    [("3", (3, 3)), (">=2", (2, 4)), (">2", (3, 4)), ("<=1", (0, 1)), ("<1", (0, 0)), ("1..3", (1, 3))],
)
def test_urgency_is_a_degree_or_a_range(text: str, bounds: tuple[int, int]) -> None:
    assert read(f"urgency:{text}").urgency == bounds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22", datetime(2026, 11, 21, 17, tzinfo=UTC)),
        ("2026-11-22T08:00", datetime(2026, 11, 22, 1, tzinfo=UTC)),
        ("2026-11-22T08:00Z", datetime(2026, 11, 22, 8, tzinfo=UTC)),
    ],
)
def test_times_without_an_offset_are_those_of_the_installations_zone(text: str, moment: datetime) -> None:
    assert read(f"since:{text}").since == to_ms(moment)


def test_the_same_day_begins_at_another_moment_in_another_zone() -> None:
    wanted = parse("since:2026-07-01", now_ms=NOW, zone=ZoneInfo("Europe/Berlin")).wanted
    assert wanted.since == to_ms(datetime(2026, 6, 30, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    "bad",
    [
        "colour:red",
        "unit:LCA..02",
        "unit:LCA.*.02",
        "state:lost",
        "urgency:7",
        "urgency:>4",
        "urgency:3..1",
        "urgency:>1..3",
        "since:lately",
        "is:slow",
        "late:sleep",
        "due:sometime",
        "document:12",
        'reason:""',
    ],
)
def test_each_token_that_cannot_be_read_is_named_with_what_is_wrong(bad: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(f"state:parked {bad} unit:LCA", now_ms=NOW, zone=ZONE)
    assert [problem.token for problem in caught.value.problems] == [bad]
    assert caught.value.problems[0].message


@pytest.mark.parametrize("text", ["is:overdue", "late:register", "late:1-3", "due:today"])
def test_the_log_knows_no_ways_of_standing(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text, now_ms=NOW, zone=ZONE, of_log=True)


@pytest.mark.parametrize(
    ("text", "duties"),
    [
        ("late:register", {Duty.REGISTER}),
        ("late:register late:send-again", {Duty.REGISTER, Duty.SEND_AGAIN}),
        ('cham:"đăng ký vào sổ"', {Duty.REGISTER}),
        ("tre:giai-quyet", {Duty.PROCESS}),
    ],
)
def test_what_is_late_is_asked_for_by_what_it_is_late_with(text: str, duties: set[Duty]) -> None:
    assert read(text).late == duties


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("late:0-1", (0, 1)),
        ("cham:3-7", (3, 7)),
        ("late:30-", (30, None)),
        ('tre:"từ 1 đến 3 ngày"', (1, 3)),
        ("late:1-3 late:0-1 late:register", (1, 1)),
    ],
)
def test_what_is_late_is_asked_for_by_its_days(text: str, days: tuple[int, int | None]) -> None:
    found, (least, most) = read(text), days
    assert found.late_by == NOW - least * 86_400_000
    assert found.late_from == (None if most is None else NOW - most * 86_400_000)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("due:2d", NOW + 2 * 86_400_000),
        ("due:hôm-nay", to_ms(datetime(2026, 11, 22, 23, 59, 59, 999_999, ZONE))),
        ("due:tomorrow", to_ms(datetime(2026, 11, 23, 23, 59, 59, 999_999, ZONE))),
        ("han:30/11/2026", to_ms(datetime(2026, 11, 30, 23, 59, 59, 999_999, ZONE))),
        ("due:2026-11-30T17:00", to_ms(datetime(2026, 11, 30, 17, tzinfo=ZONE))),
        ("due:7d due:2d", NOW + 2 * 86_400_000),
    ],
)
def test_a_term_lies_ahead_and_a_day_is_meant_to_its_end(text: str, moment: int) -> None:
    assert read(text).late_by == moment


def test_a_filter_without_end_is_refused() -> None:
    with pytest.raises(FilterError):
        parse("a " * 31, now_ms=NOW, zone=ZONE)


def test_a_character_that_no_database_keeps_is_told() -> None:
    for text in ("text:a\0b", "text:\ud800"):
        with pytest.raises(FilterError, match="no database keeps"):
            read(text)


def test_a_token_can_be_taken_out_of_the_text() -> None:
    parsed = parse('unit:LCA.02 text:"a b" since:2h', now_ms=NOW, zone=ZONE)
    assert parsed.without('text:"a b"') == "unit:LCA.02 since:2h"


@given(st.text(max_size=200))
def test_no_text_is_read_in_another_way_than_with_a_filter_or_its_problems(text: str) -> None:
    with suppress(FilterError):
        parsed = parse(text, now_ms=NOW, zone=ZONE)
        assert parse(" ".join(parsed.tokens), now_ms=NOW, zone=ZONE).wanted == parsed.wanted


KEPT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # what PostgreSQL keeps


@given(st.text(KEPT, min_size=1, max_size=100).filter(lambda text: text.strip() == text))
def test_a_reason_becomes_a_token_and_comes_back_the_same(reason: str) -> None:
    assert read(token("reason", reason)).reason == reason
