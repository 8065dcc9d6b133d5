"""The organisation at one moment: an immutable tree of units that answers in logarithmic time.

Codes are dotted paths and ``.`` sorts before every letter and digit, so in the order of codes a unit stands before
what is below it and every subtree is one slice: ``LCA.1``, ``LCA.1.01``, ``LCA.10``. That order is the tree's.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from schemas.addressing import Reach, Rule
from schemas.unit import Unit

_AFTER_DOT = "/"  # the character that follows "." in ASCII: ends the slice of a subtree


class Directory:
    """A snapshot of units in tree order.

    Args:
        units: in any order, each code once; loaded lists and the ledger guarantee it.
    """

    __slots__ = ("_children", "_kinds", "_units", "all", "roots")

    all: tuple[Unit, ...]
    """Every unit, in tree order."""
    roots: tuple[Unit, ...]
    """The units with nothing above them in this directory."""

    def __init__(self, units: Iterable[Unit] = ()) -> None:
        self.all = tuple(sorted(units, key=lambda unit: unit.code))
        self._units = {unit.code: unit for unit in self.all}
        self.roots = tuple(unit for unit in self.all if unit.parent not in self._units)
        self._children = _grouped((unit.parent, unit.code) for unit in self.all if unit.parent is not None)
        self._kinds = _grouped((unit.kind, unit.code) for unit in self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __contains__(self, code: str) -> bool:
        return code in self._units

    def __getitem__(self, code: str) -> Unit:
        return self._units[code]

    def get(self, code: str) -> Unit | None:
        """The unit of a code, or None."""
        return self._units.get(code)

    def children(self, code: str) -> tuple[Unit, ...]:
        """The units directly below a unit."""
        return self._all_of(self._children.get(code, ()))

    def has_children(self, code: str) -> bool:
        """Whether there are units below a unit."""
        return code in self._children

    def within(self, head: str) -> tuple[Unit, ...]:
        """A unit and all below it, head first; empty when the head is not there."""
        start = bisect_left(self.all, head, key=lambda unit: unit.code)
        end = bisect_left(self.all, head + _AFTER_DOT, key=lambda unit: unit.code)
        return self.all[start:end] if head in self._units else ()

    def kinds_within(self, head: str) -> tuple[str, ...]:
        """The kinds of the units below a unit."""
        return tuple(kind for kind, codes in self._kinds.items() if any(code != head for code in _subtree(codes, head)))

    def named_by(self, rule: Rule) -> tuple[Unit, ...]:
        """The units that an addressing rule names, whether or not it excludes them, whatever the day."""
        if rule.head not in self._units:
            return ()
        if rule.reach is Reach.UNIT:
            return (self._units[rule.head],)
        if rule.reach is Reach.CHILDREN:
            return tuple(unit for unit in self.children(rule.head) if rule.kind in {"", unit.kind})
        if not rule.kind:
            return self.within(rule.head)
        return self._all_of(_subtree(self._kinds.get(rule.kind, ()), rule.head))

    def _all_of(self, codes: Iterable[str]) -> tuple[Unit, ...]:
        return tuple(self._units[code] for code in codes)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, code in pairs:
        groups.setdefault(key, []).append(code)
    return groups


def _subtree(codes: Sequence[str], head: str) -> Iterator[str]:
    """Of sorted codes, those at and below a head."""
    yield from codes[bisect_left(codes, head) : bisect_left(codes, head + _AFTER_DOT)]
