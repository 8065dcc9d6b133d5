"""What a publish that the broker did not confirm leaves at its delivery."""

import pytest
from sqlalchemy import Engine, select

from router.ledger.models import attempt, delivery
from router.ledger.way import outbox
from schemas.states import Status
from support.ledgers import Clerk, unit

S, HERE = Status, unit("LCA.01")
LOST = "lost: the channel closed"


@pytest.mark.parametrize(
    ("told", "reason", "says"),
    [
        ([], "", LOST),
        ([S.QUEUED], "", ""),
        ([S.QUEUED, S.TAKEN], "", ""),
        ([S.QUEUED, S.PARKED], "the disk is full", "the disk is full"),
        ([S.QUEUED, S.PARKED, S.REDRIVEN], "mended", LOST),
    ],
    ids=lambda it: "-".join(it) if isinstance(it, list) else None,
)
def test_it_is_the_reason_until_the_delivery_goes_out(
    ledger: Engine, told: list[Status], reason: str, says: str
) -> None:
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        of = clerk.dispatch("LCA.VP", [HERE])
        key = clerk.deliveries[of, "LCA.01"]
        clerk.publish()
        clerk.tell(of, "LCA.01", *told, reason=reason)
        outbox.make_due_by_sequence(conn, "LCA.01", [1], clerk.now)
        outbox.record_failures(conn, [[outbox.Failed(key, clerk.now, "lost", "the channel closed", 0)]])
        row = conn.execute(select(delivery.c.reason, delivery.c.failures, delivery.c.next_due_at)).one()
        assert (row.reason, row.failures) == (says, 1)
        assert row.next_due_at > clerk.now
        assert conn.scalars(select(attempt.c.detail)).all() == ["the channel closed"], "the log has it in any state"
