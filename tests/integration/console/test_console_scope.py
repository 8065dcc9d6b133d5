"""No list, count, search, export or live event of the console shows a row outside the person's scope."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from router.ledger import queries
from router.ledger.people.persons import PersonRole, Right, scope_of
from router.ledger.queries import Filter, Flag, Follower, Span, WantedLate
from router.ledger.scope import Scope
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.units.unit_list import import_units
from router.pages.people import Person, RoleGrant
from schemas.clock import day_at, iso
from schemas.codes import covers, is_within
from schemas.line import LineReport
from schemas.states import Status
from support.consoles import Console
from support.ledgers import START, Clerk, unit

PART = st.sampled_from(["LCA", "A", "0", "02", "021", "VP"])
CODE = st.lists(PART, min_size=1, max_size=4).map(".".join)
PATTERN = st.builds(str.__add__, CODE, st.sampled_from(["", ".#"]))
ISSUER = "A.VP"
SPAN = Span(START, START + 86_400_000, START + 86_400_000)


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    """Codes of a random forest, each with all codes above it."""
    codes = draw(st.sets(CODE, min_size=2, max_size=8))
    return sorted({code.rsplit(".", cut)[0] for code in codes for cut in range(code.count(".") + 1)})


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=trees(), patterns=st.lists(PATTERN, max_size=3), states=st.lists(st.sampled_from([0, 1, 2]), min_size=1))
@example(codes=["LCA", "LCA.02"], patterns=["LCA", "LCA.02"], states=[0])  # two heads, one below the other
def test_every_query_of_the_console_stays_within_the_scope(
    ledger: Engine, codes: Sequence[str], patterns: Sequence[str], states: Sequence[int]
) -> None:
    person = Person("lan", tuple(RoleGrant(PersonRole.ADMIN, pattern) for pattern in dict.fromkeys(patterns)))
    scope = scope_of(person)
    with ledger.connect() as conn:
        units = [unit(code) for code in codes]
        import_units(conn, units, now_ms=START)
        clerk = Clerk(conn)
        key = clerk.dispatch(ISSUER, units, due=iso(START))
        for number, code in enumerate(codes):
            path = (Status.QUEUED, Status.TAKEN, Status.PARKED)[: 1 + states[number % len(states)]]
            clerk.tell(key, code, *path, reason=code)
        now = clerk.now + 10**9
        presence.note_report(conn, codes, Report(LineReport(every=60), START, START))
        presence.note_silent(conn, Listening(SPAN.now, 0))
        owns = any(covers(pattern, ISSUER) for pattern in patterns)
        own_units = {code for code in codes if any(covers(pattern, code) for pattern in patterns)}
        seen = set(codes) if owns else own_units

        every = queries.find_deliveries(conn, scope, Filter(), now_ms=now, limit=1000)
        assert {row.unit for row in every} == seen
        assert sum(queries.count_by_state(conn, scope, Filter(), now_ms=now).values()) == len(seen)
        parked = {row.unit for row in every if row.state is Status.PARKED}
        acting = conn.execute(queries.redrivable(scope_of(person, Right.ACT), Filter(), now_ms=now)).all()
        assert {row.unit for row in acting} == parked & own_units
        figures = queries.overview(conn, scope, now_ms=now)
        assert (figures.parked, figures.undelivered) == (len(parked), len(seen))
        overdue = queries.count_by_state(conn, scope, Filter(flags=frozenset({Flag.OVERDUE})), now_ms=now)
        assert figures.overdue == sum(overdue.values()) == len(seen)
        assert figures.late == len(seen)
        late_stays_within(conn, scope, seen, own_units, now)
        groups = queries.attention(conn, scope, now_ms=now)
        assert {group.reason for group in groups if group.cause is Flag.PARKED} == parked
        assert all(group.units <= len(seen) for group in groups)
        assert {group.reason for group in queries.stuck(conn, scope, now_ms=now, day=day_at(now, "UTC"))} == parked
        assert set(queries.states_of_units(conn, scope, key)) == seen
        assert {entry.unit for entry in queries.read_log(conn, scope)} == seen
        assert {entry.unit for entry in Follower(scope, after=0).read(conn)} == seen
        assert {row.code for row in queries.search_units(conn, scope, "", limit=1000)} == own_units
        assert set(queries.names_of(conn, scope, codes)) == own_units
        shown = [row for code in codes for row in queries.children(conn, scope, code)]
        heads = queries.heads(conn, scope)
        queries.add_loads(conn, scope, shown, since=0)
        queries.add_loads(conn, scope, heads, since=0)
        assert {row.code for row in shown + heads} <= own_units
        waiting = {row.unit for row in every}
        for row in heads + shown:
            below = {code for code in own_units & waiting if code == row.code or code.startswith(f"{row.code}.")}
            assert row.load.waiting == len(below)
        for code in codes:
            assert (queries.find_unit(conn, scope, code) is not None) == (code in own_units)
        assert {row.line.unit for row in queries.line_board(conn, scope, SPAN).rows} == own_units
        assert sum(queries.count_lines(conn, scope).values()) == len(own_units)
        conn.rollback()


def late_stays_within(conn: Connection, scope: Scope, seen: set[str], own: set[str], now: int) -> None:
    """All of what is seen is late, and who asks is told of the person's own units alone."""
    found = queries.late_units(conn, scope, WantedLate(), now_ms=now)
    assert {item.code: item.total for item in found} == dict.fromkeys(seen, 1)
    assert {item.parent for item in found} - {""} == own & {code.rpartition(".")[0] for code in seen}
    head = min(seen, default="")
    totals = queries.late_totals(conn, scope, head, now_ms=now)
    assert totals.total == sum(not head or is_within(code, head) for code in seen)


async def test_no_screen_of_a_district_shows_another_one(console: Console) -> None:
    names = "LCA.03", "LCA.05", "LCA.06", "LCA.01"
    places = [
        *("/", "/log", "/deliveries", "/units", "/units/LCA.02", "/stuck", "/search?q=lca", "/search", "/log.csv"),
        *("/lines", "/lines?span=30d", "/statistics", "/statistics/report", "/statistics.csv"),
        *("/late", "/late.csv", "/late?duty=register"),
        *(
            "/log.ndjson",
            f"/documents/{console.story.province}",
            "/deliveries?q=unit:LCA.%23",
            "/units?open=LCA,LCA.03",
        ),
    ]
    foreign = [key for (_, code), key in console.story.deliveries.items() if code.startswith(names)]
    async with console.as_("district") as district:
        for place in places:
            text = await district.text(f"/console{place}")
            assert not [name for name in names if f"{name}." in text or f"{name}<" in text], place
        for key in foreign[:3]:
            assert (await district.get(f"/console/deliveries/{key}")).status == 404
            assert "location" not in (await district.get(f"/console/search?q={key}")).headers
        for place in ("/units/LCA.03", "/units/LCA", f"/documents/{console.story.overdue}"):
            assert (await district.get(f"/console{place}")).status == 404
