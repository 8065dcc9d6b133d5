"""Whom an account may address, how urgently, how much, and whose dispatches it may change: values and pure decisions.

======================  ==========================================================================
``above``               the units above the issuer
``beside``              the other children of the unit above it, without what is below them
``below``               everything below the issuer
``all``                 every unit
``LCA.VP``, ``LCA.#``   a unit, or a subtree with its head
======================  ==========================================================================

A unit may always address itself. What an account was not granted anything else it has by its role.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.accounts import Role
from schemas.codes import MAX_CODE_LENGTH, PATTERN_REGEX, covers, includes, is_within, parent_of
from schemas.dispatch import Urgency

ABOVE, BESIDE, BELOW, ALL = "above", "beside", "below", "all"
WORDS = (ABOVE, BESIDE, BELOW, ALL)
MAX_REACHES = 20
MAX_ALLOWED = 10**15
"""Of each figure of an allowance; a petabyte."""
HOUR_MS = 3_600_000
_PATTERN = re.compile(PATTERN_REGEX)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is sent: dispatches, deliveries (addressees added up), and bytes (of the files, for each addressee)."""

    dispatches: int = 0
    deliveries: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, sizes: Iterable[int], units: int) -> "Amount":
        """One dispatch of files of so many bytes each to so many units."""
        return cls(1, units, units * sum(sizes))

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.dispatches + other.dispatches, self.deliveries + other.deliveries, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much an account may send within an hour of the clock; None: any amount."""

    dispatches: int | None = None
    deliveries: int | None = None
    bytes: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether there is anything to count."""
        return any(most is not None for most in (self.dispatches, self.deliveries, self.bytes))

    def excess(self, amount: Amount) -> str:
        """What of an amount is too much, in words; empty: nothing.

        >>> Allowance(deliveries=10).excess(Amount(1, 12, 0))
        '12 deliveries, of 10 an hour'
        """
        for most, name in ((self.dispatches, "dispatches"), (self.deliveries, "deliveries"), (self.bytes, "bytes")):
            found = getattr(amount, name)
            if most is not None and found > most:
                return f"{found} {name}, of {most} an hour"
        return ""


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account may send.

    Attributes:
        reach: whom it may address, as in the table above; nothing: it may not send at all.
        max_urgency: the highest.
        over_below: it may recall, update and replace what units below its issuer have sent.
        hourly: how much.
    """

    reach: tuple[str, ...] = (ALL,)
    max_urgency: int = int(max(Urgency))
    over_below: bool = False
    hourly: Allowance = Allowance()


UNBOUND = Rights()
DEFAULTS: dict[Role, Rights] = {
    Role.ISSUER: UNBOUND,
    Role.GATEWAY: Rights((ABOVE, BESIDE, BELOW), int(Urgency.VERY_URGENT), hourly=Allowance(300, 3_000, 10 * 1024**3)),
    Role.OPERATOR: Rights((), int(min(Urgency))),
    Role.WATCHER: Rights((), int(min(Urgency))),
}
"""By role. An operator acts on what others have sent, and sends nothing."""


def parse_reach(texts: Iterable[str]) -> tuple[str, ...]:
    """Whom an account may address, from words and unit patterns.

    Raises:
        ValueError: one of them is neither.
    """
    found = tuple(dict.fromkeys(texts))
    for text in found:
        if text not in WORDS and not (_PATTERN.fullmatch(text) and len(text) <= MAX_CODE_LENGTH + 2):
            raise ValueError(f"{text!r} is no reach; write {', '.join(WORDS)}, LCA.VP, or LCA.02.# for a subtree")
    if len(found) > MAX_REACHES:
        raise ValueError(f"{len(found)} reaches are too many; at most {MAX_REACHES}")
    return found


def may_address(rights: Rights, issuer: str, unit: str) -> bool:
    """Whether a dispatch of an issuer may go to a unit."""
    return any(_reaches(reach, issuer, unit) for reach in rights.reach)


def out_of_reach(rights: Rights, issuer: str, units: Iterable[str]) -> Sequence[str]:
    """The units that a dispatch of an issuer may not go to."""
    if ALL in rights.reach:
        return ()
    return [unit for unit in units if not may_address(rights, issuer, unit)]


def may_change(rights: Rights, issuer: str, owner: str) -> bool:
    """Whether a dispatch of ``issuer`` may recall, update or replace one that ``owner`` issued."""
    return issuer == owner or (rights.over_below and is_within(owner, issuer))


def exceed(rights: Rights, most: Rights) -> bool:
    """Whether rights give anything that others do not.

    >>> exceed(UNBOUND, DEFAULTS[Role.GATEWAY]), exceed(DEFAULTS[Role.GATEWAY], UNBOUND)
    (True, False)
    """
    if not rights.reach:
        return False
    reach = ALL in most.reach or all(_is_reached(one, most.reach) for one in rights.reach)
    figures = ("dispatches", "deliveries", "bytes")
    hourly = all(_is_within(getattr(rights.hourly, name), getattr(most.hourly, name)) for name in figures)
    return not (reach and hourly and rights.max_urgency <= most.max_urgency and most.over_below >= rights.over_below)


def _is_reached(reach: str, by: Sequence[str]) -> bool:
    return reach in by or (reach not in WORDS and any(includes(one, reach) for one in by if one not in WORDS))


def _is_within(allowed: int | None, most: int | None) -> bool:
    return most is None or (allowed is not None and allowed <= most)


def _reaches(reach: str, issuer: str, unit: str) -> bool:
    if unit == issuer or reach == ALL:
        return True
    if reach == ABOVE:
        return is_within(issuer, unit)
    if reach == BESIDE:
        return parent_of(unit) is not None and parent_of(unit) == parent_of(issuer)
    if reach == BELOW:
        return is_within(unit, issuer)
    return covers(reach, unit)
