"""The broker as the router's settings name it: what stands there is changed through its management API."""

from collections.abc import Awaitable, Callable, Sequence

from router.broker.management import Management
from router.broker.topology import Capacity, Changes, Making, Topology, capacity_of, grant, shape, withdraw
from router.settings import RouterSettings
from router.tls.contexts import ClientContext


class ManagedBroker:
    """A broker whose management API the router may use; each call is a connection of its own."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self.tls = ClientContext(settings.tls_files, to="management API")
        """Knows what stands in the way."""

    async def withdraw(self, wanted: Topology) -> Changes:
        """Take back access that is not planned any more, with the connections opened by it. Raises BrokerError."""
        async with management_of(self._settings, self.tls) as management:
            return await withdraw(management, wanted)

    async def shape(self, wanted: Topology, on_made: Callable[[Sequence[str]], Awaitable[None]]) -> Changes:
        """Make and remove exchanges and queues; ``on_made`` as in :class:`Making`. Raises BrokerError."""
        making = Making(self._settings.topology_part, self._settings.broker_file_handles, on_made)
        async with management_of(self._settings, self.tls) as management:
            return await shape(management, wanted, making)

    async def grant(self, wanted: Topology) -> Changes:
        """Give the access that is planned. Raises BrokerError."""
        async with management_of(self._settings, self.tls) as management:
            return await grant(management, wanted)

    async def capacity(self) -> Capacity | None:
        """How many queues fit; None: not known. Raises BrokerError."""
        async with management_of(self._settings, self.tls) as management:
            return await capacity_of(management, self._settings.broker_file_handles)


def management_of(settings: RouterSettings, tls: ClientContext | None = None) -> Management:
    """A client of the management API that the settings name, with the router's login.

    Args:
        settings: the router's.
        tls: a context of before; None: one that is made for it.
    """
    return Management(
        settings.management_url,
        settings.amqp_user,
        settings.amqp_password.get_secret_value(),
        tls=tls or ClientContext(settings.tls_files, to="management API"),
    )
