"""The queries that run often go through an index: on neither database do they read a large table from end to end."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, literal, select, update

from router.ledger import queries
from router.ledger.engine import open_engine, reading, writing
from router.ledger.models import (
    account,
    delivery,
    dispatch,
    dispatch_attachment,
    line,
    outage,
    receipt,
    redrive,
    redrive_item,
    unit,
)
from router.ledger.people.accounts import authenticate, gateways_of
from router.ledger.people.persons import SESSIONS
from router.ledger.people.tokens import new_token
from router.ledger.queries import Filter, Flag, StuckKey
from router.ledger.redrives import stepping
from router.ledger.redrives.decisions import Outcome
from router.ledger.redrives.reading import list_items, list_jobs
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units import presence
from router.ledger.units.lines import align
from router.ledger.units.presence import Listening, Report
from router.ledger.way import counting, outbox
from router.ledger.way.acceptance import paused_units
from router.ledger.way.backlog import backlog, holders, lines_of
from router.ledger.way.dictionaries import announced_forms, candidates
from router.ledger.way.holders import may_fetch
from router.ledger.way.outbox import Claim
from schemas.clock import day_at
from schemas.dispatch import Urgency
from schemas.ids import new_id
from schemas.line import LineReport
from schemas.office import office_terms
from schemas.states import Status
from support.ledgers import POSTGRESQL, SQLITE, sqlite_ledger
from support.postgres import fresh_database

DISTRICT = Scope(units=("LCA.02.#",), issuers=("LCA.02.#",))
GATEWAY = Scope(units=("LCA.02.05",))
ISSUER = Scope(issuers=("LCA.07",))
DISPATCHES, PER_DISPATCH = 2000, 10
LARGE = {
    "dispatch",
    "delivery",
    "receipt",
    "dispatch_attachment",
    "account",
    "attempt",
    "redrive_item",
    "line",
    "outage",
}
SCAN = re.compile(r"Seq Scan on (\w+)|^SCAN (\w+)$", re.MULTILINE)


def _id(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-000000000000"


def _fill(conn: Connection) -> None:
    """Rows enough that a planner with statistics prefers an index where there is one."""
    blank = {"kind": "new", "notation": "1", "subject": "s", "urgency": 0, "lane": "normal", "traceparent": ""}
    blank |= {
        "submission_sha256": "",
        "submission": b'{"addressees":[]}',
        "body": b"{}",
        "content_sha256": "",
        "total": PER_DISPATCH,
    }
    numbers = range(DISPATCHES)
    conn.execute(
        insert(dispatch),
        [
            blank
            | {
                "id": _id(i),
                "issuer": f"LCA.{i % 50:02}",
                "search": f"{i}",
                "accepted_at": i,
                "account": "issuer:LCA",
                "idempotency_key": f"{i}",
            }
            for i in numbers
        ],
    )
    conn.execute(
        insert(dispatch_attachment),
        [
            {"dispatch_id": _id(i), "position": j, "sha256": f"{i:064x}", "name": "a", "media_type": "a/b", "size": 1}
            for i in numbers
            for j in range(PER_DISPATCH)
        ],
    )
    pairs = [(i, j) for i in numbers for j in range(PER_DISPATCH)]
    state = {"link": "lan", "urgency": 0, "state_at": 0}
    conn.execute(
        insert(delivery),
        [
            state
            | {
                "id": _id(i * PER_DISPATCH + j),
                "dispatch_id": _id(i),
                "unit": f"LCA.{j:02}.{i % 20:02}",
                "seq": i,
                "created_at": i,
                "state": "parked" if i == 7 else "completed",
            }
            for i, j in pairs
        ],
    )
    told = {"status": "arrived", "effect": "advance", "at": ""}
    conn.execute(
        insert(receipt),
        [told | {"id": _id(key), "delivery_id": _id(key), "recorded_at": key} for key in range(len(pairs))],
    )
    conn.execute(
        insert(account),
        [
            {
                "name": f"issuer:U{i}",
                "role": "issuer",
                "token_key": f"{i}",
                "pattern": f"U{i}",
                "token_hash": "",
                "created_at": 0,
            }
            for i in numbers
        ],
    )
    _fill_lines(conn)


def _fill_lines(conn: Connection) -> None:
    codes = [f"LCA.{j:02}.{i:03}" for j in range(10) for i in range(200)]
    named = {"name": "n", "name_folded": "n", "kind": "commune", "link": "dialup"}
    conn.execute(insert(unit), [named | {"code": code, "parent": code[:6], "spool_id": new_id()} for code in codes])
    up = {"state": "up", "since": 0, "heard_at": 0, "every_ms": 1, "silent_at": 10**6, "clock_skew_ms": 0}
    conn.execute(insert(line), [up | {"unit": code} for code in codes])
    times = [{"began_at": at, "ended_at": at + 1, "told_by": "silence"} for at in range(10)]
    conn.execute(insert(outage), [at | {"unit": code} for code in codes for at in times])


def _fill_redrives(conn: Connection) -> None:
    """A redrive of all deliveries that is done, and one of some that is in work."""
    made = {"maker_kind": "terminal", "maker": "x", "by_kind": "terminal", "by": "x", "made_at": 0, "filter": ""}
    made |= {"cut_at": 1, "reason": "x", "pace": "all", "watch_ms": 1, "state_at": 0, "send_at": 0}
    every = DISPATCHES * PER_DISPATCH
    for number, (state, outcome, total) in enumerate([("done", "arrived", every), ("running", "waiting", 1000)]):
        job = made | {"id": _id(number), "token": state, "state": state, "total": total, "allowed": total}
        conn.execute(insert(redrive), [job])
        item = redrive_item.c
        rows = select(literal(job["id"]), delivery.c.id, delivery.c.unit, literal(outcome)).where(
            delivery.c.id < _id(total)
        )
        names = [item.redrive_id, item.delivery_id, item.unit, item.outcome]
        conn.execute(insert(redrive_item).from_select(names, rows))
    some = redrive_item.c.redrive_id == _id(1), redrive_item.c.delivery_id < _id(20)
    conn.execute(update(redrive_item).where(*some).values(outcome="watched", sent_at=0))


@pytest.fixture(scope="module", params=[SQLITE, POSTGRESQL])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A ledger of some tens of thousands of rows; PostgreSQL has looked at them, SQLite plans without."""
    with ExitStack() as stack:
        if request.param == POSTGRESQL:
            server, tables = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_tables")
            url = stack.enter_context(fresh_database(server, tables))
        else:
            url = sqlite_ledger(tmp_path_factory.mktemp("large") / "ledger.sqlite3")
        engine = open_engine(url)
        stack.callback(engine.dispose)
        with writing(engine) as conn:
            _fill(conn)
            _fill_redrives(conn)
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("ANALYZE")
        yield engine


