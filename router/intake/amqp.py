"""The AMQP door: submissions from queue ``intake``, answered to ``reply_to``; what cannot be accepted ends in ``dead``.

Attachments are uploaded first and named by hash. The message's ``message_id`` is the idempotency key and the broker
vouches for ``user_id``, the account that sends.

Only what is known to last ends in ``dead``, and what its account has sent above its hour's allowance: to keep that here
until the next hour would hold up all other accounts, and its sender is the one who can wait. The answer says when, the
key is still free, and the copy in ``dead`` has the same reason. What the ledger or this machine is to blame for goes
back to the queue and comes again; an error that is the program's own is tried a few times, with growing pauses, before
the message counts as its cause.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from router.broker import Delivered, Outgoing, Publisher, PublishOutcome, Template, dead_letter, is_short
from router.broker.topology import may_be_answered_at
from router.errors import ForbiddenIssuerError, MalformedError, RouterError
from router.intake.service import Intake
from router.problem import problem_of
from router.process.fate import Fate, fate_of, may_pass
from schemas.accounts import Account, Role, parse_account
from schemas.descriptor import HEADER_TRACEPARENT
from schemas.dispatch import Accepted, Submission
from schemas.errors import InvalidError
from schemas.events import Event
from schemas.ids import new_id
from schemas.model import parse

log = structlog.get_logger()
QUEUE = "intake"
DOOR = "amqp"
TYPE_ACCEPTED = "accepted"
TYPE_REFUSED = "refused"
_SERVER_ERROR = 500
_SMALL = 32 * 1024
MAX_SUBMISSION_BYTES = 1024 * 1024
"""As at the HTTP door."""
OWN_ERROR_TRIES = 5
"""How often a message is tried that meets an error of the program's own; the pauses are 1, 2, 4 and 8 s."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of one message: the answer's type and JSON, and the reason when it goes to ``dead``."""

    type: str
    body: bytes
    dead_reason: str = ""


class IntakeDoor:
    """Handler of the queue ``intake``; messages are acknowledged after their submissions' commit.

    ``on_taken_in`` is told the door and the outcome of each, for the metrics; ``first_pause`` is in seconds, before a
    message is tried again that met an error of the program's own.
    """

    def __init__(
        self,
        intake: Intake,
        publisher: Publisher,
        on_taken_in: Callable[[str, str], None] = lambda _door, _outcome: None,
        *,
        first_pause: float = 1.0,
    ) -> None:
        self._intake = intake
        self._publisher = publisher
        self._on_taken_in = on_taken_in
        self._first_pause = first_pause

    async def handle(self, batch: Sequence[Delivered]) -> Collection[int]:
        """Accept a batch; when ledger or machine are to blame it raises, and the batch goes back to the queue whole.

        Returns:
            The indexes of what can neither be accepted nor be put aside now: the broker keeps those for ``dead``.
        """
        answers = await asyncio.gather(*(self._accept(message) for message in batch))
        bad = [index for index, answer in enumerate(answers) if answer.dead_reason]
        if bad:
            first = bad[0]
            log.warning(
                Event.MESSAGE_DEAD, count=len(bad), reason=answers[first].dead_reason, user_id=batch[first].user_id
            )
        left = await dead_letter(self._publisher, [(batch[index], answers[index].dead_reason) for index in bad])
        await self._reply(batch, answers)
        return [bad[place] for place in left]

    async def _accept(self, message: Delivered) -> _Answer:
        try:
            accepted: Accepted = await self._take_patiently(message)
        except InvalidError as error:
            self._on_taken_in(DOOR, "invalid")
            return _refusal(MalformedError(str(error), problems=error.problems))
        except RouterError as error:
            self._on_taken_in(DOOR, error.slug)
            if error.status >= _SERVER_ERROR:
                raise
            return _refusal(error)
        except Exception as error:
            self._on_taken_in(DOOR, RouterError.slug)
            if may_pass(error):
                raise
            return _refusal(RouterError(f"it could not be taken in: {error}"))
        self._on_taken_in(DOOR, "duplicate" if accepted.duplicate else "accepted")
        return _Answer(TYPE_ACCEPTED, accepted.model_dump_json().encode())

    async def _take_patiently(self, message: Delivered) -> Accepted:
        """Take a message in, again after a growing pause when the error is the program's own."""
        for tried in range(1, OWN_ERROR_TRIES):
            try:
                return await self._take(message)
            except Exception as error:
                if not _is_of_the_program(error):
                    raise
                pause = self._first_pause * 2 ** (tried - 1)
                log.exception(Event.MESSAGE_FAILED, messages=1, message_id=message.message_id, retry_in=pause)
            await asyncio.sleep(pause)
        return await self._take(message)

    async def _take(self, message: Delivered) -> Accepted:
        sender = _sender_of(message)
        message.require_whole("submission")
        submission = await _read(message.body)
        return await self._intake.accept(
            submission,
            sender=sender,
            idempotency_key=message.message_id,
            traceparent=_traceparent_of(message),
        )

    async def _reply(self, batch: Sequence[Delivered], answers: Sequence[_Answer]) -> None:
        """Answer whoever asked for it; an answer that cannot be sent is the asker's loss, not ours nor the others'."""
        replies = [
            Outgoing(
                template=Template(exchange="", type=answer.type, body=answer.body),
                routing_key=message.reply_to,
                message_id=new_id(),
                correlation_id=_correlation_of(message),
            )
            for message, answer in zip(batch, answers, strict=True)
            if message.reply_to and _may_be_answered(message)
        ]
        if replies:
            outcomes = await self._publisher.publish(replies)
            lost = [
                item for item, outcome in zip(replies, outcomes, strict=True) if outcome is not PublishOutcome.CONFIRMED
            ]
            if lost:
                log.warning(Event.ANSWERS_LOST, count=len(lost), reply_to=lost[0].routing_key)


