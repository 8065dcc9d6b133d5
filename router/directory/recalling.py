"""Whom a recall reaches: decided by who got the documents, not by who exists today. Pure, as :mod:`resolving`.

A unit that was merged or abolished since has, or had, its copy all the same. What was sent to it is called back, and
the recall itself goes to the unit that took over from it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from router.directory.resolving import require_sense
from router.directory.snapshot import Directory
from schemas.addressing import Reach, Rule, parse_rules
from schemas.unit import Link, Unit


@dataclass(frozen=True, slots=True)
class Recall:
    """What a recall does: whose deliveries it calls back, which of those units are gone, who has to be told."""

    called_back: tuple[str, ...]
    gone: frozenset[str]
    units: tuple[Unit, ...]


def resolve_recall(directory: Directory, rules: Sequence[str], day: date, had: Collection[str]) -> Recall:
    """Expand the rules of a recall.

    A unit that a rule names by its code is called back from in any case, so that one that got nothing is found and
    told; of those that a rule only comprises, and of those that a named unit took over, the ones that got it are.

    Args:
        directory: the organisation.
        rules: as in :mod:`schemas.addressing`.
        day: the present day.
        had: the codes of the units that the recalled documents were sent to.

    Raises:
        AddressingError: as :func:`router.directory.resolve`.
    """
    parsed = parse_rules(rules)
    require_sense(directory, parsed)
    spared = _named(directory, [rule for rule in parsed if rule.exclude])
    wanted = [rule for rule in parsed if not rule.exclude]
    named = _named(directory, wanted) - spared
    decided = spared | named
    before = {code for code in had if code not in decided and named.intersection(heirs(directory, code, day))}
    found = named.intersection(had) | before
    told = {heir for code in before for heir in heirs(directory, code, day)}
    strangers = {rule.head for rule in wanted if rule.reach is Reach.UNIT} - spared - found - told
    called_back = sorted(found | strangers or named)
    reached = {code: next(_reached(directory, code, day), None) for code in called_back}
    units = {unit.code: unit for unit in reached.values() if unit is not None}
    gone = frozenset(code for code in called_back if is_gone(directory[code], day))
    # A recall that nobody can be told of any more still has its effect here, and stands where it is seen.
    told_of = [units[code] for code in sorted(units)] or [directory[code] for code in called_back]
    return Recall(tuple(called_back), gone, tuple(told_of))


def is_gone(unit: Unit, day: date) -> bool:
    """Whether a unit's last day is past."""
    return unit.valid_to is not None and unit.valid_to < day


def heirs(directory: Directory, code: str, day: date) -> Iterator[str]:
    """The units that took over from one that is gone, one after the other; from a unit that exists, nobody has."""
    seen = {code}
    unit = directory.get(code)
    while unit is not None and is_gone(unit, day) and unit.successor is not None and unit.successor not in seen:
        seen.add(unit.successor)
        yield unit.successor
        unit = directory.get(unit.successor)


def _reached(directory: Directory, code: str, day: date) -> Iterator[Unit]:
    """The first of a unit and its heirs that exists and can be sent to."""
    for each in (code, *heirs(directory, code, day)):
        unit = directory.get(each)
        if unit is not None and unit.exists_on(day) and unit.link is not Link.EXCLUDED:
            yield unit


def _named(directory: Directory, rules: Sequence[Rule]) -> set[str]:
    return {unit.code for rule in rules for unit in directory.named_by(rule)}
