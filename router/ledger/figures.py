"""The figures of the metrics' gauges: what is open, how old it is, whose line is up."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from router.ledger.models import line, unit
from router.ledger.queries import undelivered
from router.ledger.scope import EVERYTHING
from router.rules.outages import LineState
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class Figures:
    """What the ledger says at one moment; counts of deliveries and units, ages in milliseconds."""

    open_by_state: Mapping[Status, int]
    held: int
    oldest_age_ms: int
    lines: Mapping[str, int]
    lines_up: Mapping[str, int]
    lines_down: Mapping[str, int]
    """Lines whose gateway has never reported are neither up nor down."""


def figures(conn: Connection, *, now_ms: int) -> Figures:
    """Look at the whole ledger."""
    waiting = undelivered(conn, EVERYTHING, now_ms=now_ms)
    counts = func.count(), *(func.count().filter(line.c.state == state.value) for state in LineState)
    joined = unit.outerjoin(line, line.c.unit == unit.c.code)
    links = conn.execute(select(unit.c.link, *counts).select_from(joined).group_by(unit.c.link)).all()
    return Figures(
        open_by_state=waiting.by_state,
        held=waiting.held,
        oldest_age_ms=waiting.oldest_age_ms,
        lines={link: count for link, count, _, _ in links},
        lines_up={link: up for link, _, up, _ in links},
        lines_down={link: down for link, _, _, down in links},
    )
