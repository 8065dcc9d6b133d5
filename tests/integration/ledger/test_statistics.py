"""Statistics say what the receipts say: of a month, by unit, urgency and month, of what the scope sees."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from router.ledger.engine import reading, writing
from router.ledger.models import delivery, receipt
from router.ledger.queries import monthly
from router.ledger.queries.percentiles import percentiles_of, ranked, read
from router.ledger.queries.statistics import Measured, MeasuredStage, Period, Spread, measure, measure_spans
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import iso
from schemas.ids import new_id
from schemas.months import Month
from schemas.states import Effect, Status
from support.ledgers import START, Clerk, unit

ZONE = "Asia/Ho_Chi_Minh"
UNITS = [unit(code) for code in ("A", "A.01", "A.01.02", "A.02", "B")]
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def tell(clerk: Clerk, key: str, code: str, status: Status, at: int) -> None:
    entry = NewReceipt(new_id(), clerk.deliveries[key, code], status, iso(at), at)
    apply(clerk.conn, [entry], Silence())


def whole_of(conn: Connection, scope: Scope = EVERYTHING, *, now_ms: int) -> Measured:
    """The figures of all times."""
    return measure_spans(conn, scope, "", [0, 2**53], now_ms=now_ms)[0]


def story(conn: Connection) -> Clerk:
    """An urgent dispatch to all with a deadline in two days, and one to A and its children a month before."""
    clerk = Clerk(conn)
    before = clerk.dispatch("A", UNITS[:4])
    tell(clerk, before, "A", Status.ARRIVED, clerk.now + MINUTE)
    clerk.now += 31 * DAY
    key = clerk.dispatch("B", UNITS, urgency=3, due=iso(clerk.now + 2 * DAY))
    for number, item in enumerate(UNITS[:4]):
        tell(clerk, key, item.code, Status.ARRIVED, clerk.now + (number + 1) * MINUTE)
    tell(clerk, key, "A.01", Status.REGISTERED, clerk.now + HOUR)
    tell(clerk, key, "A.01", Status.COMPLETED, clerk.now + DAY)
    tell(clerk, key, "A.02", Status.REGISTERED, clerk.now + HOUR)
    tell(clerk, key, "A.02", Status.COMPLETED, clerk.now + 3 * DAY)
    return clerk


def test_a_month_is_counted_by_unit_urgency_and_month(ledger: Engine) -> None:
    with writing(ledger) as conn:
        now = story(conn).now
        found = monthly(conn, EVERYTHING, Month.at(now, ZONE), head="", timezone=ZONE, now_ms=now + 5 * DAY)
    whole = found.whole
    assert whole == Measured(
        accepted=5,
        stages={
            MeasuredStage.ARRIVED: Spread(4, 2 * MINUTE, 4 * MINUTE, 4 * MINUTE),
            MeasuredStage.REGISTERED: Spread(2, HOUR, HOUR, HOUR),
            MeasuredStage.COMPLETED: Spread(2, DAY, 3 * DAY, 3 * DAY),
        },
        due=5,
        in_time=1,
        to_register=4,
        registered_in_time=0,
    )
    assert found.breakdown.by_urgency == {3: whole}
    assert {step: item.accepted for step, item in found.breakdown.by_step.items()} == {"A": 4, "B": 1}
    assert found.trend[-1] == (found.month, whole)
    assert found.before.accepted == 4
    assert found.before.stages[MeasuredStage.ARRIVED] == Spread(1, MINUTE, MINUTE, MINUTE)
    assert sum(map(sum, found.heat)) == 5


def test_below_a_unit_its_children_are_told_apart_and_nothing_else_is_counted(ledger: Engine) -> None:
    with writing(ledger) as conn:
        now = story(conn).now
        found = measure(conn, EVERYTHING, Period(now - DAY, now + DAY, "A"), now_ms=now)
    assert {step: item.accepted for step, item in found.by_step.items()} == {"": 1, "01": 2, "02": 1}
    assert sum(item.accepted for item in found.by_urgency.values()) == 4


def test_a_deadline_counts_when_it_has_passed_or_was_kept_and_not_after_a_recall(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = story(conn)
        early = whole_of(conn, now_ms=clerk.now)
        assert (early.due, early.in_time) == (1, 1)
        key = next(key for key, code in clerk.deliveries if code == "B")
        clerk.tell(key, "B", Status.RECALLED)
        late = whole_of(conn, now_ms=clerk.now + 5 * DAY)
        assert (late.due, late.in_time) == (4, 1)


def test_a_registration_counts_once_against_the_term_of_its_arrival(ledger: Engine) -> None:
    """In time, or not; a refusal deals with it, too; what is given back unregistered had no need to be."""
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("B", UNITS)
        arrived = clerk.now
        for item in UNITS:
            tell(clerk, key, item.code, Status.ARRIVED, arrived)
        term = conn.scalars(select(delivery.c.register_by).where(delivery.c.unit == "A")).one()
        assert term is not None
        tell(clerk, key, "A", Status.REGISTERED, term)
        tell(clerk, key, "A", Status.COMPLETED, term + 1)
        tell(clerk, key, "A.01", Status.REGISTERED, term + 1)
        tell(clerk, key, "A.02", Status.REFUSED, term - 1)
        before = whole_of(conn, now_ms=term)
        assert (before.to_register, before.registered_in_time) == (3, 2)
        tell(clerk, key, "B", Status.TAKE_BACK_REQUESTED, term + 1)
        after = whole_of(conn, now_ms=term + 2)
        assert (after.to_register, after.registered_in_time, after.registered_late) == (4, 2, 2)
        tell(clerk, key, "B", Status.CHANGE_REFUSED, term + 3)
        assert whole_of(conn, now_ms=term + 4).to_register == 5
        for code in ("A", "A.01"):
            tell(clerk, key, code, Status.REGISTERED, term + 5)  # again: the first one counts
        assert whole_of(conn, now_ms=term + 6).registered_in_time == 2


@pytest.mark.parametrize(("scope", "seen"), [(Scope(units=("A.01.#",)), 4), (Scope(issuers=("A",)), 4), (Scope(), 0)])
def test_statistics_stay_within_the_scope(ledger: Engine, scope: Scope, seen: int) -> None:
    with writing(ledger) as conn:
        now = story(conn).now
        assert whole_of(conn, scope, now_ms=now).accepted == seen
        steps = measure(conn, scope, Period(0, 2**53), now_ms=now).by_step
        assert sum(item.accepted for item in steps.values()) == seen
        found = monthly(conn, scope, Month.at(now, ZONE), head="", timezone=ZONE, now_ms=now)
        assert sum(item.accepted for _, item in found.trend) == seen


def test_an_empty_month_has_no_lengths(ledger: Engine) -> None:
    with reading(ledger) as conn:
        found = monthly(conn, EVERYTHING, Month(2026, 1), head="A", timezone=ZONE, now_ms=START)
    assert found.whole == Measured(0, dict.fromkeys(MeasuredStage, Spread()), 0, 0)
    assert {item.accepted for _, item in found.trend} == {0}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(0, 10**9), max_size=60))
def test_both_databases_give_the_percentiles_of_the_nearest_rank(ledger: Engine, values: Sequence[int]) -> None:
    with ledger.connect() as conn:
        clerk = Clerk(conn)
        codes = [unit(f"A{number}") for number in range(len(values))]
        if codes:
            key = clerk.dispatch("A", codes)
            for item, value in zip(codes, values, strict=True):
                tell(clerk, key, item.code, Status.ARRIVED, clerk.now + value)
        length = delivery.c.arrived_at - delivery.c.created_at
        found = read(conn.scalar(select(percentiles_of(conn, length))))
        conn.rollback()
    assert list(found) == ranked(values)


STEPS = st.lists(st.tuples(st.sampled_from(UNITS), st.sampled_from(Status)), max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_a_delivery_notes_of_its_stages_is_what_its_receipts_say(ledger: Engine, steps: Sequence[tuple]) -> None:  # type: ignore[type-arg]
    with ledger.connect() as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("A", UNITS)
        for item, status in steps:
            if status is not Status.PENDING:
                clerk.tell(key, item.code, status)
        noted = {row.id: row for row in conn.execute(select(delivery))}
        for stage, said in _first_receipts(conn).items():
            assert {key: at for key, row in noted.items() if (at := getattr(row, f"{stage}_at")) is not None} == said
        conn.rollback()


def _first_receipts(conn: Connection) -> Mapping[MeasuredStage, dict[str, int]]:
    advanced = receipt.c.effect == Effect.ADVANCE.value
    first = select(receipt.c.status, receipt.c.delivery_id, func.min(receipt.c.recorded_at)).where(advanced)
    found: dict[MeasuredStage, dict[str, int]] = {stage: {} for stage in MeasuredStage}
    for status, key, at in conn.execute(first.group_by(receipt.c.status, receipt.c.delivery_id)):
        if status in set(MeasuredStage):
            found[MeasuredStage(status)][key] = at
    return found
