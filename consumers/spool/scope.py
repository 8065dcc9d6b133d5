"""Whose documents somebody sees: units, and at which of them state secrets too. One condition for every query.

Whatever lists, counts, finds, exports or tells of documents asks a scope; units alone see no secret.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, String, and_, func, literal_column, not_, or_

from consumers.spool.models import book, draft, inbox, journal, outgoing, past
from schemas.register import SECRET_BOOK

_UNIT: ColumnElement[str] = literal_column("+inbox.unit", String)
"""The column, of which SQLite asks no index."""
_IS_SECRET_BOOK = func.substr(book.c.name.concat(" "), 1, len(SECRET_BOOK) + 1) == f"{SECRET_BOOK} "
"""As :func:`schemas.register.is_secret_book`."""


@dataclass(frozen=True, slots=True)
class UnitScope(Collection[str]):
    """Units, as a collection of their codes; ``secret``: those of them whose secrets are seen, too."""

    units: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()

    @classmethod
    def of(cls, units: Collection[str]) -> "UnitScope":
        """A scope as it is; of other collections one that sees no secret.

        Raises:
            TypeError: a text, which is a collection of letters to a type checker.
        """
        if isinstance(units, str):
            raise TypeError(f"{units!r} is one unit and no collection of units")
        return units if isinstance(units, UnitScope) else cls(tuple(units))

    @classmethod
    def whole(cls, unit: str) -> "UnitScope":
        """All of one unit, its secrets too: for whoever has the machine in hand, or answers for the unit itself."""
        return cls((unit,), frozenset({unit}))

    def __contains__(self, unit: object) -> bool:
        """Whether a unit is among them."""
        return unit in self.units

    def __iter__(self) -> Iterator[str]:
        """Their codes."""
        return iter(self.units)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.units)

    def only(self, unit: str) -> "UnitScope":
        """One unit of them; nothing when it is none of them."""
        return UnitScope(tuple(code for code in self.units if code == unit), self.secret & {unit})

    def sees(self, unit: str, *, secret: bool) -> bool:
        """Whether something of a unit is seen, which may be secret."""
        return unit in self.units and (not secret or unit in self.secret)

    @property
    def documents(self) -> ColumnElement[bool]:
        """The condition on a row of the inbox."""
        return self._condition(inbox.c.unit, inbox.c.secret)

    @property
    def documents_beside(self) -> ColumnElement[bool]:
        """The same beside a condition that leaves few rows: SQLite is to go by its index, not by the unit's."""
        return self._condition(_UNIT, inbox.c.secret)

    @property
    def of_past(self) -> ColumnElement[bool]:
        """The condition on a row of what was forgotten."""
        return self._condition(past.c.unit, past.c.secret)

    @property
    def outgoing(self) -> ColumnElement[bool]:
        """The condition on a row of what goes out."""
        return self._condition(outgoing.c.issuer, outgoing.c.secret)

    @property
    def drafts(self) -> ColumnElement[bool]:
        """The condition on a row of what is being written."""
        return self._condition(draft.c.unit, draft.c.secret)

    @property
    def books(self) -> ColumnElement[bool]:
        """The condition on a row of the books."""
        return self._condition(book.c.unit, _IS_SECRET_BOOK)

    @property
    def acts(self) -> ColumnElement[bool]:
        """The condition on a row of the journal."""
        return self._condition(journal.c.unit, journal.c.secret)

    def _condition(self, unit: ColumnElement[str], secret: ColumnElement[bool]) -> ColumnElement[bool]:
        among = unit.in_(self.units)
        if self.secret.issuperset(self.units):
            return among
        return and_(among, or_(not_(secret), unit.in_(sorted(self.secret))) if self.secret else not_(secret))
