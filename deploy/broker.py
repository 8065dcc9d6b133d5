"""The all-in-one's broker: a private node that is started again when it ends by itself."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from deploy.supervisor import RestartBackoff
from router.broker.errors import NodeError
from router.broker.node import NodeAddress, PrivateNode
from schemas.events import Event

T = TypeVar("T")
log = structlog.get_logger()
_LOOK_EVERY = 1.0


class PrivateBroker:
    """A private node under watch.

    Args:
        directory: where the node lives.
    """

    def __init__(self, directory: Path, *, backoff: RestartBackoff = RestartBackoff()) -> None:
        self.node = PrivateNode(directory)
        self._backoff = backoff
        self._watching: asyncio.Task[None] | None = None

    @property
    def watching(self) -> "asyncio.Task[None] | None":
        """What keeps it running; None before the start."""
        return self._watching

    async def start(self) -> NodeAddress:
        """Start the node, and keep it running from then on.

        Raises:
            NodeError: it does not start.
        """
        address = await _to_the_end(self.node.start)
        self._watching = asyncio.create_task(self._watch(), name="watch the broker")
        return address

    async def stop(self) -> None:
        """Stop the node in good order; nothing happens when it never ran."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await _to_the_end(self.node.stop)

    async def _watch(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY if failures == 0 else self._backoff.pause(failures))
            if self.node.running:
                continue
            log.warning(Event.CHILD_ENDED, child="broker", failures=failures)
            try:
                await _to_the_end(self.node.start)
                failures = 0
            except (NodeError, OSError) as error:
                failures += 1
                log.warning(Event.CHILD_NOT_STARTED, child="broker", problem=str(error))


async def _to_the_end(blocking: Callable[[], T]) -> T:
    """Run a blocking call in a thread; a cancellation waits for it, for the node is not to be used by two at once."""
    call = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        with contextlib.suppress(NodeError):
            await call
        raise
