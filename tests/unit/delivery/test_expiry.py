"""What has not arrived for too long ends visibly: once, with its reason, and nothing else does."""

import asyncio

import pytest
from sqlalchemy import Engine, select

from router.delivery.expiry import Expiry
from router.delivery.recorder import Recorder
from router.ledger.engine import reading
from router.ledger.models import delivery, receipt
from router.ledger.writer import Writer
from schemas.states import Status
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, away

AFTER = 90 * 86_400.0
CODES = ("LCA.01", "LCA.02", "LCA.03")


@pytest.fixture
def clerk(ledger: Engine, clock: SetClock) -> dict[str, str]:
    """Three deliveries, of which the second has arrived; unit → delivery id."""
    with ledger.begin() as conn:
        made = Clerk(conn)
        dispatch = made.dispatch("LCA.VP", [unit(code) for code in CODES])
        made.tell(dispatch, "LCA.02", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
        clock.now = made.now
        return {code: made.deliveries[dispatch, code] for code in CODES}


def states(ledger: Engine) -> dict[str, str]:
    with reading(ledger) as conn:
        return dict(conn.execute(select(delivery.c.unit, delivery.c.state)).all())


def told(ledger: Engine) -> list[tuple[str, str]]:
    with reading(ledger) as conn:
        statement = select(receipt.c.delivery_id, receipt.c.reason).where(receipt.c.status == Status.EXPIRED.value)
        return [(row[0], row[1]) for row in conn.execute(statement)]


@pytest.fixture
def expiry(ledger: Engine, recorder: Recorder, clock: SetClock, clerk: dict[str, str]) -> Expiry:
    assert clerk
    return Expiry(ledger, recorder, after=AFTER, clock=clock)


async def test_what_is_not_overdue_stays(ledger: Engine, expiry: Expiry, clock: SetClock) -> None:
    clock.pass_(seconds=AFTER - 60)
    await expiry.expire()
    assert told(ledger) == []


async def test_what_is_overdue_ends_with_its_reason_and_what_has_arrived_stays(
    ledger: Engine, expiry: Expiry, clock: SetClock, clerk: dict[str, str]
) -> None:
    clock.pass_(seconds=AFTER + 1)
    await expiry.expire()
    assert states(ledger) == {"LCA.01": "expired", "LCA.02": "arrived", "LCA.03": "expired"}
    assert {key for key, _ in told(ledger)} == {clerk["LCA.01"], clerk["LCA.03"]}
    assert {reason for _, reason in told(ledger)} == {"had not arrived 90 days after its acceptance"}


async def test_a_second_look_ends_nothing_twice(ledger: Engine, expiry: Expiry, clock: SetClock) -> None:
    clock.pass_(seconds=AFTER + 1)
    await expiry.expire()
    await expiry.expire()
    assert len(told(ledger)) == 2


async def test_killed_before_the_commit_it_is_done_by_the_next_look(
    ledger: Engine, recorder: Recorder, expiry: Expiry, writer: Writer, clock: SetClock
) -> None:
    clock.pass_(seconds=AFTER + 1)
    with away(ledger):
        killed = asyncio.create_task(expiry.expire())
        await holds(lambda: not writer.available, what="the commit waits for the ledger")
        killed.cancel()
        assert told(ledger) == []
    await Expiry(ledger, recorder, after=AFTER, clock=clock).expire()
    assert sorted(states(ledger).values()) == ["arrived", "expired", "expired"]
    effects = _effects(ledger)
    assert effects.count("advance") == 2, "each ends once, however often it was told"


def _effects(ledger: Engine) -> list[str]:
    with reading(ledger) as conn:
        statement = select(receipt.c.effect).where(receipt.c.status == Status.EXPIRED.value)
        return list(conn.scalars(statement))
