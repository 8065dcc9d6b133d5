"""What an account may see of the ledger, as a condition in SQL that an index serves.

Every query takes a :class:`Scope`, so none can be written that forgets to ask. A unit pattern is one range of codes
compared by bytes: ``LCA.02.#`` is ``'LCA.02' <= code < 'LCA.02/'``, because ``/`` follows the dot and no other
character of a code stands before it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, false, or_, true

from router.ledger.models import delivery, dispatch
from schemas.accounts import Account, Role
from schemas.codes import covers


@dataclass(frozen=True, slots=True)
class Scope:
    """Unit patterns: the addressees whose deliveries are seen, the issuers whose dispatches are seen whole."""

    units: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    everything: bool = False

    def covers_unit(self, code: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition on a column of unit codes: one of the units itself, not only what was sent to it."""
        return true() if self.everything else within(code, self.units)

    def covers_all(self, units: Sequence[str]) -> bool:
        """Whether every unit of these patterns is one of the units itself; of no patterns: whether it is everything."""
        return self.everything or bool(units and _cover(self.units, units))

    def covers_issuer(self, code: str) -> bool:
        """Whether a unit's dispatches are seen whole, as their issuer sees them."""
        return self.everything or any(covers(pattern, code) for pattern in self.issuers)

    def sees_delivery_of(self, units: Sequence[str] = (), issuers: Sequence[str] = ()) -> ColumnElement[bool]:
        """As :meth:`sees_delivery`, where units or issuers of these patterns alone are asked for anyway.

        Nothing is asked twice: PostgreSQL takes conditions for independent, so it expects what it is told twice to be
        rare, and plans for a handful of rows.
        """
        own = (units and _cover(self.units, units)) or (issuers and _cover(self.issuers, issuers))
        return true() if own else self.sees_delivery()

    def sees_delivery(self) -> ColumnElement[bool]:
        """The condition on ``delivery`` joined with its ``dispatch``."""
        if self.everything:
            return true()
        return or_(within(delivery.c.unit, self.units), within(dispatch.c.issuer, self.issuers))

    def sees_dispatch(self) -> ColumnElement[bool]:
        """The condition on ``dispatch``: issued by one of the issuers, or addressed to one of the units."""
        if self.everything:
            return true()
        by_issuer = within(dispatch.c.issuer, self.issuers)
        if not self.units:
            return by_issuer
        addressed = and_(delivery.c.dispatch_id == dispatch.c.id, within(delivery.c.unit, self.units))
        return or_(by_issuer, exists().where(addressed).correlate(dispatch))


EVERYTHING = Scope(everything=True)
"""For whoever holds the ledger itself: the router's own parts, and commands on its machine."""


def scope_of(account: Account) -> Scope:
    """What an account sees: a gateway its units' deliveries, an issuer its dispatches, an operator both."""
    pattern = (account.pattern,)
    return Scope(
        units=pattern if account.role in {Role.GATEWAY, Role.OPERATOR} else (),
        issuers=pattern if account.role in {Role.ISSUER, Role.OPERATOR} else (),
    )


def scope_of_sender(account: Account) -> Scope:
    """What an account sees of dispatches: as :func:`scope_of`, but a gateway only those its own units have issued.

    Of those it sees every addressee, as a sender does; what is addressed to its units it has at home.
    """
    return Scope(issuers=(account.pattern,)) if account.role is Role.GATEWAY else scope_of(account)


def within(column: ColumnElement[str], patterns: Iterable[str]) -> ColumnElement[bool]:
    """Whether a code is covered by one of the patterns: :func:`schemas.codes.covers` in SQL."""
    return or_(false(), *(_within(column, pattern) for pattern in patterns))


def _cover(patterns: Collection[str], wanted: Iterable[str]) -> bool:
    """Whether all that the wanted patterns name, children as ``LCA.02.*`` too, is covered by one of the others."""

    def is_covered(some: str) -> bool:
        return some in patterns or any(
            pattern.endswith(".#") and covers(pattern, some.removesuffix(".#").removesuffix(".*"))
            for pattern in patterns
        )

    return all(map(is_covered, wanted))


def _within(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not pattern.endswith(".#"):
        return column == pattern
    head = pattern[:-2]
    return and_(column >= head, column < f"{head}/")
