"""What stands at the broker: planned from the directory, compared with what is there, applied as the difference.

``plan`` and ``diff`` are pure; ``apply`` does it; ``definitions`` is the same in RabbitMQ's own form, for export.
"""

from router.broker.topology.apply import Making, apply, grant, shape, withdraw
from router.broker.topology.capacity import Capacity, capacity_of, within
from router.broker.topology.difference import Changes, Conflict, diff
from router.broker.topology.export import definitions
from router.broker.topology.grants import BrokerAccount, may_be_answered_at
from router.broker.topology.planning import Bounds, plan
from router.broker.topology.reading import read
from router.broker.topology.values import Topology

__all__ = [
    "Bounds",
    "BrokerAccount",
    "Capacity",
    "Changes",
    "Conflict",
    "Making",
    "Topology",
    "apply",
    "capacity_of",
    "definitions",
    "diff",
    "grant",
    "may_be_answered_at",
    "plan",
    "read",
    "shape",
    "withdraw",
    "within",
]
