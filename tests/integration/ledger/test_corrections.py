"""Receipts that put others right or undo them: both stay in the log, and the later one counts in whatever order."""

from datetime import UTC
from itertools import permutations

import pytest
from sqlalchemy import Connection, Engine, select

from router.ledger import queries
from router.ledger.engine import writing
from router.ledger.models import delivery, dispatch
from router.ledger.scope import EVERYTHING
from router.ledger.way.new_receipt import NewReceipt, take_back
from router.ledger.way.receipts import Recorded, apply
from router.rules.schedule import Silence
from schemas.clock import iso
from schemas.ids import new_id
from schemas.states import Effect, Status
from support.ledgers import Clerk, unit

S, E = Status, Effect
UNIT = unit("LCA.02")
SILENCE = Silence()


class Told:
    """A delivery and what its unit says of it, numbered in the order of its saying."""

    def __init__(self, conn: Connection) -> None:
        self.conn, self.clerk = conn, Clerk(conn)
        self.dispatch = self.clerk.dispatch("LCA.VP", [UNIT])
        self.key = self.clerk.deliveries[self.dispatch, UNIT.code]
        self.clerk.publish()
        self._seq = 0

    def says(
        self, status: Status, number: str = "", *, corrects: str | None = None, undoes: str | None = None
    ) -> NewReceipt:
        """A receipt that is not recorded yet."""
        self._seq += 1
        self.clerk.now += 1000
        at, reason = self.clerk.now, "ghi nhầm" if corrects or undoes or status is S.REFUSED else ""
        content = self.conn.scalars(select(dispatch.c.content_sha256).where(dispatch.c.id == self.dispatch)).one()
        entry = NewReceipt(new_id(), self.key, status, iso(at), at, unit=UNIT.code, seq=self._seq)
        return entry._replace(
            content_sha256=content, reason=reason, register_number=number, corrects=corrects, undoes=undoes
        )

    def record(self, *entries: NewReceipt) -> list[Effect]:
        """What they did."""
        done = apply(self.conn, entries, SILENCE)
        return [item.step.effect for item in done if isinstance(item, Recorded)]

    def row(self) -> tuple[str, int | None, int | None]:
        """State, and when it was registered and completed."""
        columns = delivery.c.state, delivery.c.registered_at, delivery.c.completed_at
        return tuple(self.conn.execute(select(*columns)).one())

    def shown(self) -> tuple[str, set[Status]]:
        """The number that is shown, and the states with a time."""
        (found,) = queries.addressees(self.conn, EVERYTHING, self.dispatch, limit=9)
        return found.register_number, set(found.times)


def test_a_number_put_right_is_the_one_that_is_shown_and_the_state_stays(ledger: Engine) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        arrived, registered = told.says(S.ARRIVED), told.says(S.REGISTERED, "57")
        assigned = told.says(S.ASSIGNED)
        right = told.says(S.REGISTERED, "58", corrects=registered.id)
        assert told.record(arrived, registered, assigned, right) == [E.ADVANCE, E.ADVANCE, E.ADVANCE, E.CORRECT]
        assert told.row() == (S.ASSIGNED, registered.recorded_at, None)
        number, states = told.shown()
        assert number == "58"
        assert {S.ARRIVED, S.REGISTERED, S.ASSIGNED} <= states
        found = queries.find_delivery(conn, EVERYTHING, told.key)
        assert found is not None
        assert [row.register_number for row in found.receipts if row.status is S.REGISTERED] == ["57", "58"]
        assert told.record(right) == [E.CORRECT]
        assert len(queries.read_log(conn, EVERYTHING)) == len(found.receipts)


