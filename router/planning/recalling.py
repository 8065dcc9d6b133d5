"""What the recall of a dispatch would come to if it were asked for now, unit by unit, as the ledger decides."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from router.errors import AllowanceError
from router.ledger.engine import reading
from router.ledger.people import rights
from router.ledger.way import recalls
from router.ledger.way.acceptance import NewDispatch
from router.ledger.way.recalls import Foreseen
from router.storage.transactions import in_thread
from schemas.clock import now_ms
from schemas.states import RecallEffect


@dataclass(frozen=True, slots=True)
class RecallPlan:
    """As of a moment (UTC milliseconds): what happens to each delivery, by unit, and how many units the recall goes to.

    ``too_much`` is why it has to wait for the next hour: its account has sent as much as it may; None: it need not.
    """

    at: int
    told: int
    deliveries: tuple[Foreseen, ...]
    too_much: AllowanceError | None = None

    def of(self, effect: RecallEffect) -> tuple[Foreseen, ...]:
        """The deliveries to which this happens."""
        return tuple(item for item in self.deliveries if item.effect is effect)

    def behind(self, unit: str) -> tuple[Foreseen, ...]:
        """The deliveries to the units behind one."""
        return self.deliveries[bisect_right(self.deliveries, unit, key=lambda item: item.unit) :]

    @property
    def counts(self) -> Mapping[RecallEffect, int]:
        """To how many deliveries each happens."""
        return {effect: len(self.of(effect)) for effect in RecallEffect}


async def plan_recall(engine: Engine, new: NewDispatch) -> RecallPlan:
    """Look into the ledger, in one transaction and a thread, at what a recall that was made ready would do.

    Raises:
        RefusedError: it is one that cannot be accepted.
    """
    return await in_thread(partial(reading, engine), partial(_foreseen, new=new))


def _foreseen(conn: Connection, *, new: NewDispatch) -> RecallPlan:
    refusal = recalls.refusal(conn, new.submission, new.called_back, new.rights)
    if refusal is not None:
        raise refusal
    found = recalls.foresee(conn, new.submission.refers_to, called_back=new.called_back, gone=new.gone)
    now = now_ms()
    too_much = rights.refusal_of(conn, new.account, new.rights.hourly, new.amount, now_ms=now)
    return RecallPlan(now, len(new.units), tuple(sorted(found, key=lambda item: item.unit)), too_much)
