"""SQLite's plans of the queries that something runs."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

SCAN = re.compile(r"^SCAN (\w+)(.*)$", re.MULTILINE)


@contextmanager
def plans(engine: Engine) -> Iterator[dict[str, str]]:
    """The plan of every query that is run inside, by its statement."""
    found: dict[str, str] = {}

    def explain(_conn: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) and not many:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found[statement] = "\n".join(str(row[-1]) for row in cursor.fetchall())

    event.listen(engine, "before_cursor_execute", explain)
    yield found
    event.remove(engine, "before_cursor_execute", explain)


def scanned(found: Mapping[str, str], tables: Collection[str], allowed: Collection[str] = ()) -> set[str]:
    """The queries that read one of these tables whole, but by an allowed index, with their plans."""
    return {
        f"{statement}\n{plan}"
        for statement, plan in found.items()
        for name, rest in SCAN.findall(plan)
        if name in tables and rest.strip() not in allowed
    }
