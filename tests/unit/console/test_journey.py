"""A delivery's journey: one line of steps, and what is said of where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ledger.queries import AttemptRow, DeliveryDetail, DeliveryRow, Flag, OutageRow, ReceiptRow
from router.ledger.queries.deliveries import pause_reason
from router.rules.outages import ToldBy
from router.words.journey import Sort, journey_of, travels_until
from router.words.terms import FLAGS, STATES
from router.words.verdict import verdict_of
from schemas.states import UNDELIVERED, Effect, Status


def row(state: Status = Status.QUEUED, **fields: object) -> DeliveryRow:
    values: dict[str, object] = dict.fromkeys(DeliveryRow.__dataclass_fields__, "")
    values |= {"state": state, "state_at": 0, "created_at": 0, "next_due_at": 90, "link": "dialup", "failures": 0}
    return DeliveryRow(**(values | {"line_down_since": None, "bytes_held": None} | fields))  # type: ignore[arg-type]


def receipt(at: int, status: Status, effect: Effect = Effect.ADVANCE) -> ReceiptRow:
    return ReceiptRow(at, str(at), status, effect, at, "", "", "", "", "", None, 0, "")


def outage(began: int, ended: int | None) -> OutageRow:
    return OutageRow("A", "", began, ended, ToldBy.GATEWAY)


def test_everything_that_happened_stands_in_one_line_in_its_order() -> None:
    receipts = (receipt(20, Status.QUEUED), receipt(50, Status.QUEUED, Effect.STALE), receipt(60, Status.TAKEN))
    detail = DeliveryDetail(row(), receipts, (AttemptRow(10, "lost", ""),))
    steps = journey_of(detail, [outage(30, 35), outage(40, 45), outage(70, None)])
    assert [(step.at, step.sort) for step in steps] == [
        (0, Sort.ACCEPTED),
        (10, Sort.ATTEMPT),
        (20, Sort.RECEIPT),
        (30, Sort.OUTAGE),
        (50, Sort.PUBLISHED),
        (60, Sort.RECEIPT),
        (70, Sort.OUTAGE),
    ]
    assert [len(step.outages) for step in steps if step.outages] == [2, 1]
    assert (steps[3].down_until, steps[-1].down_until) == (45, None)


TIMES = st.integers(1, 1000)


@given(st.lists(TIMES), st.lists(TIMES), st.lists(TIMES))
def test_no_step_is_lost_and_times_never_go_back(told: list[int], tried: list[int], down: list[int]) -> None:
    detail = DeliveryDetail(
        row(), tuple(receipt(at, Status.TAKEN) for at in told), tuple(AttemptRow(at, "lost", "") for at in tried)
    )
    steps = journey_of(detail, [outage(at, at + 1) for at in down])
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert sum(len(step.outages) or 1 for step in steps) == 1 + len(told) + len(tried) + len(down)


def test_the_line_concerns_a_delivery_until_it_has_arrived() -> None:
    coming = DeliveryDetail(row(), (receipt(20, Status.QUEUED),), ())
    assert travels_until(coming, 500) == 500
    there = DeliveryDetail(row(Status.REGISTERED), (receipt(20, Status.ARRIVED), receipt(90, Status.REGISTERED)), ())
    assert travels_until(there, 500) == 20


@pytest.mark.parametrize(
    ("delivery", "word", "at", "advice"),
    [
        (row(), "sent again by itself if", 90, STATES[Status.QUEUED].advice),
        (row(line_down_since=7), "when the line is back", 7, FLAGS[Flag.LINE_DOWN].advice),
        (row(link="none", next_due_at=None), "has a line", None, FLAGS[Flag.NO_LINE].advice),
        (row(Status.PENDING, failures=2), "did not take it", 90, FLAGS[Flag.NOT_CONFIRMED].advice),
        (row(next_due_at=None), "while its unit is paused", None, STATES[Status.QUEUED].advice),
        (
            row(Status.PENDING, next_due_at=None, reason=pause_reason("hoa", 1, "it moves"), reason_code="paused"),
            "opened again",
            None,
            FLAGS[Flag.PAUSED].advice,
        ),
        (row(Status.PARKED, line_down_since=7), "waits for somebody", None, STATES[Status.PARKED].advice),
        (row(Status.ARRIVED), "people act", None, STATES[Status.ARRIVED].advice),
        (row(Status.COMPLETED), "Nothing more", None, STATES[Status.COMPLETED].advice),
    ],
)
def test_what_comes_next_and_what_can_be_done_follow_from_where_it_stands(
    delivery: DeliveryRow, word: str, at: int | None, advice: str
) -> None:
    verdict = verdict_of(delivery)
    assert word in verdict.next
    assert (verdict.at, verdict.advice) == (at, advice)


@pytest.mark.parametrize("state", Status)
def test_a_damaged_copy_of_the_routers_is_blamed_as_long_as_the_delivery_waits_for_it(state: Status) -> None:
    sound, damaged = verdict_of(row(state)), verdict_of(row(state), damaged=True)
    assert ("router's own copy" in damaged.advice) == (state in UNDELIVERED | {Status.PARKED})
    assert (damaged.next, damaged.at) == (sound.next, sound.at)


@pytest.mark.parametrize("state", Status)
def test_of_every_state_something_is_said(state: Status) -> None:
    verdict = verdict_of(row(state))
    assert verdict.next
    assert verdict.advice
    assert (verdict.at is not None) == (state in UNDELIVERED)
