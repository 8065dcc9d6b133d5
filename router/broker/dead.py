"""Putting aside what cannot be read: a confirmed copy in the exchange ``dead``, with its reason."""

from collections.abc import Sequence

import structlog

from router.broker.errors import DeadLetterError
from router.broker.message import Delivered, Outcome, Outgoing, Template
from router.broker.publisher import Publisher
from schemas.events import Event

DEAD = "dead"
_MAX_REASON = 1000
_NO_ID = "none"
log = structlog.get_logger()


async def dead_letter(publisher: Publisher, delivered: Sequence[tuple[Delivered, str]]) -> None:
    """Publish messages to ``dead``, each with why; after this returns the originals may be acknowledged.

    A copy keeps body, type, message id and headers; what its broker knew of it (routing key, queue, sender) and the
    reason are further headers, because the copy's own ``user_id`` is the publisher's.

    Raises:
        DeadLetterError: not all are confirmed. Let it pass out of the handler: the originals then go back.
    """
    if not delivered:
        return
    outcomes = await publisher.publish([_copy(message, reason) for message, reason in delivered])
    unconfirmed = sum(outcome is not Outcome.CONFIRMED for outcome in outcomes)
    if unconfirmed:
        raise DeadLetterError(unconfirmed, len(outcomes))
    log.warning(Event.DEAD_LETTERED, messages=len(delivered), first_reason=delivered[0][1][:_MAX_REASON])


def _copy(message: Delivered, reason: str) -> Outgoing:
    headers = {name: value for name, value in message.headers.items() if isinstance(value, str | int)}
    headers |= {
        "reason": reason[:_MAX_REASON],
        "routing_key": message.routing_key,
        "queue": message.queue,
        "user": message.user_id,
    }
    template = Template(DEAD, message.type, message.body, headers)
    return Outgoing(template, message.routing_key, message.message_id or _NO_ID)
