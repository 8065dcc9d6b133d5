"""What each account can and cannot do at a real broker, with connections of its own."""

import asyncio
from collections.abc import Callable
from datetime import date

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError, UnroutableError

from router.broker.management import Management
from router.broker.topology import BrokerAccount, apply, may_be_answered_at, plan
from router.ledger.people.tokens import NewToken, new_token
from support.amqp import Login, administrator, take
from support.broker import Vhost
from support.organisation import a_unit

UNITS = [a_unit(code) for code in ("LCA", "LCA.VP", "LCA.BTC", "LCA.02", "LCA.02.05", "LCA.03")]
ACCOUNTS = ("gateway:LCA.02.#", "gateway:LCA.03", "issuer:LCA.VP", "issuer:LCA.BTC", "operator:LCA.#")
Act = Callable[[BlockingChannel], object]
OWN_QUEUE = "upstream.issuer:LCA.VP.receipts"


async def set_up(vhost: Vhost, tokens: dict[str, NewToken]) -> None:
    accounts = [BrokerAccount(name, token.hash) for name, token in tokens.items()]
    async with Management(vhost.management_url, vhost.user, vhost.password) as management:
        await apply(management, vhost.name, plan(UNITS, accounts, vhost=vhost.name, day=date(2026, 11, 22)))


@pytest.fixture
def tokens(vhost: Vhost) -> dict[str, NewToken]:
    made = {name: new_token() for name in ACCOUNTS}
    asyncio.run(set_up(vhost, made))
    return made


@pytest.fixture
def district(vhost: Vhost, tokens: dict[str, NewToken]) -> Login:
    return Login(vhost, "gateway:LCA.02.#", tokens["gateway:LCA.02.#"].text)


@pytest.fixture
def office(vhost: Vhost, tokens: dict[str, NewToken]) -> Login:
    return Login(vhost, "issuer:LCA.VP", tokens["issuer:LCA.VP"].text)


def publish(exchange: str, key: str, *, user_id: str | None = None, reply_to: str | None = None) -> Act:
    properties = pika.BasicProperties(user_id=user_id, reply_to=reply_to, message_id="m1")
    return lambda channel: channel.basic_publish(exchange, key, b"{}", properties, mandatory=True)


def read_from(queue: str) -> list[Act]:
    return [
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.basic_consume(queue, print),
        lambda channel: channel.queue_purge(queue),
    ]


def declare(queue: str, arguments: dict[str, str] | None = None) -> Act:
    return lambda channel: channel.queue_declare(queue, durable=True, arguments=arguments)


def delete(queue: str) -> Act:
    return lambda channel: channel.queue_delete(queue)


def bind(queue: str, exchange: str, key: str) -> Act:
    return lambda channel: channel.queue_bind(queue, exchange, key)


def test_the_account_lets_in_with_its_token_and_with_no_other(district: Login, office: Login) -> None:
    with district.channel() as channel:
        assert channel.is_open
    with pytest.raises(ProbableAuthenticationError), Login(district.vhost, district.user, office.password).channel():
        pass


def test_an_operator_has_no_login_here(vhost: Vhost, tokens: dict[str, NewToken]) -> None:
    operator = Login(vhost, "operator:LCA.#", tokens["operator:LCA.#"].text)
    with pytest.raises(ProbableAuthenticationError), operator.channel():
        pass


def test_what_the_router_publishes_at_the_root_comes_to_each_unit_once(vhost: Vhost, district: Login) -> None:
    with administrator(vhost).channel() as router:
        for code in ("LCA", "LCA.VP", "LCA.02", "LCA.02.05"):
            router.basic_publish("org.LCA", f"{code}.express", code.encode(), mandatory=True)
        with pytest.raises(UnroutableError):
            router.basic_publish("org.LCA", "LCA.99.express", b"", mandatory=True)
        assert take(router, "unit.LCA.express")[1] == b"LCA"
    with district.channel() as gateway:
        for code in ("LCA.02", "LCA.02.05"):
            assert take(gateway, f"unit.{code}.express")[1] == code.encode()
            assert gateway.basic_get(f"unit.{code}.express") == (None, None, None)


