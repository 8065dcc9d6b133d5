"""The log decides: only a receipt that is new moves a delivery, and the log alone gives every state."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from router.ledger.engine import writing
from router.ledger.models import delivery, dispatch, receipt
from router.ledger.way.acts import redrive
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Recorded, Result, Unknown, apply
from router.rules.evidence import CLOCKS_DIFFER_MS, LATEST_MS
from router.rules.schedule import Silence
from schemas.clock import iso
from schemas.ids import new_id
from schemas.states import BY_UNIT, Effect, Status, follow
from support.ledgers import Clerk, attachment, unit
from support.owing import misjudged

S = Status
SILENCE = Silence()
UNITS = unit("LCA.01"), unit("LCA.02")
OTHER_HASH = "f" * 64
DAY = 24 * 3_600_000


@dataclass(slots=True)
class World:
    """A ledger with two dispatches to two units each, and all that was told of them."""

    conn: Connection
    clerk: Clerk
    dispatches: list[str]
    deliveries: list[tuple[str, str]]
    """Delivery id and unit."""
    said: list[NewReceipt] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def tell(self, *entries: NewReceipt) -> list[Result]:
        results = apply(self.conn, entries, SILENCE)
        self.said += entries
        self.results += results
        return results


def begin(conn: Connection) -> World:
    clerk = Clerk(conn)
    due = iso(clerk.now + 2 * DAY)
    letters: tuple[dict[str, object], ...] = ({"urgency": 2, "due": due}, {})
    ids = [clerk.dispatch("LCA.VP", UNITS, attachments=[attachment()], **fields) for fields in letters]
    return World(conn, clerk, ids, [(clerk.deliveries[key, item.code], item.code) for key in ids for item in UNITS])


def a_receipt(
    world: World, of: int, status: Status, *, key: str = "", unit_code: str = "", told: str = "right", late: int = 0
) -> NewReceipt:
    """What a unit says; ``told``: the content's hash that it names."""
    delivery_id, code = world.deliveries[of]
    world.clerk.now += 1000
    hashes = {"right": content_of(world, delivery_id), "wrong": OTHER_HASH, "none": None}
    at = world.clerk.now
    return NewReceipt(
        key or new_id(),
        delivery_id,
        status,
        iso(at + late),
        at,
        unit=unit_code or code,
        seq=1,
        content_sha256=hashes[told],
        reason="vì lý do" if status in {S.PARKED, S.REFUSED} else "",
    )


def content_of(world: World, delivery_id: str) -> str:
    joined = select(dispatch.c.content_sha256).join(delivery)
    return str(world.conn.scalar(joined.where(delivery.c.id == delivery_id)))


def rows_of(conn: Connection, delivery_id: str) -> list[tuple[Status, Effect, str]]:
    columns = receipt.c.status, receipt.c.effect, receipt.c.reason
    found = conn.execute(select(*columns).where(receipt.c.delivery_id == delivery_id).order_by(receipt.c.pos))
    return [(S(status), Effect(effect), reason) for status, effect, reason in found]


def state_of(conn: Connection, delivery_id: str) -> Status:
    return S(conn.scalars(select(delivery.c.state).where(delivery.c.id == delivery_id)).one())


def replayed(conn: Connection, delivery_id: str) -> Status:
    """The state that the log alone gives."""
    state = S.PENDING
    for status, effect, _reason in rows_of(conn, delivery_id):
        if effect is Effect.ADVANCE:
            assert follow(state, status).effect is Effect.ADVANCE
            state = status
    return state


def everything(conn: Connection) -> tuple[object, ...]:
    """All that stands in the ledger of deliveries and receipts."""
    return tuple(
        tuple(tuple(row) for row in conn.execute(select(table).order_by(table.c.id))) for table in (delivery, receipt)
    )


# -- the faults, one by one


