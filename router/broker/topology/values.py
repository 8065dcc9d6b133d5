"""The values a topology consists of. Two are equal when the broker would not tell them apart."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

Scalar = str | int | bool
Arguments = tuple[tuple[str, Scalar], ...]
"""A mapping that can be compared and hashed: sorted pairs."""


def arguments(mapping: Mapping[str, Scalar]) -> Arguments:
    """A mapping as sorted pairs."""
    return tuple(sorted(mapping.items()))


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """A durable exchange."""

    noun: ClassVar[str] = "exchange"
    name: str
    type: str

    @property
    def key(self) -> Hashable:
        """What names it; the rest may change."""
        return self.name

    def __str__(self) -> str:
        return f"exchange {self.name} ({self.type})"


@dataclass(frozen=True, slots=True, order=True)
class Queue:
    """A durable queue; its arguments are fixed when it is made."""

    name: str
    arguments: Arguments
    messages: int = field(default=0, compare=False)
    """As last counted by the broker."""

    @property
    def key(self) -> Hashable:
        """What names it."""
        return self.name

    def __str__(self) -> str:
        return f"queue {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """From an exchange to a queue or another exchange (``target_kind``)."""

    source: str
    target_kind: str
    target: str
    routing_key: str
    handle: str = field(default="", compare=False)
    """How the management API names it when it is to be deleted."""

    @property
    def key(self) -> Hashable:
        """All of it: a binding does not change."""
        return self

    def __str__(self) -> str:
        return f"binding {self.source} -> {self.target} by {self.routing_key or '(nothing)'}"


@dataclass(frozen=True, slots=True, order=True)
class Policy:
    """Arguments for all queues whose name fits a pattern; may change while they live."""

    name: str
    pattern: str
    definition: Arguments

    @property
    def key(self) -> Hashable:
        """What names it."""
        return self.name

    def __str__(self) -> str:
        return f"policy {self.name} on {self.pattern}"


@dataclass(frozen=True, slots=True, order=True)
class User:
    """A login, known to the whole broker; ``password_hash`` is in RabbitMQ's salted SHA-256 form."""

    name: str
    password_hash: str = field(repr=False)
    limits: Arguments = ()
    """How many connections and channels it may have open at once."""
    elsewhere: bool = field(default=False, compare=False)
    """It has permissions in other vhosts, too."""

    @property
    def key(self) -> Hashable:
        """What names it."""
        return self.name

    def __str__(self) -> str:
        return f"user {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """Regular expressions of the names a user may configure, write and read."""

    user: str
    configure: str
    write: str
    read: str

    @property
    def key(self) -> Hashable:
        """What names it."""
        return self.user

    def __str__(self) -> str:
        return f"permission of {self.user}: configure {self.configure} write {self.write} read {self.read}"


@dataclass(frozen=True, slots=True, order=True)
class TopicPermission:
    """Regular expressions of the routing keys a user may publish (write) and bind (read) at a topic exchange."""

    user: str
    exchange: str
    write: str
    read: str

    @property
    def key(self) -> Hashable:
        """What names it."""
        return (self.user, self.exchange)

    def __str__(self) -> str:
        return f"topic permission of {self.user} at {self.exchange}: write {self.write} read {self.read}"


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """A bound of the vhost as a whole, such as its most queues."""

    noun: ClassVar[str] = "limit"
    name: str
    value: int

    @property
    def key(self) -> Hashable:
        """What names it."""
        return self.name

    def __str__(self) -> str:
        return f"limit {self.name} {self.value}"


Item = Exchange | Queue | Binding | Policy | User | Permission | TopicPermission | Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All that is ours in one vhost."""

    vhost: str
    exchanges: frozenset[Exchange] = frozenset()
    queues: frozenset[Queue] = frozenset()
    bindings: frozenset[Binding] = frozenset()
    policies: frozenset[Policy] = frozenset()
    users: frozenset[User] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    topic_permissions: frozenset[TopicPermission] = frozenset()
    limits: frozenset[Limit] = frozenset()

    def items(self) -> list[Item]:
        """Everything, in the order in which it is made."""
        return [item for kind in fields(self)[1:] for item in sorted(getattr(self, kind.name))]

    def shape(self) -> "Topology":
        """All but logins and what they may do."""
        return replace(self, users=frozenset(), permissions=frozenset(), topic_permissions=frozenset())

    def access(self) -> "Topology":
        """Logins and what they may do."""
        return Topology(
            vhost=self.vhost,
            users=self.users,
            permissions=self.permissions,
            topic_permissions=self.topic_permissions,
        )

    def joined(self, other: "Topology") -> "Topology":
        """What stands in either."""
        both = {kind.name: getattr(self, kind.name) | getattr(other, kind.name) for kind in fields(self)[1:]}
        return Topology(vhost=self.vhost, **both)
