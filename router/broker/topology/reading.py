"""What of ours stands at the broker now, as values that compare with a plan."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from router.broker.errors import ManagementError
from router.broker.management import Management
from router.broker.topology.export import OWNER_TAG
from router.broker.topology.planning import (
    MAX_CHANNELS,
    MAX_CONNECTIONS,
    MAX_QUEUES,
    is_our_exchange,
    is_our_policy,
    is_our_queue,
)
from router.broker.topology.values import (
    Arguments,
    Binding,
    Exchange,
    Limit,
    Permission,
    Policy,
    Queue,
    TopicPermission,
    Topology,
    User,
    arguments,
)

Listing = list[dict[str, Any]]
_WITHOUT_STATISTICS = {"disable_stats": "true", "enable_queue_totals": "true"}
"""Names and totals only; a broker may collect nothing else, and others answer sooner."""


async def read(management: Management, vhost: str) -> Topology:
    """All that is ours in a vhost, by name or, for logins, by tag; empty when the vhost is not there.

    Definitions are not asked for: a broker that collects no statistics leaves the queues out of them (3.10).

    Raises:
        ManagementError: the broker is not reachable or refuses.
    """
    shape, access = await asyncio.gather(read_shape(management, vhost), read_access(management, vhost))
    return shape.joined(access)


async def read_shape(management: Management, vhost: str) -> Topology:
    """Exchanges, queues, bindings, policies and the vhost's limits. Raises as :func:`read`."""
    exchanges, queues, bindings, policies, limits = await asyncio.gather(
        _list(management, "exchanges", vhost),
        _list(management, "queues", vhost, **_WITHOUT_STATISTICS),
        _list(management, "bindings", vhost),
        _list(management, "policies", vhost),
        _list(management, "vhost-limits", vhost),
    )
    return Topology(
        vhost=vhost,
        exchanges=frozenset(_exchanges(exchanges)),
        queues=frozenset(_queues(queues)),
        bindings=frozenset(_bindings(bindings)),
        policies=frozenset(_policies(policies)),
        limits=frozenset(_limits(limits)),
    )


async def read_access(management: Management, vhost: str) -> Topology:
    """Logins and what they may do; four short lists, however many queues there are. Raises as :func:`read`."""
    users, permissions, topic_permissions, limits = await asyncio.gather(
        _list(management, "users"),
        _list(management, "permissions"),
        _list(management, "topic-permissions"),
        _list(management, "user-limits"),
    )
    if not users:  # our own login is one
        raise ManagementError("no login is listed: something else listens there, or it is another broker's proxy")
    ours = {item["name"] for item in users if OWNER_TAG in item["tags"]}
    limited = {item["user"]: _user_limits(item["value"]) for item in limits}
    return Topology(
        vhost=vhost,
        users=frozenset(_users(users, ours, permissions, limited, vhost)),
        permissions=frozenset(
            Permission(item["user"], item["configure"], item["write"], item["read"])
            for item in permissions
            if item["vhost"] == vhost and item["user"] in ours
        ),
        topic_permissions=frozenset(
            TopicPermission(item["user"], item["exchange"], item["write"], item["read"])
            for item in topic_permissions
            if item["vhost"] == vhost and item["user"] in ours
        ),
    )


async def _list(management: Management, *path: str, **query: str) -> Listing:
    found: Listing | None = await management.get(*path, **query)
    if not isinstance(found, list | None):
        raise ManagementError(f"{'/'.join(path)}: answered with no list; does something else listen there?")
    return found or []


def _exchanges(listing: Listing) -> Iterable[Exchange]:
    return (Exchange(item["name"], item["type"]) for item in listing if is_our_exchange(item["name"]))


def _queues(listing: Listing) -> Iterable[Queue]:
    for item in listing:
        if is_our_queue(item["name"]):
            yield Queue(item["name"], arguments(item["arguments"]), messages=item.get("messages", 0))


def _bindings(listing: Listing) -> Iterable[Binding]:
    """Of our exchanges, to what is ours or an upstream system's; taps and federation links are others' business."""
    for item in listing:
        target = item["destination"]
        ours = is_our_queue(target) if item["destination_type"] == "queue" else is_our_exchange(target)
        if is_our_exchange(item["source"]) and (ours or target.startswith("upstream.")):
            yield Binding(
                item["source"], item["destination_type"], target, item["routing_key"], handle=item["properties_key"]
            )


def _policies(listing: Listing) -> Iterable[Policy]:
    for item in listing:
        if is_our_policy(item["name"]):
            yield Policy(item["name"], item["pattern"], arguments(item["definition"]))


def _limits(listing: Listing) -> Iterable[Limit]:
    """Those that are planned here; others are the administrator's."""
    for item in listing:
        for name, value in item["value"].items():
            if name == MAX_QUEUES:
                yield Limit(name, value)


def _user_limits(value: Mapping[str, int]) -> Arguments:
    return arguments({name: value[name] for name in (MAX_CHANNELS, MAX_CONNECTIONS) if name in value})


def _users(
    listing: Listing, ours: set[str], permissions: Listing, limited: Mapping[str, Arguments], vhost: str
) -> Iterable[User]:
    """Ours with access here or nowhere; those of other vhosts only are those vhosts' business."""
    vhosts: defaultdict[str, set[str]] = defaultdict(set)
    for item in permissions:
        vhosts[item["user"]].add(item["vhost"])
    for item in listing:
        name = item["name"]
        if name in ours and (vhost in vhosts[name] or not vhosts[name]):
            elsewhere = bool(vhosts[name] - {vhost})
            yield User(name, item["password_hash"], limited.get(name, ()), elsewhere=elsewhere)
