"""Hands a document in when its files are up: once in effect, however often the answer is lost."""

from collections.abc import Callable
from functools import partial

import aiohttp
import structlog
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from consumers.errors import ForeignAnswerError, ServerTroubleError
from consumers.fetching.answers import is_problem
from consumers.fetching.fetch import FetchPolicy, pauses
from consumers.fetching.origin import Clients, take
from consumers.line.faults import separating_faults
from consumers.line.pace import LinePace
from consumers.line.state import Line
from consumers.sending import tus
from consumers.spool.sending import QueuedDocument, Sent
from schemas.events import Event
from schemas.model import said

log = structlog.get_logger()
_ACCEPTED = 202


class _Answer(BaseModel):
    """What we need of the router's answer; fields it may gain do not matter."""

    id: str
    addressees: int


class Submitter:
    """Submits documents.

    Args:
        clients: see :class:`consumers.fetching.origin.Clients`.
        origin_url: where the router is.
        line: told of what is lost, asked when another try is worth it.
        pace: what the line gives upward.
        patience: seconds that the answer may take.
        policy: pauses between tries.
    """

    def __init__(
        self, clients: Clients, origin_url: str, line: Line, pace: LinePace, *, patience: float, policy: FetchPolicy
    ) -> None:
        self._clients = clients
        self._url = f"{origin_url.rstrip('/')}/api/v1/dispatches"
        self._line = line
        self._pace = pace
        self._patience = patience
        self._policy = policy

    async def submit(self, document: QueuedDocument, *, on_wait: Callable[[str], None]) -> Sent:
        """Return when the router has accepted it; a repetition is answered with the dispatch that it was.

        Args:
            document: whose files are up.
            on_wait: told why it cannot be accepted now.

        Raises:
            OutgoingRejectedError: the router refused it, with the reason.
            UploadsLostError: the router does not have one of its files.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServerTroubleError),
            wait=pauses(self._policy),
            before_sleep=lambda state: _note_wait(document, state, on_wait),
        )
        answer: _Answer = await retrying(self._line.through_drops, partial(self._submit, document))
        return Sent(document.id, answer.id, answer.addressees)

    async def _submit(self, document: QueuedDocument) -> _Answer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": document.id}
        silence = aiohttp.ClientTimeout(total=None, sock_read=self._patience)
        async with self._line.connection(self._pace) as connection:
            client = self._clients.get(connection.window)
            with separating_faults():
                async with client.post(
                    self._url, data=document.body, headers=headers, timeout=silence, allow_redirects=False
                ) as response:
                    take(connection, response)
                    ours = response.status == _ACCEPTED or is_problem(response.headers)
                    await tus.require(response, _ACCEPTED, conflict=True, ours=ours)
                    self._line.alive(connection)
                    return _read(await response.read())


def _read(body: bytes) -> _Answer:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError as error:
        raise ForeignAnswerError(f"the answer to a submission is none of the router's: {said(error)}") from error


def _note_wait(document: QueuedDocument, state: RetryCallState, on_wait: Callable[[str], None]) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = round(state.upcoming_sleep, 1)
    log.warning(Event.SUBMISSION_WAITS, id=document.id, reason=str(error), retry_in=pause)
    on_wait(str(error))
