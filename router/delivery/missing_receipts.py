"""Asks gateways for receipts that the ledger lacks; they answer by sending them again."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from router.delivery.questions import SETTLED, Questions, question_to
from router.delivery.relay import publish_where_possible
from router.ledger.units import receipt_numbers
from router.ledger.units.receipt_numbers import MissingNumbers, QuestionsWanted
from schemas.events import Event
from schemas.receipt import TYPE_ASK, Ask

log = structlog.get_logger()


class Asker(Questions[MissingNumbers]):
    """Puts the questions that are due."""

    at_once = 500

    @staticmethod
    def _is_due(connection: Connection, now: int) -> bool:
        return receipt_numbers.is_due(connection, now)

    @staticmethod
    def _claimed(connection: Connection, wanted: Sequence[QuestionsWanted]) -> list[list[MissingNumbers]]:
        return receipt_numbers.claim(connection, wanted)

    async def _put(self, questions: Sequence[MissingNumbers]) -> None:
        directory, day = self._organisation.directory, self._organisation.today
        messages = [
            question_to(item.unit, Ask(unit=item.unit, missing=item.missing), TYPE_ASK, directory, day)
            for item in questions
            if item.missing
        ]
        outcomes = await publish_where_possible(self._publisher, messages)
        answers = iter(outcomes)
        put = [item for item in questions if not item.missing or next(answers) in SETTLED]
        await self._writer.run(receipt_numbers.settle, put, weight=len(put))
        if outcomes:
            numbers = sum(last - first + 1 for item in questions for first, last in item.missing)
            log.warning(Event.RECEIPTS_ASKED, units=len(outcomes), receipts=numbers, unit=questions[0].unit)
