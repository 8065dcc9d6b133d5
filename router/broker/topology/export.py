"""A topology in RabbitMQ's own form, a definitions file: for ``rabbitmqctl import_definitions`` and for our imports."""

from collections.abc import Mapping
from typing import Any

from router.broker.topology.values import Arguments, Topology, User

OWNER_TAG = "congvan"
"""The tag of the logins we make: only these are ever deleted."""
_HASHING = "rabbit_password_hashing_sha256"


def definitions(topology: Topology) -> dict[str, Any]:
    """The topology as a definitions document; importing it makes or replaces, and deletes nothing."""
    here = {"vhost": topology.vhost}
    return {
        "vhosts": [{"name": topology.vhost}],
        "parameters": _parameters(topology),
        "users": [_user(item) for item in sorted(topology.users)],
        "permissions": [
            {**here, "user": item.user, "configure": item.configure, "write": item.write, "read": item.read}
            for item in sorted(topology.permissions)
        ],
        "topic_permissions": [
            {**here, "user": item.user, "exchange": item.exchange, "write": item.write, "read": item.read}
            for item in sorted(topology.topic_permissions)
        ],
        "policies": [
            {**here, "name": item.name, "pattern": item.pattern, "apply-to": "queues", "priority": 0}
            | {"definition": dict(item.definition)}
            for item in sorted(topology.policies)
        ],
        "queues": [{**here, "name": item.name, **_object(item.arguments)} for item in sorted(topology.queues)],
        "exchanges": [
            {**here, "name": item.name, "type": item.type, "internal": False, **_object(())}
            for item in sorted(topology.exchanges)
        ],
        "bindings": [
            {**here, "source": item.source, "destination": item.target, "destination_type": item.target_kind}
            | {"routing_key": item.routing_key, "arguments": {}}
            for item in sorted(topology.bindings)
        ],
    }


def _object(arguments: Arguments) -> Mapping[str, Any]:
    return {"durable": True, "auto_delete": False, "arguments": dict(arguments)}


def _user(user: User) -> Mapping[str, Any]:
    hashed = {"password_hash": user.password_hash, "hashing_algorithm": _HASHING}
    return {"name": user.name, **hashed, "tags": [OWNER_TAG], "limits": dict(user.limits)}


def _parameters(topology: Topology) -> list[Mapping[str, Any]]:
    """A vhost's limits are one parameter of it."""
    limits = {item.name: item.value for item in topology.limits}
    named = {"component": "vhost-limits", "name": "limits", "vhost": topology.vhost}
    return [{**named, "value": limits}] if limits else []
