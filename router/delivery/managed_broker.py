"""The broker as the router's settings name it: what stands there is changed through its management API."""

from collections.abc import Awaitable, Callable, Sequence

from router.broker.management import Management
from router.broker.topology import Capacity, Changes, Making, Topology, capacity_of, grant, shape, withdraw
from router.settings import RouterSettings


class ManagedBroker:
    """A broker whose management API the router may use; each call is a connection of its own."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings

    async def withdraw(self, wanted: Topology) -> Changes:
        """Take back access that is not planned any more, with the connections opened by it. Raises BrokerError."""
        async with management_of(self._settings) as management:
            return await withdraw(management, wanted)

    async def shape(self, wanted: Topology, on_made: Callable[[Sequence[str]], Awaitable[None]]) -> Changes:
        """Make and remove exchanges and queues; ``on_made`` as in :class:`Making`. Raises BrokerError."""
        making = Making(self._settings.topology_part, self._settings.broker_file_handles, on_made)
        async with management_of(self._settings) as management:
            return await shape(management, wanted, making)

    async def grant(self, wanted: Topology) -> Changes:
        """Give the access that is planned. Raises BrokerError."""
        async with management_of(self._settings) as management:
            return await grant(management, wanted)

    async def capacity(self) -> Capacity | None:
        """How many queues fit; None: not known. Raises BrokerError."""
        async with management_of(self._settings) as management:
            return await capacity_of(management, self._settings.broker_file_handles)


def management_of(settings: RouterSettings) -> Management:
    """A client of the management API that the settings name, with the router's login."""
    return Management(settings.management_url, settings.amqp_user, settings.amqp_password.get_secret_value())
