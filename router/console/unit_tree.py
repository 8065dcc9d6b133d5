"""The tree of units that addressees are picked from, a branch at a time; names are found without accents."""

from collections.abc import Callable, Iterable
from datetime import date

from sqlalchemy import Connection

from router.directory import Directory
from router.errors import NotFoundError
from router.ledger import queries
from router.ledger.scope import EVERYTHING
from router.pages.sending import LINKS, MOST_NODES, NodePage, PickNode
from schemas.unit import Link, Unit

Say = Callable[[str], str]


def units_below(directory: Directory, day: date, say: Say, code: str = "", after: str = "") -> NodePage:
    """The units directly below one.

    Args:
        directory: the organisation.
        day: on which they have to exist.
        say: translates a message.
        code: of the unit above; empty: the topmost, or what is below it when there is one alone.
        after: the last one of the page before.

    Raises:
        NotFoundError: there is no unit above of that code.
    """
    if not code and len(directory.roots) == 1:
        code = directory.roots[0].code
    above = directory.get(code)
    if above is None and code:
        raise NotFoundError(f"there is no unit {code}")
    units = directory.roots if above is None else directory.children(above.code)
    rest = [unit for unit in units if unit.code > after and unit.exists_on(day)]
    return NodePage(
        nodes=_nodes(directory, rest[:MOST_NODES], say),
        of=None if above is None else _node(directory, above, say),
        after=rest[MOST_NODES - 1].code if len(rest) > MOST_NODES else "",
        is_top=above is not None,
    )


def found(conn: Connection, directory: Directory, day: date, say: Say, text: str, *, after: str = "") -> NodePage:
    """The units whose name or code fits; whoever may send knows what units are called, as at ``GET /api/v1/names``."""

    def stands(code: str) -> bool:
        unit = directory.get(code)
        return unit is not None and unit.exists_on(day)

    codes = queries.search_some(conn, EVERYTHING, text, stands, after=after, limit=MOST_NODES + 1)
    return NodePage(
        nodes=_nodes(directory, (directory[code] for code in codes[:MOST_NODES]), say),
        after=codes[MOST_NODES - 1] if len(codes) > MOST_NODES else "",
        find=text,
    )


def _nodes(directory: Directory, units: Iterable[Unit], say: Say) -> list[PickNode]:
    return [_node(directory, unit, say) for unit in units]


def _node(directory: Directory, unit: Unit, say: Say) -> PickNode:
    return PickNode(
        code=unit.code,
        name=unit.name,
        kind=unit.kind,
        has_children=directory.has_children(unit.code),
        kinds=directory.kinds_within(unit.code),
        note=say(LINKS[unit.link.value]) if unit.link in {Link.NONE, Link.EXCLUDED} else "",
    )
