"""What is owed for deliveries, as the columns that stand with them: decided by :mod:`schemas.duties` alone.

The columns follow from a delivery's state, since when it is in it, its urgency and its due date, whichever way it came
there; so whatever writes one of these writes them too.
"""

from functools import lru_cache
from typing import NamedTuple

from schemas.dispatch import Urgency
from schemas.duties import Course, Terms, late_from, owed
from schemas.office import office_terms
from schemas.states import Status

COLUMNS = ("duty", "soon_at", "latest_at", "late_at")
_BURST = 4096
"""Answers that are kept: what is recorded together came at one moment."""


class OwedColumns(NamedTuple):
    """What has to be done next, by when it should be and when that is late, and from when on anything is late.

    Times are UTC ms; None: no day is set. ``duty`` None: nothing is owed any more.
    """

    duty: str | None = None
    soon_at: int | None = None
    latest_at: int | None = None
    late_at: int | None = None


NOTHING = OwedColumns()


class Owing:
    """Counts by terms, and keeps what it has just counted."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.of = lru_cache(_BURST)(self._of)
        """The columns of a delivery in a state since an instant, of an urgency, with the letter's due date.

        ``registered``: whether its unit has registered it, asked of what was kept after a recall alone.
        """

    def register_by(self, arrived_at: int, urgency: int) -> int | None:
        """When registering is late of what arrived at an instant."""
        return self.of(Status.ARRIVED, arrived_at, urgency, None).latest_at

    def _of(self, state: Status, since: int, urgency: int, due: int | None, *, registered: bool = True) -> OwedColumns:
        items = owed(Course(state, since, Urgency(urgency), due, registered=registered), self._terms)
        if not items:
            return NOTHING
        turn = items[0]
        return OwedColumns(turn.duty.value, turn.soon, turn.latest, late_from(items))


def by_office() -> Owing:
    """By the organisation's terms.

    Raises:
        Exception: as :func:`schemas.office.office_terms`.
    """
    return by_terms(office_terms())


@lru_cache(maxsize=4)
def by_terms(terms: Terms) -> Owing:
    """By some terms."""
    return Owing(terms)
