"""How many queues a broker has file handles for.

RabbitMQ 3.10 reserves two for each quorum queue, and for its leader one more for each node of the cluster, used or not.
When all are reserved it takes no AMQP connection any more; those that are open stay, so that it is noticed at the next
start of the router (measured: 8,803 queues of one node reserve 26,409 of 20,000; a router that is started again never
gets in).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from router.broker.management import Management
from router.broker.topology.difference import Changes, Conflict
from router.broker.topology.planning import is_unit_queue
from router.broker.topology.values import Queue

_OWN_HANDLES = 100
"""Those that RabbitMQ keeps for itself (``file_handle_cache``)."""
_FOR_CONNECTIONS = 0.1
"""The share of the others that is left for connections, and for the files that queues have open."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a broker can hold: file handles, those in use (None: it does not report them), its queues now, its nodes."""

    handles: int
    used: int | None
    queues: int
    nodes: int = 1

    @property
    def fits(self) -> int:
        """How many quorum queues fit in all."""
        return queues_that_fit(self.handles, self.nodes)

    @property
    def room(self) -> int:
        """How many more queues fit."""
        return max(0, self.fits - self.queues)

    def __str__(self) -> str:
        used = "" if self.used is None else f", {self.used} in use"
        return f"{self.queues} of {self.fits} queues that fit into {self.handles} file handles{used}"


def handles_per_queue(nodes: int) -> int:
    """What a quorum queue reserves on the node of its leader, which one node may be for all."""
    return 2 + nodes


def queues_that_fit(handles: int, nodes: int = 1) -> int:
    """How many quorum queues fit into so many file handles of each node, connections left aside."""
    return max(0, int((handles - _OWN_HANDLES) * (1 - _FOR_CONNECTIONS)) // handles_per_queue(nodes))


def handles_for(queues: int, nodes: int = 1) -> int:
    """How many file handles so many queues need: the least for which :func:`queues_that_fit` is enough."""
    return int(queues * handles_per_queue(nodes) / (1 - _FOR_CONNECTIONS)) + _OWN_HANDLES + 1


async def capacity_of(management: Management, told: int = 0) -> Capacity | None:
    """What the broker can hold, of a cluster its smallest node; None when that is not known.

    Args:
        management: the broker's.
        told: its file handles when it collects no statistics, and so does not report them itself; 0: not known either.

    Raises:
        ManagementError: the broker is not reachable or refuses.
    """
    nodes = await management.get("nodes") or []
    totals = [node["fd_total"] for node in nodes if node.get("fd_total")]
    handles = min(totals, default=0) or told
    if not handles:
        return None
    used = max((node["fd_used"] for node in nodes if node.get("fd_used") is not None), default=None)
    overview = await management.get("overview") or {}
    return Capacity(handles, used, overview.get("object_totals", {}).get("queues", 0), max(1, len(nodes)))


def within(changes: Changes, capacity: Capacity | None) -> Changes:
    """The same changes without the queues that do not fit, which are a conflict; those that serve all come first."""
    if capacity is None or len(changes.create.queues) <= capacity.room:
        return changes
    wanted = sorted(changes.create.queues, key=lambda queue: (is_unit_queue(queue.name), queue))
    left = wanted[capacity.room :]
    return changes.without_new(frozenset(left), _too_many(left, len(wanted), capacity))


def _too_many(queues: Sequence[Queue], of: int, capacity: Capacity) -> Conflict:
    needed = handles_for(capacity.queues + of, capacity.nodes)
    return Conflict(
        f"{len(queues)} queues from {queues[0].name} on",
        f"do not fit: the broker has {capacity}, and would take no connection with more",
        f"give it {needed} file handles (LimitNOFILE= of its service, or `ulimit -n`), start it again and apply again",
    )
