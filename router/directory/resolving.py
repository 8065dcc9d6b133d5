"""Whom addressing rules reach on a day: who is in, who is out and why. Pure; the intake and the dry run both ask it.

Rules are sets: their order and repetition mean nothing, an exclusion always wins. Each unit that the rules name is
decided by itself; an abolished one brings its successor in, which is then decided like any other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from router.directory.snapshot import Directory
from schemas.addressing import Rule, parse_rules
from schemas.errors import AddressingError, FieldProblem
from schemas.unit import Link, Unit


class Reason(StrEnum):
    """Why a unit that the rules name is no addressee; where several hold, the first of them is given."""

    EXCLUDED_BY_RULE = "excluded_by_rule"
    NOT_YET = "not_yet"
    """The unit begins to exist on a later day."""
    ABOLISHED = "abolished"
    """The unit's last day is past; its successor, if it has one, is looked at instead."""
    OWN_NETWORK = "own_network"
    """The unit is on a network of its own (link ``excluded``)."""


class NoteCode(StrEnum):
    """What the sender may want to know about a set of rules that works."""

    NO_LINE = "no_line"
    """An addressee without a line: the document waits until the unit gets one or it is carried."""
    SUCCESSOR_USED = "successor_used"
    """An addressee that is in because of an abolished unit."""
    SUCCESSOR_NOT_EXCLUDED = "successor_not_excluded"
    """An exclusion names an abolished unit, and its successor is an addressee."""
    EXCLUSION_UNUSED = "exclusion_unused"
    """An exclusion that takes nobody out."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A unit that the rules name and that is no addressee."""

    unit_code: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on one addressee, or on a rule (``unit_code`` is empty then)."""

    code: NoteCode
    detail: str
    unit_code: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer: addressees and left-out units, each unit in one of the two and once, in tree order."""

    included: tuple[Unit, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[Note, ...]


def resolve(directory: Directory, rules: Sequence[str], day: date) -> Resolution:
    """Expand addressing rules into units.

    ``included`` is empty when every unit that the rules name is left out; whether that is an error is the caller's
    to say.

    Args:
        directory: the organisation.
        rules: as in :mod:`schemas.addressing`.
        day: the day on which a unit has to exist.

    Raises:
        AddressingError: a rule cannot be read, names a unit that is not in the directory (in an exclusion too: a
            misspelt one must not send a document to whom it meant to spare), or names nobody; all such rules at once.
    """
    parsed = parse_rules(rules)
    require_sense(directory, parsed)
    case = _Case(directory, tuple(dict.fromkeys(parsed)), day)
    included: list[Unit] = []
    left_out: list[LeftOut] = []
    for code in sorted(case.wanted.union(case.heirs)):
        unit = directory[code]
        out = case.why_not(unit)
        if out is None:
            included.append(unit)
        else:
            left_out.append(out)
    notes = [*_notes_on_units(case, included), *_notes_on_rules(case, included, left_out)]
    return Resolution(tuple(included), tuple(left_out), tuple(notes))


def require_sense(directory: Directory, rules: Sequence[Rule]) -> None:
    """Refuse rules that name a unit that is not there, or nobody.

    Raises:
        AddressingError: all such rules at once.
    """
    problems = [
        FieldProblem(f"addressees.{index}", problem, str(rule))
        for index, rule in enumerate(rules)
        if (problem := _problem_of(directory, rule))
    ]
    if problems:
        raise AddressingError("; ".join(item.problem for item in problems), problems)


def _problem_of(directory: Directory, rule: Rule) -> str:
    if rule.head not in directory:
        return f"the rule '{rule}' names the unit {rule.head}, which is not in the directory"
    if not rule.exclude and not directory.named_by(rule):
        return f"the rule '{rule}' matches nobody"
    return ""


class _Case:
    """One question to the directory: what the rules name, and how each unit of it is decided."""

    def __init__(self, directory: Directory, rules: Sequence[Rule], day: date) -> None:
        self.directory, self.rules, self.day = directory, rules, day
        self.excluded: dict[str, Rule] = {}
        """Each excluded code with the rule that does it: the most particular of several."""
        for rule in sorted(self.exclusions, key=lambda item: (-len(item.head), str(item))):
            for unit in directory.named_by(rule):
                self.excluded.setdefault(unit.code, rule)
        self.wanted = {unit.code for rule in rules if not rule.exclude for unit in directory.named_by(rule)}
        self.heirs: dict[str, str] = {}
        """Each successor that the rules do not name themselves, with the abolished unit that brings it in."""
        for code in sorted(self.wanted):
            self._follow(directory[code])

    @property
    def exclusions(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.exclude]

    def _follow(self, unit: Unit) -> None:
        heir = self.heir_of(unit)
        while heir is not None and unit.code not in self.excluded and not self._is_decided(heir.code):
            self.heirs[heir.code] = unit.code
            unit, heir = heir, self.heir_of(heir)

    def _is_decided(self, code: str) -> bool:
        return code in self.wanted or code in self.heirs

    def heir_of(self, unit: Unit) -> Unit | None:
        """The unit that takes the documents of an abolished one."""
        return self.directory.get(unit.successor) if unit.successor and self.is_abolished(unit) else None

    def is_abolished(self, unit: Unit) -> bool:
        return unit.valid_to is not None and unit.valid_to < self.day

    def why_not(self, unit: Unit) -> LeftOut | None:
        """The reason against a unit; None for an addressee."""
        if unit.code in self.excluded:
            return LeftOut(unit.code, Reason.EXCLUDED_BY_RULE, f"by the rule '{self.excluded[unit.code]}'")
        if unit.valid_from is not None and self.day < unit.valid_from:
            return LeftOut(unit.code, Reason.NOT_YET, f"exists from {unit.valid_from}")
        if self.is_abolished(unit):
            return LeftOut(unit.code, Reason.ABOLISHED, self._fate(unit))
        if unit.link is Link.EXCLUDED:
            return LeftOut(unit.code, Reason.OWN_NETWORK, unit.note or "on a network of its own")
        return None

    def _fate(self, unit: Unit) -> str:
        ended = f"existed until {unit.valid_to}"
        if unit.successor is None:
            return f"{ended} and has no successor"
        if unit.successor not in self.directory:
            return f"{ended}; its successor {unit.successor} is not in the directory"
        return f"{ended}; its successor is {unit.successor}"


def _notes_on_units(case: _Case, included: Iterable[Unit]) -> Iterator[Note]:
    for unit in included:
        if unit.code in case.heirs:
            yield Note(NoteCode.SUCCESSOR_USED, f"takes the documents of {case.heirs[unit.code]}", unit.code)
        if unit.link is Link.NONE:
            yield Note(NoteCode.NO_LINE, "waits until the unit has a line or the document is carried", unit.code)


def _notes_on_rules(case: _Case, included: Iterable[Unit], left_out: Iterable[LeftOut]) -> Iterator[Note]:
    reached = {unit.code for unit in included}
    spared = {item.unit_code for item in left_out if item.reason is Reason.EXCLUDED_BY_RULE}
    for rule in case.exclusions:
        if spared.isdisjoint(unit.code for unit in case.directory.named_by(rule)):
            yield Note(NoteCode.EXCLUSION_UNUSED, f"the rule '{rule}' takes nobody out")
    for code, rule in sorted(case.excluded.items()):
        heir = case.heir_of(case.directory[code])
        if heir is not None and heir.code in reached:
            yield Note(
                NoteCode.SUCCESSOR_NOT_EXCLUDED, f"is the successor of {code}, which the rule '{rule}' names", heir.code
            )
