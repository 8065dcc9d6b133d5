"""Which bytes a request wants, as RFC 9110 has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.api.ranges import ByteRange, UnsatisfiableError, not_modified, wanted

ETAG = '"abc"'


def read(text: str, *, size: int = 100, if_range: str = ETAG) -> list[str]:
    return [str(item) for item in wanted({"range": text, "if-range": if_range}, etag=ETAG, size=size)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-", ["0-99"]),
        ("bytes=10-", ["10-99"]),
        ("bytes=0-0", ["0-0"]),
        ("bytes=10-19", ["10-19"]),
        ("bytes=90-1000", ["90-99"]),
        ("bytes=-5", ["95-99"]),
        ("bytes=-1000", ["0-99"]),
        ("BYTES = 1-2", ["1-2"]),
        ("bytes=0-1,5-6", ["0-1", "5-6"]),
        ("bytes=5-6, 0-1", ["0-1", "5-6"]),
        ("bytes=0-10,5-20,21-30", ["0-30"]),
        ("bytes=0-1,200-", ["0-1"]),
        ("bytes=0-1,,2-5,", ["0-5"]),
    ],
)
def test_a_range_is_answered_with_the_bytes_it_names(text: str, expected: list[str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=1-2-3", "bytes=+1-2"),
        *("items=0-5", "bytes=0-1,x", "bytes=\u0661-\u0662", f"bytes={'9' * 30}-"),
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 60, 2)),
    ],
)
def test_what_is_no_range_is_ignored_and_the_whole_is_sent(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=-0", "bytes=100-200,300-"])
def test_ranges_behind_the_end_cannot_be_satisfied(text: str) -> None:
    with pytest.raises(UnsatisfiableError):
        read(text)


def test_an_empty_content_is_always_sent_whole() -> None:
    assert read("bytes=0-", size=0) == []


def test_a_range_holds_only_for_the_content_it_was_begun_with() -> None:
    assert read("bytes=5-", if_range=ETAG) == ["5-99"]
    for other in ('"other"', 'W/"abc"', "abc", "Sun, 22 Nov 2026 13:00:00 GMT"):
        assert read("bytes=5-", if_range=other) == []


@pytest.mark.parametrize(
    ("header", "known"),
    [(ETAG, True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True), ('"x"', False), ("", False)],
)
def test_a_caller_that_has_the_content_is_told_so(header: str, known: bool) -> None:  # noqa: FBT001 - a table's column
    assert not_modified({"if-none-match": header}, ETAG) is known


spans = st.tuples(st.integers(0, 120), st.integers(0, 120)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(spans, min_size=1, max_size=10), st.integers(1, 100))
def test_the_ranges_sent_are_exactly_the_bytes_asked_for_each_once(asked: list[tuple[int, int]], size: int) -> None:
    expected = {byte for first, last in asked for byte in range(first, last + 1) if byte < size}
    text = "bytes=" + ",".join(f"{first}-{last}" for first, last in asked)
    try:
        found = wanted({"range": text}, etag=ETAG, size=size)
    except UnsatisfiableError:
        assert expected == set()
        return
    sent = [byte for item in found for byte in range(item.first, item.last + 1)]
    assert sent == sorted(expected)


def test_a_range_knows_its_text() -> None:
    assert str(ByteRange(3, 7)) == "3-7"
