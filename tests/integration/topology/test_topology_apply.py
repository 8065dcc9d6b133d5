import contextlib
import time
from dataclasses import replace
from datetime import date

import pytest
from pika.exceptions import NackError

from router.broker.errors import ManagementError, ManagementForbiddenError, ManagementUnreachableError
from router.broker.management import Management
from router.broker.topology import BrokerAccount, Changes, Topology, apply, definitions, diff, plan, read
from router.broker.topology.planning import MAX_DEAD_BYTES, MAX_UNIT_QUEUE_BYTES
from router.ledger.people.tokens import new_token
from schemas.unit import Link, Unit
from support.amqp import administrator, take
from support.broker import Vhost
from support.organisation import a_unit, lao_cai_units
from support.plans import made_by

DAY = date(2026, 11, 22)
SMALL = [a_unit(code) for code in ("LCA", "LCA.VP", "LCA.02", "LCA.02.05")]


def planned(vhost: Vhost, units: list[Unit], *accounts: str, token: str = "") -> Topology:
    hashed = token or new_token().hash
    return plan(units, [BrokerAccount(name, hashed) for name in accounts], vhost=vhost.name, day=DAY)


async def test_the_whole_example_stands_in_seconds_and_a_second_time_changes_nothing(
    vhost: Vhost, management: Management
) -> None:
    units = lao_cai_units()
    wanted = planned(vhost, units, *(f"gateway:{unit.code}" for unit in units), "issuer:LCA.VP", "issuer:LCA.#:erp")
    began = time.monotonic()
    changes = await apply(management, vhost.name, wanted)
    seconds = time.monotonic() - began
    print(f"{len(wanted.queues)} queues, {len(wanted.items())} objects applied in {seconds:.1f} s")
    assert len(made_by(changes)) == len(wanted.queues) == 247
    assert seconds < 60
    assert await read(management, vhost.name) == wanted
    assert not await apply(management, vhost.name, wanted)


async def test_queues_have_the_planned_arguments(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, SMALL))
    found = await management.get("queues", vhost.name, "unit.LCA.02.05.express")
    assert found["type"] == "quorum"
    assert found["durable"]
    assert found["arguments"] == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 1_000_000,
        "x-dead-letter-exchange": "dead",
        "x-overflow": "reject-publish",
    }
    of_the_router = await management.get("queues", vhost.name, "receipts.ledger")
    assert of_the_router["arguments"] == found["arguments"] | {"x-dead-letter-strategy": "at-least-once"}


async def test_a_vhost_that_is_not_there_is_made(vhost: Vhost, management: Management) -> None:
    await management.delete("vhosts", vhost.name)
    changes = await apply(management, vhost.name, planned(vhost, SMALL))
    assert "unit.LCA.express" in made_by(changes)


async def test_what_a_wiped_broker_lost_is_made_again_and_told(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL, "gateway:LCA.#")
    await apply(management, vhost.name, wanted)
    await management.delete("queues", vhost.name, "unit.LCA.02.normal")
    await management.delete("users", "gateway:LCA.#")
    changes = await apply(management, vhost.name, wanted)
    assert made_by(changes) == ("unit.LCA.02.normal",)
    assert await read(management, vhost.name) == wanted


async def test_an_apply_that_was_interrupted_is_finished_by_the_next(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL, "gateway:LCA.#")
    half = replace(wanted.shape(), bindings=frozenset(), queues=frozenset(sorted(wanted.queues)[:3]))
    await management.import_definitions(definitions(half))
    await apply(management, vhost.name, wanted)
    assert await read(management, vhost.name) == wanted


async def test_a_unit_that_moves_keeps_its_queue_and_what_lies_in_it(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, SMALL[:3]))
    with administrator(vhost).channel() as channel:
        channel.basic_publish("org.LCA", "LCA.02.express", b"before", mandatory=True)
        changes = await apply(management, vhost.name, planned(vhost, SMALL))  # LCA.02 becomes a hub
        channel.basic_publish("org.LCA", "LCA.02.express", b"after", mandatory=True)
        assert [take(channel, "unit.LCA.02.express")[1] for _ in range(2)] == [b"before", b"after"]
        assert channel.basic_get("unit.LCA.02.express") == (None, None, None)
    assert made_by(changes) == ("unit.LCA.02.05.express", "unit.LCA.02.05.normal")