def test_a_gateway_cannot_read_anothers_queue(district: Login) -> None:
    for queue in ("unit.LCA.03.express", "unit.LCA.express", "receipts.ledger", "intake", "dead"):
        for act in read_from(queue):
            assert not district.may(act), queue


def test_a_gateway_writes_receipts_of_its_units(district: Login, vhost: Vhost) -> None:
    with administrator(vhost).channel() as router:
        for key in ("LCA.VP.LCA.02.arrived", "LCA.VP.LCA.02.05.registered", "LCA.02.hello", "LCA.02.05.gap"):
            assert district.may(publish("receipts", key, user_id=district.user)), key
            assert take(router, "receipts.ledger")[0].user_id == district.user


def test_a_gateway_cannot_forge_anothers_receipt(district: Login) -> None:
    for unit in ("LCA.03", "LCA", "LCA.020"):
        assert not district.may(publish("receipts", f"LCA.VP.{unit}.arrived")), unit
        assert not district.may(publish("receipts", f"{unit}.hello")), unit


def test_a_gateway_cannot_say_what_is_the_services_to_say(district: Login) -> None:
    for word in ("expired", "redriven", "queued", "anything"):
        assert not district.may(publish("receipts", f"LCA.VP.LCA.02.{word}")), word


def test_nobody_speaks_in_anothers_name(district: Login) -> None:
    forged = publish("receipts", "LCA.VP.LCA.02.arrived", user_id="gateway:LCA.03")
    with district.channel() as channel, pytest.raises(ChannelClosedByBroker, match="user_id"):
        forged(channel)


def test_only_the_router_writes_to_units_and_to_dead(district: Login, office: Login) -> None:
    for account in (district, office):
        for exchange in ("org.LCA", "org.LCA.02", "dead", "amq.topic"):
            assert not account.may(publish(exchange, "LCA.02.express")), exchange
        for queue in ("unit.LCA.02.express", "receipts.ledger", "intake", "dead"):
            assert not account.may(publish("", queue)), queue


def test_a_gateway_cannot_submit_and_an_issuer_cannot_write_receipts(district: Login, office: Login) -> None:
    assert not district.may(publish("intake", "intake"))
    for exchange in ("receipts", "receipts.recorded"):
        assert not office.may(publish(exchange, "LCA.VP.LCA.02.arrived"))


def test_a_gateway_declares_and_binds_nothing(district: Login) -> None:
    for name in ("unit.LCA.02.express2", "upstream.gateway:LCA.02.#.mine", "mine"):
        assert not district.may(declare(name)), name
    assert not district.may(lambda channel: channel.exchange_declare("unit.LCA.02.express", "topic"))
    assert not district.may(delete("unit.LCA.02.express"))
    assert not district.may(bind("unit.LCA.02.express", "org.LCA", "#"))


def test_what_a_gateway_rejects_lies_in_dead(district: Login, vhost: Vhost) -> None:
    with administrator(vhost).channel() as router:
        router.basic_publish("org.LCA", "LCA.02.normal", b"bad", mandatory=True)
        with district.channel() as gateway:
            method, _, _ = gateway.basic_get("unit.LCA.02.normal")
            assert method is not None
            gateway.basic_reject(method.delivery_tag, requeue=False)
        method, properties, body = next(router.consume("dead", inactivity_timeout=20))
        assert body == b"bad"
        assert properties.headers["x-first-death-queue"] == "unit.LCA.02.normal"


def test_an_issuer_submits_and_is_answered_at_its_own_queue(office: Login, vhost: Vhost) -> None:
    with office.channel() as channel:
        channel.queue_declare("upstream.issuer:LCA.VP.replies", durable=True)
    assert office.may(publish("intake", "intake", user_id=office.user, reply_to="upstream.issuer:LCA.VP.replies"))
    with administrator(vhost).channel() as router:
        asked, _ = take(router, "intake")
        assert asked.user_id == office.user
        router.basic_publish("", asked.reply_to, b"accepted", mandatory=True)
    with office.channel() as channel:
        assert take(channel, "upstream.issuer:LCA.VP.replies")[1] == b"accepted"


