"""Which queues are consumed now: all of the units hosted here, unless the disk is full or another gateway has them."""

import asyncio
from collections.abc import Collection, Sequence

from consumers.taking.hosting import Hosting, queues_of
from consumers.taking.room import Room
from router.broker import Consumer, Session
from router.broker.message import Handler
from schemas.descriptor import MAX_DESCRIPTOR_BYTES

MESSAGE_BYTES = 4 * MAX_DESCRIPTOR_BYTES
"""What a router that is newer than this gateway sends."""


class Taking:
    """Consumes the units' queues.

    Args:
        session: on which.
        handler: takes what comes.
        prefetch: the most unacknowledged messages per queue.
        room: whether anything can be taken now.
        hosting: which units other gateways work for.
    """

    def __init__(self, session: Session, handler: Handler, *, prefetch: int, room: Room, hosting: Hosting) -> None:
        self._session = session
        self._handler = handler
        self._prefetch = prefetch
        self._room = room
        self._hosting = hosting
        self._queues: list[str] = []
        self._consumers: list[Consumer] = []
        room.on_change.append(self.look)
        hosting.on_elsewhere.append(self.look)

    def begin(self, codes: Sequence[str]) -> None:
        """Consume the queues of further units."""
        queues = [queue for code in codes for queue in queues_of(code)]
        self._queues += queues
        consumer = self._session.consume(
            queues,
            self._handler,
            prefetch=self._prefetch,
            message_bytes=MESSAGE_BYTES,
            newest_first=True,
            resting=self._resting(),
        )
        self._consumers.append(consumer)

    def look(self) -> None:
        """Leave alone what is not to be taken now, and take what is."""
        resting = self._resting()
        for consumer in self._consumers:
            consumer.rest(resting)

    async def stop(self) -> None:
        """Begin no further batch and wait for those in work."""
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers))

    def _resting(self) -> Collection[str]:
        if self._room.reason:
            return self._queues
        return [queue for code in self._hosting.elsewhere for queue in queues_of(code)]
