"""How the recalls of a dispatch stand: how many of the deliveries that each calls back are in which state."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from router.ledger.models import delivery, dispatch
from router.ledger.scope import Scope
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class RecallStanding:
    """A recall, and in which state the deliveries are that it calls back, as far as a scope sees them."""

    recall_id: str
    states: Mapping[Status, int]


def recalls_of(conn: Connection, scope: Scope, dispatch_id: str) -> list[RecallStanding]:
    """The recalls of a dispatch, the earliest first. A delivery counts with the last one that called it back."""
    row = delivery.c
    counted = select(row.recalled_by, row.state, func.count()).join(dispatch, dispatch.c.id == row.dispatch_id)
    own = row.dispatch_id == dispatch_id, row.recalled_by.is_not(None), scope.sees_delivery()
    found: dict[str, dict[Status, int]] = {}
    for key, state, count in conn.execute(counted.where(*own).group_by(row.recalled_by, row.state)):
        found.setdefault(key, {})[Status(state)] = count
    return [
        RecallStanding(key, {status: states[status] for status in Status if status in states})
        for key, states in sorted(found.items())
    ]