def test_a_receipt_told_again_by_another_spool_under_a_number_of_its_own_is_the_same(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        told = a_receipt(world, 0, S.ARRIVED)
        world.tell(told)
        before = rows_of(conn, told.delivery_id)
        (again,) = world.tell(told._replace(seq=57))
        assert isinstance(again, Recorded)
        assert (again.new, again.step.effect) == (False, Effect.ADVANCE)
        assert rows_of(conn, told.delivery_id) == before


def test_completed_told_again_after_a_change_was_refused_moves_nothing(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        told = [a_receipt(world, 0, status) for status in (S.ARRIVED, S.REGISTERED, S.COMPLETED)]
        world.tell(*told, NewReceipt(new_id(), told[0].delivery_id, S.TAKE_BACK_REQUESTED, iso(0), world.clerk.now))
        refused = a_receipt(world, 0, S.CHANGE_REFUSED)
        world.tell(refused)
        world.tell(a_receipt(world, 0, S.COMPLETED))
        world.tell(refused)
        assert state_of(conn, told[0].delivery_id) is S.COMPLETED is replayed(conn, told[0].delivery_id)


def test_a_parked_told_again_does_not_stop_a_redrive(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        parked = a_receipt(world, 0, S.PARKED)
        world.tell(parked)
        assert redrive(conn, [parked.delivery_id], who="lan", reason="x", now_ms=world.clerk.now).redriven
        again = world.tell(parked)[0]
        assert isinstance(again, Recorded)
        assert (again.new, again.step.effect) == (False, Effect.ADVANCE)
        assert state_of(conn, parked.delivery_id) is S.REDRIVEN
        assert conn.scalar(select(delivery.c.next_due_at).where(delivery.c.id == parked.delivery_id)) is not None


@pytest.mark.parametrize("of", [1, 2], ids=["by another unit", "for another delivery"])
def test_an_id_used_again_moves_nothing_and_is_kept_as_refused_once(ledger: Engine, of: int) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        first = a_receipt(world, 0, S.TAKEN)
        second = a_receipt(world, of, S.ARRIVED, key=first.id)
        world.tell(first)
        world.tell(second)
        world.tell(second, second)
        assert state_of(conn, second.delivery_id) is S.PENDING
        [(status, effect, reason)] = rows_of(conn, second.delivery_id)
        assert (status, effect) == (S.ARRIVED, Effect.REFUSED)
        assert "its id was used before" in reason


def test_an_id_used_for_two_things_in_one_burst_is_kept_twice(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        first = a_receipt(world, 0, S.TAKEN)
        world.tell(first, first, a_receipt(world, 2, S.TAKEN, key=first.id), first)
        assert [state_of(conn, world.deliveries[of][0]) for of in (0, 2)] == [S.TAKEN, S.PENDING]
        assert [len(rows_of(conn, world.deliveries[of][0])) for of in (0, 2)] == [1, 1]


def test_the_first_who_uses_an_id_has_it_though_two_routers_record_at_once(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        first = a_receipt(world, 0, S.TAKEN)
        entries = [first, a_receipt(world, 2, S.TAKEN, key=first.id)]

    def record(item: NewReceipt) -> Result:
        with writing(ledger) as conn:
            return apply(conn, [item], SILENCE)[0]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(record, entries))
    effects = sorted(item.step.effect.value for item in results if isinstance(item, Recorded))
    assert effects == [Effect.ADVANCE.value, Effect.REFUSED.value]
    with writing(ledger) as conn:
        assert all(state_of(conn, item.delivery_id) is replayed(conn, item.delivery_id) for item in entries)
        assert conn.scalar(select(func.count()).select_from(receipt)) == len(entries)


# -- what a unit says is held against what was sent


def test_an_arrival_with_another_content_is_refused_and_waits_for_somebody(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        wrong = a_receipt(world, 0, S.ARRIVED, told="wrong")
        world.tell(wrong)
        world.tell(wrong)
        refused, parked = rows_of(conn, wrong.delivery_id)
        assert refused[:2] == (S.ARRIVED, Effect.REFUSED)
        assert parked[:2] == (S.PARKED, Effect.ADVANCE)
        assert "the unit has the content ffffffff" in refused[2]
        assert "is not believed" in parked[2]
        assert state_of(conn, wrong.delivery_id) is S.PARKED


def test_nobody_can_have_what_was_never_sent_unless_he_knows_its_content(ledger: Engine) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.tell(a_receipt(world, 0, S.TAKEN, told="none"), a_receipt(world, 1, S.ARRIVED))
        refused, marked = (rows_of(conn, world.deliveries[of][0]) for of in (0, 1))
        assert [item[1] for item in refused + marked] == [Effect.REFUSED, Effect.ADVANCE]
        assert "never sent" in refused[0][2]
        assert "never sent" in marked[0][2]


@pytest.mark.parametrize(
    ("late", "mark"),
    [
        (-CLOCKS_DIFFER_MS - DAY, "before the dispatch was accepted"),
        (LATEST_MS + 60_000, "more than a day ahead"),
        (-CLOCKS_DIFFER_MS // 2, ""),
        (LATEST_MS // 2, ""),
    ],
)
def test_a_time_that_cannot_be_is_marked_and_the_receipt_counts(ledger: Engine, late: int, mark: str) -> None:
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        told = a_receipt(world, 0, S.ARRIVED, late=late)
        world.tell(told)
        [(status, effect, reason)] = rows_of(conn, told.delivery_id)
        assert (status, effect) == (S.ARRIVED, Effect.ADVANCE)
        assert mark in reason
        assert bool(reason) == bool(mark)


def test_a_hash_that_is_told_later_makes_no_other_receipt(ledger: Engine) -> None:
    """A gateway that has only a stub does not know the content's hash; when it sends its receipt again it may."""
    with writing(ledger) as conn:
        world = begin(conn)
        world.clerk.publish()
        bare = a_receipt(world, 0, S.TAKEN, told="none")
        world.tell(bare)
        again = world.tell(bare._replace(content_sha256=content_of(world, bare.delivery_id)))[0]
        assert isinstance(again, Recorded)
        assert not again.new
        assert len(rows_of(conn, bare.delivery_id)) == 1


# -- any history

Act = Callable[[World], object]


def _unit_says(draw: st.DrawFn) -> Act:
    of, status = draw(st.integers(0, 3)), draw(st.sampled_from(sorted(BY_UNIT)))
    other, slot = draw(st.sampled_from(["", "", "", "LCA.01"])), draw(st.integers(0, 5))
    told, late = (
        draw(st.sampled_from(["right", "right", "wrong", "none"])),
        draw(st.sampled_from([0, 0, -DAY, 3 * DAY])),
    )

    def act(world: World) -> object:
        used = [item.id for item in world.said]
        key = used[slot] if slot < len(used) and slot < 2 else ""
        return world.tell(a_receipt(world, of, status, key=key, unit_code=other, told=told, late=late))

    return act


def _repeat(draw: st.DrawFn) -> Act:
    wanted = draw(st.lists(st.integers(0, 30), min_size=1, max_size=6))
    return lambda world: world.said and world.tell(*(world.said[index % len(world.said)] for index in wanted))


def _own(draw: st.DrawFn) -> Act:
    of, status = draw(st.integers(0, 3)), draw(st.sampled_from([S.QUEUED, S.EXPIRED]))

    def act(world: World) -> object:
        world.clerk.now += 1000
        now, key = world.clerk.now, world.deliveries[of][0]
        return world.tell(NewReceipt(new_id(), key, status, iso(now), now, confirmed=status is S.QUEUED))

    return act


def _redrive(draw: st.DrawFn) -> Act:
    of = draw(st.integers(0, 3))
    return lambda world: redrive(
        world.conn, [world.deliveries[of][0]], who="lan", reason="đã sửa", now_ms=world.clerk.now
    )


def _recall(draw: st.DrawFn) -> Act:
    of = draw(st.integers(0, 1))
    return lambda world: world.clerk.dispatch("LCA.VP", UNITS, kind="recall", refers_to=[world.dispatches[of]])


@st.composite
def histories(draw: st.DrawFn) -> list[Act]:
    kinds = st.sampled_from([_unit_says, _unit_says, _unit_says, _repeat, _repeat, _own, _redrive, _recall, None])
    return [
        (lambda world: world.clerk.publish()) if kind is None else kind(draw)
        for kind in draw(st.lists(kinds, max_size=25))
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=histories())
def test_any_history_has_its_states_from_the_log_alone_and_no_open_delivery_is_nobodys_turn(
    ledger: Engine, history: list[Act]
) -> None:
    with ledger.connect() as conn, conn.begin() as transaction:
        world = begin(conn)
        for act in history:
            act(world)
        keys = list(conn.scalars(select(delivery.c.id)))
        assert [replayed(conn, key) for key in keys] == [state_of(conn, key) for key in keys]
        assert misjudged(conn) == []
        told = [item.entry for item in world.results if not isinstance(item, Unknown)]
        kept = {(status, key) for key in keys for status, _effect, _reason in rows_of(conn, key)}
        assert {(item.status, item.delivery_id) for item in told} <= kept
        before = everything(conn)
        world.tell(*reversed(told))
        assert everything(conn) == before
        transaction.rollback()
