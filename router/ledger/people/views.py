"""Filters of screens that people keep under a name: their own, or shared with those who see the same units.

A view is where a screen's address leads and nothing more: whoever opens it sees by it what they see anyway. Whom it is
shared with is asked each time, by what both see now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from router.errors import ActRefusedError, NotFoundError
from router.ledger.models import person as person_table
from router.ledger.models import saved_view as table
from router.ledger.people.persons import of_same_reach
from router.pages.people import Person
from schemas.ids import new_id

MOST, MAX_NAME, MAX_QUERY = 30, 80, 2000
"""Views of one person; characters of a name, and of what follows the ``?`` of an address."""
_MOST_SHOWN = 200


class Screen(StrEnum):
    """The screens that have views."""

    LOG = "log"
    DELIVERIES = "deliveries"
    STUCK = "stuck"
    UNITS = "units"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A named filter; ``query`` is that of the screen's address."""

    id: str
    owner: str
    screen: Screen
    name: str
    query: str
    shared: bool


class TooManyViewsError(ActRefusedError):
    """A person has as many views as one may have."""


class ViewNameTakenError(ActRefusedError):
    """The person has a view of that name for that screen."""


def views_of(conn: Connection, person: Person, screen: Screen | None = None) -> list[SavedView]:
    """A person's own views by name, then those that are shared with them; of one screen, or of all."""
    mine = table.c.owner == person.name
    found = [table.c.shared == 1, table.c.owner.in_(of_same_reach(conn, person))]
    statement = select(table).where(or_(mine, found[0] & found[1]))
    if screen is not None:
        statement = statement.where(table.c.screen == screen.value)
    order = mine.desc(), table.c.screen, table.c.name, table.c.owner
    return [_read(row) for row in conn.execute(statement.order_by(*order).limit(_MOST_SHOWN))]


def keep(conn: Connection, owner: str, screen: Screen, name: str, query: str, *, shared: bool) -> SavedView:
    """Keep a view.

    Args:
        conn: a transaction that writes.
        owner: whose it is.
        screen: of which screen.
        name: 1 to 80 characters.
        query: at most 2000 characters.
        shared: whether those who see the same units have it, too.

    Raises:
        TooManyViewsError: there are :data:`MOST` already.
        ViewNameTakenError: there is one of that name.
    """
    _lock(conn, owner)
    own = table.c.owner == owner
    if (conn.scalar(select(func.count()).where(own)) or 0) >= MOST:
        raise TooManyViewsError(f"{owner} has {MOST} views", hint="delete one that is not needed any more")
    _require_free(conn, own, screen, name)
    view = SavedView(new_id(), owner, screen, name, query, shared)
    row = {"id": view.id, "owner": owner, "screen": screen.value, "name": name, "query": query, "shared": int(shared)}
    conn.execute(insert(table).values(row))
    return view


def rename(conn: Connection, owner: str, view_id: str, name: str) -> SavedView:
    """Give a view another name.

    Raises:
        NotFoundError: the person has no such view.
        ViewNameTakenError: another of that screen has the name.
    """
    _lock(conn, owner)
    view = find_own(conn, owner, view_id)
    if view.name != name:
        _require_free(conn, table.c.owner == owner, view.screen, name)
        conn.execute(update(table).where(table.c.id == view.id).values(name=name))
    return view


def share(conn: Connection, owner: str, view_id: str, *, shared: bool) -> None:
    """Share a view, or keep it for oneself again.

    Raises:
        NotFoundError: the person has no such view.
    """
    view = find_own(conn, owner, view_id)
    conn.execute(update(table).where(table.c.id == view.id).values(shared=int(shared)))


def drop(conn: Connection, owner: str, view_id: str) -> None:
    """Delete a view; one that is gone already stays so."""
    conn.execute(delete(table).where(table.c.id == view_id, table.c.owner == owner))


def find_own(conn: Connection, owner: str, view_id: str) -> SavedView:
    """A view of a person's own.

    Raises:
        NotFoundError: there is none of theirs with that id.
    """
    row = conn.execute(select(table).where(table.c.id == view_id, table.c.owner == owner)).first()
    if row is None:
        raise NotFoundError(f"{owner} has no view {view_id}")
    return _read(row)


def _lock(conn: Connection, owner: str) -> None:
    """One change of a person's views at a time, so that their bound holds."""
    conn.execute(select(person_table.c.name).where(person_table.c.name == owner).with_for_update())


def _require_free(conn: Connection, own: ColumnElement[bool], screen: Screen, name: str) -> None:
    taken: Sequence[Any] = conn.execute(
        select(table.c.id).where(own, table.c.screen == screen.value, table.c.name == name)
    ).all()
    if taken:
        raise ViewNameTakenError(f"there is a view {name!r} already", hint="choose another name, or delete that one")


def _read(row: Any) -> SavedView:
    return SavedView(row.id, row.owner, Screen(row.screen), row.name, row.query, bool(row.shared))
