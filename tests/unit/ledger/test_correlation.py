"""Lines that go down together are told as one, and chance is not."""

from hypothesis import given
from hypothesis import strategies as st

from router.rules.correlation import FEWEST, SHORTEST_MS, WITHIN_MS, Down, Together, correlate, heads_of

HOUR = 3_600_000
DISTRICT = [f"A.02.{number:02}" for number in range(17)]


def lines_of(codes: list[str]) -> dict[str, int]:
    heads = {code[: len(code) - 3 * up] for code in codes for up in range(3) if len(code) > 3 * up}
    return {head: sum(code == head or code.startswith(f"{head}.") for code in codes) for head in heads}


def test_seventeen_units_of_a_district_within_a_minute_are_one_cause() -> None:
    outages = [Down(code, HOUR + number * 3000, HOUR * 2 + number) for number, code in enumerate(DISTRICT)]
    other = Down("A.03.01", HOUR, 2 * HOUR)
    found = correlate([*outages, other], {"A": 60, "A.02": 20})
    assert found == [Together("A.02", tuple(DISTRICT), 20, HOUR, 2 * HOUR + 16)]


def test_a_cause_that_lasts_has_no_end() -> None:
    (found,) = correlate([Down(code, 0, None if code == DISTRICT[3] else HOUR) for code in DISTRICT], {"A.02": 17})
    assert found.ended_at is None


def test_when_the_whole_province_goes_it_is_told_once_and_of_the_province() -> None:
    codes = [*DISTRICT, *(code.replace("A.02", "A.03") for code in DISTRICT)]
    (found,) = correlate([Down(code, 5, HOUR) for code in codes], lines_of(codes))
    assert (found.head, len(found.units)) == ("A", 34)


def test_the_head_is_the_lowest_unit_above_all_of_them() -> None:
    (found,) = correlate([Down(code, 5, HOUR) for code in DISTRICT], {"A": 20, "A.02": 17})
    assert (found.head, found.lines) == ("A.02", 17)


def test_the_ordinary_drops_of_dialup_lines_are_no_cause_however_many_begin_together() -> None:
    assert correlate([Down(code, 0, SHORTEST_MS - 1) for code in DISTRICT], {"A.02": 17}) == []


def test_few_of_many_lines_are_no_cause() -> None:
    assert correlate([Down(code, 0, HOUR) for code in DISTRICT[:8]], {"A.02": 17}) == []
    assert correlate([Down(code, 0, HOUR) for code in DISTRICT[:2]], {"A.02": 2}) == []


def test_one_that_went_a_little_earlier_does_not_tear_the_others_apart() -> None:
    early = Down(DISTRICT[0], 0, HOUR)
    rest = [Down(code, 40_000 + number * 3000, HOUR) for number, code in enumerate(DISTRICT[1:])]
    (found,) = correlate([early, *rest], {"A.02": 17})
    assert found.units == tuple(DISTRICT[1:])


UNIT = st.sampled_from([*DISTRICT, "A", "A.03", "B.01"])
OUTAGE = st.builds(lambda unit, began, lasted: Down(unit, began, began + lasted), UNIT, *(st.integers(0, HOUR),) * 2)


@given(st.lists(OUTAGE, max_size=60))
def test_every_group_holds_what_is_said_of_it_and_no_outage_is_in_two(outages: list[Down]) -> None:
    lines = dict.fromkeys(heads_of(outages), 4)
    seen: set[Down] = set()
    for group in correlate(outages, lines):
        ended = group.ended_at
        assert ended is not None
        members = {
            item
            for item in outages
            if item.unit in group.units and group.began_at <= item.began_at <= group.began_at + WITHIN_MS
        }
        assert len(group.units) >= FEWEST
        assert all(code == group.head or code.startswith(f"{group.head}.") for code in group.units)
        assert any(item.ended_at == ended for item in members)
        first = {item for item in members if item.began_at == group.began_at}
        assert first - seen
        seen |= first
