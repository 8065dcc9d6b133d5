"""Access that is withdrawn at the broker: the login goes, and every connection that was opened by it."""

from dataclasses import replace
from datetime import date

import pytest
from pika.exceptions import AMQPConnectionError, AMQPError

from router.broker.management import Management
from router.broker.topology import Bounds, BrokerAccount, Topology, apply, plan, read, withdraw
from router.ledger.people.tokens import NewToken, new_token
from support.amqp import Login, administrator, is_open
from support.broker import Vhost, call, delete_vhost
from support.conditions import holds
from support.organisation import a_unit
from support.plans import made_by

DAY = date(2026, 11, 22)

UNITS = [a_unit("LCA"), a_unit("LCA.02")]
BOUNDS = Bounds()
GATEWAY, OTHER, ISSUER = "gateway:LCA.02", "gateway:LCA", "issuer:LCA"


def planned(vhost: Vhost, tokens: dict[str, NewToken], bounds: Bounds = BOUNDS) -> Topology:
    accounts = [BrokerAccount(name, token.hash) for name, token in tokens.items()]
    return plan(UNITS, accounts, vhost=vhost.name, day=DAY, bounds=bounds)


@pytest.fixture
def tokens() -> dict[str, NewToken]:
    return {GATEWAY: new_token(), OTHER: new_token()}


async def test_a_rotated_tokens_connection_is_ended_and_the_new_one_works(
    vhost: Vhost, management: Management, tokens: dict[str, NewToken]
) -> None:
    await apply(management, vhost.name, planned(vhost, tokens))
    rotated = tokens | {GATEWAY: new_token()}
    with (
        Login(vhost, GATEWAY, tokens[GATEWAY].text).connection() as old,
        Login(vhost, OTHER, tokens[OTHER].text).connection() as other,
    ):
        await withdraw(management, planned(vhost, rotated))
        await holds(lambda: not is_open(old), what="the old token's connection is ended")
        assert is_open(other), "nobody else is cut off"
    with pytest.raises(AMQPConnectionError), Login(vhost, GATEWAY, tokens[GATEWAY].text).connection():
        pass
    with Login(vhost, GATEWAY, rotated[GATEWAY].text).connection() as new:
        new.channel().queue_declare("unit.LCA.02.express", passive=True)
    assert await read(management, vhost.name) == planned(vhost, rotated)


async def test_a_revoked_tokens_connection_is_ended(
    vhost: Vhost, management: Management, tokens: dict[str, NewToken]
) -> None:
    await apply(management, vhost.name, planned(vhost, tokens))
    with (
        Login(vhost, GATEWAY, tokens[GATEWAY].text).connection() as old,
        Login(vhost, OTHER, tokens[OTHER].text).connection() as other,
    ):
        await withdraw(management, planned(vhost, {OTHER: tokens[OTHER]}))
        await holds(lambda: not is_open(old), what="the revoked token's connection is ended")
        assert is_open(other)


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_login_that_another_vhost_uses_keeps_its_access_there(
    vhost: Vhost, management: Management, tokens: dict[str, NewToken], *, revoked: bool
) -> None:
    elsewhere = f"{vhost.name}-other"
    await apply(management, vhost.name, planned(vhost, tokens))
    call(vhost, "PUT", f"vhosts/{elsewhere}", b"{}")
    try:
        await management.put("permissions", elsewhere, GATEWAY, body={"configure": "", "write": "", "read": ".*"})
        with Login(vhost, GATEWAY, tokens[GATEWAY].text).connection() as old:
            left = {OTHER: tokens[OTHER]} if revoked else tokens | {GATEWAY: new_token()}
            await withdraw(management, planned(vhost, left))
            await holds(lambda: not is_open(old), what="the connection is ended")
        assert await management.get("permissions", elsewhere, GATEWAY) is not None
    finally:
        delete_vhost(vhost, elsewhere)


async def test_nothing_new_is_granted_by_a_withdrawal(
    vhost: Vhost, management: Management, tokens: dict[str, NewToken]
) -> None:
    await apply(management, vhost.name, planned(vhost, {OTHER: tokens[OTHER]}))
    assert not await withdraw(management, planned(vhost, tokens))
    assert await management.get("users", GATEWAY) is None


async def test_a_login_may_open_no_more_connections_and_channels_than_its_bound(
    vhost: Vhost, management: Management, tokens: dict[str, NewToken]
) -> None:
    await apply(management, vhost.name, planned(vhost, tokens))
    changes = await apply(management, vhost.name, planned(vhost, tokens, Bounds(connections=1, channels=2)))
    assert {item.name for item in changes.create.users} == {GATEWAY, OTHER}
    with Login(vhost, GATEWAY, tokens[GATEWAY].text).connection() as one:
        with (
            pytest.raises(AMQPConnectionError, match="limit"),
            Login(vhost, GATEWAY, tokens[GATEWAY].text).connection(),
        ):
            pass
        with Login(vhost, OTHER, tokens[OTHER].text).connection():
            one.channel()
            one.channel()
            with pytest.raises(AMQPError, match="limit"):
                one.channel()


async def test_upstream_systems_cannot_make_queues_without_end_and_cannot_keep_units_from_theirs(
    vhost: Vhost, management: Management
) -> None:
    tokens = {ISSUER: new_token()}
    wanted = planned(vhost, tokens)
    full = replace(wanted, limits=frozenset(replace(item, value=len(wanted.queues) + 1) for item in wanted.limits))
    await apply(management, vhost.name, full)
    with Login(vhost, ISSUER, tokens[ISSUER].text).connection() as upstream:
        upstream.channel().queue_declare("upstream.issuer:LCA.a", durable=True)
        with pytest.raises(AMQPError, match="limit"):
            upstream.channel().queue_declare("upstream.issuer:LCA.b", durable=True)
    with administrator(vhost).channel() as channel:
        channel.queue_delete("unit.LCA.02.normal")
        channel.queue_declare("other", durable=True)
    changes = await apply(management, vhost.name, full)
    assert made_by(changes) == ("unit.LCA.02.normal",)
    assert await read(management, vhost.name) == full