def test_an_issuer_may_be_answered_directly_without_a_queue(office: Login, vhost: Vhost) -> None:
    with office.channel() as channel, administrator(vhost).channel() as router:
        answers: list[bytes] = []
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *call: answers.append(call[3]), auto_ack=True)
        publish("intake", "intake", reply_to="amq.rabbitmq.reply-to")(channel)
        reply_to = take(router, "intake")[0].reply_to
        assert may_be_answered_at(office.user, reply_to)
        router.basic_publish("", reply_to, b"accepted")
        channel.connection.process_data_events(time_limit=20)
        assert answers == [b"accepted"]


def test_an_issuer_sees_the_recorded_receipts_of_what_it_has_issued(office: Login, vhost: Vhost) -> None:
    assert office.may(declare(OWN_QUEUE))
    assert office.may(bind(OWN_QUEUE, "receipts.recorded", "LCA.VP.LCA.#"))
    with administrator(vhost).channel() as router:
        router.basic_publish("receipts.recorded", "LCA.VP.LCA.02.arrived", b"")
        router.basic_publish("receipts.recorded", "LCA.BTC.LCA.02.arrived", b"")
    with office.channel() as channel:
        take(channel, OWN_QUEUE)
        assert channel.basic_get(OWN_QUEUE) == (None, None, None)


@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_a_gateway_reaches_no_issuers_queue_by_whatever_way(
    office: Login, district: Login, vhost: Vhost, header: str
) -> None:
    """3.10 checks no topic permission for the keys in CC and BCC: they may reach the ledger alone."""
    assert office.may(declare(OWN_QUEUE))
    for key in ("LCA.VP.LCA.#", "LCA.VP.LCA.02.arrived"):
        assert office.may(bind(OWN_QUEUE, "receipts.recorded", key))
        assert not office.may(bind(OWN_QUEUE, "receipts", key))
    targets = ["LCA.VP.LCA.02.arrived", OWN_QUEUE, "LCA.VP.LCA.03.arrived", "unit.LCA.03.express"]
    properties = pika.BasicProperties(headers={header: targets}, user_id=district.user)
    with district.channel() as gateway:
        gateway.basic_publish("receipts", "LCA.VP.LCA.02.arrived", b"forged", properties, mandatory=True)
    for key in targets:
        assert not district.may(publish("receipts.recorded", key)), key
    with office.channel() as channel:
        assert channel.basic_get(OWN_QUEUE) == (None, None, None)
    with administrator(vhost).channel() as router:
        assert take(router, "receipts.ledger")[1] == b"forged"
        assert router.basic_get("receipts.ledger") == (None, None, None)
        assert router.basic_get("unit.LCA.03.express") == (None, None, None)


def test_an_issuer_cannot_bind_anothers_receipts(office: Login) -> None:
    assert office.may(declare(OWN_QUEUE))
    for key in ("#", "LCA.#", "LCA.BTC.LCA.#", "*.BTC.LCA.#", "LCA.VP2.LCA.#"):
        assert not office.may(bind(OWN_QUEUE, "receipts.recorded", key)), key
    for exchange in ("receipts", "org.LCA", "org.LCA.02", "intake", "dead", "amq.topic"):
        assert not office.may(bind(OWN_QUEUE, exchange, "LCA.VP.LCA.#")), exchange


def test_an_issuer_cannot_touch_anothers_queues_or_those_of_units(office: Login) -> None:
    for queue in ("upstream.issuer:LCA.BTC.receipts", "unit.LCA.02.express", "intake", "receipts.ledger", "dead"):
        for act in (*read_from(queue), delete(queue)):
            assert not office.may(act), queue
    for queue in ("upstream.issuer:LCA.BTC.receipts", "unit.LCA.02.express", "receipts.ledger", "dead"):
        assert not office.may(bind(queue, "receipts.recorded", "LCA.VP.LCA.#")), queue


def test_an_issuer_cannot_reach_others_through_its_own_queues_dead_letters(office: Login) -> None:
    for exchange in ("", "org.LCA", "dead", "receipts", "receipts.recorded"):
        forwarding = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "unit.LCA.02.express"}
        assert not office.may(declare(OWN_QUEUE, forwarding)), exchange
