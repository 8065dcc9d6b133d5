"""Messages as the rest of the program sees them: what is sent, what is received, what became of a publish."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.errors import FieldProblem, InvalidError

PROPERTIES_BYTES = 4096
"""Properties up to this size are kept as they came; of larger ones only the first headers, each cut short."""
_MOST_HEADERS, _MOST_OF_VALUE = 20, 300
Headers = Mapping[str, str | int]
"""Headers that can be sent: text and 64-bit whole numbers (pika refuses floats, so nobody sends them)."""


@dataclass(frozen=True, slots=True)
class Template:
    """What many messages share; its part of the frames is encoded once per channel.

    ``timestamp_ms`` is UTC milliseconds; AMQP carries whole seconds.
    """

    exchange: str
    type: str
    body: bytes
    headers: Headers = field(default_factory=dict)
    mandatory: bool = True
    content_type: str = "application/json"
    reply_to: str = ""
    correlation_id: str = ""
    timestamp_ms: int | None = None
    encoded: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Where :mod:`router.broker.wire` keeps the bytes."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message: a template and what is its own. An own header hides the template's of the same name."""

    template: Template
    routing_key: str
    message_id: str
    headers: Headers = field(default_factory=dict)
    correlation_id: str = ""


class PublishOutcome(StrEnum):
    """What became of one publish."""

    CONFIRMED = "confirmed"
    """The broker has it, on disk in every queue it was routed to."""
    RETURNED = "returned"
    """Mandatory, and no queue is bound: the broker has not kept it."""
    NACKED = "nacked"
    """The broker could not take it (a queue is full, or failed): it may or may not be in a queue."""
    TIMED_OUT = "timed_out"
    """No confirm in time: it may or may not be in a queue."""
    LOST = "lost"
    """The connection was down, or went before the confirm: it may or may not be in a queue."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message received. A property that the sender did not set is an empty text."""

    body: bytes
    queue: str
    routing_key: str
    message_id: str
    type: str
    user_id: str
    headers: Mapping[str, Any]
    reply_to: str
    correlation_id: str
    redelivered: bool
    left_out: int = 0
    """Bytes of its body, when they are more than its consumer keeps: it has none of them then."""

    def require_whole(self, what: str) -> None:
        """Nothing of it may have been left out.

        Args:
            what: what the message is, for the error's sentence.

        Raises:
            InvalidError: it is larger than its consumer keeps.
        """
        if self.left_out:
            problem = FieldProblem("(whole)", f"is {self.left_out} bytes; that is more than is read")
            raise InvalidError(what, [problem])


Handler = Callable[[Sequence[Delivered]], Awaitable[Collection[int]]]
"""Takes a batch and returns the indexes to reject (the queue dead-letters them); the others are acknowledged after it
has returned, so it returns when what it did is durable. When it raises, the whole batch goes back to its queues."""


def short_headers(headers: Mapping[Any, Any]) -> dict[Any, Any]:
    """The first headers, each value no longer than a line: whole numbers as they are, all else as text."""
    first = list(headers.items())[:_MOST_HEADERS]
    return {short_text(name): value if isinstance(value, int) else short_text(value) for name, value in first}


def short_text(value: Any) -> str:
    """Text up to 300 characters; for anything else a bounded description, cheap however large or deep it is."""
    if isinstance(value, str):
        return value[:_MOST_OF_VALUE]
    if isinstance(value, bytes):
        return value[:_MOST_OF_VALUE].decode("utf-8", "replace")
    if isinstance(value, (list, dict)):
        return f"({type(value).__name__} of {len(value)})"
    return str(value)[:_MOST_OF_VALUE]
