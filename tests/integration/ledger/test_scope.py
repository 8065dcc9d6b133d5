"""No query shows a row outside the scope it is asked with."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select

from router.ledger.engine import reading, writing
from router.ledger.models import unit_sequence
from router.ledger.queries import (
    Filter,
    addressees,
    find_delivery,
    find_dispatch,
    list_deliveries,
    list_dispatches,
    read_log,
    roll_up,
    undelivered,
)
from router.ledger.scope import Scope, scope_of, within
from router.ledger.way.holders import may_fetch
from schemas.accounts import parse_account
from schemas.codes import covers
from schemas.states import Status
from support.ledgers import Clerk, attachment, unit

PART = st.sampled_from(["LCA", "LC", "LCAA", "A", "Z", "0", "02", "021", "2", "VP"])
CODE = st.lists(PART, min_size=1, max_size=4).map(".".join)
PATTERN = st.builds(lambda code, tail: code + tail, CODE, st.sampled_from(["", ".#"]))
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
UNITS = ["LCA", "LCA.02", "LCA.02.01", "LCA.021", "LCA.03", "LCB.02"]
ISSUERS = ["LCA.VP", "LCA.02", "LCB"]


@SLOW
@given(codes=st.sets(CODE, min_size=1), patterns=st.lists(PATTERN, max_size=3))
def test_a_pattern_covers_in_sql_what_it_covers_in_python(ledger: Engine, codes: set[str], patterns: list[str]) -> None:
    with ledger.connect() as conn:
        conn.execute(delete(unit_sequence))
        conn.execute(insert(unit_sequence), [{"unit": code, "last": 0} for code in codes])
        found = conn.scalars(select(unit_sequence.c.unit).where(within(unit_sequence.c.unit, patterns))).all()
        conn.rollback()
    assert set(found) == {code for code in codes if any(covers(pattern, code) for pattern in patterns)}


@pytest.fixture
def clerk(ledger: Engine) -> Clerk:
    """A ledger in which each issuer has sent to all units, and every delivery has arrived."""
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        for issuer in ISSUERS:
            key = clerk.dispatch(issuer, [unit(code) for code in UNITS], attachments=[attachment(issuer.encode())])
            for code in UNITS:
                clerk.tell(key, code, Status.QUEUED)
    return clerk


def test_each_account_sees_what_its_role_and_pattern_say() -> None:
    assert scope_of(parse_account("gateway:LCA.02.#")) == Scope(units=("LCA.02.#",))
    assert scope_of(parse_account("issuer:LCA.VP")) == Scope(issuers=("LCA.VP",))
    assert scope_of(parse_account("operator:LCA.#")) == Scope(units=("LCA.#",), issuers=("LCA.#",))


@SLOW
@given(units=st.lists(PATTERN, max_size=2), issuers=st.lists(PATTERN, max_size=2))
def test_every_query_shows_what_the_scope_covers_and_nothing_else(
    ledger: Engine, clerk: Clerk, units: Sequence[str], issuers: Sequence[str]
) -> None:
    scope = Scope(units=tuple(units), issuers=tuple(issuers))
    dispatches = dict(zip(dict.fromkeys(key for key, _ in clerk.deliveries), ISSUERS, strict=True))
    visible = {
        (key, code): delivery_id
        for (key, code), delivery_id in clerk.deliveries.items()
        if any(covers(item, code) for item in units) or any(covers(item, dispatches[key]) for item in issuers)
    }
    ids, seen = set(visible.values()), {key for key, _ in visible}
    with reading(ledger) as conn:
        assert {row.id for row in list_dispatches(conn, scope).items} == seen
        assert {row.id for row in list_deliveries(conn, scope)} == ids
        assert {row.id for row in list_deliveries(conn, scope, units="LCA.02.#")} == {
            delivery_id for (_, code), delivery_id in visible.items() if covers("LCA.02.#", code)
        }
        assert {entry.delivery_id for entry in read_log(conn, scope)} == ids
        assert {entry.delivery_id for entry in read_log(conn, scope, Filter(units=("LCB.02",)))} <= ids
        assert undelivered(conn, scope, now_ms=clerk.now).count == len(ids)
        for key, issuer in dispatches.items():
            mine = {code for dispatch_id, code in visible if dispatch_id == key}
            assert {item.delivery.unit for item in addressees(conn, scope, key)} == mine
            assert roll_up(conn, scope, key).total == len(mine)
            assert (find_dispatch(conn, scope, key) is not None) == (key in seen)
            assert may_fetch(conn, scope, attachment(issuer.encode()).sha256) == (key in seen)
        for delivery_id in clerk.deliveries.values():
            assert (find_delivery(conn, scope, delivery_id) is not None) == (delivery_id in ids)


def test_an_empty_scope_sees_nothing(ledger: Engine, clerk: Clerk) -> None:
    with reading(ledger) as conn:
        assert list_dispatches(conn, Scope()).items == []
        assert list_deliveries(conn, Scope()) == []
        assert read_log(conn, Scope()) == []
        assert undelivered(conn, Scope(), now_ms=clerk.now).count == 0


def test_a_state_filter_tells_nothing_of_deliveries_outside_the_scope(ledger: Engine, clerk: Clerk) -> None:
    key = next(iter(clerk.deliveries))[0]
    with writing(ledger) as conn:
        clerk.conn = conn
        clerk.tell(key, "LCA.03", Status.PARKED, reason="disk full")
    with reading(ledger) as conn:
        elsewhere = list_dispatches(conn, Scope(units=("LCA.02",)), states=[Status.PARKED])
        there = list_dispatches(conn, Scope(units=("LCA.03",)), states=[Status.PARKED])
    assert elsewhere.items == []
    assert [row.id for row in there.items] == [key]
