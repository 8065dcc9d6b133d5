"""Every query behind every screen of the console and every list of the API finds its rows by an index.

The queries are taken as they run. PostgreSQL is told to read a table from end to end only when it has no other way, so
that its answer does not hang on how few rows a test has; SQLite plans without looking at them anyway.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientSession
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Engine, event

from router.console.app import PARTS
from router.ledger.engine import reading, writing
from router.ledger.models import metadata
from router.ledger.people.accounts import create_account
from schemas.accounts import parse_account
from schemas.clock import now_ms
from support.consoles import Console

GROWS = {
    "attempt",
    "audit",
    "delivery",
    "dispatch",
    "dispatch_attachment",
    "dispatch_word",
    "outage",
    "receipt",
    "redrive_item",
}
"""Tables that grow with every document; what grows with the organisation alone may be read whole."""
PAGES = {
    "/": ["/"],
    "/today": ["/today"],
    "/log": ["/log", "/log?q=unit:LCA.02.%23", "/log?q=unit:LCA.02.*", "/log?q=since:2h", "/log?before=9"],
    "/log.csv": ["/log.csv"],
    "/log.ndjson": ["/log.ndjson?q=state:parked"],
    "/deliveries": [
        *("/deliveries", "/deliveries?q=is:overdue", "/deliveries?q=is:parked", "/deliveries?q=unit:LCA.02.05"),
        *("/deliveries?q=is:retrying", "/deliveries?q=is:line-down", "/deliveries?q=is:uncollected"),
    ],
    "/deliveries/{delivery_id}": ["/deliveries/{delivery_id}"],
    "/deliveries/{delivery_id}/certificate": ["/deliveries/{delivery_id}/certificate"],
    "/documents/{dispatch_id}/certificate": ["/documents/{dispatch_id}/certificate"],
    "/documents/{dispatch_id}/left-out": ["/documents/{dispatch_id}/left-out"],
    "/documents/{dispatch_id}/recipients.csv": ["/documents/{dispatch_id}/recipients.csv"],
    "/deliveries.csv": ["/deliveries.csv", "/deliveries.csv?q=unit:LCA.02.%23"],
    "/documents.csv": ["/documents.csv?q=mua"],
    "/units.csv": ["/units.csv"],
    "/lines.csv": ["/lines.csv"],
    "/stuck.csv": ["/stuck.csv"],
    "/redrives.csv": ["/redrives.csv"],
    "/audit.csv": ["/audit.csv", "/audit.csv?unit=LCA.02.%23&since=2026-01-01"],
    "/documents/{dispatch_id}": [
        "/documents/{dispatch_id}",
        "/documents/{dispatch_id}?below=LCA.02",
        "/documents/{dispatch_id}?state=parked&after=LCA.02",
    ],
    "/documents/{dispatch_id}/recall": ["/documents/{dispatch_id}/recall"],
    "/send": ["/send", "/send?answers={dispatch_id}", "/send?of=LCA.02"],
    "/send/units": ["/send/units?of=LCA.02", "/send/units?find=tan"],
    "/units": ["/units", "/units?open=LCA,LCA.02", "/units?problems=true", "/units?find=tan"],
    "/units/acts": ["/units/acts?unit=LCA.02&unit=LCA.03.01"],
    "/units/import": ["/units/import"],
    "/units/rules": ["/units/rules", "/units/rules?rules=LCA.%23%0A!LCA.02.05&day=2026-11-30"],
    "/units/{code}/retire": ["/units/LCA.02/retire"],
    "/units/{code}": ["/units/LCA.02", "/units/LCA.02.05"],
    "/lines": ["/lines", "/lines?span=30d"],
    "/units/{code}/waiting": ["/units/LCA.02.05/waiting"],
    "/stuck": ["/stuck", "/stuck?unit=LCA.02.%23"],
    "/views": ["/views"],
    "/tokens": ["/tokens"],
    "/people": ["/people"],
    "/sessions": ["/sessions"],
    "/redrives": ["/redrives"],
    "/redrives/new": ["/redrives/new?q=is:parked&cut=1"],
    "/statistics": ["/statistics", "/statistics?unit=LCA.02"],
    "/statistics/report": ["/statistics/report"],
    "/search": [
        "/search",
        "/search?q=mua",
        "/search?q=sat+lo+mua+2b1d",
        "/search?q={dispatch_id}",
        "/search?q={delivery_id}",
    ],
    "/audit": ["/audit", "/audit?unit=LCA.02.%23", "/audit?opened={dispatch_id}"],
    "/help": ["/help"],
}
ELSEWHERE = {
    *("/login", "/login/provider", "/login/provider/back", "/logout/provider", "/welcome"),
    *("/log/stream", "/redrives/{redrive_id}", "/redrives/{redrive_id}/deliveries.csv"),
    *("/stuck/{group}", "/tokens/one"),
}
"""Without a query of their own, or with those of others: tested with the live log and with redrives."""
LISTS = (
    *("/dispatches", "/dispatches?state=parked", "/dispatches?issuer=LCA.VP", "/dispatches?q=mua"),
    *("/dispatches/{dispatch_id}", "/dispatches/{dispatch_id}/receipts", "/units", "/units/LCA.02.05", "/redrives"),
)
ACCOUNTS = "operator:LCA.#", "operator:LCA.02.#", "issuer:LCA.VP"
PARTIAL = {
    str(index.name)
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
"""Indexes of a few rows that wait for something: they may be read whole."""
_SCAN = re.compile(r"^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_FORCED = "enable_seqscan", "enable_hashjoin", "enable_mergejoin"
Query = tuple[str, Any]


@contextmanager
def _heard(engine: Engine) -> Iterator[list[Query]]:
    """The queries that run inside, each once."""
    found: dict[str, Any] = {}

    def hear(_conn: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            found.setdefault(statement, parameters)

    queries: list[Query] = []
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield queries
    finally:
        event.remove(engine, "before_cursor_execute", hear)
        queries.extend(found.items())


def _read_whole(conn: Connection, query: Query) -> set[str]:
    """The growing tables that a query reads from end to end."""
    statement, parameters = query
    cursor: Any = conn.connection.cursor()
    if conn.dialect.name == "postgresql":
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        (plans,) = cursor.fetchone()
        plan = (json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"]
        return set(_without_condition(plan, is_cut_short=False)) & GROWS
    cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    steps = [str(row[-1]) for row in cursor.fetchall()]
    # A page that is read in the order of an index ends when it is full.
    is_page = "LIMIT" in statement and not any("TEMP B-TREE FOR ORDER" in step for step in steps)
    found = [match for step in steps if (match := _SCAN.match(step))]
    return set() if is_page else {match[1] for match in found if match[2] not in PARTIAL} & GROWS


def _without_condition(plan: dict[str, Any], *, is_cut_short: bool) -> Iterator[str]:
    """Tables read whole, by themselves or through an index that no condition narrows."""
    kind = plan["Node Type"]
    if "Relation Name" in plan and "Scan" in kind and not is_cut_short:
        narrowed = "Index Cond" in plan or kind == "Bitmap Heap Scan" or plan.get("Index Name") in PARTIAL
        if not narrowed:
            yield plan["Relation Name"]
    passes = kind in {"Limit", "Nested Loop", "Result", "Subquery Scan", "Memoize"}
    for number, part in enumerate(plan.get("Plans", ())):
        first = part.get("Parent Relationship") != "Inner" or number == 0
        yield from _without_condition(part, is_cut_short=passes and first and (is_cut_short or kind == "Limit"))


def _scanned(engine: Engine, queries: list[Query]) -> dict[str, set[str]]:
    with reading(engine) as conn:
        if conn.dialect.name != "postgresql":
            return _judged(conn, queries)
        for name in _FORCED:
            conn.exec_driver_sql(f"SET LOCAL {name} = off")
        # A page is sorted when its rows are found by an index, or read in its order: one of both is to be possible.
        sorting = _judged(conn, queries)
        conn.exec_driver_sql("SET LOCAL enable_sort = off")
        ordered = _judged(conn, [query for query in queries if query[0] in sorting])
        return {text: sorting[text] & tables for text, tables in ordered.items() if sorting[text] & tables}


def _judged(conn: Connection, queries: list[Query]) -> dict[str, set[str]]:
    return {query[0]: tables for query in queries if (tables := _read_whole(conn, query))}


def _places(console: Console) -> dict[str, str]:
    (dispatch_id, _), delivery_id = next(iter(console.story.deliveries.items()))
    return {"delivery_id": delivery_id, "dispatch_id": dispatch_id}


def _screens() -> set[str]:
    routes = [route for part in PARTS for route in part.router.routes]
    return {route.path for route in routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())}


async def test_no_screen_reads_from_end_to_end_what_grows_with_every_document(console: Console) -> None:
    assert _screens() == PAGES.keys() | ELSEWHERE
    paths = [path.format(**_places(console)) for pages in PAGES.values() for path in pages]
    for person in ("admin", "district"):
        async with console.as_(person) as browser:
            with _heard(console.engine) as queries:
                for path in paths:
                    assert (await browser.get(f"/console{path}")).status in {200, 303, 403, 404}, path
        assert len(queries) > len(paths)
        assert await asyncio.to_thread(_scanned, console.engine, queries) == {}


async def test_no_list_of_the_api_reads_from_end_to_end_what_grows_with_every_document(console: Console) -> None:
    with writing(console.engine) as conn:
        tokens = [create_account(conn, parse_account(name), now_ms=now_ms()) for name in ACCOUNTS]
    with _heard(console.engine) as queries:
        for token in tokens:
            async with ClientSession(console.url, headers={"Authorization": f"Bearer {token}"}) as http:
                for path in LISTS:
                    async with http.get(f"/api/v1{path.format(**_places(console))}") as answer:
                        assert answer.status in {200, 403, 404}, (path, await answer.text())
    assert len(queries) > len(LISTS)
    assert await asyncio.to_thread(_scanned, console.engine, queries) == {}


async def test_the_judgement_finds_a_query_without_an_index(console: Console) -> None:
    with _heard(console.engine) as queries, reading(console.engine) as conn:
        conn.exec_driver_sql("SELECT count(*) FROM delivery WHERE reason = 'x'")
        conn.exec_driver_sql("SELECT id FROM delivery WHERE reason = 'x' ORDER BY state_at LIMIT 1")
        conn.exec_driver_sql("SELECT id FROM delivery WHERE id > 'x' ORDER BY id LIMIT 1")
    found = await asyncio.to_thread(_scanned, console.engine, queries)
    assert list(found.values()) == [{"delivery"}, {"delivery"}]
