"""The numbers that issuers gave their documents, as far as these came here: which are seen, and where holes are.

An issuer numbers its documents one by one for each notation and year, and a unit gets some of them: a number that is
not here went elsewhere, or is missing. What is surely missing tells :mod:`consumers.spool.gaps`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import ColumnElement, Connection, Integer, and_, cast, func, select

from consumers.spool.models import inbox, letter
from consumers.spool.scope import UnitScope

MOST_SERIES, MOST_NUMBERS = 100, 20_000
_NUMBER = cast(letter.c.notation, Integer)
_PATTERN: ColumnElement[str] = func.ltrim(letter.c.notation, "0123456789")


@dataclass(frozen=True, slots=True)
class IssuersSeries:
    """A series: whose it is, what stands behind its numbers, how many came, the lowest and the highest of them."""

    issuer: str
    pattern: str
    count: int
    first: int
    last: int

    @property
    def holes(self) -> int:
        """Numbers between the lowest and the highest that are not here."""
        return self.last - self.first + 1 - self.count


def series(conn: Connection, units: Collection[str], since: int, until: int) -> list[IssuersSeries]:
    """The series of what came in a time (UTC ms), those with most numbers first."""
    numbers = func.count(_NUMBER.distinct())
    columns = letter.c.issuer, _PATTERN, numbers, func.min(_NUMBER), func.max(_NUMBER)
    rows = select(*columns).join(inbox, inbox.c.letter_pos == letter.c.pos).where(_came(units, since, until))
    grouped = rows.group_by(letter.c.issuer, _PATTERN).order_by(numbers.desc(), letter.c.issuer).limit(MOST_SERIES)
    return [IssuersSeries(*row) for row in conn.execute(grouped)]


def holes_of(
    conn: Connection, units: Collection[str], since: int, until: int, wanted: tuple[str, str]
) -> list[tuple[int, int]]:
    """Where numbers of a series are not here: from which to which; ``wanted``: its issuer and pattern."""
    issuer, pattern = wanted
    rows = select(_NUMBER).join(inbox, inbox.c.letter_pos == letter.c.pos)
    came = _came(units, since, until, by_issuer=True)
    of_it = and_(letter.c.issuer == issuer, _PATTERN.is_not_distinct_from(pattern), came)
    return list(holes(conn.scalars(rows.where(of_it).distinct().order_by(_NUMBER).limit(MOST_NUMBERS)).all()))


def holes(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What is left out of ascending numbers.

    >>> list(holes([3, 4, 7, 9]))
    [(5, 6), (8, 8)]
    """
    for before, after in pairwise(numbers):
        if after > before + 1:
            yield before + 1, after - 1


def _came(units: Collection[str], since: int, until: int, *, by_issuer: bool = False) -> ColumnElement[bool]:
    scope = UnitScope.of(units)
    seen = scope.documents_beside if by_issuer else scope.documents
    return and_(seen, inbox.c.taken_at >= since, inbox.c.taken_at < until, _NUMBER > 0)
