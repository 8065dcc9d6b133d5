"""A unit's people act in an order, its receipts come in any: the delivery stands as it does at the unit in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import permutations
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from router.delivery.recorder import NotedSigns, _apply
from router.ledger import queries
from router.ledger.engine import writing
from router.ledger.models import delivery, dispatch
from router.ledger.scope import EVERYTHING
from router.ledger.way import recorded
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Recorded
from router.rules.schedule import Silence
from schemas.clock import iso
from schemas.ids import new_id
from schemas.states import Effect, Status, follow
from support.ledgers import SQLITE, Clerk, unit

S, E = Status, Effect
UNIT = unit("LCA.02")
WORDS = {S.REFUSED: "Gửi sai nơi nhận", S.ASSIGNED: "Chủ trì: Lê Thị Lan"}
ACTS = ["register", "refused", "assigned", "processing", "completed", "undo", "undo", "correct", "elsewhere"]


@dataclass(slots=True)
class Office:
    """The unit: what it did with one delivery, step by step, and what its gateway said of that."""

    delivery: str
    content: str
    now: int
    said: list[NewReceipt] = field(default_factory=list)
    steps: list[NewReceipt] = field(default_factory=list)
    """Those that stand."""
    _seq: int = 0
    _number: int = 0

    def say(self, status: Status, **fields: str | None) -> NewReceipt:
        self._seq += 1
        self.now += 1000
        told = NewReceipt(new_id(), self.delivery, status, iso(self.now), self.now, unit=UNIT.code, seq=self._seq)
        words = {"reason": f"{WORDS[status]} {self._seq}"} if status in WORDS else {}
        self.said.append(told._replace(content_sha256=self.content, **{**words, **fields}))  # type: ignore[arg-type]
        return self.said[-1]

    def act(self, name: str) -> None:
        """Do it if the unit's gateway allowed it."""
        if name == "elsewhere":
            self._seq += 1  # of another document
        elif name == "undo":
            self._undo()
        elif name == "correct":
            self._correct()
        elif follow(self.steps[-1].status, status := S("registered" if name == "register" else name)) == follow(
            S.TAKEN, S.ARRIVED
        ):
            self.steps.append(self.say(status, **self._numbered(status)))

    def _undo(self) -> None:
        if len(self.steps) > 1:
            wrong, before = self.steps.pop(), self.steps[-1]
            number = before.register_number
            self.say(before.status, undoes=wrong.id, reason="ghi nhầm", register_number=number)

    def _correct(self) -> None:
        for place, wrong in enumerate(self.steps):
            if wrong.status is S.REGISTERED:
                right = self.say(S.REGISTERED, corrects=wrong.id, reason="ghi nhầm số", **self._numbered(S.REGISTERED))
                self.steps[place] = right

    def _numbered(self, status: Status) -> dict[str, str]:
        self._number += 1
        return {"register_number": str(self._number)} if status is S.REGISTERED else {}


def did(conn: Connection, clerk: Clerk, acts: Sequence[str]) -> Office:
    clerk.units(unit("LCA"), UNIT)
    dispatched = clerk.dispatch("LCA.VP", [UNIT])
    clerk.publish()
    content = conn.scalars(select(dispatch.c.content_sha256).where(dispatch.c.id == dispatched)).one()
    office = Office(clerk.deliveries[dispatched, UNIT.code], content, clerk.now)
    office.steps.append(office.say(S.ARRIVED))
    for name in acts:
        office.act(name)
    return office


def hear(conn: Connection, *bursts: Sequence[NewReceipt]) -> list[Effect]:
    """Record bursts as they come from the broker; what they did."""
    signs = NotedSigns()
    done = [item for burst in bursts for result in _apply(Silence(), 0, signs, conn, [burst]) for item in result]
    return [item.step.effect for item in done if isinstance(item, Recorded)]


def stands(conn: Connection, office: Office) -> tuple[object, ...]:
    """State, since when and why; when it was reached what; the number; how many were registered."""
    row = delivery.c
    kept = row.state, row.state_at, row.reason, row.arrived_at, row.registered_at, row.completed_at, row.late_at
    (found,) = [
        item
        for item in queries.addressees(conn, EVERYTHING, _dispatch(conn, office), limit=9)
        if item.delivery.id == office.delivery
    ]
    today = queries.today(conn, EVERYTHING, since=0, now_ms=office.now, limit=1)
    count = today.flow[S.REGISTERED]
    return (
        *conn.execute(select(*kept).where(row.id == office.delivery)).one(),
        *(dict(found.times), found.register_number, count),
    )


def _dispatch(conn: Connection, office: Office) -> str:
    return str(conn.scalars(select(delivery.c.dispatch_id).where(delivery.c.id == office.delivery)).one())


def at_the_unit(office: Office) -> tuple[Status, str]:
    numbers = [step.register_number for step in office.steps if step.status is S.REGISTERED]
    return office.steps[-1].status, numbers[-1] if numbers else ""


@pytest.mark.parametrize("ledger_url", [SQLITE], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(ACTS), max_size=12), seed=st.randoms(use_true_random=False))
def test_in_whatever_order_receipts_come_the_delivery_stands_as_at_its_unit(
    ledger: Engine, acts: list[str], seed: Random
) -> None:
    with ledger.connect() as conn, conn.begin() as transaction:
        office = did(conn, Clerk(conn), acts)
        expected = _heard(conn, office, [[item] for item in office.said])
        assert (expected[0], expected[-2]) == at_the_unit(office)
        shuffled = seed.sample(office.said, len(office.said))
        assert _heard(conn, office, [shuffled]) == expected
        place = seed.randrange(len(shuffled))
        assert _heard(conn, office, [shuffled[place:], shuffled, shuffled[:place]]) == expected
        transaction.rollback()


