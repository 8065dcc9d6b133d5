"""The broker is kept in line: by what changes, by what it says, and by looking; what was lost is sent again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import Engine, select

from router.broker import SessionState
from router.broker.errors import ManagementForbiddenError, ManagementUnreachableError
from router.broker.topology import BrokerAccount, Topology, plan
from router.broker.topology.values import Queue
from router.delivery.topology_sync import Keeper
from router.directory import Directory
from router.errors import LedgerUnavailableError
from router.ledger.engine import reading
from router.ledger.models import delivery
from router.ledger.writer import Writer
from schemas.states import Status
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, StandInBroker, away

CODES = ("LCA", "LCA.01", "LCA.02")
GATEWAY = "gateway:LCA.#"
LATER = 3_600_000


class Plan:
    """What should stand, as the test changes it."""

    def __init__(self) -> None:
        self.units = [unit(code) for code in CODES]
        self.accounts = {GATEWAY: "hash"}
        self.fails: Exception | None = None

    def __call__(self) -> Topology:
        if self.fails is not None:
            raise self.fails
        logins = [BrokerAccount(name, hashed) for name, hashed in self.accounts.items()]
        return plan(self.units, logins, vhost="v", day=date(2026, 11, 22))


@pytest.fixture
def wanted() -> Plan:
    return Plan()


@pytest.fixture
def broker() -> StandInBroker:
    return StandInBroker()


@pytest.fixture
def steady() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def waiting(ledger: Engine, clock: SetClock) -> dict[str, str]:
    """A delivery to each unit that lies in its queue, to be published again in an hour; unit → id."""
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        units = [unit(code) for code in CODES]
        clerk.units(*units)
        dispatch = clerk.dispatch("LCA.VP", units)
        for code in CODES:
            clerk.tell(dispatch, code, Status.QUEUED)
        conn.execute(delivery.update().values(next_due_at=clock.now + LATER))
        return {code: clerk.deliveries[dispatch, code] for code in CODES}


def due(ledger: Engine, clock: SetClock) -> set[str]:
    with reading(ledger) as conn:
        return set(conn.scalars(select(delivery.c.unit).where(delivery.c.next_due_at <= clock.now)))


def made(
    broker: StandInBroker | None, wanted: Plan, writer: Writer, steady: asyncio.Event, clock: SetClock, *, every: float
) -> Keeper:
    return Keeper(
        broker=broker,
        plan=wanted,
        directory=lambda: Directory(wanted.units),
        writer=writer,
        steady=steady,
        interval=every,
        retry_longest=0.01,
        clock=clock,
    )


@pytest.fixture
async def keeper(
    broker: StandInBroker, wanted: Plan, writer: Writer, steady: asyncio.Event, clock: SetClock
) -> AsyncIterator[Keeper]:
    """At work; it looks by itself once an hour, so what happens was caused by something else."""
    keeper = made(broker, wanted, writer, steady, clock, every=3600.0)
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(keeper.run_withdrawals())]
    keeper.on_session(SessionState.UP)
    await holds(steady.is_set, what="the relay may publish")
    yield keeper
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def queue(broker: StandInBroker, name: str) -> frozenset[Queue]:
    return frozenset(item for item in broker.standing.queues if item.name == name)


async def test_after_a_connect_the_broker_stands_as_planned(
    keeper: Keeper, broker: StandInBroker, wanted: Plan
) -> None:
    assert broker.standing == wanted()
    assert keeper.state.stands


@pytest.mark.parametrize("kind", ["queues", "exchanges", "bindings", "users", "permissions", "topic_permissions"])
async def test_what_is_deleted_comes_back_at_the_first_doubt(
    keeper: Keeper, broker: StandInBroker, wanted: Plan, kind: str
) -> None:
    broker.lose(**{kind: getattr(broker.standing, kind)})
    keeper.on_doubt("a message came back")
    await holds(lambda: broker.standing == wanted(), what="it is back")


async def test_what_is_deleted_comes_back_by_looking_when_nothing_tells_of_it(
    broker: StandInBroker, wanted: Plan, writer: Writer, steady: asyncio.Event, clock: SetClock
) -> None:
    keeper = made(broker, wanted, writer, steady, clock, every=0.01)
    task = asyncio.create_task(keeper.run())
    await holds(lambda: broker.standing == wanted(), what="it stands without being asked")
    broker.lose(permissions=broker.standing.permissions)
    await holds(lambda: broker.standing == wanted(), what="it is back")
    task.cancel()


async def test_what_lay_in_a_deleted_queue_is_due_again_and_nothing_else(
    keeper: Keeper, broker: StandInBroker, ledger: Engine, waiting: dict[str, str], clock: SetClock
) -> None:
    assert waiting
    broker.lose(queues=queue(broker, "unit.LCA.01.normal"))
    keeper.on_doubt("a consumer was cancelled")
    await holds(lambda: due(ledger, clock) == {"LCA.01"}, what="its deliveries are due")


async def test_with_the_receipts_queue_all_units_are_asked_again(
    keeper: Keeper, broker: StandInBroker, ledger: Engine, waiting: dict[str, str], clock: SetClock
) -> None:
    broker.lose(queues=queue(broker, "receipts.ledger"))
    keeper.on_doubt("a consumer was cancelled")
    await holds(lambda: due(ledger, clock) == set(waiting), what="all are due")


async def test_killed_between_making_a_queue_and_binding_it_what_lay_there_is_due_all_the_same(
    keeper: Keeper, broker: StandInBroker, ledger: Engine, waiting: dict[str, str], clock: SetClock
) -> None:
    assert waiting
    broker.fails_after_making = ManagementUnreachableError("killed")
    broker.lose(queues=queue(broker, "unit.LCA.02.normal"))
    keeper.on_doubt("a message came back")
    await holds(lambda: due(ledger, clock) == {"LCA.02"}, what="its deliveries are due before it can be reached")


async def test_while_the_ledger_is_away_a_lost_queue_is_not_bound_so_that_it_is_not_forgotten(
    *, keeper: Keeper, broker: StandInBroker, ledger: Engine, waiting: dict[str, str], clock: SetClock, writer: Writer
) -> None:
    assert waiting
    lost = queue(broker, "unit.LCA.02.normal")
    bound = frozenset(item for item in broker.standing.bindings if item.target == "unit.LCA.02.normal")
    with away(ledger):
        broker.lose(queues=lost, bindings=bound)
        keeper.on_doubt("a message came back")
        await holds(lambda: not writer.available, what="the ledger is away")
        assert not bound & broker.standing.bindings
    await holds(lambda: due(ledger, clock) == {"LCA.02"}, what="its deliveries are due")
    await holds(lambda: bound <= broker.standing.bindings, what="it is bound")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ManagementUnreachableError("GET http://broker.lan:15672/api"), "the management API does not answer"),
        (ManagementForbiddenError("GET vhosts: 401"), "the management API refuses the router's login"),
    ],
)
async def test_a_management_api_that_is_away_stops_no_publishing_and_is_shown_without_its_address(
    *,
    broker: StandInBroker,
    wanted: Plan,
    writer: Writer,
    steady: asyncio.Event,
    clock: SetClock,
    error: Exception,
    words: str,
) -> None:
    broker.fails = error
    keeper = made(broker, wanted, writer, steady, clock, every=3600.0)
    task = asyncio.create_task(keeper.run())
    keeper.on_session(SessionState.UP)
    await holds(steady.is_set, what="the relay may publish")
    await holds(lambda: not keeper.state.stands)
    assert keeper.state.words == f"not compared: {words}"
    broker.fails = None
    await holds(lambda: keeper.state.stands, what="it is tried until it works")
    task.cancel()


async def test_what_stood_is_not_called_fallen_by_the_first_failure(keeper: Keeper, broker: StandInBroker) -> None:
    broker.fails = ManagementUnreachableError("gone")
    keeper.on_change()
    await holds(lambda: keeper.state.words.startswith("not compared"), what="the failure is shown")
    assert keeper.state.stands or broker.calls.count("withdraw") > 3
    await holds(lambda: not keeper.state.stands, what="several failures in a row are no chance")


async def test_a_ledger_that_cannot_be_read_is_told_and_tried_again(
    keeper: Keeper, broker: StandInBroker, wanted: Plan
) -> None:
    wanted.fails = LedgerUnavailableError("away")
    keeper.on_change()
    await holds(lambda: keeper.state.words == "not compared: the ledger does not answer")
    wanted.fails = None
    wanted.units.append(unit("LCA.03"))
    await holds(lambda: broker.standing == wanted(), what="the change is made")


@pytest.mark.parametrize("state", [SessionState.DOWN, SessionState.CONNECTING])
async def test_nothing_is_published_after_the_connection_went(
    keeper: Keeper, steady: asyncio.Event, state: SessionState
) -> None:
    keeper.on_session(state)
    assert not steady.is_set()
    keeper.on_session(SessionState.UP)
    await holds(steady.is_set, what="the relay may publish")


async def test_a_blocked_broker_is_no_lost_one(keeper: Keeper, steady: asyncio.Event) -> None:
    keeper.on_session(SessionState.BLOCKED)
    assert steady.is_set()


async def test_a_revoked_login_goes_while_a_long_comparison_is_under_way_and_does_not_come_back(
    keeper: Keeper, broker: StandInBroker, wanted: Plan
) -> None:
    broker.busy.clear()
    wanted.units.append(unit("LCA.03"))
    keeper.on_change()
    await holds(lambda: broker.calls[-1] == "shape", what="queues are being made")
    wanted.accounts.clear()
    keeper.on_change()
    await holds(lambda: not broker.standing.users, what="the login is gone")
    broker.busy.set()
    await holds(lambda: broker.standing == wanted(), what="the comparison has ended")
    assert not broker.standing.users


async def test_a_broker_that_an_administrator_keeps_is_published_to_and_not_compared(
    wanted: Plan, writer: Writer, steady: asyncio.Event, clock: SetClock
) -> None:
    keeper = made(None, wanted, writer, steady, clock, every=3600.0)
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(keeper.run_withdrawals())]
    keeper.on_session(SessionState.UP)
    await holds(steady.is_set, what="the relay may publish")
    keeper.on_change()
    assert (keeper.state.stands, keeper.state.words) == (True, "left to the administrator")
    for task in tasks:
        task.cancel()
