"""Who is late: each late delivery counts once, at the unit whose turn it is, for what is late with it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from router.ledger.engine import writing
from router.ledger.models import delivery
from router.ledger.queries import (
    Filter,
    Flag,
    LateFor,
    WantedLate,
    find_deliveries,
    late_steps,
    late_totals,
    late_units,
    overview,
)
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from schemas.clock import iso
from schemas.dispatch import Urgency
from schemas.duties import Course, Duty, owed
from schemas.line import LineReport
from schemas.office import office_terms
from schemas.states import Status
from support.ledgers import START, Clerk, unit

S = Status
DAY = 86_400_000
UNITS = [unit(code) for code in ("A", "A.01", "A.01.02", "A.02", "B")]
NOW = START + 10 * DAY


@pytest.fixture
def conn(ledger: Engine) -> Iterator[Connection]:
    with writing(ledger) as opened:
        yield opened


@pytest.fixture
def clerk(conn: Connection) -> Clerk:
    """Ten days ago all got a letter that asks for an answer in four days, and an hour before now one without."""
    made = Clerk(conn)
    made.units(*(item.model_copy(update={"note": "0214 3840 000"} if item.code == "A.01" else {}) for item in UNITS))
    key = made.dispatch("B", UNITS, due=iso(START + 4 * DAY))
    made.tell(key, "A", S.ARRIVED, S.REGISTERED, S.COMPLETED)
    made.tell(key, "A.01", S.ARRIVED)
    made.tell(key, "A.01.02", S.ARRIVED, S.REGISTERED, S.PROCESSING)
    made.tell(key, "A.02", S.PARKED, reason="x")
    made.now = NOW - 3_600_000
    late = made.dispatch("A.01", UNITS)
    for item in UNITS:
        made.tell(late, item.code, S.ARRIVED)
    return made


@pytest.mark.usefixtures("clerk")
def test_each_is_counted_by_what_it_is_late_with_and_for_how_long(conn: Connection) -> None:
    totals = late_totals(conn, EVERYTHING, "", now_ms=NOW)
    assert totals.cells == {
        (Duty.REGISTER, LateFor.MONTH): 1,
        (Duty.PROCESS, LateFor.WEEK): 1,
        (Duty.SEND_AGAIN, LateFor.MONTH): 1,
        (Duty.ANSWER, LateFor.WEEK): 1,  # on its way to B all the time: what is late is the answer alone
    }
    assert (totals.total, totals.of([Duty.ANSWER]), totals.of(ages=[LateFor.MONTH])) == (4, 1, 2)
    steps = late_steps(conn, EVERYTHING, WantedLate(), now_ms=NOW)
    assert {step: count for step, (count, _) in steps.items()} == {"A": 3, "B": 1}
    assert overview(conn, EVERYTHING, now_ms=NOW).late == 4


@pytest.mark.usefixtures("clerk")
def test_below_a_unit_only_what_is_chosen_is_shown_by_step(conn: Connection) -> None:
    wanted = WantedLate("A", Duty.REGISTER)
    assert late_totals(conn, EVERYTHING, "A", now_ms=NOW).total == 3
    assert {step: count for step, (count, _) in late_steps(conn, EVERYTHING, wanted, now_ms=NOW).items()} == {"01": 1}
    (found,) = late_units(conn, EVERYTHING, wanted, now_ms=NOW)
    assert (found.code, found.counts) == ("A.01", {Duty.REGISTER: 1})
    assert late_units(conn, EVERYTHING, WantedLate("A", age=LateFor.DAY), now_ms=NOW) == []


@pytest.mark.usefixtures("clerk")
def test_a_unit_has_who_can_be_asked_and_how_that_one_is_reached(conn: Connection) -> None:
    presence.note_report(conn, ["A.01"], Report(LineReport(every=60), START, START))
    presence.note_silent(conn, Listening(NOW, 0))
    found = {item.code: item for item in late_units(conn, EVERYTHING, WantedLate(), now_ms=NOW)}
    assert list(found) == ["A.01", "A.01.02", "A.02", "B"]
    below = found["A.01.02"]
    assert (below.parent, below.parent_note, below.parent_link) == ("A.01", "0214 3840 000", "lan")
    assert below.parent_silent_since == found["A.01"].silent_since is not None
    assert (found["B"].parent, found["B"].silent_since) == ("", None)


@pytest.mark.usefixtures("clerk")
def test_pages_follow_each_other_and_leave_nothing_out(conn: Connection) -> None:
    codes: list[str] = []
    while page := late_units(conn, EVERYTHING, WantedLate(), now_ms=NOW, after=codes[-1] if codes else "", limit=3):
        codes += [item.code for item in page]
    assert codes == ["A.01", "A.01.02", "A.02", "B"]


@pytest.mark.parametrize(
    ("scope", "codes"),
    [
        (Scope(units=("A.01.#",)), ["A.01", "A.01.02"]),
        (Scope(units=("A.02",)), ["A.02"]),
        (Scope(issuers=("B",)), ["A.01", "A.01.02", "A.02", "B"]),
        (Scope(issuers=("A.01",)), []),
        (Scope(), []),
    ],
)
@pytest.mark.usefixtures("clerk")
def test_nothing_outside_the_scope_is_counted_named_or_asked(conn: Connection, scope: Scope, codes: list[str]) -> None:
    found = late_units(conn, scope, WantedLate(), now_ms=NOW)
    assert [item.code for item in found] == codes
    assert late_totals(conn, scope, "", now_ms=NOW).total == len(codes)
    inside = [item.parent for item in found if item.parent]
    assert inside == (["A.01"] if scope.units == ("A.01.#",) else [])


COURSES = st.tuples(
    st.sampled_from([(), (S.ARRIVED,), (S.ARRIVED, S.REGISTERED), (S.PARKED,), (S.ARRIVED, S.COMPLETED)]),
    st.sampled_from([0, 1, 3]),
    st.none() | st.integers(-3, 15),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(courses=st.lists(COURSES, max_size=8), later=st.integers(0, 40))
def test_lists_counts_and_the_filter_find_what_the_rules_call_late(
    ledger: Engine, courses: list[tuple[tuple[Status, ...], int, int | None]], later: int
) -> None:
    now, terms = START + later * DAY, office_terms()
    with ledger.connect() as conn, conn.begin() as transaction:
        clerk = Clerk(conn)
        for states, urgency, due in courses:
            fields = {} if due is None else {"due": iso(START + due * DAY)}
            clerk.tell(clerk.dispatch("B", UNITS[:1], urgency=urgency, **fields), "A", *states)
        expected: dict[str, Duty] = {}
        for row in conn.execute(select(delivery)):
            course = Course(Status(row.state), row.state_at, Urgency(row.urgency), row.due_at)
            late = [item.duty for item in owed(course, terms) if item.late(now)]
            if late:
                expected[row.id] = late[0]
        found = find_deliveries(conn, EVERYTHING, Filter(flags=frozenset({Flag.LATE})), now_ms=now)
        assert {row.id for row in found} == set(expected)
        assert all(any(item.late(now) for item in row.owed) for row in found)
        totals = late_totals(conn, EVERYTHING, "", now_ms=now)
        for duty in Duty:
            of_duty = {row.id for row in find_deliveries(conn, EVERYTHING, Filter(late=frozenset({duty})), now_ms=now)}
            assert of_duty == {key for key, late in expected.items() if late is duty}
            assert totals.of([duty]) == len(of_duty)
        transaction.rollback()
