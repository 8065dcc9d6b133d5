"""The units that this gateway hosts, as the router last listed them, and what units are called.

So the gateway can start while the line is down, and the desk says names.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert

from consumers.spool.models import letter, unit, unit_name


class Hosted(NamedTuple):
    """A unit of the list: its code, the hours of its line (empty: always open), the zone they are of, its name."""

    code: str
    opening: str = ""
    timezone: str = ""
    name: str = ""


_HOSTED = select(unit.c.code, unit.c.opening, unit.c.timezone, unit.c.name).where(unit.c.hosted).order_by(unit.c.code)


def hosted(conn: Connection) -> list[Hosted]:
    """The last list, by code; empty when there was none yet."""
    return [Hosted(*row) for row in conn.execute(_HOSTED)]


def keep_hosted(conn: Connection, lists: Sequence[Sequence[Hosted]]) -> list[None]:
    """Put a new list in the place of the old one."""
    conn.execute(update(unit).values(hosted=False))
    rows = [item._asdict() | {"hosted": True} for item in lists[-1]]
    if rows:
        new = insert(unit)
        kept = {"hosted": True} | {name: new.excluded[name] for name in ("opening", "timezone", "name")}
        conn.execute(new.on_conflict_do_update(index_elements=["code"], set_=kept), rows)
    return [None] * len(lists)


def unnamed(conn: Connection, after: int, limit: int) -> tuple[list[str], int]:
    """The codes of issuers whose names were not asked for yet, of letters after a place; the last letter's place."""
    last = conn.scalar(select(func.max(letter.c.pos))) or 0
    unknown = letter.c.pos > after, letter.c.issuer.not_in(select(unit_name.c.code))
    return list(conn.scalars(select(letter.c.issuer).where(*unknown).distinct().limit(limit))), last


def keep_names(conn: Connection, found: Sequence[Mapping[str, str]]) -> list[None]:
    """Keep what units are called; an empty name: the router knows none."""
    for names in found:
        new = insert(unit_name)
        again = new.on_conflict_do_update(index_elements=["code"], set_={"name": new.excluded.name})
        conn.execute(again, [{"code": code, "name": name} for code, name in names.items()])
    return [None] * len(found)


def names_of(conn: Connection, codes: Collection[str]) -> dict[str, str]:
    """What units are called; without those whose names are not known."""
    asked = conn.execute(select(unit_name).where(unit_name.c.code.in_(codes), unit_name.c.name != ""))
    listed = conn.execute(select(unit.c.code, unit.c.name).where(unit.c.code.in_(codes), unit.c.name != ""))
    return {row.code: row.name for rows in (asked, listed) for row in rows}
