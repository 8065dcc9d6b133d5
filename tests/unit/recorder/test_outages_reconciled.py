"""What a gateway reports of its outages and what the router noticed become one list."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router.rules.outages import LineState, Outage, OutageChanges, ToldBy, settled_skew, up_since
from router.rules.outages import reconcile as reconcile_within

HEARD = 1_000_000


def reconcile(known: Sequence[Outage], reported: Sequence[Outage], *, heard_at: int) -> OutageChanges:
    """With all the patience that there is."""
    return reconcile_within(known, reported, heard_at=heard_at, patience=HEARD)


def silence(began: int, ended: int | None, key: int) -> Outage:
    return Outage(began, ended, ToldBy.SILENCE, None, key)


def told(began: int, ended: int) -> Outage:
    return Outage(began, ended, ToldBy.GATEWAY, began + 7)


def applied(known: Sequence[Outage], changes: OutageChanges) -> list[Outage]:
    """The ledger's rows after the changes, as a database would have them."""
    rows = {item.key: item for item in known}
    rows |= {item.key: item for item in changes.changed}
    for key in changes.removed:
        del rows[key]
    fresh = max([0, *(key for key in rows if key is not None)]) + 1
    rows |= {fresh + index: replace(item, key=fresh + index) for index, item in enumerate(changes.added)}
    return sorted(rows.values(), key=lambda item: item.began_at)


def content(rows: Sequence[Outage]) -> set[tuple[int, int | None, str]]:
    return {(item.began_at, item.ended_at, item.told_by.value) for item in rows}


@st.composite
def apart(draw: st.DrawFn, *, most: int = 6) -> list[tuple[int, int]]:
    """Spans in their order, a gap between each two."""
    edges = draw(st.lists(st.integers(1, HEARD), min_size=0, max_size=2 * most, unique=True).map(sorted))
    return list(zip(edges[::2], edges[1::2], strict=False))


silences = apart().map(lambda spans: [silence(*span, key) for key, span in enumerate(spans, 1)])
reports = apart().map(lambda spans: [told(*span) for span in spans])


def test_a_silence_gets_the_gateways_times_and_stays_one_outage() -> None:
    known = [silence(100, None, 1)]
    rows = applied(known, reconcile(known, [told(130, 900)], heard_at=1000))
    assert [(item.key, item.began_at, item.ended_at, item.told_by) for item in rows] == [(1, 130, 900, "gateway")]


def test_a_gateway_that_slept_through_most_of_a_silence_does_not_shorten_it() -> None:
    known = [silence(100, None, 1)]
    for began, then in ((400, 400), (401, 100)):
        rows = applied(known, reconcile_within(known, [told(began, 900)], heard_at=950, patience=300))
        assert [(item.began_at, item.ended_at, item.told_by) for item in rows] == [(then, 900, "gateway")]


def test_an_outage_that_nobody_noticed_is_added() -> None:
    assert reconcile([], [told(10, 20)], heard_at=100).added == [told(10, 20)]


def test_a_silence_that_no_gateway_explains_ends_with_the_first_sign() -> None:
    known = [silence(100, None, 1)]
    assert applied(known, reconcile(known, [], heard_at=700)) == [silence(100, 700, 1)]


def test_one_long_silence_may_turn_out_to_be_several_outages() -> None:
    known = [silence(100, None, 1)]
    rows = applied(known, reconcile(known, [told(400, 500), told(110, 200)], heard_at=600))
    assert content(rows) == {(110, 200, "gateway"), (400, 500, "gateway")}


def test_one_long_outage_takes_the_place_of_every_silence_within_it() -> None:
    known = [silence(100, 200, 1), silence(300, None, 2)]
    rows = applied(known, reconcile(known, [told(90, 500)], heard_at=600))
    assert content(rows) == {(90, 500, "gateway")}


@given(silences, reports)
def test_every_report_is_there_once_with_its_own_times(known: list[Outage], reported: list[Outage]) -> None:
    rows = applied(known, reconcile(known, reported, heard_at=HEARD))
    assert [(item.began_at, item.ended_at) for item in rows if item.told_by is ToldBy.GATEWAY] == [
        (item.began_at, item.ended_at) for item in reported
    ]


@given(silences, reports)
def test_no_silence_is_left_that_a_report_explains_and_no_other_is_lost(
    known: list[Outage], reported: list[Outage]
) -> None:
    rows = applied(known, reconcile(known, reported, heard_at=HEARD))
    spans = [(one.began_at, one.ended_at or HEARD) for one in reported]
    unexplained = [
        item
        for item in known
        if not any(began <= (item.ended_at or HEARD) and item.began_at <= ended for began, ended in spans)
    ]
    assert [item for item in rows if item.told_by is ToldBy.SILENCE] == unexplained


@given(silences, reports)
def test_a_report_that_comes_twice_changes_nothing_the_second_time(known: list[Outage], reported: list[Outage]) -> None:
    rows = applied(known, reconcile(known, reported, heard_at=HEARD))
    assert reconcile(rows, reported, heard_at=HEARD) == OutageChanges()


@given(silences, reports, st.integers(0, 12))
def test_it_does_not_matter_in_which_messages_the_reports_come(
    known: list[Outage], reported: list[Outage], split: int
) -> None:
    rows = known
    for part in (reported[split:], reported[:split]):
        rows = applied(rows, reconcile(rows, part, heard_at=HEARD))
    at_once = applied(known, reconcile(known, reported, heard_at=HEARD))
    gateways = [{row for row in content(found) if row[2] == "gateway"} for found in (rows, at_once)]
    assert gateways[0] == gateways[1]


@given(silences, reports)
def test_nothing_is_open_after_a_sign_of_life(known: list[Outage], reported: list[Outage]) -> None:
    if known:
        known[-1] = replace(known[-1], ended_at=None)
    rows = applied(known, reconcile(known, reported, heard_at=HEARD))
    assert all(item.ended_at is not None for item in rows)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**7), min_size=1, max_size=30))
def test_messages_that_waited_on_their_way_never_make_the_skew_too_large(skew: int, delays: list[int]) -> None:
    settled = None
    for number, delay in enumerate(delays):
        settled = settled_skew(settled, skew - delay, in_step=number % 2 == 0)
    assert settled is not None
    assert settled <= skew
    assert settled_skew(settled, skew, in_step=False) == skew, "one that did not wait is believed at once"


def test_a_clock_that_was_set_back_is_followed_within_some_reports() -> None:
    settled = 3_600_000
    for _ in range(12):
        settled = settled_skew(settled, 0, in_step=True)
    assert settled < 1000


def test_a_line_is_up_since_its_last_outage_ended_or_since_the_first_sign() -> None:
    ended = [told(100, 200)]
    assert up_since(None, 0, reported=[], now=900) == 900
    assert up_since(None, 0, reported=ended, now=900) == 200
    assert up_since(LineState.UP, 50, reported=ended, now=900) == 200
    assert up_since(LineState.UP, 300, reported=ended, now=900) == 300
    assert up_since(LineState.DOWN, 90, reported=ended, now=900) == 200
    assert up_since(LineState.DOWN, 500, reported=ended, now=900) == 900
