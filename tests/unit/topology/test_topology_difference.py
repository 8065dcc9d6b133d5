from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from router.broker.topology import BrokerAccount, Topology, diff, plan
from router.broker.topology.values import Binding, Exchange, Queue, User, arguments
from support.organisation import a_unit
from support.plans import made_by

DAY = date(2026, 11, 22)
EMPTY = Topology(vhost="v")
USER_LIMITS = arguments({"max-connections": 200, "max-channels": 2000})
CODES = ["A", "A.1", "A.1.1", "A.2", "A.2.1", "B"]


def planned(*codes: str, accounts: tuple[str, ...] = (), hashed: str = "h") -> Topology:
    logins = [BrokerAccount(name, hashed) for name in accounts]
    return plan([a_unit(code) for code in codes], logins, vhost="v", day=DAY)


SUBTREES = st.sets(st.sampled_from(CODES)).map(
    lambda codes: tuple(code for code in CODES if all(code[:n] in codes for n in range(1, len(code) + 1, 2)))
)
PLANS = st.builds(
    lambda codes, accounts: planned(*codes, accounts=tuple(accounts)),
    SUBTREES,
    st.sets(st.sampled_from(["gateway:A.#", "gateway:A.1", "issuer:A"])),
)


def after(actual: Topology, wanted: Topology) -> Topology:
    """What stands when the changes are made."""
    changes = diff(actual, wanted)
    result = {}
    for kind in ("exchanges", "queues", "bindings", "policies", "users", "permissions", "topic_permissions", "limits"):
        created, removed = getattr(changes.create, kind), getattr(changes.remove, kind)
        replaced = {item.key for item in created}
        kept = {item for item in getattr(actual, kind) if item.key not in replaced}
        result[kind] = frozenset((kept | created) - removed)
    return Topology(vhost=wanted.vhost, **result)


@given(before=PLANS, wanted=PLANS)
def test_making_the_changes_leads_to_the_plan_from_any_other_plan(before: Topology, wanted: Topology) -> None:
    assert after(before, wanted) == wanted


@given(before=PLANS, wanted=PLANS)
def test_what_is_the_same_is_not_touched(before: Topology, wanted: Topology) -> None:
    changes = diff(before, wanted)
    assert not set(changes.create.items()) & set(before.items())
    assert not set(changes.remove.items()) & set(wanted.items())


def test_a_plan_that_stands_needs_nothing() -> None:
    wanted = planned(*CODES, accounts=("gateway:A.#",))
    assert not diff(wanted, wanted)


def test_from_nothing_all_queues_are_created() -> None:
    changes = diff(EMPTY, planned("A", "A.1"))
    assert made_by(changes) == (
        "dead",
        "intake",
        "receipts.ledger",
        "unit.A.1.express",
        "unit.A.1.normal",
        "unit.A.express",
        "unit.A.normal",
    )


def test_a_new_token_changes_the_user_alone() -> None:
    accounts = ("gateway:A",)
    changes = diff(planned("A", accounts=accounts), planned("A", accounts=accounts, hashed="other"))
    assert changes.create.items() == [User("gateway:A", "other", USER_LIMITS)]
    assert not changes.remove.items()


def test_a_revoked_account_loses_its_permissions_and_its_login() -> None:
    changes = diff(planned("A", accounts=("gateway:A",)), planned("A"))
    assert [type(item).__name__ for item in changes.remove.items()] == ["User", "Permission", "TopicPermission"]


def test_a_login_that_another_vhost_uses_is_not_deleted() -> None:
    before = planned("A", accounts=("gateway:A",))
    shared = replace(before, users=frozenset({User("gateway:A", "h", elsewhere=True)}))
    changes = diff(shared, planned("A"))
    assert [type(item).__name__ for item in changes.remove.items()] == ["Permission", "TopicPermission"]


def with_old_arguments(topology: Topology, name: str) -> Topology:
    old = Queue(name, arguments({"x-queue-type": "classic"}))
    return replace(topology, queues=frozenset({old} | {q for q in topology.queues if q.name != name}))


def test_a_units_queue_with_obsolete_arguments_is_made_anew_with_its_bindings() -> None:
    wanted = planned("A")
    changes = diff(with_old_arguments(wanted, "unit.A.express"), wanted)
    assert {queue.name for queue in changes.rebuild} == {"unit.A.express"}
    assert made_by(changes) == ("unit.A.express",)
    assert changes.create.bindings == {Binding("org.A", "queue", "unit.A.express", "A.express")}


