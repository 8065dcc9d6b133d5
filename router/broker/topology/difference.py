"""What has to change at the broker: what stands there compared with what is planned. Pure."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from router.broker.topology.grants import RECEIPTS, RECORDED, may_bind
from router.broker.topology.planning import is_unit_queue
from router.broker.topology.values import Binding, Exchange, Item, Queue, Topology

T = TypeVar("T", bound=Item)
N = TypeVar("N", Exchange, Queue)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something of ours that is not as planned and that is left as it is."""

    what: str
    problem: str
    remedy: str
    harmless: bool = False
    """All that is planned stands; something that is not planned is left."""

    def __str__(self) -> str:
        return f"{self.what}: {self.problem}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference.

    ``create`` holds what is made or replaced in place, ``remove`` what is no longer planned. The queues in ``rebuild``
    are removed and made anew, because a queue keeps its arguments for life. Those in ``unbound`` are as planned, but
    nothing is bound to them: their bindings were deleted, or an apply was cut off before it bound them, perhaps before
    the broker itself had them on disk (see :func:`apply`).
    """

    create: Topology
    remove: Topology
    rebuild: frozenset[Queue] = frozenset()
    unbound: frozenset[Queue] = frozenset()
    conflicts: tuple[Conflict, ...] = ()

    def making_anew(self, queues: Iterable[Queue]) -> "Changes":
        """The same changes, but some unbound queues are removed and made anew."""
        dead = frozenset(queues)
        return replace(
            self,
            create=replace(self.create, queues=self.create.queues | dead),
            rebuild=self.rebuild | dead,
            unbound=self.unbound - dead,
        )

    def without_new(self, queues: frozenset[Queue], conflict: Conflict) -> "Changes":
        """The same changes, but some queues are not made, which is a conflict."""
        names = {queue.name for queue in queues}
        bindings = frozenset(item for item in self.create.bindings if item.target not in names)
        return replace(
            self,
            create=replace(self.create, queues=_without(self.create.queues, names), bindings=bindings),
            conflicts=(*self.conflicts, conflict),
        )

    def joined(self, other: "Changes") -> "Changes":
        """Both, one after the other."""
        return Changes(
            create=self.create.joined(other.create),
            remove=self.remove.joined(other.remove),
            rebuild=self.rebuild | other.rebuild,
            unbound=self.unbound | other.unbound,
            conflicts=(*self.conflicts, *other.conflicts),
        )

    @property
    def moved_queues(self) -> tuple[str, ...]:
        """Upstream systems' queues whose bindings are moved from what units say to what is recorded of it."""
        moved = (item for item in self.create.bindings if item.source == RECORDED)
        return tuple(sorted({item.target for item in moved if item.target.startswith("upstream.")}))

    def keeping(self, queues: frozenset[Queue]) -> "Changes":
        """The same changes but for some queues that stay; one that is not as planned becomes a conflict."""
        names = {queue.name for queue in queues}
        conflicts = (_kept(queue, self.rebuild) for queue in sorted(queues - self.create.queues))
        return replace(
            self,
            create=replace(self.create, queues=_without(self.create.queues, names)),
            remove=replace(self.remove, queues=_without(self.remove.queues, names)),
            rebuild=_without(self.rebuild, names),
            conflicts=(*self.conflicts, *conflicts),
        )

    def __bool__(self) -> bool:
        return bool(self.create.items() or self.remove.items() or self.conflicts)


def diff(actual: Topology, wanted: Topology) -> Changes:
    """The least that makes the broker as wanted.

    Args:
        actual: what is there of ours, as :func:`read` finds it.
        wanted: the plan.
    """
    odd_exchanges = _named_alike(actual.exchanges, wanted.exchanges)
    odd_queues = _named_alike(actual.queues, wanted.queues)
    rebuild = {queue for queue in odd_queues if is_unit_queue(queue.name)}
    conflicting = odd_queues - rebuild
    return Changes(
        create=_additions(actual, wanted, rebuild, {e.name for e in odd_exchanges} | {q.name for q in conflicting}),
        remove=_removals(actual, wanted),
        rebuild=frozenset(rebuild),
        unbound=frozenset(_unbound(actual, wanted)),
        conflicts=(*map(_wrong_type, sorted(odd_exchanges)), *map(_wrong_arguments, sorted(conflicting))),
    )