@contextmanager
def trying(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, and is undone."""
    with engine.connect() as conn:
        yield conn


@contextmanager
def _plans(conn: Connection) -> Iterator[list[str]]:
    """The plan of every query run inside."""
    plans: list[str] = []
    explain = "EXPLAIN" if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"

    def explain_it(_conn: Connection, cursor: Any, statement: str, parameters: Any, _context: Any, many: Any) -> None:
        if "SAVEPOINT" in statement:
            return
        cursor.execute(f"{explain} {statement}", parameters[0] if many else parameters)
        plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(conn, "before_cursor_execute", explain_it)
    yield plans
    event.remove(conn, "before_cursor_execute", explain_it)


def _scanned(plans: list[str]) -> set[str]:
    return {name for plan in plans for match in SCAN.finditer(plan) for name in match.groups() if name} & LARGE


PLACE = urlsafe_b64encode(f"1000:{_id(5)}".encode()).decode()
QUERIES: dict[str, Callable[[Connection], object]] = {
    "roll-up": lambda conn: queries.roll_up(conn, DISTRICT, _id(5)),
    "addressees": lambda conn: queries.addressees(conn, DISTRICT, _id(5)),
    "a dispatch": lambda conn: queries.find_dispatch(conn, DISTRICT, _id(5)),
    "a delivery": lambda conn: queries.find_delivery(conn, DISTRICT, _id(5)),
    "the first page of all dispatches": lambda conn: queries.list_dispatches(conn, EVERYTHING),
    "a page of an issuer's dispatches": lambda conn: queries.list_dispatches(conn, ISSUER, cursor=PLACE),
    "dispatches since": lambda conn: queries.list_dispatches(conn, ISSUER, since=1900),
    "parked deliveries": lambda conn: queries.list_deliveries(conn, EVERYTHING, states=[Status.PARKED]),
    "undelivered": lambda conn: queries.undelivered(conn, EVERYTHING, now_ms=0),
    "undelivered of a district": lambda conn: queries.undelivered(conn, DISTRICT, now_ms=0),
    "whether a gateway may fetch": lambda conn: may_fetch(conn, GATEWAY, f"{5:064x}"),
    "whether an issuer may fetch": lambda conn: may_fetch(conn, ISSUER, f"{5:064x}"),
    "what could be a dictionary": lambda conn: candidates(
        conn, "LCA.07", "a/b", ["LCA.01.07"], least=0, largest=9, count=3
    ),
    "the forms of a content": lambda conn: announced_forms(conn, f"{5:064x}"),
    "what has yet to come to units": lambda conn: backlog(conn, ["LCA.01.07", "LCA.02.05"]),
    "which units hold an attachment": lambda conn: holders(conn, f"{5:064x}", ["LCA.01.07"]),
    "the lines of units": lambda conn: lines_of(conn, ["LCA.01.07"]),
    "what follows in the log": lambda conn: queries.read_log(conn, DISTRICT, after=19_900),
    "the log since": lambda conn: queries.read_log(conn, EVERYTHING, Filter(since=79_900)),
    "the log of a dispatch": lambda conn: queries.read_log(conn, EVERYTHING, Filter(dispatch_id=_id(5))),
    "the overview": lambda conn: queries.overview(conn, EVERYTHING, now_ms=0),
    "the overview of a district": lambda conn: queries.overview(conn, DISTRICT, now_ms=0),
    "who is late": lambda conn: queries.late_totals(conn, EVERYTHING, "", now_ms=0),
    "who is late in a district": lambda conn: queries.late_units(
        conn, DISTRICT, queries.WantedLate("LCA.02"), now_ms=0
    ),
    "by what is below a unit": lambda conn: queries.late_steps(
        conn, EVERYTHING, queries.WantedLate("LCA.02"), now_ms=0
    ),
    "late deliveries": lambda conn: queries.find_deliveries(
        conn, EVERYTHING, Filter(flags=frozenset({Flag.LATE})), now_ms=0
    ),
    "what needs attention": lambda conn: queries.attention(conn, EVERYTHING, now_ms=0),
    "what is stuck": lambda conn: queries.stuck(conn, EVERYTHING, now_ms=0, day=day_at(0, "UTC")),
    "what is stuck below a unit": lambda conn: queries.stuck(
        conn, EVERYTHING, now_ms=0, day=day_at(0, "UTC"), units="LCA.02.#"
    ),
    "what is left of a group": lambda conn: queries.is_empty(
        conn, StuckKey("LCA.02", "parked", "sink_disk_full"), day=date(2026, 9, 1)
    ),
    "what is left of a group without a code": lambda conn: queries.is_empty(
        conn, StuckKey("LCA.02", "parked", told="the disk is full"), day=date(2026, 9, 1)
    ),
    "the groups of a unit": lambda conn: queries.keys_of_unit(conn, DISTRICT, "LCA.02.05", day=date(2026, 9, 1)),
    "the first page of all deliveries": lambda conn: queries.find_deliveries(conn, EVERYTHING, Filter(), now_ms=0),
    "retrying deliveries": lambda conn: queries.find_deliveries(
        conn, EVERYTHING, Filter(flags=frozenset({Flag.RETRYING})), now_ms=0
    ),
    "overdue deliveries": lambda conn: queries.find_deliveries(
        conn, EVERYTHING, Filter(flags=frozenset({Flag.OVERDUE})), now_ms=0
    ),
    "a unit's parked deliveries": lambda conn: queries.find_deliveries(
        conn, EVERYTHING, Filter(units=("LCA.02.05",), states=frozenset({Status.PARKED})), now_ms=0
    ),
    "the log of a unit since": lambda conn: queries.read_log(
        conn, EVERYTHING, Filter(units=("LCA.02.05",), since=79_900), limit=100
    ),
    "the log before a place": lambda conn: queries.read_log(conn, EVERYTHING, before=15_000, limit=100),
    "the states of a dispatch": lambda conn: queries.states_of_units(conn, DISTRICT, _id(5)),
    "the heads of the tree": lambda conn: queries.heads(conn, DISTRICT),
    "the session of a cookie": lambda conn: SESSIONS.find(conn, "nothing", now_ms=0),
    "the sessions of all who watch": lambda conn: SESSIONS.persons_of(conn, map(str, range(100)), now_ms=0),
    "the account of a token": lambda conn: authenticate(conn, new_token().text, now_ms=0),
    "a unit's line": lambda conn: queries.find_line(conn, DISTRICT, "LCA.02.005"),
    "the lines of a district": lambda conn: queries.list_lines(conn, DISTRICT),
    "the latest outages": lambda conn: queries.outages(conn, EVERYTHING, since=9, until=20),
    "a district's outages": lambda conn: queries.outages(conn, DISTRICT, since=0, until=20),
    "a unit's downtime": lambda conn: queries.downtimes(
        conn, EVERYTHING, since=0, until=20, now_ms=20, units="LCA.02.005"
    ),
    "the units of a spool": lambda conn: presence.units_of_spool(conn, new_id(), "LCA.02.#"),
    "how many lines of a district are down": lambda conn: queries.count_lines(conn, DISTRICT),
    "a unit's bands": lambda conn: queries.bands(conn, EVERYTHING, queries.Span(0, 20, 20), ["LCA.02.005"]),
    "deliveries to units whose line is down": lambda conn: queries.find_deliveries(
        conn, EVERYTHING, Filter(flags=frozenset({Flag.LINE_DOWN})), now_ms=0
    ),
    "what a unit's people have not registered": lambda conn: queries.not_registered(conn, EVERYTHING, "LCA.02.05"),
    "the accounts of a unit's gateways": lambda conn: gateways_of(conn, "LCA.02.05"),
    "a month's statistics": lambda conn: queries.statistics.measure(
        conn, EVERYTHING, queries.statistics.Period(100, 200), now_ms=0
    ),
    "a month's statistics of a district": lambda conn: queries.statistics.measure(
        conn, DISTRICT, queries.statistics.Period(100, 200, "LCA.02"), now_ms=0
    ),
    "the hours of a month": lambda conn: queries.statistics.accepted_by_slot(
        conn, EVERYTHING, queries.statistics.Period(100, 200)
    ),
    "redrives in work": stepping.in_work,
    "a redrive's deliveries": lambda conn: list_items(conn, DISTRICT, _id(1), outcomes=[Outcome.FAILED]),
    "redrives of a district": lambda conn: list_jobs(conn, DISTRICT),
    "paused units": paused_units,
    "deliveries whose unit has another line": lambda conn: align(conn, 0),
}


WRITES: dict[str, Callable[[Connection], object]] = {
    "lines that are silent": lambda conn: presence.note_silent(conn, Listening(10, 0)),
    "a report of a line": lambda conn: presence.note_report(
        conn, ["LCA.02.005"], Report(LineReport(every=60), 100, 100)
    ),
    "outages of long ago": lambda conn: presence.forget_outages(conn, [1]),
    "a step of counting the terms": lambda conn: counting.step(conn, [counting.Turn(office_terms())]),
    "a sign of life": lambda conn: presence.note_alive(conn, ["LCA.02.005", "LCA.02.006"], 100),
}


def test_what_is_written_often_reads_no_large_table_from_end_to_end(large: Engine) -> None:
    scanned: dict[str, object] = {}
    for name, write in WRITES.items():
        with trying(large) as conn, _plans(conn) as plans:
            write(conn)
            if _scanned(plans):
                scanned[name] = plans
    assert scanned == {}


def test_what_runs_often_reads_no_large_table_from_end_to_end(large: Engine) -> None:
    scanned: dict[str, object] = {}
    for name, query in QUERIES.items():
        with reading(large) as conn, _plans(conn) as plans:
            query(conn)
            if _scanned(plans):
                scanned[name] = plans
    assert scanned == {}


def test_the_relay_finds_what_is_due_by_the_outbox_alone_however_much_is_paused(large: Engine) -> None:
    with trying(large) as conn:
        conn.execute(update(unit).where(unit.c.code.like("LCA.01.%")).values(paused_at=1))
        conn.execute(update(delivery).where(delivery.c.unit.like("LCA.01.%")).values(state="pending", paused=1))
        conn.execute(update(delivery).where(delivery.c.unit.like("LCA.02.%")).values(state="pending", next_due_at=1))
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql("ANALYZE")
        with _plans(conn) as plans:
            (claimed,) = outbox.claim(conn, [Claim(now_ms=5, until_ms=10, limit=5)])
        assert {due.unit[:6] for due in claimed.due} == {"LCA.02"}
        chosen = [plan for plan in plans if "ix_delivery_outbox" in plan]
        assert len(chosen) == len(Urgency), plans
        assert not any("Sort" in plan or "TEMP B-TREE" in plan for plan in chosen)
        assert _scanned(plans) == set()


def test_a_step_of_a_redrive_reads_its_own_next_deliveries_alone(large: Engine) -> None:
    with trying(large) as conn, _plans(conn) as plans:
        assert stepping.step(conn, _id(1), now_ms=10).sent == 10
        assert _scanned(plans) == set()


def test_a_subtree_is_one_range_of_an_index(large: Engine) -> None:
    with reading(large) as conn, _plans(conn) as plans:
        may_fetch(conn, Scope(units=("LCA.02.#",)), f"{5:064x}")
    assert any(re.search(r"dispatch_id.* unit.*>.* unit.*<", plan.replace("(", " ")) for plan in plans)


def test_the_end_of_the_log_is_read_from_its_end_and_never_sorted(large: Engine) -> None:
    with reading(large) as conn, _plans(conn) as plans:
        queries.read_log(conn, EVERYTHING, limit=50)
    assert not any(re.search(r"Sort|TEMP B-TREE|Seq Scan on receipt", plan) for plan in plans)
