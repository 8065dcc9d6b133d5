"""Asks gateways for receipts that the ledger misses: a message in the unit's express queue, answered by them again."""

import asyncio
from collections.abc import Sequence
from datetime import date
from functools import partial

import structlog
from sqlalchemy import Connection, Engine

from router.broker import Outcome, Outgoing, Publisher, Session, Template
from router.broker.topology.planning import org_exchange
from router.delivery.organisation import Organisation
from router.delivery.relay import publish_where_possible, root_of
from router.directory import Directory
from router.ledger.engine import reading
from router.ledger.units import heard
from router.ledger.units.heard import Question, QuestionsWanted
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms
from schemas.dispatch import Lane
from schemas.events import Event
from schemas.ids import new_id
from schemas.receipt import TYPE_ASK, Ask

log = structlog.get_logger()
_CLAIM_MS = 60_000
_SETTLED = {Outcome.CONFIRMED, Outcome.RETURNED}
"""A unit without a queue is not asked again before it says hello."""


class Asker:
    """Puts the questions that are due.

    A process that dies between the publish and its record asks again after a minute, which the gateway answers again.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        organisation: Organisation,
        steady: asyncio.Event,
        clock: Clock = now_ms,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._organisation = organisation
        self._steady = steady
        self._clock = clock
        self._claim_now = partial(_claim, clock)

    async def ask(self) -> None:
        """Put all questions that are due now, when the broker stands."""
        while await asyncio.to_thread(self._is_due):
            await self._steady.wait()
            await self._session.ready()
            await self._put(await self._writer.run(self._claim_now, None))

    def _is_due(self) -> bool:
        with reading(self._engine) as connection:
            return heard.is_due(connection, self._clock())

    async def _put(self, questions: Sequence[Question]) -> None:
        directory, day = self._organisation.directory, self._organisation.today
        messages = [message_of(item, directory, day) for item in questions if item.missing]
        outcomes = await publish_where_possible(self._publisher, messages)
        answers = iter(outcomes)
        put = [item for item in questions if not item.missing or next(answers) in _SETTLED]
        await self._writer.run(heard.settle, put, weight=len(put))
        if outcomes:
            numbers = sum(last - first + 1 for item in questions for first, last in item.missing)
            log.warning(Event.RECEIPTS_ASKED, units=len(outcomes), receipts=numbers, unit=questions[0].unit)


def _claim(clock: Clock, connection: Connection, wishes: Sequence[None]) -> list[list[Question]]:
    """Claim the questions that are due when the claim is made, which may be long after it was wished for."""
    now = clock()
    return heard.claim(connection, [QuestionsWanted(now, now + _CLAIM_MS)] * len(wishes))


def message_of(question: Question, directory: Directory, day: date) -> Outgoing | None:
    """The question as it travels; None: no exchange leads to its unit."""
    root = root_of(question.unit, directory, day)
    if root is None:
        return None
    body = Ask(unit=question.unit, missing=question.missing).model_dump_json(exclude_defaults=True).encode()
    template = Template(org_exchange(root), TYPE_ASK, body)
    return Outgoing(template, f"{question.unit}.{Lane.EXPRESS.value}", new_id())
