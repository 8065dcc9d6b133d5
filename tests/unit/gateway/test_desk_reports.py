"""Reports of a time, counted from how documents have fared; holes in issuers' numbers."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from consumers.reading.reports import Fared, report
from consumers.reading.series import holes
from schemas.clock import to_ms
from schemas.dispatch import Urgency
from schemas.duties import Terms
from schemas.states import ENDED, Status
from schemas.working_calendar import WorkingCalendar

HERE = "Asia/Ho_Chi_Minh"
TERMS = Terms(WorkingCalendar(HERE))


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(HERE)))


MONDAY = at("2026-11-16T08:00")
NOW = at("2026-11-30T09:00")


def fared(**changed: Any) -> Fared:
    row = Fared(0, "công văn", "LCA.VP", Status.REGISTERED.value, MONDAY, MONDAY, MONDAY, "", None, None, "")
    return row._replace(**changed)


def test_registered_by_the_end_of_the_next_working_day_is_in_time_and_urgent_ones_are_at_once() -> None:
    rows = [
        fared(registered_at=at("2026-11-17T16:59")),
        fared(registered_at=at("2026-11-18T07:31")),
        fared(urgency=int(Urgency.URGENT), registered_at=at("2026-11-16T08:29")),
        fared(urgency=int(Urgency.URGENT), registered_at=at("2026-11-16T08:31")),
        fared(state=Status.ARRIVED.value, registered_at=None),
        fared(state=Status.ARRIVED.value, registered_at=None, taken_at=NOW),
    ]
    found = report(rows, TERMS, NOW)
    assert (found.came, found.registered, found.in_time, found.late) == (6, 4, 2, 2)
    assert (found.unregistered, found.overdue) == (2, 1)
    assert found.urgencies == {0: 4, 1: 2}


def test_what_was_given_to_a_department_is_counted_in_time_late_open_and_overdue() -> None:
    friday = at("2026-11-20T17:00")
    led = fared(lead="Văn phòng", directed_at=MONDAY, until=friday)
    rows = [
        led._replace(state=Status.COMPLETED.value, state_at=friday, answer="45-BC/ĐU"),
        led._replace(state=Status.COMPLETED.value, state_at=friday + 1),
        led._replace(state=Status.PROCESSING.value),
        led._replace(state=Status.ASSIGNED.value, until=None),
        led._replace(state=Status.REFUSED.value, lead=""),
    ]
    found = report(rows, TERMS, NOW)
    lead = found.leads["Văn phòng"]
    assert (lead.directed, lead.completed, lead.in_time, lead.late, lead.open, lead.overdue) == (4, 2, 1, 1, 2, 1)
    assert (found.completed, found.open, found.sent_back, found.answered) == (2, 2, 1, 1)
    assert list(found.leads) == ["Văn phòng"]


@given(st.sets(st.integers(1, 200), min_size=1))
def test_numbers_and_holes_together_are_all_from_the_lowest_to_the_highest(numbers: set[int]) -> None:
    def left_out() -> Iterator[int]:
        for first, last in holes(sorted(numbers)):
            yield from range(first, last + 1)

    found = list(left_out())
    assert numbers.isdisjoint(found)
    assert numbers.union(found) == set(range(min(numbers), max(numbers) + 1))


AT_THE_UNIT = [status for status in Status if status not in {Status.PENDING, Status.QUEUED, Status.REDRIVEN}]
REGISTERED = {Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING, Status.COMPLETED}
TIMES = st.integers(MONDAY, NOW)


@st.composite
def rows(draw: st.DrawFn) -> Fared:
    state = draw(st.sampled_from(AT_THE_UNIT))
    never = state in {Status.TAKEN, Status.ARRIVED}
    registered_at = TIMES if state in REGISTERED else st.none() if never else st.none() | TIMES
    lead = draw(st.sampled_from(["", "Văn phòng", "Công an xã"]))
    return fared(
        urgency=draw(st.sampled_from(Urgency)),
        type=draw(st.sampled_from(["công văn", "báo cáo"])),
        issuer=draw(st.sampled_from(["LCA.VP", "LCA.02", "LCA.BTC"])),
        state=state.value,
        state_at=draw(TIMES),
        taken_at=draw(TIMES),
        registered_at=draw(registered_at),
        lead=lead,
        until=draw(st.none() | TIMES) if lead else None,
    )


@given(st.lists(rows(), max_size=30))
def test_the_parts_of_every_figure_add_up_to_the_whole(came: list[Fared]) -> None:
    found = report(came, TERMS, NOW)
    assert found.came == len(came)
    for parts in (found.urgencies, found.types, found.issuers):
        assert parts.total() == found.came
    over = {*ENDED, Status.PARKED}
    never = sum(row.registered_at is None and row.state in over for row in came)
    assert found.registered + found.unregistered + never == found.came
    assert found.in_time + found.late == found.registered
    assert found.overdue <= found.unregistered
    assert sum(lead.directed for lead in found.leads.values()) == sum(bool(row.lead) for row in came)
    for lead in found.leads.values():
        assert lead.in_time + lead.late == lead.completed
        assert lead.completed + lead.open <= lead.directed
        assert lead.overdue <= lead.open
