"""Brings the broker in line with a plan: what is new in two imports, what is no longer wanted one by one."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from router.broker.management import Management
from router.broker.topology.difference import Changes, diff
from router.broker.topology.export import definitions
from router.broker.topology.reading import read
from router.broker.topology.values import Binding, Queue, Topology
from schemas.events import Event

log = structlog.get_logger()
_PROBE = "congvan.settle"
_QUEUE_ANSWERS_WITHIN = 10.0


async def apply(management: Management, vhost: str, wanted: Topology) -> Changes:
    """Bring the broker in line with a plan; doing it twice does it once, also when the first was cut off.

    Only what is ours is changed: names of our form, logins with our tag. The order is the point:

    - access that is withdrawn goes first;
    - queues are bound only when the broker has them on disk, so one without bindings tells of an apply that was cut
      off, by us or by a killed broker, and is made anew;
    - logins come after the bindings they publish to: a broker drops, and confirms, what it cannot route;
    - what is no longer planned goes last, so a unit that moves in the tree is reachable throughout. A queue that holds
      messages stays, without bindings, and is reported; a later call removes it.

    Returns:
        What was changed, and the conflicts that are left for a person.

    Raises:
        ManagementError: the broker is not reachable or refuses; what was done until then stands.
    """
    if await management.get("vhosts", vhost) is None:
        await management.put("vhosts", vhost, body={})
    changes = diff(await read(management, vhost), wanted)
    if not changes:
        return changes
    await _withdraw_access(management, changes.remove)
    changes = changes.keeping(await _delete_unless_in_use(management, changes, changes.rebuild))
    await _import(management, changes.create.unbound())
    if changes.create.queues:
        await _settle(management, vhost)
    await _import(management, changes.create.shape())
    await _import(management, changes.create.access())
    await _each(management.delete(*_path(vhost, binding)) for binding in changes.remove.bindings)
    changes = changes.keeping(await _delete_unless_in_use(management, changes, changes.remove.queues))
    await _each(management.delete("exchanges", vhost, item.name) for item in changes.remove.exchanges)
    await _each(management.delete("policies", vhost, item.name) for item in changes.remove.policies)
    _tell(changes)
    return changes


async def _settle(management: Management, vhost: str) -> None:
    """Let the broker write down that the queues just made exist.

    It confirms a quorum queue up to 3 s before the queue's entry in its directory is written. Killed in between, it
    comes back with a queue of that name that has lost its log and never finds a leader: publishes to it are never
    confirmed (measured on 3.10.8). Making and deleting one more queue reads the directory, which writes it first.
    """
    await management.delete("queues", vhost, _PROBE)
    await management.put("queues", vhost, _PROBE, body={"durable": True, "arguments": {"x-queue-type": "quorum"}})
    await management.delete("queues", vhost, _PROBE)


async def _withdraw_access(management: Management, remove: Topology) -> None:
    await _each(
        management.delete("topic-permissions", remove.vhost, user)
        for user in {item.user for item in remove.topic_permissions}
    )
    await _each(management.delete("permissions", remove.vhost, item.user) for item in remove.permissions)
    await _each(management.delete("users", item.name) for item in remove.users)


async def _delete_unless_in_use(management: Management, changes: Changes, queues: Iterable[Queue]) -> frozenset[Queue]:
    """Delete the empty ones of some queues; the others."""
    asked = sorted(queues)
    answers = await asyncio.gather(*(_is_in_use(management, changes, queue) for queue in asked))
    await _each(
        management.delete("queues", changes.create.vhost, queue.name)
        for queue, in_use in zip(asked, answers, strict=True)
        if not in_use
    )
    return frozenset(queue for queue, in_use in zip(asked, answers, strict=True) if in_use)


async def _is_in_use(management: Management, changes: Changes, queue: Queue) -> bool:
    """Whether a queue holds messages, or may do so for all we know.

    Quorum queues do not know "delete if empty": the count, up to 5 s old, tells of messages that a consumer holds, and
    asking for a message tells of those that are ready now. One that was never bound and gives no answer has no log.
    """
    if queue.messages:
        return True
    try:
        async with asyncio.timeout(_QUEUE_ANSWERS_WITHIN):
            return await management.holds_a_message(changes.create.vhost, queue.name)
    except TimeoutError:
        return queue not in changes.create.queues


async def _import(management: Management, part: Topology) -> None:
    """Make or replace; the vhost itself stays as its administrator has set it."""
    if part.items():
        await management.import_definitions({k: v for k, v in definitions(part).items() if k != "vhosts"})


async def _each(calls: Iterable[Any]) -> None:
    await asyncio.gather(*calls)


def _path(vhost: str, binding: Binding) -> tuple[str, ...]:
    kind = "q" if binding.target_kind == "queue" else "e"
    return ("bindings", vhost, "e", binding.source, kind, binding.target, binding.handle)


def _tell(changes: Changes) -> None:
    log.info(
        Event.TOPOLOGY_APPLIED,
        created=len(changes.create.items()),
        removed=len(changes.remove.items()),
        queues_created=len(changes.create.queues),
        conflicts=[str(conflict) for conflict in changes.conflicts],
    )
