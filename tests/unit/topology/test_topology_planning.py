import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.broker.topology import BrokerAccount, Topology, definitions, plan
from router.broker.topology.planning import org_exchange, unit_queue
from router.delivery.relay import root_of
from router.directory import Directory
from schemas.dispatch import Lane
from schemas.unit import Link, Unit
from support.organisation import a_unit, lao_cai_units

DAY = date(2026, 11, 22)
HASH = "jDigiOrZbQ3vB0qo0qlizesm1rNa+j6SblCxipDnvWilnA8X"


def planned(*units: Unit, accounts: tuple[str, ...] = (), day: date = DAY) -> Topology:
    return plan(units, [BrokerAccount(name, HASH) for name in accounts], vhost="v", day=day)


def matches(binding_key: str, routing_key: str) -> bool:
    """The topic rule as far as our bindings use it: literal words, and # at the end."""
    if binding_key.endswith(".#"):
        head = binding_key[:-2]
        return routing_key == head or routing_key.startswith(head + ".")
    return binding_key == routing_key


def routes(topology: Topology, exchange: str, routing_key: str) -> Iterator[str]:
    """Every way on which a message comes to a queue."""
    by_source = defaultdict(list)
    for binding in topology.bindings:
        by_source[binding.source].append(binding)
    for binding in by_source[exchange]:
        if matches(binding.routing_key, routing_key):
            if binding.target_kind == "queue":
                yield binding.target
            else:
                yield from routes(topology, binding.target, routing_key)


def assert_each_unit_is_reached_once(topology: Topology, units: list[Unit]) -> None:
    reached = Counter(queue.name for queue in topology.queues if queue.name.startswith("unit."))
    for unit in units:
        root = unit.code.split(".")[0]
        for lane in Lane:
            ways = list(routes(topology, f"org.{root}", f"{unit.code}.{lane}"))
            queue = f"unit.{unit.code}.{lane}"
            assert ways == ([queue] if queue in reached else []), unit.code


def test_the_example_has_a_queue_per_lane_for_each_reachable_unit_and_an_exchange_per_hub() -> None:
    units = lao_cai_units()
    topology = planned(*units)
    reachable = [unit for unit in units if unit.link in {Link.LAN, Link.WAN, Link.DIALUP}]
    assert len(topology.queues) == 2 * len(reachable) + 3
    assert {item.name for item in topology.exchanges if item.name.startswith("org.")} == {
        f"org.{unit.parent}" for unit in units if unit.parent
    }


def test_a_key_published_at_the_root_of_the_example_reaches_its_queue_once() -> None:
    assert_each_unit_is_reached_once(planned(*lao_cai_units()), lao_cai_units())


CODES = st.lists(
    st.lists(st.sampled_from(["A", "B", "01", "1"]), min_size=1, max_size=4).map(".".join), min_size=1, max_size=12
)


@given(codes=CODES, links=st.lists(st.sampled_from(list(Link)), min_size=60, max_size=60))
def test_in_any_tree_a_key_published_at_the_root_reaches_its_queue_once(codes: list[str], links: list[Link]) -> None:
    whole = sorted({".".join(code.split(".")[:n]) for code in codes for n in range(1, code.count(".") + 2)})
    units = [a_unit(code, link=link) for code, link in zip(whole, links, strict=False)]
    assert_each_unit_is_reached_once(planned(*units), units)


@given(
    codes=CODES,
    ended=st.lists(st.booleans(), min_size=60, max_size=60),
    unlisted=st.lists(st.integers(0, 9).map(lambda n: n == 0), min_size=60, max_size=60),
)
def test_whatever_is_abolished_the_relay_publishes_where_the_plan_has_an_exchange(
    codes: list[str], ended: list[bool], unlisted: list[bool]
) -> None:
    whole = sorted({".".join(code.split(".")[:n]) for code in codes for n in range(1, code.count(".") + 2)})
    gone: dict[str, Any] = {"valid_to": DAY - timedelta(days=1)}
    listed = [code for code, left_out in zip(whole, unlisted, strict=False) if not left_out]
    units = [a_unit(code, **gone if end else {}) for code, end in zip(listed, ended, strict=False)]
    topology, directory = planned(*units), Directory(units)
    for unit in units:
        root = root_of(unit.code, directory, DAY)
        if root is not None:
            assert org_exchange(root) in {item.name for item in topology.exchanges}
            reached = [unit_queue(unit.code, Lane.NORMAL)] if unit.exists_on(DAY) else []
            assert list(routes(topology, org_exchange(root), f"{unit.code}.normal")) == reached
        else:
            assert unit_queue(unit.code, Lane.NORMAL) not in {item.name for item in topology.queues}
    assert root_of("Z", directory, DAY) is None


def test_a_root_without_units_below_has_an_exchange_of_its_own_to_publish_at() -> None:
    assert list(routes(planned(a_unit("LCA")), "org.LCA", "LCA.express")) == ["unit.LCA.express"]


def test_units_without_a_line_and_excluded_units_have_no_queue() -> None:
    topology = planned(a_unit("A"), a_unit("A.1", link=Link.NONE), a_unit("A.2", link=Link.EXCLUDED))
    assert {item.name for item in topology.queues if item.name.startswith("unit.")} == {
        "unit.A.express",
        "unit.A.normal",
    }


def test_a_unit_below_an_abolished_one_hangs_at_the_nearest_that_exists() -> None:
    units = [a_unit("A"), a_unit("A.1", valid_to=date(2025, 6, 30), successor="A"), a_unit("A.1.7")]
    topology = planned(*units)
    assert list(routes(topology, "org.A", "A.1.7.normal")) == ["unit.A.1.7.normal"]
    assert "org.A.1" not in {item.name for item in topology.exchanges}


def test_a_unit_has_its_queues_from_its_first_day_on() -> None:
    units = [a_unit("A"), a_unit("A.1", valid_from=date(2026, 12, 1))]
    assert "unit.A.1.express" not in {item.name for item in planned(*units).queues}
    assert "unit.A.1.express" in {item.name for item in planned(*units, day=date(2026, 12, 1)).queues}


def test_every_queue_is_a_quorum_queue_that_refuses_when_full_and_limits_deliveries_explicitly() -> None:
    for queue in planned(*lao_cai_units()).queues:
        found = dict(queue.arguments)
        assert found["x-queue-type"] == "quorum"
        assert found["x-overflow"] == "reject-publish"
        assert isinstance(found["x-delivery-limit"], int)
        assert found["x-delivery-limit"] >= 1_000_000
        assert found.get("x-dead-letter-exchange") == (None if queue.name == "dead" else "dead")


def test_operators_have_no_login_at_the_broker() -> None:
    topology = planned(a_unit("A"), accounts=("operator:A.#", "gateway:A", "issuer:A:erp"))
    assert {item.name for item in topology.users} == {"gateway:A", "issuer:A:erp"}


def test_definitions_name_everything_and_are_json() -> None:
    topology = planned(*lao_cai_units(), accounts=("gateway:LCA.02.#", "issuer:LCA.VP"))
    document = json.loads(json.dumps(definitions(topology)))
    assert sum(len(part) for name, part in document.items() if name != "vhosts") == len(topology.items())
    assert document["vhosts"] == [{"name": "v"}]
    assert {user["hashing_algorithm"] for user in document["users"]} == {"rabbit_password_hashing_sha256"}


def test_a_password_hash_is_not_shown() -> None:
    assert HASH not in repr(planned(a_unit("A"), accounts=("gateway:A",)))
