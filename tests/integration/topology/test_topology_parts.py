"""Making queues part by part: cut off anywhere, it goes on where it stopped; what does not fit is refused and named."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from router.broker.errors import ManagementError, ManagementUnreachableError
from router.broker.management import Management
from router.broker.topology import BrokerAccount, Making, Topology, apply, plan, read
from router.broker.topology.capacity import handles_for
from router.ledger.people.tokens import new_token
from schemas.unit import Unit
from support.amqp import administrator, take
from support.broker import Vhost
from support.organisation import a_unit
from support.plans import made_by

DAY = date(2026, 11, 22)

UNITS = [a_unit(code) for code in ("LCA", "LCA.01", "LCA.02", "LCA.03", "LCA.04", "LCA.05")]


class KilledError(Exception):
    """As when the router ends in the middle."""


class AnswersLost(Management):
    """The broker does what it is asked, and some answers of imports do not come back in time."""

    imports = 0
    lost: Sequence[int] = ()

    async def import_definitions(self, definitions: Any) -> None:
        await super().import_definitions(definitions)
        self.imports += 1
        if self.imports in self.lost:
            raise ManagementUnreachableError("POST definitions: time-out")


class QueueDead(Management):
    """Answers for one queue as RabbitMQ does when the queue's process is gone."""

    dead = ""

    async def holds_a_message(self, vhost: str, queue: str) -> bool:
        if queue == self.dead:
            raise ManagementError(f"POST queues/{vhost}/{queue}/get: 400 541 Cannot get a message: noproc")
        return await super().holds_a_message(vhost, queue)


def planned(vhost: Vhost, units: Sequence[Unit] = UNITS) -> Topology:
    return plan(units, [BrokerAccount("gateway:LCA.#", new_token().hash)], vhost=vhost.name, day=DAY)


def put(vhost: Vhost, unit: str, body: bytes) -> None:
    with administrator(vhost).channel() as channel:
        channel.confirm_delivery()
        channel.basic_publish("org.LCA", f"{unit}.normal", body, mandatory=True)


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
async def test_a_router_that_is_killed_in_any_part_goes_on_there(
    vhost: Vhost, management: Management, killed_at: int
) -> None:
    told: list[Sequence[str]] = []

    async def die(queues: Sequence[str]) -> None:
        told.append(queues)
        if len(told) == killed_at:
            raise KilledError

    wanted = planned(vhost)
    with pytest.raises(KilledError):
        await apply(management, vhost.name, wanted, Making(part=4, on_made=die))
    made = {queue.name for queue in (await read(management, vhost.name)).queues}
    assert len(made) == 4 * killed_at - (killed_at == 4)
    bound_before = {name for part in told[:-1] for name in part}
    again: list[str] = []

    async def note(queues: Sequence[str]) -> None:
        again.extend(queues)

    changes = await apply(management, vhost.name, wanted, Making(part=4, on_made=note))
    assert not made & set(made_by(changes)), "what was made is not made again"
    assert set(again) == {queue.name for queue in wanted.queues} - bound_before, "what was not bound is told again"
    assert await read(management, vhost.name) == wanted


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5, 6, 7])
async def test_an_import_whose_answer_is_lost_is_not_done_again(vhost: Vhost, lost: int) -> None:
    wanted = planned(vhost)
    async with AnswersLost(vhost.management_url, vhost.user, vhost.password) as management:
        management.lost = [lost]
        with pytest.raises(ManagementUnreachableError):
            await apply(management, vhost.name, wanted, Making(part=5))
        made = {queue.name for queue in (await read(management, vhost.name)).queues}
        changes = await apply(management, vhost.name, wanted, Making(part=5))
        assert not made & set(made_by(changes))
        assert await read(management, vhost.name) == wanted


async def test_what_is_made_is_told_before_anything_can_be_routed_to_it(vhost: Vhost, management: Management) -> None:
    async def is_unbound(queues: Sequence[str]) -> None:
        there = await read(management, vhost.name)
        assert set(queues) <= {queue.name for queue in there.queues}
        assert not {item.target for item in there.bindings} & set(queues)
        told.extend(queues)

    told: list[str] = []
    changes = await apply(management, vhost.name, planned(vhost), Making(part=4, on_made=is_unbound))
    assert sorted(told) == list(made_by(changes))


async def test_a_deleted_exchange_comes_back_and_no_queue_is_made_anew(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost)
    await apply(management, vhost.name, wanted)
    put(vhost, "LCA.03", b"kept")
    await management.delete("exchanges", vhost.name, "org.LCA")
    changes = await apply(management, vhost.name, wanted)
    assert made_by(changes) == ()
    with administrator(vhost).channel() as channel:
        assert take(channel, "unit.LCA.03.normal")[1] == b"kept"
    put(vhost, "LCA.03", b"reached")


async def test_an_unbound_queue_that_has_no_process_is_made_anew_and_holds_up_nothing(
    vhost: Vhost, management: Management
) -> None:
    wanted, dead = planned(vhost), "unit.LCA.03.normal"
    await apply(management, vhost.name, wanted)
    await management.delete("exchanges", vhost.name, "org.LCA")
    async with QueueDead(vhost.management_url, vhost.user, vhost.password) as broken:
        broken.dead = dead
        changes = await apply(broken, vhost.name, wanted)
    assert made_by(changes) == (dead,)
    assert await read(management, vhost.name) == wanted
    put(vhost, "LCA.03", b"reached")


async def test_queues_for_which_there_are_no_file_handles_are_refused_and_named(
    vhost: Vhost, management: Management
) -> None:
    there = (await management.get("overview"))["object_totals"]["queues"]
    handles = handles_for(there + 9)
    changes = await apply(management, vhost.name, planned(vhost), Making(handles=handles))
    assert len(made_by(changes)) == 9
    assert {"intake", "receipts.ledger", "dead"} <= set(made_by(changes)), "what serves all comes first"
    conflict = changes.conflicts[0]
    assert conflict.what == "6 queues from unit.LCA.04.express on"
    assert f"of {there + 9} queues that fit into {handles} file handles" in conflict.problem
    assert f"give it {handles_for(there + 15)} file handles" in conflict.remedy
    assert not conflict.harmless
    bound = {item.target for item in (await read(management, vhost.name)).bindings if item.target_kind == "queue"}
    assert bound == set(made_by(changes))


async def test_queues_that_stand_are_not_harmed_by_a_broker_that_is_full(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, UNITS[:2]))
    changes = await apply(management, vhost.name, planned(vhost, UNITS[:3]), Making(handles=101))
    assert made_by(changes) == ()
    put(vhost, "LCA.01", b"reached")
    later = await apply(management, vhost.name, planned(vhost, UNITS[:3]), Making(handles=100_000))
    assert made_by(later) == ("unit.LCA.02.express", "unit.LCA.02.normal")
    assert not later.conflicts
