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
from router.broker.node_door import NodeDoor
from router.settings import RouterSettings
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from schemas.events import Event

T = TypeVar("T")
log = structlog.get_logger()
_LOOK_EVERY = 1.0


class PrivateBroker:
    """A private node under watch.

    Args:
        directory: where the node lives.
        door: where other machines reach it; None: they do not.
    """

    def __init__(
        self, directory: Path, *, door: NodeDoor | None = None, backoff: RestartBackoff = RestartBackoff()
    ) -> None:
        self.node = PrivateNode(directory, door=door)
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


def door_of(settings: RouterSettings) -> NodeDoor | None:
    """Where other machines reach the private broker, as the settings say; None: they do not.

    Raises:
        TlsFilesError: its certificate, key or authorities cannot be used; RabbitMQ would start, and refuse everybody.
    """
    if not settings.broker_host or settings.broker_certificate is None or settings.broker_certificate_key is None:
        return None
    certificate, key = settings.broker_certificate.absolute(), settings.broker_certificate_key.absolute()
    clients = settings.broker_client_ca_file
    ClientContext(
        TlsFiles(
            clients,
            certificate,
            key,
            authorities_setting="CONGVAN_BROKER_CLIENT_CA_FILE",
            certificate_setting="CONGVAN_BROKER_CERTIFICATE",
            key_setting="CONGVAN_BROKER_CERTIFICATE_KEY",
        )
    )
    return NodeDoor(settings.broker_host, settings.broker_port, certificate, key, clients and clients.absolute())


async def _to_the_end(blocking: Callable[[], T]) -> T:
    """Run a blocking call in a thread; a cancellation waits for it, for the node is not to be used by two at once."""
    call = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        with contextlib.suppress(NodeError):
            await call
        raise
