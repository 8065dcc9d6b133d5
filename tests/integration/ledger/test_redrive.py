"""Redrives in the ledger: what they take, how they go on, what stops them, and what a repeated wish does."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select, update

from router.errors import ActRefusedError, ConflictError, ForbiddenError, NotFoundError
from router.ledger.engine import reading, writing
from router.ledger.models import delivery, receipt, redrive_item
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE, PersonRole
from router.ledger.queries import Filter, find_delivery
from router.ledger.redrives.acting import ActRequest, act_on
from router.ledger.redrives.afterwards import settle as settle_late
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import JobAct, JobState, Outcome, Pace
from router.ledger.redrives.making import NewRedrive, dry_run, make
from router.ledger.redrives.reading import find_job, list_items, list_jobs
from router.ledger.redrives.stepping import Stepped, in_work, step
from router.ledger.scope import EVERYTHING, Scope
from router.pages.people import RoleGrant
from schemas.ids import new_id
from schemas.states import Status
from schemas.unit import Link
from support.audited import list_entries
from support.ledgers import POSTGRESQL, Clerk, unit

UNITS = [unit(f"LCA.0{number}") for number in range(1, 9)]
TERMINAL = Authority(AuthorityKind.TERMINAL, "root@here")
WATCH = 60_000
DISTRICT = Scope(units=("LCA.01.#",))


def parked(clerk: Clerk, units: Sequence[object] = UNITS) -> list[str]:
    """A dispatch parked at each of the units; its deliveries in their order."""
    key = clerk.dispatch("LCA", units)  # type: ignore[arg-type]
    codes = sorted(code for made, code in clerk.deliveries if made == key)
    for code in codes:
        clerk.tell(key, code, Status.QUEUED, Status.PARKED, reason="disk full")
    return sorted(clerk.deliveries[key, code] for code in codes)


def wanted(clerk: Clerk, pace: Pace = Pace.ALL, **fields: object) -> NewRedrive:
    new = NewRedrive(
        who=TERMINAL,
        token=new_id(),
        text="is:parked",
        wanted=Filter(states=frozenset({Status.PARKED})),
        cut_at=clerk.now + 1,
        reason="the disk was freed",
        pace=pace,
        watch_ms=WATCH,
    )
    return replace(new, **fields)  # type: ignore[arg-type]


def steps(conn: Connection, clerk: Clerk, key: str) -> Stepped:
    """The next step, a second later."""
    clerk.now += 1000
    return step(conn, key, now_ms=clerk.now)


def settle(clerk: Clerk, conn: Connection, *states: Status) -> None:
    """What is on its way again comes to these states."""
    again = conn.execute(select(delivery.c.dispatch_id, delivery.c.unit).where(delivery.c.state == "redriven")).all()
    for dispatch_id, code in again:
        clerk.tell(dispatch_id, code, *states, reason="again")


def redriven(conn: Connection) -> list[str]:
    """Each sending again of a delivery, as its receipts tell it."""
    rows = select(receipt.c.delivery_id).where(receipt.c.status == "redriven", receipt.c.effect == "advance")
    return sorted(conn.scalars(rows))


def test_by_hand_one_sends_one_and_the_rest_waits_for_a_person(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk)
        key = make(conn, wanted(clerk, Pace.HAND), now_ms=clerk.now)
        assert [steps(conn, clerk, key).sent for _ in range(3)] == [1, 0, 0]
        assert redriven(conn) == ids[:1]
        settle(clerk, conn, Status.QUEUED, Status.ARRIVED)
        assert steps(conn, clerk, key).state is JobState.WAITING
        rest = ActRequest(JobAct.REST, TERMINAL, seen=1)
        act_on(conn, EVERYTHING, key, rest, now_ms=clerk.now)
        act_on(conn, EVERYTHING, key, rest, now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == len(ids) - 1
        settle(clerk, conn, Status.QUEUED, Status.ARRIVED)
        assert steps(conn, clerk, key).state is JobState.DONE
        assert in_work(conn) == []
        assert redriven(conn) == ids
        assert find_job(conn, EVERYTHING, key).tally.counts == {Outcome.ARRIVED: len(ids)}


def test_a_delivery_that_comes_back_stops_the_redrive_until_somebody_lets_it_go_on(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk)
        key = make(conn, wanted(clerk, Pace.CANARY), now_ms=clerk.now)
        steps(conn, clerk, key)
        settle(clerk, conn, Status.QUEUED, Status.PARKED)
        stopped = steps(conn, clerk, key)
        assert (stopped.state, stopped.note) == (JobState.STOPPED, "LCA.01 parked: again")
        assert steps(conn, clerk, key).sent == 0
        act_on(conn, EVERYTHING, key, ActRequest(JobAct.RESUME, TERMINAL), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == len(ids) - 1
        assert redriven(conn) == ids
        failed = list_items(conn, EVERYTHING, key, outcomes=[Outcome.FAILED])
        assert [(item.delivery_id, item.note) for item in failed] == [(ids[0], "parked: again")]


def test_what_comes_back_after_its_watch_counts_as_failed_later_even_when_the_redrive_is_done(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk)
        key = make(conn, wanted(clerk), now_ms=clerk.now)
        steps(conn, clerk, key)
        clerk.now += WATCH
        assert steps(conn, clerk, key).state is JobState.DONE
        assert not find_job(conn, EVERYTHING, key).tally.is_settled
        assert settle_late(conn, now_ms=clerk.now) == []
        units = {clerk.deliveries[made, code]: (made, code) for made, code in clerk.deliveries}
        for number, delivery_id in enumerate(ids):
            clerk.tell(
                *units[delivery_id], Status.QUEUED, Status.PARKED if number % 2 else Status.ARRIVED, reason="full"
            )
        (late,) = settle_late(conn, now_ms=clerk.now)
        assert (late.redrive_id, late.state, late.note) == (key, "done", "LCA.02 parked: full")
        found = find_job(conn, EVERYTHING, key)
        assert found.tally.counts == {Outcome.ARRIVED: 4, Outcome.FAILED_LATER: 4}
        assert (found.state, found.tally.failed, found.tally.is_settled) == (JobState.DONE, 4, True)
        assert settle_late(conn, now_ms=clerk.now) == []


def test_what_comes_back_after_its_watch_stops_a_redrive_that_goes_on(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        parked(clerk)
        key = make(conn, wanted(clerk, Pace.CANARY), now_ms=clerk.now)
        steps(conn, clerk, key)
        clerk.now += WATCH
        settle(clerk, conn, Status.QUEUED, Status.PARKED)
        conn.execute(redrive_item.update().where(redrive_item.c.outcome == "watched").values(outcome="under_way"))
        (late,) = settle_late(conn, now_ms=clerk.now)
        assert (late.state, late.note) == ("stopped", "LCA.01 parked: again")
        assert steps(conn, clerk, key).sent == 0


def test_a_slow_line_is_no_failure_and_a_broker_that_takes_nothing_is_one(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk, UNITS[:2])
        key = make(conn, wanted(clerk, Pace.CANARY), now_ms=clerk.now)
        steps(conn, clerk, key)
        clerk.now += WATCH
        assert steps(conn, clerk, key).sent == 1
        conn.execute(update(delivery).where(delivery.c.id == ids[1]).values(failures=3, reason="nacked: full"))
        clerk.now += WATCH
        assert steps(conn, clerk, key).note == "LCA.02 redriven: nacked: full"


def test_what_changed_since_the_cut_off_is_skipped_with_its_reason(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk, UNITS[:3])
        made = wanted(clerk)
        key, other = make(conn, made, now_ms=clerk.now), make(conn, wanted(clerk), now_ms=clerk.now)
        dispatch_id, code = conn.execute(
            select(delivery.c.dispatch_id, delivery.c.unit).where(delivery.c.id == ids[0])
        ).one()
        clerk.tell(dispatch_id, code, Status.ARRIVED)
        clerk.tell(dispatch_id, "LCA.02", Status.REDRIVEN, Status.PARKED)
        assert steps(conn, clerk, key).sent == 1
        notes = [item.note for item in list_items(conn, EVERYTHING, key, outcomes=[Outcome.SKIPPED])]
        assert notes == ["it is arrived now", "it got stuck again after the cut-off"]
        assert steps(conn, clerk, other).sent == 0, "the other redrive has it on its way"
        assert steps(conn, clerk, other).state is JobState.DONE


def test_what_gets_stuck_after_the_cut_off_is_not_taken(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk, UNITS[:2])
        made = wanted(clerk)
        parked(clerk, UNITS[:2])
        tried = dry_run(conn, EVERYTHING, EVERYTHING, made.wanted, cut_at=made.cut_at)
        assert (tried.eligible, sorted(row.id for row in tried.first)) == (2, ids)
        key = make(conn, made, now_ms=clerk.now)
        assert [item.delivery_id for item in list_items(conn, EVERYTHING, key)] == ids


def test_the_same_request_again_is_one_redrive_and_another_under_its_token_a_conflict(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        parked(clerk)
        new = wanted(clerk)
        first = make(conn, new, now_ms=clerk.now)
    with writing(ledger) as conn:
        assert make(conn, replace(new, cut_at=new.cut_at + 5), now_ms=clerk.now) == first
        assert len(list_jobs(conn, EVERYTHING)) == 1
        with pytest.raises(ConflictError, match="another reason"):
            make(conn, replace(new, reason="another"), now_ms=clerk.now)


def test_a_filter_that_takes_nothing_makes_no_redrive(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        new = wanted(clerk)
        with pytest.raises(ActRefusedError, match="nothing that fits"), conn.begin_nested():
            make(conn, new, now_ms=clerk.now)
        assert list_jobs(conn, EVERYTHING) == []
        with pytest.raises(NotFoundError):
            find_job(conn, EVERYTHING, new_id())


def person(conn: Connection, name: str, pattern: str, now: int, role: str = "operator") -> Authority:
    PEOPLE.invite(conn, name, [PEOPLE.check_grant(role, pattern)], now_ms=now)
    return Authority(AuthorityKind.PERSON, name)


def test_roles_are_asked_at_the_making_and_at_every_step(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        ids = parked(clerk, UNITS[:4])
        who = person(conn, "hoa", "LCA.01.#", clerk.now)
        PEOPLE.invite(conn, "hoa", [PEOPLE.check_grant("operator", "LCA.02.#")], now_ms=clerk.now)
        viewer = person(conn, "vien", "LCA.#", clerk.now, "viewer")
        with pytest.raises(ForbiddenError):
            make(conn, wanted(clerk, who=viewer), now_ms=clerk.now)
        key = make(conn, wanted(clerk, Pace.HAND, who=who), now_ms=clerk.now)
        assert find_job(conn, EVERYTHING, key).course.total == 2, "what is not one's own is not taken"
        PEOPLE.withdraw(conn, "hoa", RoleGrant(PersonRole.OPERATOR, "LCA.01.#"))
        assert steps(conn, clerk, key).sent == 0
        skipped = list_items(conn, EVERYTHING, key, outcomes=[Outcome.SKIPPED])
        assert [(item.delivery_id, item.note) for item in skipped] == [(ids[0], "hoa may not act on LCA.01 any more")]
        PEOPLE.revoke(conn, "hoa", now_ms=clerk.now)
        stopped = steps(conn, clerk, key)
        assert (stopped.state, stopped.note) == (JobState.STOPPED, "hoa may not act any more")
        assert redriven(conn) == []
        other = person(conn, "lan", "LCA.01.#", clerk.now)
        with pytest.raises(ForbiddenError):
            act_on(conn, EVERYTHING, key, ActRequest(JobAct.RESUME, other), now_ms=clerk.now)
        act_on(conn, EVERYTHING, key, ActRequest(JobAct.RESUME, TERMINAL), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == 1
        detail = find_delivery(conn, EVERYTHING, ids[1])
        assert detail is not None
        assert (detail.receipts[-1].person, detail.receipts[-1].reason) == ("root@here", "the disk was freed")


def test_a_redrive_is_seen_by_who_sees_one_of_its_units_and_counted_by_what_is_seen(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        parked(clerk, UNITS[:4])
        key = make(conn, wanted(clerk), now_ms=clerk.now)
    with reading(ledger) as conn:
        part = find_job(conn, DISTRICT, key)
        assert (part.tally.total, part.is_whole) == (1, False)
        assert [item.unit for item in list_items(conn, DISTRICT, key)] == ["LCA.01"]
        assert [job.id for job in list_jobs(conn, DISTRICT)] == [key]
        elsewhere = Scope(units=("LCA.07.#",))
        assert list_jobs(conn, elsewhere) == []
        with pytest.raises(NotFoundError):
            find_job(conn, elsewhere, key)


def test_a_paused_redrive_sends_nothing_and_a_cancelled_one_never_again_and_the_audit_tells(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        parked(clerk)
        key = make(conn, wanted(clerk, Pace.RATE, per_minute=60), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == 1
        act_on(conn, EVERYTHING, key, ActRequest(JobAct.PAUSE, TERMINAL), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == 0
        act_on(conn, EVERYTHING, key, ActRequest(JobAct.RESUME, TERMINAL), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == 1
        act_on(conn, EVERYTHING, key, ActRequest(JobAct.CANCEL, TERMINAL), now_ms=clerk.now)
        assert steps(conn, clerk, key).sent == 0
        with pytest.raises(ActRefusedError, match="cancelled already"):
            act_on(conn, EVERYTHING, key, ActRequest(JobAct.RESUME, TERMINAL), now_ms=clerk.now)
        acts = [row.entry.act for row in list_entries(conn, EVERYTHING)][::-1]
    assert acts == [
        Act.REDRIVE_MADE,
        Act.REDRIVEN,
        Act.REDRIVE_PAUSED,
        Act.REDRIVE_LET_GO,
        Act.REDRIVEN,
        Act.REDRIVE_CANCELLED,
    ]


def test_a_redriven_delivery_without_a_line_waits_for_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        held = unit("LCA.09", Link.NONE)
        key = clerk.dispatch("LCA", [held])
        clerk.tell(key, "LCA.09", Status.EXPIRED, reason="too late")
        job = make(conn, wanted(clerk, wanted=Filter()), now_ms=clerk.now)
        assert steps(conn, clerk, job).sent == 1
        detail = find_delivery(conn, EVERYTHING, clerk.deliveries[key, "LCA.09"])
        assert detail is not None
        assert (detail.delivery.state, detail.delivery.next_due_at) == (Status.REDRIVEN, None)


@pytest.mark.parametrize("ledger_url", [POSTGRESQL], indirect=True)  # a SQLite ledger has one router
def test_two_routers_never_do_the_same_step(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        parked(clerk)
        key = make(conn, wanted(clerk, Pace.HAND), now_ms=clerk.now)
    with writing(ledger) as one:
        assert steps(one, clerk, key).sent == 1
        with writing(ledger) as two:
            assert steps(two, clerk, key) == Stepped()
    with writing(ledger) as two:
        assert steps(two, clerk, key).sent == 0
        assert len(redriven(two)) == 1
