"""What stands at the broker: planned from the directory, compared with what is there, applied as the difference.

``plan`` and ``diff`` are pure; ``apply`` does it; ``definitions`` is the same in RabbitMQ's own form, for export.
"""

from router.broker.topology.apply import apply
from router.broker.topology.difference import Changes, Conflict, diff
from router.broker.topology.export import definitions
from router.broker.topology.grants import BrokerAccount, may_be_answered_at
from router.broker.topology.planning import plan
from router.broker.topology.reading import read
from router.broker.topology.values import Topology

__all__ = [
    "BrokerAccount",
    "Changes",
    "Conflict",
    "Topology",
    "apply",
    "definitions",
    "diff",
    "may_be_answered_at",
    "plan",
    "read",
]
