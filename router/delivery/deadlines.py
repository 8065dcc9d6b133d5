"""Has what is owed counted by the terms of now: after an upgrade, a moved holiday, other office hours."""

import structlog

from router.ledger.way import counting
from router.ledger.way.counting import AT_ONCE
from router.ledger.writer import Writer
from schemas.duties import Terms
from schemas.events import Event

log = structlog.get_logger()


class Deadlines:
    """Counts once after each start; while nothing has changed that is one look at one row.

    Args:
        writer: the ledger's group commit.
        terms: the organisation's.
    """

    def __init__(self, writer: Writer, terms: Terms) -> None:
        self._writer, self._terms = writer, terms
        self._is_done = False

    async def look(self) -> None:
        """Count all that is counted by other terms, some at a time, so that no transaction is long."""
        changed = 0
        while not self._is_done:
            step = await self._writer.run(counting.step, self._terms, weight=AT_ONCE)
            changed, self._is_done = changed + step.changed, step.is_done
        if changed:
            log.info(Event.DEADLINES_COUNTED, deliveries=changed)
