"""The units that this gateway hosts, as the router last listed them: so that it can start while the line is down."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from consumers.spool.models import unit


class Hosted(NamedTuple):
    """A unit of the list: its code, the hours of its line (empty: always open) and the zone they are of."""

    code: str
    opening: str = ""
    timezone: str = ""


_HOSTED = select(unit.c.code, unit.c.opening, unit.c.timezone).where(unit.c.hosted).order_by(unit.c.code)


def hosted(conn: Connection) -> list[Hosted]:
    """The last list, by code; empty when there was none yet."""
    return [Hosted(*row) for row in conn.execute(_HOSTED)]


def keep_hosted(conn: Connection, lists: Sequence[Sequence[Hosted]]) -> list[None]:
    """Put a new list in the place of the old one."""
    conn.execute(update(unit).values(hosted=False))
    rows = [item._asdict() | {"hosted": True} for item in lists[-1]]
    if rows:
        new = insert(unit)
        kept = {"hosted": True, "opening": new.excluded.opening, "timezone": new.excluded.timezone}
        conn.execute(new.on_conflict_do_update(index_elements=["code"], set_=kept), rows)
    return [None] * len(lists)
