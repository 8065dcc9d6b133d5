"""The place in the log up to which it is published: one process at a time, and no place is skipped."""

import threading
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, update

from router.ledger.engine import reading, writing
from router.ledger.models import delivery, publication, receipt
from router.ledger.way import recorded, retention
from router.ledger.way.receipts import apply
from router.ledger.way.recorded import PublicationClaim, PublicationStep
from router.ledger.way.retention import RetentionPage
from router.rules.schedule import Silence
from schemas.clock import now_ms
from schemas.states import Status
from support.ledgers import POSTGRESQL, Clerk, unit

A, B = "router-a", "router-b"


def following(engine: Engine, after: int, settled: int = 0) -> tuple[list[int], bool]:
    """The places that are passed next, and whether others wait."""
    with reading(engine) as conn:
        _, through, waiting = recorded.following(conn, after=after, settled=settled, limit=100)
        places = conn.scalars(select(receipt.c.pos).where(receipt.c.pos > after, receipt.c.pos <= through))
        return sorted(places), waiting


def claim(engine: Engine, owner: str, now: int) -> int | None:
    with writing(engine) as conn:
        return recorded.claim(conn, [PublicationClaim(owner, now, now + 100)])[0]


def tell(conn: Connection, count: int, code: str = "LCA.02") -> list[str]:
    clerk = Clerk(conn)
    sent = [clerk.dispatch("LCA.VP", [unit(code)]) for _ in range(count)]
    for seq, item in enumerate(sent, 1):
        apply(conn, [clerk.entry(clerk.deliveries[item, code], Status.ARRIVED, "", seq)], Silence())
    return sent


def test_one_process_at_a_time_publishes_and_a_dead_ones_claim_ends(ledger: Engine) -> None:
    assert claim(ledger, A, 1000) == 0
    assert claim(ledger, B, 1050) is None
    assert claim(ledger, A, 1050) == 0
    assert claim(ledger, B, 1200) == 0
    with writing(ledger) as conn:
        assert recorded.advance(conn, [PublicationStep(A, 7, 2000), PublicationStep(B, 5, 2000)]) == [False, True]
        recorded.release(conn, [B])
    assert claim(ledger, A, 1300) == 5


def test_a_claim_of_a_clock_that_was_ahead_holds_nobody_up(ledger: Engine) -> None:
    day, lease = 86_400_000, recorded.LEASE_MS
    with writing(ledger) as conn:
        assert recorded.claim(conn, [PublicationClaim(A, day, day + lease)]) == [0]
        assert recorded.claim(conn, [PublicationClaim(B, 1000, 1000 + lease)]) == [0]
        assert recorded.advance(conn, [PublicationStep(A, 1, day + lease)]) == [False]
        assert recorded.claim(conn, [PublicationClaim(A, 1000 + lease - 1, 1000 + 2 * lease)]) == [None], (
            "that one is believed"
        )


def test_what_comes_after_all_was_forgotten_is_published_too(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for item in tell(conn, 3):
            ended = delivery.c.dispatch_id == item
            conn.execute(update(delivery).where(ended).values(state=Status.COMPLETED.value))
        through = recorded.end(conn)
        retention.forget_receipts(conn, [RetentionPage(now_ms() + 365 * 86_400_000)])
        assert len(conn.execute(select(receipt.c.pos)).all()) == 1
        tell(conn, 1, "LCA.03")
    places, waiting = following(ledger, through)
    assert (len(places), waiting) == (1, False)


def test_entries_come_in_the_order_of_the_log_with_what_their_messages_need(ledger: Engine) -> None:
    with writing(ledger) as conn:
        sent = tell(conn, 3)
    with reading(ledger) as conn:
        entries, through, waiting = recorded.following(conn, after=0, settled=0, limit=2)
    assert ([entry.dispatch_id for entry in entries], waiting) == (sent[:2], False)
    assert {(entry.issuer, entry.unit, entry.status) for entry in entries} == {("LCA.VP", "LCA.02", "arrived")}
    assert following(ledger, through) == ([through + 1], False)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"effect": "advance"}, True),
        ({"effect": "stale"}, True),
        ({"effect": "refused"}, False),
        ({"seq": None}, False),
    ],
    ids=str,
)
def test_what_a_unit_said_and_what_was_not_refused_is_told(ledger: Engine, changed: dict[str, Any], told: int) -> None:
    with writing(ledger) as conn:
        tell(conn, 1)
        conn.execute(update(receipt).values(changed))
    with reading(ledger) as conn:
        entries, through, waiting = recorded.following(conn, after=0, settled=0, limit=2)
    assert (len(entries), through, waiting) == (told, 1, False), "its place is passed in any case"


def test_a_place_that_is_still_being_written_is_waited_for(ledger: Engine) -> None:
    """On PostgreSQL the first of two transactions may commit last; on SQLite there is one at a time."""
    if ledger.dialect.name != POSTGRESQL:
        with writing(ledger) as conn:
            tell(conn, 2)
        assert following(ledger, 0) == ([1, 2], False)
        return
    with writing(ledger) as first:
        tell(first, 2)
        with writing(ledger) as second:
            tell(second, 1, "LCA.03")
        assert following(ledger, 0) == ([], True)
        assert recorded.settle(ledger) is None, "a writer is at work: nothing is known"
    assert following(ledger, 0) == ([1, 2, 3], False)


def test_a_place_that_nobody_will_fill_is_passed(ledger: Engine) -> None:
    if ledger.dialect.name != POSTGRESQL:
        with ledger.connect() as conn:
            tell(conn, 2)
            conn.rollback()
        with writing(ledger) as conn:
            tell(conn, 1)
        assert following(ledger, 0) == ([1], False), "it was given again"
        return
    with ledger.connect() as conn:
        tell(conn, 2)
        conn.rollback()
    with writing(ledger) as conn:
        tell(conn, 1)
    assert following(ledger, 0) == ([], True)
    assert recorded.settle(ledger) == 3
    assert following(ledger, 0, settled=3) == ([3], False)


def test_a_claim_never_waits_for_another_process(ledger: Engine) -> None:
    """Who waits here while it holds deliveries, and another the other way round, would wait for ever."""
    if ledger.dialect.name != POSTGRESQL:
        assert claim(ledger, A, 1000) == 0
        return
    found: list[int | None] = []
    with ledger.connect() as conn:
        conn.execute(select(publication).with_for_update())
        asking = threading.Thread(target=lambda: found.append(claim(ledger, B, 1000)))
        asking.start()
        asking.join(10)
        assert found == [None]
        conn.rollback()
