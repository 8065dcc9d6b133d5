"""Questions that the router puts to gateways: a message in the unit's express queue, the ledger knows which are due.

A process that dies between the publish and its record asks again when its claim is over, and is answered again.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import ClassVar, Generic, NotRequired, TypedDict, TypeVar, Unpack

from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from router.broker import Outgoing, Publisher, PublishOutcome, Session, Template
from router.broker.topology.planning import org_exchange
from router.delivery.organisation import Organisation
from router.delivery.relay import root_of
from router.directory import Directory
from router.ledger.engine import reading
from router.ledger.units.receipt_numbers import QuestionsWanted
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms
from schemas.dispatch import Lane
from schemas.ids import new_id

Q = TypeVar("Q")
SETTLED = {PublishOutcome.CONFIRMED, PublishOutcome.RETURNED}
"""A unit without a queue is not asked again before it says hello."""
_CLAIM_MS = 60_000


class QuestionParts(TypedDict):
    """What questions are put by.

    Attributes:
        engine: the ledger.
        writer: its group commit.
        session: waited for while it is down.
        publisher: on that session.
        organisation: for the root that a unit is published under.
        steady: set while the broker is known to stand as planned.
        clock: UTC ms.
    """

    engine: Engine
    writer: Writer
    session: Session
    publisher: Publisher
    organisation: Organisation
    steady: asyncio.Event
    clock: NotRequired[Clock]


class Questions(ABC, Generic[Q]):
    """Puts the questions that are due; see :class:`QuestionParts`."""

    at_once: ClassVar[int]
    """Questions that are claimed together."""

    def __init__(self, **parts: Unpack[QuestionParts]) -> None:
        self._engine = parts["engine"]
        self._writer = parts["writer"]
        self._session = parts["session"]
        self._publisher = parts["publisher"]
        self._organisation = parts["organisation"]
        self._steady = parts["steady"]
        self._clock = parts.get("clock", now_ms)
        self._claim_now = partial(self._claim, self._clock)

    async def ask(self) -> None:
        """Put all questions that are due now, when the broker stands."""
        while await asyncio.to_thread(self._look):
            await self._steady.wait()
            await self._session.ready()
            await self._put(await self._writer.run(self._claim_now, None))

    @staticmethod
    @abstractmethod
    def _is_due(connection: Connection, now: int) -> bool:
        """Whether somebody is to be asked."""

    @staticmethod
    @abstractmethod
    def _claimed(connection: Connection, wanted: Sequence[QuestionsWanted]) -> list[list[Q]]:
        """The questions that are due; nobody else gets them while they are claimed."""

    @abstractmethod
    async def _put(self, questions: Sequence[Q]) -> None:
        """Publish them and note those that were put."""

    def _look(self) -> bool:
        with reading(self._engine) as connection:
            return self._is_due(connection, self._clock())

    @classmethod
    def _claim(cls, clock: Clock, connection: Connection, wishes: Sequence[None]) -> list[list[Q]]:
        """Claim what is due when the claim is made, which may be long after it was requested."""
        now = clock()
        return cls._claimed(connection, [QuestionsWanted(now, now + _CLAIM_MS, cls.at_once)] * len(wishes))


def question_to(unit: str, asked: BaseModel, kind: str, directory: Directory, day: date) -> Outgoing | None:
    """A question as it travels; None: no exchange leads to its unit."""
    root = root_of(unit, directory, day)
    if root is None:
        return None
    template = Template(org_exchange(root), kind, asked.model_dump_json(exclude_defaults=True).encode())
    return Outgoing(template, f"{unit}.{Lane.EXPRESS.value}", new_id())