def test_an_undone_step_is_as_if_it_had_not_been_and_can_be_taken_again(ledger: Engine) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        first = [told.says(S.ARRIVED), told.says(S.REGISTERED, "57"), told.says(S.COMPLETED)]
        told.record(*first)
        back = told.says(S.REGISTERED, "57", undoes=first[2].id)
        assert told.record(back) == [E.BACK]
        assert told.row() == (S.REGISTERED, first[1].recorded_at, None)
        assert S.COMPLETED not in told.shown()[1]
        unregistered = told.says(S.ARRIVED, undoes=first[1].id)
        assert told.record(unregistered) == [E.BACK]
        assert told.row() == (S.ARRIVED, None, None)
        assert told.shown()[0] == ""
        again = told.says(S.REGISTERED, "60")
        assert told.record(again) == [E.ADVANCE]
        assert told.row() == (S.REGISTERED, again.recorded_at, None)
        assert told.shown()[0] == "60"


def test_what_is_undone_and_comes_late_moves_nothing(ledger: Engine) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        told.record(told.says(S.ARRIVED))
        lost = [told.says(S.REGISTERED, "57"), told.says(S.ASSIGNED), told.says(S.COMPLETED)]
        back = told.says(S.REGISTERED, "57", undoes=lost[2].id)
    for order in permutations([*lost, back]):
        with writing(ledger) as conn:
            told.conn = conn
            attempt = conn.begin_nested()
            told.record(*order)
            state, (number, states) = told.row()[0], told.shown()
            attempt.rollback()
            assert (state, number) == (S.REGISTERED, "57"), [item.status for item in order]
            assert not states & {S.ASSIGNED, S.COMPLETED}


def test_a_new_spool_whose_numbers_begin_anew_is_heard_after_something_was_undone(ledger: Engine) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        first = [told.says(S.ARRIVED), told.says(S.REGISTERED, "57"), told.says(S.PROCESSING)]
        told.record(*first, told.says(S.REGISTERED, "57", undoes=first[2].id))
        told._seq = 0
        assert told.record(told.says(S.COMPLETED)) == [E.ADVANCE]


def test_what_cannot_be_undone_is_refused_and_kept(ledger: Engine) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        told.record(told.says(S.ARRIVED), told.says(S.REGISTERED, "57"))
        told.record(take_back(told.key, new_id(), told.clerk.now), told.says(S.RECALLED))
        assert told.record(told.says(S.REGISTERED, "57", undoes=new_id())) == [E.REFUSED]
        assert told.row()[0] == S.RECALLED


@pytest.mark.parametrize("recalled_first", [True, False])
def test_a_refusal_undone_after_a_recall_is_asked_back(ledger: Engine, *, recalled_first: bool) -> None:
    with writing(ledger) as conn:
        told = Told(conn)
        refused = told.says(S.REFUSED)
        told.record(told.says(S.ARRIVED), refused)
        back = told.says(S.ARRIVED, undoes=refused.id)
        if not recalled_first:
            told.record(back)
        told.clerk.dispatch("LCA.VP", [UNIT], kind="recall", refers_to=[told.dispatch], attachments=[])
        if recalled_first:
            told.record(back)
        row = conn.execute(select(delivery.c.state).where(delivery.c.id == told.key)).one()
        assert row.state == S.TAKE_BACK_REQUESTED


def test_a_number_that_was_put_right_or_undone_may_be_given_to_another_document(ledger: Engine) -> None:
    def repeated(conn: Connection, number: str) -> bool:
        return bool(queries.repeated_numbers(conn, EVERYTHING, {UNIT.code: number}, UTC))

    with writing(ledger) as conn:
        one = Told(conn)
        registered = one.says(S.REGISTERED, "57")
        one.record(one.says(S.ARRIVED), registered)
        other = Told(conn)
        other.record(other.says(S.ARRIVED), second := other.says(S.REGISTERED, "57"))
        assert repeated(conn, "57"), "both stand"
        one.record(one.says(S.REGISTERED, "58", corrects=registered.id))
        assert not repeated(conn, "57")
        assert not repeated(conn, "58")
        third = Told(conn)
        third.record(third.says(S.ARRIVED), third.says(S.REGISTERED, "57"))
        assert repeated(conn, "57")
        other.record(other.says(S.ARRIVED, undoes=second.id))
        assert not repeated(conn, "57")
