"""Asks the router what people at the desk want to know, one question after the other, when documents let it.

A question has the line after every document, for half a minute. Then it goes beside ordinary ones, as somebody waits
for it and its answer is some kilobytes; beside what is urgent it never goes. Nothing is lost by a kill: an open
question stays in the spool for as long as somebody waits.
"""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from pydantic import BaseModel, ValidationError

from consumers.asking.answers import PACKED, read_answer
from consumers.asking.requests import request_of
from consumers.errors import LineError, ServerTroubleError, SpoolUnavailableError
from consumers.fetching.origin import Clients, take
from consumers.line.faults import separating_faults
from consumers.line.pace import LinePace
from consumers.line.precedence import NOTHING, QUESTION, Side
from consumers.line.state import Line
from consumers.spool import Spool, Writer, questions
from consumers.spool.questions import Answered, OpenQuestion, QuestionKind
from consumers.spool.units import keep_names
from router.broker.backoff import Backoff, sleep_unless
from schemas.codes import UnitCode
from schemas.dispatch import Urgency
from schemas.events import Event

log = structlog.get_logger()
PATIENCE = 30.0
"""Seconds that a question waits for documents before it goes beside ordinary ones."""
LOOK_EVERY = 2.0
"""Seconds between two looks whether it may go, and whether somebody still waits."""
IDLE = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_LONGEST_NAME = 200


class _NamedUnit(BaseModel):
    code: UnitCode
    name: str


class _Level(BaseModel):
    """What we need of an answer about units; fields it may gain do not matter."""

    units: list[_NamedUnit] = []


class Inquirer:
    """Asks.

    Args:
        spool: the questions.
        writer: of that spool.
        clients: see :class:`consumers.fetching.origin.Clients`.
        origin_url: where the router is.
        line: told of what is lost, asked when another try is worth it.
        pace: what the line gives upward: little comes, and says nothing of the rate.
        side: of the line that documents have too.
        lets: whether work of an urgency, for no unit in particular, may use the line now.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        clients: Clients,
        *,
        origin_url: str,
        line: Line,
        pace: LinePace,
        side: Side,
        lets: Callable[[str, int], bool],
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._clients = clients
        self._origin_url = origin_url.rstrip("/")
        self._line = line
        self._pace = pace
        self._side = side
        self._lets = lets
        self._woken = asyncio.Event()
        self._pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        side.on_change = self._woken.set

    def wake(self) -> None:
        """Somebody may have asked something."""
        self._woken.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        began = 0.0
        while True:
            self._woken.clear()
            try:
                waiting = await asyncio.to_thread(self._waiting)
                if not waiting:
                    self._side.say(NOTHING)
                    began = 0.0
                    await sleep_unless(self._woken, IDLE)
                    continue
                began = began or asyncio.get_running_loop().time()
                if self._may_go(began):
                    await self._ask(waiting[0])
                    began = 0.0
                else:
                    await sleep_unless(self._woken, LOOK_EVERY)
            except (ServerTroubleError, SpoolUnavailableError) as error:
                await self._pause(error)

    def _waiting(self) -> list[OpenQuestion]:
        with self._spool.reading() as conn:
            return questions.waiting(conn, 1)

    def _may_go(self, began: float) -> bool:
        """Whether a question that has waited since then (loop time) may have the line now."""
        waited = asyncio.get_running_loop().time() - began
        own = QUESTION if waited < PATIENCE else Urgency.NORMAL
        return self._side.say(own) <= own and self._lets("", Urgency.NORMAL)

    async def _ask(self, question: OpenQuestion) -> None:
        """Ask once; when the line goes meanwhile, the question stays open.

        Raises:
            ServerTroubleError: the router cannot answer now, or something else answered.
        """
        try:
            answered = await self._answer(question)
        except LineError as error:
            self._line.lost(error)
            await self._line.worth_a_try()
            return
        if answered.body is not None and question.kind in {QuestionKind.LEVEL, QuestionKind.SEARCH}:
            await self._writer.run(keep_names, _names_in(answered.body))
        await self._writer.run(questions.answer, answered)
        self._pauses.reset()
        log.debug(Event.QUESTION_ANSWERED, kind=question.kind.value, problem=answered.problem)

    async def _answer(self, question: OpenQuestion) -> Answered:
        asked = request_of(question)
        silence = aiohttp.ClientTimeout(total=None, sock_read=self._line.no_progress)
        async with self._line.connection(self._pace) as connection:
            client = self._clients.get(connection.window)
            with separating_faults():
                async with client.request(
                    asked.method,
                    f"{self._origin_url}{asked.path}",
                    data=asked.body,
                    headers=PACKED | asked.headers,
                    timeout=silence,
                    allow_redirects=False,
                ) as response:
                    take(connection, response)
                    answered = await read_answer(question, response)
                    self._line.alive(connection)
                    return answered

    async def _pause(self, error: Exception) -> None:
        pause = self._pauses.pause()
        log.warning(Event.QUESTION_WAITS, reason=str(error), retry_in=round(pause, 1))
        await asyncio.sleep(pause)


def _names_in(body: bytes) -> dict[str, str]:
    """What the units of an answer are called."""
    try:
        return {unit.code: unit.name[:_LONGEST_NAME] for unit in _Level.model_validate_json(body).units}
    except ValidationError:
        return {}