async def test_a_queue_that_holds_a_message_is_never_deleted(vhost: Vhost, management: Management) -> None:
    without_line = [*SMALL[:3], a_unit("LCA.02.05", link=Link.NONE)]
    await apply(management, vhost.name, planned(vhost, SMALL))
    with administrator(vhost).channel() as channel:
        channel.basic_publish("org.LCA", "LCA.02.05.express", b"kept", mandatory=True)
        changes = await apply(management, vhost.name, planned(vhost, without_line))
        assert [conflict.what for conflict in changes.conflicts] == ["queue unit.LCA.02.05.express"]
        assert take(channel, "unit.LCA.02.05.express")[1] == b"kept"
    await settled(management, vhost, planned(vhost, without_line))


async def settled(management: Management, vhost: Vhost, wanted: Topology) -> Changes:
    """Apply until nothing is in conflict; a queue's total tells 5 s late that it is empty."""
    deadline = time.monotonic() + 30
    while (changes := await apply(management, vhost.name, wanted)).conflicts:
        assert time.monotonic() < deadline, changes.conflicts
    assert await read(management, vhost.name) == wanted
    return changes


async def test_a_message_in_a_consumers_hands_keeps_its_queue(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, SMALL))
    with administrator(vhost).channel() as channel:
        channel.basic_publish("org.LCA", "LCA.VP.express", b"held", mandatory=True)
        method, _, _ = channel.basic_get("unit.LCA.VP.express")
        assert method is not None
        deadline = time.monotonic() + 30
        while not any(q.messages for q in (await read(management, vhost.name)).queues):
            assert time.monotonic() < deadline
        changes = await apply(management, vhost.name, planned(vhost, [SMALL[0], *SMALL[2:]]))
        assert [conflict.what for conflict in changes.conflicts] == ["queue unit.LCA.VP.express"]


def with_old_arguments(topology: Topology, name: str) -> Topology:
    old = {queue.name: queue for queue in topology.queues}[name]
    changed = replace(old, arguments=tuple(pair for pair in old.arguments if pair[0] != "x-delivery-limit"))
    return replace(topology, queues=topology.queues - {old} | {changed})


async def test_an_empty_queue_of_a_unit_with_obsolete_arguments_is_made_anew(
    vhost: Vhost, management: Management
) -> None:
    wanted = planned(vhost, SMALL)
    await apply(management, vhost.name, with_old_arguments(wanted, "unit.LCA.02.express"))
    changes = await apply(management, vhost.name, wanted)
    assert made_by(changes) == ("unit.LCA.02.express",)
    assert await read(management, vhost.name) == wanted


async def test_obsolete_arguments_of_a_queue_in_use_are_a_conflict(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL)
    old = with_old_arguments(with_old_arguments(wanted, "unit.LCA.02.express"), "intake")
    await apply(management, vhost.name, old)
    with administrator(vhost).channel() as channel:
        channel.basic_publish("org.LCA", "LCA.02.express", b"kept", mandatory=True)
        changes = await apply(management, vhost.name, wanted)
        assert sorted(conflict.what for conflict in changes.conflicts) == [
            "queue intake",
            "queue unit.LCA.02.express",
        ]
        assert made_by(changes) == ()
        assert take(channel, "unit.LCA.02.express")[1] == b"kept"


async def test_what_is_others_stays(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, SMALL, "issuer:LCA.VP"))
    with administrator(vhost).channel() as channel:
        channel.exchange_declare("tap", "fanout", durable=True)
        channel.exchange_bind("tap", "org.LCA.02", "#")
        channel.queue_declare("audit", durable=True)
        channel.queue_bind("audit", "receipts", "#")
        channel.queue_declare("upstream.issuer:LCA.VP.receipts", durable=True)
        channel.queue_bind("upstream.issuer:LCA.VP.receipts", "receipts.recorded", "LCA.VP.LCA.#")
        await apply(management, vhost.name, planned(vhost, SMALL[:3], "issuer:LCA.VP"))
        channel.basic_publish("receipts", "LCA.VP.LCA.02.arrived", b"seen", mandatory=True)
        assert take(channel, "audit")[1] == b"seen"
        channel.basic_publish("receipts.recorded", "LCA.VP.LCA.02.arrived", b"seen", mandatory=True)
        assert take(channel, "upstream.issuer:LCA.VP.receipts")[1] == b"seen"
        channel.exchange_declare("tap", passive=True)