def _additions(actual: Topology, wanted: Topology, rebuild: set[Queue], conflicting: set[str]) -> Topology:
    gone = {queue.name for queue in rebuild}
    anew = {queue for queue in wanted.queues if queue.name in gone}
    lost = {item for item in wanted.bindings if item.target_kind == "queue" and item.target in gone}
    moved = frozenset(_moved_bindings(actual, wanted))
    return Topology(
        vhost=wanted.vhost,
        exchanges=_without(wanted.exchanges - actual.exchanges, conflicting),
        queues=_without((wanted.queues - actual.queues) | anew, conflicting),
        bindings=(wanted.bindings - actual.bindings) | lost | (moved - actual.bindings),
        policies=wanted.policies - actual.policies,
        users=wanted.users - actual.users,
        permissions=wanted.permissions - actual.permissions,
        topic_permissions=wanted.topic_permissions - actual.topic_permissions,
        limits=wanted.limits - actual.limits,
    )


def _unbound(actual: Topology, wanted: Topology) -> set[Queue]:
    """Queues as planned that nothing is bound to."""
    bound = {item.target for item in actual.bindings if item.target_kind == "queue"}
    return {queue for queue in actual.queues & wanted.queues if queue.name not in bound}


def _removals(actual: Topology, wanted: Topology) -> Topology:
    return Topology(
        vhost=wanted.vhost,
        exchanges=_unplanned(actual.exchanges, wanted.exchanges),
        queues=_unplanned(actual.queues, wanted.queues),
        bindings=frozenset(_stray_bindings(actual, wanted)),
        policies=_unplanned(actual.policies, wanted.policies),
        users=frozenset(user for user in _unplanned(actual.users, wanted.users) if not user.elsewhere),
        permissions=_unplanned(actual.permissions, wanted.permissions),
        topic_permissions=_unplanned(actual.topic_permissions, wanted.topic_permissions),
        limits=_unplanned(actual.limits, wanted.limits),
    )


def _without(items: frozenset[N], names: Container[str]) -> frozenset[N]:
    return frozenset(item for item in items if item.name not in names)


def _named_alike(actual: frozenset[T], wanted: frozenset[T]) -> frozenset[T]:
    """What is there under a wanted name, but different."""
    names = {item.key for item in wanted}
    return frozenset(item for item in actual - wanted if item.key in names)


def _unplanned(actual: frozenset[T], wanted: frozenset[T]) -> frozenset[T]:
    names = {item.key for item in wanted}
    return frozenset(item for item in actual if item.key not in names)


def _stray_bindings(actual: Topology, wanted: Topology) -> Iterable[Binding]:
    """Ours that are not planned, and upstream systems' but to recorded receipts that their accounts may see."""
    for binding in actual.bindings - wanted.bindings:
        if binding.source != RECORDED or not _may_see(binding, wanted):
            yield binding


def _moved_bindings(actual: Topology, wanted: Topology) -> Iterable[Binding]:
    """Upstream systems' bindings to what units say, as bindings to what is recorded of it: it was so once."""
    for binding in actual.bindings:
        if binding.source == RECEIPTS and _may_see(binding, wanted):
            yield replace(binding, source=RECORDED, handle="")


def _may_see(binding: Binding, wanted: Topology) -> bool:
    """Whether a binding is an upstream system's own, for receipts that its account may see."""
    if not binding.target.startswith("upstream.") or binding.target_kind != "queue":
        return False
    account = binding.target.removeprefix("upstream.").rpartition(".")[0]
    readers = {item.user: item.read for item in wanted.topic_permissions if item.exchange == RECORDED}
    return account in readers and may_bind(readers[account], binding.routing_key)


def _wrong_type(actual: Exchange) -> Conflict:
    return Conflict(
        f"exchange {actual.name}",
        f"is there with type {actual.type}",
        "delete it when nothing else uses it and apply again: exchanges hold no messages",
    )


def _wrong_arguments(actual: Queue) -> Conflict:
    """Not rebuilt by us: what is sent to it meanwhile would be confirmed to its sender, and lost."""
    return Conflict(
        f"queue {actual.name}",
        f"is there with other arguments ({dict(actual.arguments)}), which are fixed for a queue's life",
        "stop all senders, let the router empty it, delete it and apply again",
    )


def _kept(queue: Queue, rebuild: Container[Queue]) -> Conflict:
    if queue in rebuild:
        problem, remedy = "has obsolete arguments and holds messages", "let its gateway empty it and apply again"
    else:
        problem = "is no longer planned and holds messages"
        remedy = "let its gateway empty it, or purge it when its deliveries are settled, and apply again"
    return Conflict(f"queue {queue.name}", problem, remedy, harmless=queue not in rebuild)
