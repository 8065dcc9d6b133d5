"""What must hold for a list of units as a whole, beyond each unit's own fields; and how its problems are reported."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from router.errors import DirectoryError
from schemas.codes import ancestors_of, is_within
from schemas.errors import FieldProblem
from schemas.unit import OtherCode, Unit

_TOLD_IN_A_LINE = 3
_MAX_PROBLEMS = 1000
_CODES_OF_A_CYCLE = 8


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of a list: where it stands, its code as written, and its unit or what is wrong with it."""

    prefix: str
    """What a field's name is put behind: ``line 7, `` or ``line 31, [4].``."""
    code: str
    unit: Unit | None
    problems: tuple[FieldProblem, ...] = ()

    def at(self, field: str) -> str:
        """Where a field of this entry stands."""
        return (self.prefix + field.removeprefix("(whole)")).rstrip(" ,.")


def refuse(problems: Sequence[FieldProblem]) -> DirectoryError:
    """The error that reports the problems of a list: the first few in its sentence, up to 1,000 in ``problems``."""
    told = "; ".join(f"{item.field}: {item.problem}" for item in problems[:_TOLD_IN_A_LINE])
    more = f"; and {len(problems) - _TOLD_IN_A_LINE} more" if len(problems) > _TOLD_IN_A_LINE else ""
    return DirectoryError(
        f"the list of units has {len(problems)} problem{'s'[: len(problems) > 1]}: {told}{more}",
        hint="mend the lines named and load the whole list again; nothing of it was taken",
        problems=problems[:_MAX_PROBLEMS],
    )


def require_whole(units: Iterable[Unit]) -> None:
    """Check that units hold together, as a list that is loaded is checked: what an import leaves in the ledger.

    Raises:
        DirectoryError: ``problems`` names the unit and field of each problem.
    """
    problems = problems_of_list([ListEntry(f"{unit.code}, ", unit.code, unit) for unit in units])
    if problems:
        raise refuse(problems)


def problems_of_list(listed: Sequence[ListEntry]) -> list[FieldProblem]:
    """Every problem of a list in the order of its entries; an entry that is wrong by itself brings on no others."""
    if not listed:
        return [FieldProblem("line 1", "there are no units")]
    tree = _Tree(listed)
    found: list[FieldProblem] = []
    for item in listed:
        own = ((problem.field, problem.problem, problem.given) for problem in item.problems)
        of_the_whole = tree.problems_of(item) if item.unit is not None else ()
        found += [FieldProblem(item.at(field), problem, given) for field, problem, given in (*own, *of_the_whole)]
    return found


Complaint = tuple[str, str, str]
"""Field, problem, what was given."""


class _Tree:
    def __init__(self, listed: Sequence[ListEntry]) -> None:
        self._first: dict[str, ListEntry] = {}
        for item in listed:
            self._first.setdefault(item.code, item)
        units = [item.unit for item in listed if item.unit is not None]
        self._parent_cycles = _cycles({unit.code: unit.parent for unit in units if unit.parent})
        self._successor_cycles = _cycles({unit.code: unit.successor for unit in units if unit.successor})

    def problems_of(self, item: ListEntry) -> Iterator[Complaint]:
        unit = item.unit
        if unit is None:
            return
        if self._first[unit.code] is not item:
            yield "code", f"stands at {self._first[unit.code].at('')} already", unit.code
        if complaint := self._on_parent(unit):
            yield "parent", complaint, unit.parent or ""
        if unit.successor and (complaint := self._on_successor(unit, unit.successor)):
            yield "successor", complaint, unit.successor
        for place, span in _spans(unit):
            if span.valid_from is not None and span.valid_to is not None and span.valid_to < span.valid_from:
                yield place, f"is before valid_from {span.valid_from}", str(span.valid_to)

    def _on_parent(self, unit: Unit) -> str:
        nearest = next((code for code in ancestors_of(unit.code) if code in self._first), None)
        if unit.parent == nearest:
            return ""
        if unit.code in self._parent_cycles:
            return f"goes round in a cycle: {self._parent_cycles[unit.code]}"
        if unit.parent is None:
            return f"is missing: {nearest} is above {unit.code} by its code"
        if unit.parent not in self._first:
            return f"{unit.parent} is not in the list"
        if not is_within(unit.code, unit.parent):
            return f"{unit.parent} is not how the code {unit.code} begins, and subtrees go by the code"
        return f"has to be {nearest}, the nearest unit above {unit.code} by its code"

    def _on_successor(self, unit: Unit, successor: str) -> str:
        if successor not in self._first:
            return f"{successor} is not in the list"
        if unit.code in self._successor_cycles:
            return f"goes round in a cycle: {self._successor_cycles[unit.code]}"
        return "" if unit.valid_to else "needs valid_to, the unit's last day"


def _spans(unit: Unit) -> Iterator[tuple[str, Unit | OtherCode]]:
    yield "valid_to", unit
    for index, code in enumerate(unit.codes):
        yield f"codes.{index}.valid_to", code


def _cycles(following: Mapping[str, str]) -> dict[str, str]:
    """Each code on a cycle, with the cycle written out from it."""
    found: dict[str, str] = {}
    done: set[str] = set()
    for start in following:
        way: dict[str, None] = {}
        code: str | None = start
        while code is not None and code not in done and code not in way:
            way[code] = None
            code = following.get(code)
        if code is not None and code in way:
            order = list(way)
            ring = order[order.index(code) :]
            found |= {item: _written_from(ring, index) for index, item in enumerate(ring)}
        done.update(way)
    return found


def _written_from(ring: Sequence[str], index: int) -> str:
    written = [ring[(index + step) % len(ring)] for step in range(min(len(ring), _CODES_OF_A_CYCLE))]
    return " → ".join((*written, *(["…"] if len(ring) > len(written) else []), ring[index]))
