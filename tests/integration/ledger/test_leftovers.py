"""Units that were merged or abolished: what they got is called back, what waits for them is seen and has a way out."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Engine, select

from router.directory import Directory, resolve_recall
from router.errors import ActRefusedError, AddressingError
from router.ledger.engine import writing
from router.ledger.models import audit, delivery, dispatch
from router.ledger.people.audit import By
from router.ledger.queries import Filter, stuck
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import Outcome, Pace
from router.ledger.redrives.making import NewRedrive, make
from router.ledger.redrives.reading import list_items
from router.ledger.redrives.stepping import step
from router.ledger.scope import EVERYTHING
from router.ledger.units.leftovers import give_up, hand_on, leftovers
from router.ledger.way import recalls
from router.ledger.way.acceptance import accept
from router.ledger.way.acts import redrive
from schemas.clock import day_at
from schemas.dispatch import Accepted, Submission
from schemas.errors import AddressingError as RuleError
from schemas.states import Status
from schemas.unit import Link, Unit
from support.ledgers import START, Clerk, new_dispatch, unit

S = Status
TODAY = day_at(START, "Asia/Ho_Chi_Minh")
LAST_DAY = date(2026, 9, 1)
TOP, OLD, NEW, OTHER = unit("LCA"), unit("LCA.01"), unit("LCA.02"), unit("LCA.03")
MERGED = OLD.model_copy(update={"valid_to": LAST_DAY, "successor": "LCA.02"})
ABOLISHED = OLD.model_copy(update={"valid_to": LAST_DAY})
WHY = By("lan", "Decision 12", START + 10_000_000)
assert LAST_DAY < TODAY


@pytest.fixture
def clerk(ledger: Engine) -> Iterator[Clerk]:
    with writing(ledger) as conn:
        filled = Clerk(conn)
        filled.units(TOP, OLD, NEW, OTHER)
        yield filled


def recall(clerk: Clerk, original: str, rules: list[str], organisation: list[Unit]) -> Accepted | Exception:
    """As the intake does it, on a day after the merger."""
    clerk.now += 1000
    letter = Submission(
        issuer="LCA.VP", notation="9-CV", subject="Thu hồi", addressees=rules, kind="recall", refers_to=[original]
    )
    had = recalls.addressed(clerk.conn, [letter.refers_to])[0]
    reached = resolve_recall(Directory(organisation), rules, TODAY, had)
    new = new_dispatch(letter, reached.units, clerk.now)
    object.__setattr__(new, "called_back", reached.called_back)
    object.__setattr__(new, "gone", reached.gone)
    return accept(clerk.conn, [new])[0]


def state(clerk: Clerk, dispatch_id: str, code: str) -> Status:
    row = delivery.c
    return S(clerk.conn.scalars(select(row.state).where(row.dispatch_id == dispatch_id, row.unit == code)).one())


def addressees(clerk: Clerk, dispatch_id: str) -> list[str]:
    row = delivery.c
    return list(clerk.conn.scalars(select(row.unit).where(row.dispatch_id == dispatch_id).order_by(row.unit)))


@pytest.mark.parametrize("rules", [["LCA.01"], ["LCA.#"], ["LCA.02"], ["LCA.*", "!LCA.03"]])
def test_what_a_merged_unit_got_is_called_back_by_name_and_by_rule(clerk: Clerk, rules: list[str]) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    clerk.publish()
    clerk.tell(original, "LCA.01", S.QUEUED, S.TAKEN, S.ARRIVED)
    answer = recall(clerk, original, rules, [TOP, MERGED, NEW, OTHER])
    assert isinstance(answer, Accepted)
    assert state(clerk, original, "LCA.01") is S.TAKE_BACK_REQUESTED
    assert addressees(clerk, answer.id) == ["LCA.02"]


@pytest.mark.parametrize("states", [[], [S.QUEUED], [S.QUEUED, S.PARKED]])
def test_what_waited_for_a_unit_that_is_gone_ends_with_the_recall(clerk: Clerk, states: list[Status]) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    clerk.publish()
    clerk.tell(original, "LCA.01", *states)
    assert isinstance(recall(clerk, original, ["LCA.#"], [TOP, MERGED, NEW]), Accepted)
    assert state(clerk, original, "LCA.01") is S.RECALLED


def test_a_recall_of_what_an_abolished_unit_alone_got_has_its_effect_and_stands_where_it_is_seen(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    answer = recall(clerk, original, ["LCA.01"], [TOP, ABOLISHED, NEW])
    assert isinstance(answer, Accepted)
    assert state(clerk, original, "LCA.01") is S.RECALLED
    assert addressees(clerk, answer.id) == ["LCA.01"]


def test_of_a_rule_those_are_recalled_that_got_it_and_a_named_one_that_did_not_is_refused(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD, OTHER])
    answer = recall(clerk, original, ["LCA.#"], [TOP, OLD, NEW, OTHER])
    assert isinstance(answer, Accepted)
    assert addressees(clerk, answer.id) == ["LCA.01", "LCA.03"]
    assert isinstance(recall(clerk, original, ["LCA.#", "LCA.02"], [TOP, OLD, NEW, OTHER]), AddressingError)
    with pytest.raises(RuleError):
        resolve_recall(Directory([TOP]), ["LCA.09"], TODAY, {"LCA.01"})


def test_what_waits_for_a_unit_that_is_gone_is_stuck_with_what_to_do(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD, NEW])
    clerk.tell(original, "LCA.02", S.QUEUED, S.PARKED, reason="x")
    assert [group.gone for group in stuck(clerk.conn, EVERYTHING, now_ms=clerk.now, day=TODAY)] == [False]
    clerk.units(MERGED)
    gone, stopped = stuck(clerk.conn, EVERYTHING, now_ms=clerk.now, day=TODAY)
    assert (gone.gone, gone.parent, gone.successor, gone.deliveries) == (True, "LCA.01", "LCA.02", 1)
    assert (stopped.gone, stopped.state) == (False, S.PARKED)


def test_what_waits_is_handed_on_once_and_calls_for_nobody_any_more(clerk: Clerk) -> None:
    first, second, had, taken = (clerk.dispatch("LCA.VP", [OLD]) for _ in range(4))
    clerk.publish()
    clerk.tell(second, "LCA.01", S.QUEUED, S.PARKED, reason="x")
    clerk.tell(taken, "LCA.01", S.QUEUED, S.TAKEN, S.ARRIVED)
    clerk.units(MERGED)
    both = clerk.dispatch("LCA.VP", [OLD, NEW])
    assert [item.dispatch_id for item in leftovers(clerk.conn, "LCA.01")] == [first, second, had, both]
    letter = recall(clerk, had, ["LCA.01"], [TOP, OLD, NEW])
    assert isinstance(letter, Accepted)
    done = hand_on(clerk.conn, "LCA.01", "", WHY, day=TODAY)
    assert (done.heir, len(done.handed_on), len(done.ended)) == ("LCA.02", 3, 2)
    assert [state(clerk, key, "LCA.02") for key in (first, second, letter.id)] == [S.PENDING] * 3
    assert [state(clerk, key, "LCA.01") for key in (first, second, had, both, taken)] == [
        *(S.EXPIRED, S.EXPIRED, S.RECALLED, S.EXPIRED, S.ARRIVED)
    ]
    assert clerk.conn.scalars(select(dispatch.c.total).where(dispatch.c.id == first)).one() == 2
    assert [group.gone for group in stuck(clerk.conn, EVERYTHING, now_ms=clerk.now, day=TODAY)] == []
    assert hand_on(clerk.conn, "LCA.01", "", WHY, day=TODAY).handed_on == ()
    assert clerk.conn.scalars(select(audit.c.act)).all() == ["handed_on"]


def test_numbers_of_the_unit_that_takes_over_have_no_hole(clerk: Clerk) -> None:
    for _ in range(3):
        clerk.dispatch("LCA.VP", [OLD])
    clerk.dispatch("LCA.VP", [NEW])
    clerk.units(MERGED)
    hand_on(clerk.conn, "LCA.01", "", WHY, day=TODAY)
    clerk.dispatch("LCA.VP", [NEW])
    assert sorted(clerk.conn.scalars(select(delivery.c.seq).where(delivery.c.unit == "LCA.02"))) == [1, 2, 3, 4, 5]


def test_what_nobody_takes_over_is_given_up_with_its_reason(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    clerk.units(ABOLISHED)
    with pytest.raises(ActRefusedError, match="has no successor"):
        hand_on(clerk.conn, "LCA.01", "", WHY, day=TODAY)
    assert len(give_up(clerk.conn, "LCA.01", WHY, day=TODAY).ended) == 1
    assert state(clerk, original, "LCA.01") is S.EXPIRED
    assert stuck(clerk.conn, EVERYTHING, now_ms=clerk.now, day=TODAY) == []


@pytest.mark.parametrize("heir", ["", "LCA.03"])
def test_what_waits_for_a_unit_that_exists_stays_its_own(clerk: Clerk, heir: str) -> None:
    clerk.dispatch("LCA.VP", [OLD])
    with pytest.raises(ActRefusedError, match="exists"):
        hand_on(clerk.conn, "LCA.01", heir, WHY, day=TODAY)
    with pytest.raises(ActRefusedError, match="exists"):
        give_up(clerk.conn, "LCA.01", WHY, day=LAST_DAY)


def test_a_unit_that_takes_over_without_a_line_has_it_wait_there(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    clerk.units(MERGED, NEW.model_copy(update={"link": Link.NONE}))
    hand_on(clerk.conn, "LCA.01", "", WHY, day=TODAY)
    row = delivery.c
    found = clerk.conn.execute(
        select(row.reason, row.next_due_at).where(row.dispatch_id == original, row.unit == "LCA.02")
    ).one()
    assert tuple(found) == ("no_line", None)


def test_a_redrive_to_a_unit_that_is_gone_says_what_to_do_instead(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [OLD])
    clerk.tell(original, "LCA.01", S.QUEUED, S.PARKED, reason="x")
    clerk.units(MERGED)
    clerk.now += 1000
    who = Authority(AuthorityKind.TERMINAL, "lan")
    wanted = Filter(states=frozenset({S.PARKED}))
    new = NewRedrive(
        who=who, token="t", text="", wanted=wanted, cut_at=clerk.now, reason="x", pace=Pace.ALL, watch_ms=1000
    )
    key = make(clerk.conn, new, now_ms=clerk.now)
    step(clerk.conn, key, now_ms=clerk.now)
    [item] = list_items(clerk.conn, EVERYTHING, key)
    assert item.outcome is Outcome.SKIPPED
    assert "units hand-on LCA.01" in item.note
    assert redrive(clerk.conn, [item.delivery_id], who="lan", reason="x", now_ms=clerk.now).redriven