def _heard(conn: Connection, office: Office, bursts: Sequence[Sequence[NewReceipt]]) -> tuple[object, ...]:
    attempt = conn.begin_nested()
    hear(conn, *[burst for burst in bursts if burst])
    found = stands(conn, office)
    attempt.rollback()
    return found


def test_each_order_of_a_registration_that_was_undone_and_given_again(ledger: Engine) -> None:
    with writing(ledger) as conn:
        office = did(conn, Clerk(conn), ["register", "correct", "undo", "register", "assigned", "completed"])
        expected = _heard(conn, office, [office.said])
        assert (expected[0], expected[-2], expected[-1]) == (S.COMPLETED, "3", 1)
        for order in list(permutations(office.said[1:]))[::29]:
            assert _heard(conn, office, [office.said[:1], order]) == expected


@pytest.mark.parametrize("back", [0, 10_000_000])
def test_a_clock_that_was_set_back_changes_nothing_of_what_comes_in_its_order(ledger: Engine, back: int) -> None:
    with writing(ledger) as conn:
        office = did(conn, Clerk(conn), ["register", "undo", "register", "assigned"])
        turned = [item._replace(at=iso(item.recorded_at - place * back)) for place, item in enumerate(office.said)]
        assert hear(conn, turned) == [E.ADVANCE, E.ADVANCE, E.BACK, E.ADVANCE, E.ADVANCE]
        assert stands(conn, office)[0] == S.ASSIGNED


def test_what_its_state_does_not_allow_is_refused_once_nothing_is_missing_before_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        office = did(conn, Clerk(conn), [])
        lost, wrong = office.say(S.REGISTERED, register_number="1"), office.say(S.PROCESSING)
        hear(conn, office.said[:1])
        attempt = conn.begin_nested()
        assert hear(conn, [wrong]) == [E.ADVANCE], "the step between them may have been lost"
        assert hear(conn, [lost]) == [E.STALE]
        attempt.rollback()
        assert hear(conn, [wrong._replace(seq=2)]) == [E.REFUSED]
        assert stands(conn, office)[0] == S.ARRIVED


def test_a_step_that_overtook_its_arrival_of_a_recalled_document_is_asked_back(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        office = did(conn, clerk, ["register"])
        clerk.dispatch("LCA.VP", [UNIT], kind="recall", refers_to=[_dispatch(conn, office)], attachments=[])
        hear(conn, office.said[1:], office.said[:1])
        assert stands(conn, office)[0] == S.TAKE_BACK_REQUESTED


def test_what_people_did_before_the_wish_to_have_it_back_reached_them_is_known(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        one, other = (did(conn, clerk, ["register"]) for _ in range(2))
        hear(conn, one.said, other.said[:1])
        clerk.dispatch("LCA.VP", [UNIT], kind="recall", refers_to=[_dispatch(conn, other)], attachments=[])
        assert hear(conn, other.said[1:], [other.say(S.ASSIGNED)]) == [E.STALE, E.STALE]
        state, *_, times, number, _ = stands(conn, other)
        assert (state, number) == (S.TAKE_BACK_REQUESTED, "1")
        assert isinstance(times, dict)
        assert S.REGISTERED in times
        assert queries.repeated_numbers(conn, EVERYTHING, {UNIT.code: "1"}, UTC) == {UNIT.code}
        assert hear(conn, [other.say(S.CHANGE_REFUSED, reason="đang thực hiện")]) == [E.ADVANCE]
        assert hear(conn, [other.say(S.COMPLETED)]) == [E.ADVANCE]
        assert stands(conn, other)[-2] == "1"


def test_a_number_whose_registration_came_late_is_known_to_be_given(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        one, other = (did(conn, clerk, ["register", "assigned"]) for _ in range(2))
        hear(conn, one.said)
        hear(conn, [other.said[0], *other.said[:0:-1]])
        assert stands(conn, other)[-2] == "1"
        assert queries.repeated_numbers(conn, EVERYTHING, {UNIT.code: "1"}, UTC) == {UNIT.code}


def test_what_came_too_late_is_told_to_no_issuer(ledger: Engine) -> None:
    with writing(ledger) as conn:
        office = did(conn, Clerk(conn), ["register", "undo", "register"])
        arrived, first, back, again = office.said
        assert hear(conn, [arrived], [again], [back], [first]) == [E.ADVANCE, E.ADVANCE, E.STALE, E.STALE]
        following = recorded.following(conn, after=0, settled=10**9, limit=100)
        assert [item.id for item in following.entries] == [arrived.id, again.id]


def test_a_correction_of_what_was_undone_counts_no_more(ledger: Engine) -> None:
    with writing(ledger) as conn:
        office = did(conn, Clerk(conn), ["register", "correct", "undo", "register"])
        arrived, first, right, back, again = office.said
        assert hear(conn, [arrived, first, back, again, right]) == [E.ADVANCE, E.ADVANCE, E.BACK, E.ADVANCE, E.STALE]
        assert stands(conn, office)[-2] == again.register_number