def test_a_queue_that_is_to_be_made_anew_but_holds_messages_stays_and_is_a_conflict() -> None:
    wanted = planned("A")
    changes = diff(with_old_arguments(wanted, "unit.A.express"), wanted)
    changes = changes.keeping(changes.rebuild)
    assert not changes.rebuild
    assert made_by(changes) == ()
    assert "holds messages" in str(changes.conflicts[0])


def test_a_queue_that_was_left_without_bindings_is_bound_again_and_no_conflict() -> None:
    wanted = planned("A")
    left = {binding for binding in wanted.bindings if binding.target == "unit.A.normal"}
    changes = diff(replace(wanted, bindings=wanted.bindings - left), wanted)
    assert {queue.name for queue in changes.unbound} == {"unit.A.normal"}
    assert made_by(changes) == ()
    assert changes.create.bindings == left
    assert not changes.conflicts


def test_a_queue_without_bindings_that_turns_out_to_be_dead_is_made_anew() -> None:
    wanted = planned("A")
    left = {binding for binding in wanted.bindings if binding.target == "unit.A.normal"}
    changes = diff(replace(wanted, bindings=wanted.bindings - left), wanted)
    changes = changes.making_anew(changes.unbound)
    assert made_by(changes) == ("unit.A.normal",)
    assert not changes.unbound
    assert changes.create.bindings == left


def test_what_upstream_systems_open_is_bounded_and_one_unit_more_does_not_change_it() -> None:
    assert dict(next(iter(planned("A", accounts=("gateway:A",)).users)).limits) == dict(USER_LIMITS)
    assert [(item.name, item.value) for item in planned("A").limits] == [("max-queues", 2000)]
    assert planned("A").limits == planned("A", "A.1").limits


def test_the_intakes_queue_is_never_made_anew_by_itself() -> None:
    wanted = planned("A")
    changes = diff(with_old_arguments(wanted, "intake"), wanted)
    assert not changes.rebuild
    assert made_by(changes) == ()
    assert [conflict.what for conflict in changes.conflicts] == ["queue intake"]
    assert "stop all senders" in changes.conflicts[0].remedy


def test_an_exchange_of_another_type_is_a_conflict() -> None:
    wanted = planned("A")
    other = Exchange("receipts", "direct")
    actual = replace(wanted, exchanges=frozenset({other} | {e for e in wanted.exchanges if e.name != "receipts"}))
    changes = diff(actual, wanted)
    assert [conflict.what for conflict in changes.conflicts] == ["exchange receipts"]
    assert not changes.create.exchanges


def test_an_upstream_systems_binding_stays_while_its_account_may_have_it() -> None:
    wanted = planned("A", "A.1", accounts=("issuer:A",))
    mine = Binding("receipts.recorded", "queue", "upstream.issuer:A.receipts", "A.A.#")
    wider = Binding("receipts.recorded", "queue", "upstream.issuer:A.receipts", "A.#")
    orphan = Binding("receipts.recorded", "queue", "upstream.issuer:B.receipts", "B.A.#")
    actual = replace(wanted, bindings=wanted.bindings | {mine, wider, orphan})
    assert diff(actual, wanted).remove.bindings == {wider, orphan}


def test_a_binding_to_what_units_say_is_moved_to_what_is_recorded_of_it() -> None:
    wanted = planned("A", "A.1", accounts=("issuer:A",))
    mine = Binding("receipts", "queue", "upstream.issuer:A.receipts", "A.A.#", handle="A.A.%23")
    wider = Binding("receipts", "queue", "upstream.issuer:A.receipts", "A.#")
    orphan = Binding("receipts", "queue", "upstream.issuer:B.receipts", "B.A.#")
    actual = replace(wanted, bindings=wanted.bindings | {mine, wider, orphan})
    changes = diff(actual, wanted)
    assert changes.create.bindings == {replace(mine, source="receipts.recorded")}
    assert changes.remove.bindings == {mine, wider, orphan}
    assert changes.moved_queues == ("upstream.issuer:A.receipts",)
    there = replace(wanted, bindings=wanted.bindings | changes.create.bindings)
    assert not diff(there, wanted)
