"""What people do about a document: steps, receipts, tasks and the journal are one; the slower of two is refused."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from consumers.errors import BookError, DocumentMovedError, NotForThemError, UnknownDeliveryError
from consumers.reading import handling as acts
from consumers.reading.handling import Acting, Direction, Looked, looked_at
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, handling, journal, outbox, recalls, retention
from consumers.spool.book_entries import BookKey
from consumers.spool.handling import StepKind, Task, TaskPart
from consumers.spool.models import task
from consumers.spool.people import PEOPLE, Card, DeskRole
from consumers.spool.scope import UnitScope
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Lane, Secrecy
from schemas.errors import InvalidError, TransitionError
from schemas.register import BookKind, RegisterFields
from schemas.states import BY_PEOPLE, Status, follow
from support.deliveries import UNIT, came
from support.desks import OTHER, let_in

S = Status
HOA, NAM = Card("hoa", "Nguyễn Thị Hoa", "Văn thư", "Văn phòng"), Card("nam", "Trần Văn Nam", "Bí thư", "Thường trực")
LAN = Card("lan", "Lê Thị Lan", "Chuyên viên", "Văn phòng")
CLERK, LEADER, STAFF = (Acting(card, at, {UNIT}, "10.0.0.5") for at, card in ((1_000, HOA), (2_000, NAM), (3_000, LAN)))
FIELDS = RegisterFields(day=date(2026, 11, 29), subject="Về việc phòng, chống rét")
DIRECTION = Direction("Triển khai ngay", "lan", ("Công an xã",), ("hoa",), date(2026, 12, 5), 9_000)


@pytest.fixture
def spool(spool: Spool) -> Spool:
    """With the people of the unit."""
    let_in(spool, [UNIT, OTHER])
    return spool


def look(spool: Spool, delivery: str, units: set[str] | None = None) -> Looked:
    with spool.reading() as conn:
        return looked_at(conn, delivery, units or {UNIT})[1]


def steps(spool: Spool, delivery: str) -> list[handling.HandlingStep]:
    with spool.reading() as conn:
        return handling.steps(conn, looked_at(conn, delivery, {UNIT})[2])


def tasks(spool: Spool, delivery: str) -> list[Task]:
    with spool.reading() as conn:
        return handling.tasks(conn, looked_at(conn, delivery, {UNIT})[2])


def said(spool: Spool, delivery: str) -> list[str]:
    return [receipt.status.value for receipt in receipts_of(spool, delivery)]


def noted(spool: Spool) -> list[str]:
    with spool.reading() as conn:
        return [f"{entry.person} {entry.act} {entry.subject}" for _, entry in reversed(journal.entries(conn, [UNIT]))]


def test_a_document_goes_its_way_and_each_step_is_told_kept_and_noted(spool: Spool) -> None:
    delivery = came(spool)
    assert acts.register(spool, look(spool, delivery), CLERK, FIELDS) == 1
    acts.submit(spool, look(spool, delivery), CLERK, NAM, "Kính trình")
    assert [(item.person, item.part) for item in tasks(spool, delivery)] == [("nam", TaskPart.DIRECT)]
    acts.direct(spool, look(spool, delivery), LEADER, DIRECTION)
    assert {(item.person, item.part, item.until) for item in tasks(spool, delivery) if item.ended_at is None} == {
        ("lan", TaskPart.LEAD, 9_000),
        ("hoa", TaskPart.KNOW, 9_000),
    }
    acts.process(spool, look(spool, delivery), STAFF, "Đang dự thảo")
    acts.process(spool, look(spool, delivery), STAFF, "Đã gửi các thôn")
    acts.complete(spool, look(spool, delivery), STAFF, "Xong", answer="45-BC/ĐU")
    assert said(spool, delivery) == ["arrived", "registered", "assigned", "processing", "completed"]
    assert [(item.person, item.reason) for item in receipts_of(spool, delivery)[1:]] == [
        ("Nguyễn Thị Hoa", ""),
        ("Trần Văn Nam", "Chủ trì: Lê Thị Lan"),
        ("Lê Thị Lan", ""),
        ("Lê Thị Lan", "Trả lời: 45-BC/ĐU"),
    ]
    assert [item.kind for item in steps(spool, delivery)] == [
        *(StepKind.REGISTERED, StepKind.SUBMITTED, StepKind.DIRECTED),
        *(StepKind.PROCESSED, StepKind.NOTED, StepKind.COMPLETED),
    ]
    directed = steps(spool, delivery)[2].detail
    assert (directed.lead, directed.coordinate, directed.know) == ("Lê Thị Lan", ("Công an xã",), ("Nguyễn Thị Hoa",))
    assert (directed.words, directed.until) == ("Triển khai ngay", date(2026, 12, 5))
    assert all(item.ended_at is not None for item in tasks(spool, delivery))
    assert noted(spool) == [
        *("hoa registered 123-CV/TU", "hoa submitted 123-CV/TU", "nam directed 123-CV/TU"),
        *("lan processed 123-CV/TU", "lan noted 123-CV/TU", "lan completed 123-CV/TU"),
    ]


ACTS: dict[str, Callable[[Spool, Looked], object]] = {
    "register": lambda spool, at: acts.register(spool, at, CLERK, FIELDS),
    "refuse": lambda spool, at: acts.refuse(spool, at, CLERK, "Gửi sai nơi nhận"),
    "submit": lambda spool, at: acts.submit(spool, at, CLERK, NAM, ""),
    "direct": lambda spool, at: acts.direct(spool, at, LEADER, DIRECTION),
    "process": lambda spool, at: acts.process(spool, at, STAFF, ""),
    "complete": lambda spool, at: acts.complete(spool, at, STAFF, ""),
    "give back": lambda spool, at: acts.answer_change(spool, at, CLERK, accept=True),
    "keep": lambda spool, at: acts.answer_change(spool, at, CLERK, accept=False, reason="Đã thực hiện"),
}
MAY = [name for name in ACTS if name not in {"give back", "keep"}]


@pytest.mark.parametrize("second", MAY)
@pytest.mark.parametrize("first", ["register", "refuse"])
def test_the_slower_of_two_is_told_what_happened_meanwhile(spool: Spool, first: str, second: str) -> None:
    delivery = came(spool)
    at = look(spool, delivery)
    ACTS[first](spool, at)
    before = (said(spool, delivery), steps(spool, delivery), tasks(spool, delivery), noted(spool))
    with pytest.raises(DocumentMovedError, match=r"dealt with meanwhile \(Nguyễn Thị Hoa"):
        ACTS[second](spool, at)
    assert (said(spool, delivery), steps(spool, delivery), tasks(spool, delivery), noted(spool)) == before


@given(names=st.lists(st.sampled_from(MAY), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_whatever_is_tried_in_whatever_order_the_receipts_are_a_way_that_the_states_allow(
    spool_factory: Callable[[], Spool], names: list[str]
) -> None:
    spool = spool_factory()
    delivery = came(spool)
    done = 0
    for name in names:
        before = len(steps(spool, delivery)), said(spool, delivery), noted(spool)
        try:
            ACTS[name](spool, look(spool, delivery))
            done += 1
            assert len(steps(spool, delivery)) == before[0] + 1
        except (TransitionError, BookError):
            assert (len(steps(spool, delivery)), said(spool, delivery), noted(spool)) == before
    assert len(noted(spool)) == done
    state = S.ARRIVED
    for word in said(spool, delivery)[1:]:
        assert S(word) in BY_PEOPLE
        assert follow(state, S(word)).effect == "advance"
        state = S(word)
    assert get_entry(spool, delivery).state is state
    with spool.reading() as conn:
        entered = book_entries.entries(conn, BookKey(UNIT, BookKind.INCOMING, 2026))
    assert len(entered) == said(spool, delivery).count("registered")
    spool.close()


def test_a_document_of_another_unit_is_not_there(spool: Spool) -> None:
    delivery = came(spool, unit="LCA.02.06")
    with spool.reading() as conn, pytest.raises(UnknownDeliveryError):
        looked_at(conn, delivery, {UNIT})
    at = look(spool, delivery, {"LCA.02.06"})
    with pytest.raises(UnknownDeliveryError):
        acts.register(spool, at, CLERK, FIELDS)
    assert said(spool, delivery) == ["arrived"]


def test_nothing_of_an_act_stays_when_a_part_of_it_fails(spool: Spool) -> None:
    delivery = came(spool)
    with spool.writing() as conn:
        conn.exec_driver_sql("CREATE TRIGGER broken BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'broken'); END")
    with pytest.raises(IntegrityError, match="broken"):
        acts.register(spool, look(spool, delivery), CLERK, FIELDS)
    assert (said(spool, delivery), steps(spool, delivery)) == (["arrived"], [])
    with spool.reading() as conn:
        assert book_entries.books(conn, {UNIT}) == []


def test_a_reason_that_no_receipt_can_carry_is_refused_and_nothing_is_written(spool: Spool) -> None:
    delivery = came(spool)
    for reason, problem in (("", "reason"), ("a\nb", "reason"), ("a" * 1001, "reason")):
        with pytest.raises(InvalidError, match=problem):
            acts.refuse(spool, look(spool, delivery), CLERK, reason)
    assert steps(spool, delivery) == []


def recalled(spool: Spool, delivery: str) -> None:
    entry = get_entry(spool, delivery)
    with spool.writing() as conn:
        recalls.note(
            conn, [recalls.Noted(unit=UNIT, by="0" * 32, notation="9-CV/TU", dispatch_ids=(entry.dispatch_id,))]
        )
        recalls.carry_out(conn, {(UNIT, entry.dispatch_id)})


def test_a_recall_is_answered_once_and_only_when_there_is_one(spool: Spool) -> None:
    delivery = came(spool)
    acts.register(spool, look(spool, delivery), CLERK, FIELDS)
    acts.submit(spool, look(spool, delivery), CLERK, NAM, "")
    for name in ("give back", "keep"):
        with pytest.raises(TransitionError, match="nobody has recalled"):
            ACTS[name](spool, look(spool, delivery))
    recalled(spool, delivery)
    ACTS["give back"](spool, look(spool, delivery))
    assert get_entry(spool, delivery).state is S.RECALLED
    assert said(spool, delivery)[-1] == "recalled"
    assert all(item.ended_at is not None for item in tasks(spool, delivery))
    with pytest.raises(TransitionError):
        ACTS["keep"](spool, look(spool, delivery))


def test_what_a_person_has_to_do_comes_by_its_day_and_those_without_a_day_last(spool: Spool) -> None:
    until: list[Any] = [None, 5_000, 2_000]
    ids = []
    for seq, at in enumerate(until, 1):
        delivery = came(spool, seq=seq, notation=f"{seq}-CV/TU")
        ids.append(delivery)
        acts.register(spool, look(spool, delivery), CLERK, FIELDS)
        acts.direct(spool, look(spool, delivery), LEADER, Direction("", "lan", until_ms=at))
    with spool.reading() as conn:
        found = handling.tasks_of(conn, "lan", [UNIT], limit=9)
        assert [(delivery, item.until) for delivery, item in found] == [
            (ids[2], 2_000),
            (ids[1], 5_000),
            (ids[0], None),
        ]
        assert handling.tasks_of(conn, "lan", ["LCA.02.06"], limit=9) == []
        assert handling.tasks_of(conn, "nam", [UNIT], limit=9) == []


def test_the_spool_forgets_no_document_that_is_somebodys_task_and_with_others_their_steps(spool: Spool) -> None:
    delivery = came(spool)
    acts.register(spool, look(spool, delivery), CLERK, FIELDS)
    acts.submit(spool, look(spool, delivery), CLERK, NAM, "")

    def forget() -> int:
        with spool.writing() as conn:
            sent = outbox.unsent(conn, Lane.NORMAL, after=0, limit=99)
            outbox.mark_sent(conn, [[item.pos for item in sent]])
            return retention.forget(conn, [now_ms() + 1])[0].deliveries

    assert forget() == 0
    acts.complete(spool, look(spool, delivery), STAFF, "")
    assert forget() == 1
    with spool.reading() as conn:
        assert conn.execute(select(task)).all() == []
        assert conn.exec_driver_sql("SELECT count(*) FROM step").scalar() == 0


def test_nobody_is_given_a_document_who_may_not_see_it(spool: Spool) -> None:
    plain, secret = came(spool), came(spool, seq=2, secrecy=Secrecy.SECRET)
    with spool.writing() as conn:
        PEOPLE.invite(conn, "lan", [RoleGrant(DeskRole.CLEARED, UNIT)], now_ms=now_ms())
    scope = UnitScope.whole(UNIT)
    clerk, leader = (Acting(card, 1_000, scope) for card in (HOA, NAM))
    for delivery, secrecy in ((plain, Secrecy.NONE), (secret, Secrecy.SECRET)):
        fields = RegisterFields(day=FIELDS.day, subject="Về việc", secrecy=secrecy)
        acts.register(spool, looked_in(spool, delivery, scope), clerk, fields)
    for delivery, blind in ((plain, ("khac", "la")), (secret, ("khac", "la", "hoa", "nam"))):
        for name in blind:
            for direction in (
                Direction("", name),
                Direction("", "lan", coordinate=(name,)),
                Direction("", "lan", know=(name,)),
            ):
                with pytest.raises(NotForThemError, match=name):
                    acts.direct(spool, looked_in(spool, delivery, scope), leader, direction)
        named = Direction("", "lan", ("Công an xã", "lan", "Công an xã", ""), ("lan", "Trạm y tế"))
        acts.direct(spool, looked_in(spool, delivery, scope), leader, named)
        with spool.reading() as conn:
            _, _, pos = looked_at(conn, delivery, scope)
            given = [(item.person, item.part) for item in handling.tasks(conn, pos)]
            said = handling.steps(conn, pos)[-1].detail
        assert given == [("lan", TaskPart.LEAD)], "who leads is named once"
        assert (said.coordinate, said.know) == (("Công an xã",), ("Trạm y tế",))


def looked_in(spool: Spool, delivery: str, scope: UnitScope) -> Looked:
    with spool.reading() as conn:
        return looked_at(conn, delivery, scope)[1]
