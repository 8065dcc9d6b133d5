"""What should stand at the broker for an organisation and its accounts: a pure function of both.

::

    intake ──▶ intake                         submissions, to the router
    org.LCA ──LCA.02.#──▶ org.LCA.02 ──LCA.02.05.express──▶ unit.LCA.02.05.express
    receipts ──#──▶ receipts.ledger           what units say; nobody else reads it before it is recorded
    receipts.recorded                         what the ledger has recorded, for queues that upstream systems bind
    dead ──▶ dead                             what could not be read, dead-lettered or put there with its reason

A message published at the topmost hub with key ``<unit>.<lane>`` reaches that queue once: each queue hangs at one
exchange, a hub's own queues at the hub's, and each hub at the one above it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from router.broker.topology.grants import INTAKE, RECEIPTS, RECORDED, BrokerAccount, Grant, grant
from router.broker.topology.values import Binding, Exchange, Limit, Policy, Queue, Scalar, Topology, User, arguments
from schemas.dispatch import Lane
from schemas.unit import Link, Unit

DEAD = "dead"
RECEIPTS_LEDGER = "receipts.ledger"
MAX_QUEUES = "max-queues"
MAX_CONNECTIONS, MAX_CHANNELS = "max-connections", "max-channels"
_REACHABLE = frozenset({Link.LAN, Link.WAN, Link.DIALUP})

_DURABLE: Mapping[str, Scalar] = {
    "x-queue-type": "quorum",
    # A line that drops returns messages, and the count of returns must never decide a document's fate. 4.x would stop
    # at 20; -1 means "at once" to 3.10 and "never" to 4.x, so: a number that is not reached.
    "x-delivery-limit": 1_000_000,
    # A full queue refuses, and the relay keeps the delivery: nothing is dropped. Also a condition of the next but one.
    "x-overflow": "reject-publish",
}
_OF_UNITS: Mapping[str, Scalar] = {
    **_DURABLE,
    # At most once: what a gateway rejects is still due in the ledger. At least once costs a process for each queue, and
    # RabbitMQ 3.10 ends the supervisor of them all, and with it every queue of the node, when two fail within five
    # seconds, as they may when somebody deletes a vhost.
    "x-dead-letter-exchange": DEAD,
}
_OF_THE_ROUTER: Mapping[str, Scalar] = {
    **_OF_UNITS,
    # What is rejected here stands nowhere else: the broker forgets it only when `dead` has confirmed it.
    "x-dead-letter-strategy": "at-least-once",
}
_QUEUES_COUNTED_BY = 1000
MAX_UNIT_QUEUE_BYTES = 64 * 1024**2
"""Of each lane of a unit: 16,000 descriptors at their largest."""
MAX_DEAD_BYTES = 256 * 1024**2
_ABANDONED_AFTER_MS = 30 * 24 * 3600 * 1000
_POLICIES = frozenset(
    {
        # An upstream system's queue that nobody has read from for 30 days goes, before it fills the disk for all; the
        # ledger still has every receipt. Known to every type of queue, else the broker would skip the policy whole.
        Policy("congvan-upstream", r"^upstream\.", arguments({"expires": _ABANDONED_AFTER_MS})),
        # By policy, because a queue keeps its arguments for life. A full queue refuses (x-overflow): its deliveries
        # wait in the ledger; what `dead` refuses waits in the queue it comes from.
        Policy("congvan-units", r"^unit\.", arguments({"max-length-bytes": MAX_UNIT_QUEUE_BYTES})),
        Policy("congvan-dead", rf"^{DEAD}$", arguments({"max-length-bytes": MAX_DEAD_BYTES})),
    }
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one account, and all upstream systems together, may open at the broker.

    An account's token may be that of many gateways, and a line that dropped leaves a connection behind for a minute.
    """

    connections: int = 200
    """Of one account at once."""
    channels: int = 2000
    """Of one account at once, over all its connections."""
    spare_queues: int = 1000
    """Of upstream systems together, besides the planned ones; up to a thousand more, see :func:`_most_queues`."""