async def test_a_full_queue_of_a_unit_or_dead_refuses_by_a_policy_that_is_in_force(
    vhost: Vhost, management: Management
) -> None:
    wanted = planned(vhost, SMALL)
    most = {policy.pattern: dict(policy.definition) for policy in wanted.policies}
    assert most[r"^unit\."]["max-length-bytes"] == MAX_UNIT_QUEUE_BYTES
    assert most["^dead$"]["max-length-bytes"] == MAX_DEAD_BYTES
    lowered = (("max-length-bytes", 20_000),)
    small = {replace(item, definition=lowered) for item in wanted.policies if item.pattern != r"^upstream\."}
    await apply(management, vhost.name, replace(wanted, policies=frozenset(small)))
    for exchange, key, queue in (("org.LCA", "LCA.02.express", "unit.LCA.02.express"), ("dead", "", "dead")):
        with administrator(vhost).channel() as channel:
            taken = 0
            with contextlib.suppress(NackError):
                for taken in range(40):  # noqa: B007 - how many were taken is what is asked
                    channel.basic_publish(exchange, key, b"x" * 1000, mandatory=True)
        assert 10 <= taken <= 21
        with administrator(vhost).channel() as channel:
            assert channel.queue_declare(queue, passive=True).method.message_count == taken, "nothing is dropped"
            channel.queue_purge(queue)
            channel.basic_publish(exchange, key, b"x", mandatory=True)


async def test_an_issuers_binding_of_before_is_moved_and_misses_nothing(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL, "issuer:LCA.VP")
    await apply(management, vhost.name, wanted)
    queue = "upstream.issuer:LCA.VP.receipts"
    with administrator(vhost).channel() as channel:
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, "receipts", "LCA.VP.LCA.#")
        changes = await apply(management, vhost.name, wanted)
        assert changes.moved_queues == (queue,)
        channel.basic_publish("receipts", "LCA.VP.LCA.02.arrived", b"said", mandatory=True)
        channel.basic_publish("receipts.recorded", "LCA.VP.LCA.02.arrived", b"recorded", mandatory=True)
        assert take(channel, queue)[1] == b"recorded"
        assert channel.basic_get(queue) == (None, None, None)
    assert not await apply(management, vhost.name, wanted)


async def test_a_binding_of_the_intakes_queue_to_receipts_is_removed(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL, "issuer:LCA.VP")
    await apply(management, vhost.name, wanted)
    with administrator(vhost).channel() as channel:
        channel.queue_bind("intake", "receipts", "LCA.VP.LCA.#")
    changes = await apply(management, vhost.name, wanted)
    assert [binding.target for binding in changes.remove.bindings] == ["intake"]
    assert await read(management, vhost.name) == wanted


async def test_a_revoked_account_is_gone_and_a_login_of_others_stays(vhost: Vhost, management: Management) -> None:
    await apply(management, vhost.name, planned(vhost, SMALL, "gateway:LCA.02.#", "gateway:LCA.VP"))
    await apply(management, vhost.name, planned(vhost, SMALL, "gateway:LCA.VP"))
    assert await management.get("users", "gateway:LCA.02.#") is None
    assert await management.get("users", "gateway:LCA.VP") is not None
    assert await management.get("users", vhost.user) is not None


async def test_the_export_imported_elsewhere_is_the_plan(vhost: Vhost, management: Management) -> None:
    wanted = planned(vhost, SMALL, "gateway:LCA.02.#")
    await management.import_definitions(definitions(wanted))
    assert not diff(await read(management, vhost.name), wanted)


async def test_a_broker_that_does_not_answer_is_named(vhost: Vhost) -> None:
    async with Management("http://127.0.0.1:9", "u", "p") as management:
        with pytest.raises(ManagementUnreachableError, match=r"http://127\.0\.0\.1:9/api/vhosts/"):
            await apply(management, vhost.name, planned(vhost, SMALL))


async def test_a_login_that_is_no_administrator_is_refused(vhost: Vhost, management: Management) -> None:
    token = new_token()
    await apply(management, vhost.name, planned(vhost, SMALL, "gateway:LCA", token=token.hash))
    async with Management(vhost.management_url, "gateway:LCA", token.text) as gateway:
        with pytest.raises(ManagementForbiddenError, match="401"):
            await read(gateway, vhost.name)


async def test_a_definition_that_is_refused_is_an_error_with_the_answer(vhost: Vhost, management: Management) -> None:
    broken = {"exchanges": [{"name": "x", "vhost": vhost.name, "type": "nonsense", "durable": True}]}
    with pytest.raises(ManagementError, match=r"POST definitions: 400 .*bad_request"):
        await management.import_definitions(broken)