async def _read(body: bytes) -> Submission:
    """Parse a submission; a large one in a thread, so that heartbeats and the others go on meanwhile.

    Raises:
        InvalidError: what is wrong with it, field by field.
    """
    if len(body) <= _SMALL:
        return parse(Submission, body, what="submission")
    return await asyncio.to_thread(parse, Submission, body, what="submission", most=MAX_SUBMISSION_BYTES)


def _traceparent_of(message: Delivered) -> str:
    found = message.headers.get(HEADER_TRACEPARENT)
    return found if isinstance(found, str) else ""


def _correlation_of(message: Delivered) -> str:
    """What the asker knows the question by."""
    return message.correlation_id or message.message_id


def _is_of_the_program(error: BaseException) -> bool:
    return not isinstance(error, InvalidError | RouterError) and fate_of(error) is Fate.UNKNOWN and not may_pass(error)


def _may_be_answered(message: Delivered) -> bool:
    """The router may write everywhere, so it answers only where the sender itself could read.

    A correlation id that AMQP cannot carry back is one that its asker could not recognise.
    """
    allowed = may_be_answered_at(message.user_id, message.reply_to) and is_short(_correlation_of(message))
    if not allowed:
        log.warning(Event.ANSWER_REFUSED, user_id=message.user_id, reply_to=message.reply_to)
    return allowed


def _sender_of(message: Delivered) -> Account:
    if not message.message_id:
        raise MalformedError("message_id is empty; put an idempotency key there")
    try:
        sender = parse_account(message.user_id)
    except ValueError as error:
        raise MalformedError(f"user_id: {error}") from error
    if sender.role is Role.GATEWAY:  # the broker's permissions say so already
        raise ForbiddenIssuerError(f"{sender.name} may not send over AMQP", hint="a gateway sends over HTTP")
    return sender


def _refusal(error: RouterError) -> _Answer:
    body = problem_of(error).model_dump_json(exclude_defaults=True).encode()
    return _Answer(TYPE_REFUSED, body, f"{error.detail}; {error.hint}".rstrip("; "))