def plan(
    units: Iterable[Unit], accounts: Iterable[BrokerAccount], *, vhost: str, day: date, bounds: Bounds = Bounds()
) -> Topology:
    """The topology for the units that exist on a day.

    A unit without a line has no queue: its deliveries wait in the ledger. Excluded units are never addressees.
    """
    tree = _Tree(units, day)
    logins = list(accounts)
    grants = [found for account in logins if (found := grant(account.name, tree.roots)) is not None]
    queues = _FIXED_QUEUES | {Queue(name, arguments(_OF_UNITS)) for name in tree.queues()}
    return Topology(
        vhost=vhost,
        exchanges=_FIXED_EXCHANGES | {Exchange(org_exchange(hub), "topic") for hub in tree.hubs},
        queues=queues,
        bindings=_FIXED_BINDINGS | set(tree.bindings()),
        policies=_POLICIES,
        users=_users(logins, grants, bounds),
        permissions=frozenset(item.permission for item in grants),
        topic_permissions=frozenset(item.topic for item in grants),
        limits=frozenset({Limit(MAX_QUEUES, _most_queues(len(queues), bounds))}),
    )


def org_exchange(hub: str) -> str:
    """The exchange of a unit that has units below it."""
    return f"org.{hub}"


def unit_queue(unit: str, lane: Lane) -> str:
    """A unit's queue for one lane."""
    return f"unit.{unit}.{lane.value}"


_FIXED_EXCHANGES = frozenset(
    {
        *(Exchange(INTAKE, "direct"), Exchange(DEAD, "fanout")),
        *(Exchange(RECEIPTS, "topic"), Exchange(RECORDED, "topic")),
    }
)
_FIXED_QUEUES = frozenset(
    {
        Queue(INTAKE, arguments(_OF_THE_ROUTER)),
        Queue(RECEIPTS_LEDGER, arguments(_OF_THE_ROUTER)),
        Queue(DEAD, arguments(_DURABLE)),
    }
)
_FIXED_BINDINGS = frozenset(
    {
        Binding(INTAKE, "queue", INTAKE, INTAKE),
        Binding(RECEIPTS, "queue", RECEIPTS_LEDGER, "#"),
        Binding(DEAD, "queue", DEAD, ""),
    }
)


def is_our_exchange(name: str) -> bool:
    """Whether an exchange of that name is made by this plan and by nobody else."""
    return name.startswith(org_exchange("")) or any(item.name == name for item in _FIXED_EXCHANGES)


def is_our_queue(name: str) -> bool:
    """Whether a queue of that name is made by this plan and by nobody else."""
    return is_unit_queue(name) or any(item.name == name for item in _FIXED_QUEUES)


def is_unit_queue(name: str) -> bool:
    """Whether it is a unit's queue: what it holds is in the ledger, too, and is sent again when it is lost."""
    return name.startswith("unit.")


def is_our_policy(name: str) -> bool:
    """Whether a policy of that name is made by this plan."""
    return name.startswith("congvan-")


class _Tree:
    """The units of one day; a unit whose parent does not exist that day hangs at the nearest one above that does."""

    def __init__(self, units: Iterable[Unit], day: date) -> None:
        self._all = {unit.code: unit for unit in units}
        self._present = {code: unit for code, unit in self._all.items() if unit.exists_on(day)}
        self._above = {code: self._nearest_above(unit) for code, unit in self._present.items()}
        self.roots = sorted(code for code, above in self._above.items() if above is None)
        self.hubs = {above for above in self._above.values() if above is not None}.union(self.roots)

    def queues(self) -> Iterable[str]:
        return (unit_queue(unit, lane) for unit in self._addressees() for lane in Lane)

    def bindings(self) -> Iterable[Binding]:
        for hub in self.hubs:
            above = self._above[hub]
            if above is not None:
                yield Binding(org_exchange(above), "exchange", org_exchange(hub), f"{hub}.#")
        for unit in self._addressees():
            hub = unit if unit in self.hubs else self._above[unit] or unit
            for lane in Lane:
                yield Binding(org_exchange(hub), "queue", unit_queue(unit, lane), f"{unit}.{lane.value}")

    def _addressees(self) -> Iterable[str]:
        return (code for code, unit in self._present.items() if unit.link in _REACHABLE)

    def _nearest_above(self, unit: Unit) -> str | None:
        above = unit.parent
        while above is not None and above not in self._present:
            above = self._all[above].parent if above in self._all else None
        return above


def _most_queues(planned: int, bounds: Bounds) -> int:
    """The vhost's limit; planned ones count as full thousands, so that not every new unit changes it."""
    return -(-planned // _QUEUES_COUNTED_BY) * _QUEUES_COUNTED_BY + bounds.spare_queues


def _users(accounts: Iterable[BrokerAccount], grants: Iterable[Grant], bounds: Bounds) -> frozenset[User]:
    granted = {item.permission.user for item in grants}
    limits = arguments({MAX_CHANNELS: bounds.channels, MAX_CONNECTIONS: bounds.connections})
    return frozenset(User(item.name, item.password_hash, limits) for item in accounts if item.name in granted)
