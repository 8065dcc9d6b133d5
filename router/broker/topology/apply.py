"""Brings the broker in line with a plan: what is new in imports of a bounded size, what is not wanted one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import structlog

from router.broker.errors import ManagementError, ManagementForbiddenError, ManagementUnreachableError
from router.broker.management import Management
from router.broker.topology.capacity import capacity_of, within
from router.broker.topology.difference import Changes, diff
from router.broker.topology.export import definitions
from router.broker.topology.planning import MAX_QUEUES
from router.broker.topology.reading import read_access, read_shape
from router.broker.topology.values import Binding, Queue, Topology, User
from schemas.events import Event

log = structlog.get_logger()
_PROBE = "congvan.settle"
_QUEUE_ANSWERS_WITHIN = 10.0
_BINDINGS_AT_ONCE = 1000
_ASKED_AT_ONCE = 8
_ALL = {"configure": ".*", "write": ".*", "read": ".*"}


async def _tell_nobody(_queues: Sequence[str]) -> None:
    """Nobody has sent anything to the queues that are made."""


@dataclass(frozen=True, slots=True)
class Making:
    """How queues are made.

    Args:
        part: how many by one request; a broker on a small machine makes a hundred a second.
        handles: the broker's file handles, for one whose management API does not report them; 0: not known.
        on_made: told the names of each part's queues, empty as they are, before anything can be routed to them. What
            waited in queues that were lost has to be sent again, and this call notes that; if it came afterwards, a
            kill in between would lose it.
    """

    part: int = 200
    handles: int = 0
    on_made: Callable[[Sequence[str]], Awaitable[None]] = _tell_nobody


async def apply(management: Management, vhost: str, wanted: Topology, making: Making = Making()) -> Changes:
    """Bring the broker in line with a plan; doing it twice does it once, also when the first was cut off.

    Only what is ours is changed: names of our form, logins with our tag. The order is the point:

    - access that is withdrawn goes first (:func:`withdraw`);
    - queues are made in parts, and each part is bound only when the broker has it on disk. One without bindings was
      left by an apply that was cut off; it is bound if it answers, and else, left by a killed broker, made anew. So an
      apply that is cut off goes on where it stopped;
    - what is no longer planned goes last, so a unit that moves in the tree is reachable throughout. A queue that holds
      messages stays, without bindings, and is reported; a later call removes it (:func:`shape`);
    - logins come after the bindings they publish to: a broker drops, and confirms, what it cannot route
      (:func:`grant`).

    Returns:
        What was changed, and the conflicts that are left for a person.

    Raises:
        ManagementError: the broker is not reachable or refuses; what was done until then stands.
    """
    await _enter_vhost(management, vhost)
    withdrawn = await withdraw(management, wanted)
    shaped = await shape(management, wanted, making)
    return withdrawn.joined(shaped).joined(await grant(management, wanted))


async def withdraw(management: Management, wanted: Topology) -> Changes:
    """Take back the access that is no longer planned, and end the connections that were opened by it.

    A login whose password has changed is deleted and made anew: the broker ends its connections with it, so a kill in
    between leaves none open that the next call does not know of.

    Raises:
        ManagementError: as :func:`apply`.
    """
    actual = await read_access(management, wanted.vhost)
    changes = diff(actual, wanted.access())
    rotated = _rotated(actual, wanted)
    gone = {item.user for item in changes.remove.permissions} | {item.name for item in changes.remove.users}
    await _each(
        management.delete("topic-permissions", wanted.vhost, user)
        for user in {item.user for item in changes.remove.topic_permissions}
    )
    await _each(management.delete("permissions", wanted.vhost, item.user) for item in changes.remove.permissions)
    await _each(management.delete("users", item.name) for item in changes.remove.users)
    await _each(management.delete("users", item.name) for item in rotated if not item.elsewhere)
    again = _access_of(wanted, {item.name for item in rotated})
    if rotated and await management.get("vhosts", wanted.vhost) is not None:
        await _import(management, again)
    ended = gone | {item.name for item in rotated}
    await _each(management.delete("connections", "username", user) for user in ended)
    done = Changes(create=again, remove=changes.remove)
    if done:
        log.info(Event.ACCESS_WITHDRAWN, removed=sorted(gone), new_passwords=sorted(item.name for item in rotated))
    return done


async def shape(management: Management, wanted: Topology, making: Making = Making()) -> Changes:
    """Make, bind and remove exchanges and queues. Raises as :func:`apply`, and what ``on_made`` raises."""
    vhost = wanted.vhost
    await _enter_vhost(management, vhost)
    # As if the access stood: it is another call's, but says which bindings of upstream systems may stay.
    changes = diff((await read_shape(management, vhost)).joined(wanted.access()), wanted)
    if not changes:
        return changes
    changes = await _examined(management, changes)
    changes = await _within_capacity(management, changes, making)
    fresh = {queue.name for queue in changes.create.queues | changes.unbound}
    later = frozenset(item for item in changes.create.bindings if item.target in fresh)
    first = replace(changes.create, queues=frozenset(), bindings=changes.create.bindings - later, limits=frozenset())
    await _import_in_parts(management, first)
    await _make_queues(management, changes, later, making)
    await _each(management.put("vhost-limits", vhost, item.name, body={"value": item.value}) for item in wanted.limits)
    changes = await _remove(management, changes)
    _tell(changes)
    return changes


async def grant(management: Management, wanted: Topology) -> Changes:
    """Make the logins that are new, and give all of them what is planned. Raises as :func:`apply`."""
    changes = diff(await read_access(management, wanted.vhost), wanted.access())
    await _import(management, changes.create)
    return replace(changes, remove=Topology(vhost=wanted.vhost))


async def _enter_vhost(management: Management, vhost: str) -> None:
    """Make a vhost that is not there, and give our own login its permissions when it has none in it any more."""
    if await management.get("vhosts", vhost) is None:
        await management.put("vhosts", vhost, body={})
    if await management.get("permissions", vhost, management.user) is None:
        log.warning(Event.OWN_PERMISSIONS_RESTORED, user=management.user, vhost=vhost)
        await management.put("permissions", vhost, management.user, body=_ALL)


def _rotated(actual: Topology, wanted: Topology) -> list[User]:
    """The logins whose password has changed, as they are now."""
    hashes = {item.name: item.password_hash for item in wanted.users}
    return [item for item in sorted(actual.users) if hashes.get(item.name, item.password_hash) != item.password_hash]


def _access_of(wanted: Topology, users: set[str]) -> Topology:
    return Topology(
        vhost=wanted.vhost,
        users=frozenset(item for item in wanted.users if item.name in users),
        permissions=frozenset(item for item in wanted.permissions if item.user in users),
        topic_permissions=frozenset(item for item in wanted.topic_permissions if item.user in users),
    )


async def _examined(management: Management, changes: Changes) -> Changes:
    """Find out which of the queues without bindings are dead, and delete those that are to be made anew."""
    answers = await _answers(management, changes.create.vhost, changes.unbound)
    dead = [queue for queue, answer in answers.items() if answer is _Answer.SILENT]
    await _each(management.delete("queues", changes.create.vhost, queue.name) for queue in dead)
    kept = await _delete_empty(management, changes.create.vhost, changes.rebuild)
    return changes.keeping(kept).making_anew(dead)


async def _within_capacity(management: Management, changes: Changes, making: Making) -> Changes:
    """Leave out the queues with which the broker would take no connection any more."""
    if not changes.create.queues:
        return changes
    return within(changes, await capacity_of(management, making.handles))


async def _make_queues(management: Management, changes: Changes, bindings: frozenset[Binding], making: Making) -> None:
    """Make, settle, tell and bind, part by part."""
    vhost = changes.create.vhost
    if changes.create.queues:
        # The limit is for what upstream systems make; with it in force they could keep us from making ours.
        await management.delete("vhost-limits", vhost, MAX_QUEUES)
    fresh = sorted(changes.create.queues | changes.unbound)
    for at in range(0, len(fresh), making.part):
        queues = fresh[at : at + making.part]
        names = {queue.name for queue in queues}
        await _import(management, Topology(vhost=vhost, queues=changes.create.queues.intersection(queues)))
        await _settle(management, vhost)
        await making.on_made(sorted(names))
        await _import(
            management, Topology(vhost=vhost, bindings=frozenset(item for item in bindings if item.target in names))
        )


async def _remove(management: Management, changes: Changes) -> Changes:
    vhost, remove = changes.create.vhost, changes.remove
    await _each(management.delete(*_path(vhost, binding)) for binding in remove.bindings)
    changes = changes.keeping(await _delete_empty(management, vhost, remove.queues))
    await _each(management.delete("exchanges", vhost, item.name) for item in remove.exchanges)
    await _each(management.delete("policies", vhost, item.name) for item in remove.policies)
    await _each(management.delete("vhost-limits", vhost, item.name) for item in remove.limits)
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


class _Answer(Enum):
    """What a queue answers when it is asked for a message."""

    EMPTY = "empty"
    HOLDS = "holds messages"
    SILENT = "does not answer"
    """It has no log: or the broker is busy."""


async def _answers(management: Management, vhost: str, queues: Iterable[Queue]) -> dict[Queue, _Answer]:
    asked, places = sorted(queues), asyncio.Semaphore(_ASKED_AT_ONCE)
    answers = await asyncio.gather(*(_ask(management, vhost, queue, places) for queue in asked))
    return dict(zip(asked, answers, strict=True))


async def _ask(management: Management, vhost: str, queue: Queue, places: asyncio.Semaphore) -> _Answer:
    """Whether a queue holds messages, or may do so for all we know.

    Quorum queues do not know "delete if empty": the count, up to 5 s old, shows messages that a consumer holds, and
    asking for a message shows those that are ready now.
    """
    if queue.messages:
        return _Answer.HOLDS
    try:
        async with places, asyncio.timeout(_QUEUE_ANSWERS_WITHIN):
            return _Answer.HOLDS if await management.holds_a_message(vhost, queue.name) else _Answer.EMPTY
    except TimeoutError:
        return _Answer.SILENT
    except (ManagementUnreachableError, ManagementForbiddenError):
        raise
    except ManagementError as error:
        # As 541, noproc: the broker knows the name of a queue that has no process, as one made while its vhost went.
        log.warning(Event.QUEUE_DEAD, queue=queue.name, error=str(error))
        return _Answer.SILENT


async def _delete_empty(management: Management, vhost: str, queues: Iterable[Queue]) -> frozenset[Queue]:
    """Delete those of some queues that say that they are empty; the others."""
    answers = await _answers(management, vhost, queues)
    empty = [queue for queue, answer in answers.items() if answer is _Answer.EMPTY]
    await _each(management.delete("queues", vhost, queue.name) for queue in empty)
    return frozenset(answers) - frozenset(empty)


async def _import_in_parts(management: Management, part: Topology) -> None:
    """Exchanges and policies, then what binds them and the queues that are there already."""
    await _import(management, replace(part, bindings=frozenset()))
    bindings = sorted(part.bindings)
    for at in range(0, len(bindings), _BINDINGS_AT_ONCE):
        some = frozenset(bindings[at : at + _BINDINGS_AT_ONCE])
        await _import(management, Topology(vhost=part.vhost, bindings=some))


async def _import(management: Management, part: Topology) -> None:
    """Make or replace; the vhost itself stays as its administrator has set it."""
    if part.items():
        wanted = {name: items for name, items in definitions(part).items() if items and name != "vhosts"}
        await management.import_definitions(wanted)


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
