"""What a list of units would change of those that are there: shown before it is done, and done as it was shown."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import orjson

from schemas.codes import covers
from schemas.unit import OtherCode, Unit

FIELDS = ("parent", "name", "kind", "link", "note", "opening", "valid_from", "valid_to", "successor", "codes")
"""What a list says of a unit besides its code, in the order in which changes are shown."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a unit, what it is and what it becomes, as a list writes it; empty: nothing."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A unit that is there, and what it becomes."""

    before: Unit
    after: Unit

    @property
    def code(self) -> str:
        """The unit's code, which never changes."""
        return self.before.code

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The fields that change."""
        pairs = ((name, written(self.before, name), written(self.after, name)) for name in FIELDS)
        return tuple(FieldChange(*pair) for pair in pairs if pair[1] != pair[2])

    @property
    def told(self) -> str:
        """The same as one line."""
        return "; ".join(f"{item.field}: {item.before or '-'} → {item.after or '-'}" for item in self.fields)


@dataclass(frozen=True)
class Difference:
    """What a list would do, each kind of it in the order of codes."""

    added: tuple[Unit, ...]
    changed: tuple[Changed, ...]
    retired: tuple[Changed, ...]
    """Units that the list does not name and that get a last day."""
    missing: tuple[Unit, ...]
    """Units that the list does not name, that have no last day and get none."""
    unchanged: int
    """How many of the units that it names stay as they are."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.added or self.changed or self.retired)

    @property
    def updated(self) -> tuple[Unit, ...]:
        """The units that are there and become others, as they become."""
        return tuple(item.after for item in (*self.changed, *self.retired))

    @property
    def touched(self) -> tuple[str, ...]:
        """The codes of all that would change."""
        return (*(item.code for item in self.added), *(item.code for item in (*self.changed, *self.retired)))

    @cached_property
    def seal(self) -> str:
        """Names what would be done: the same only where every unit of it begins and ends the same."""
        told = [
            [item.model_dump(mode="json") for item in self.added],
            [[some.model_dump(mode="json") for some in (item.before, item.after)] for item in self.changed],
            [[some.model_dump(mode="json") for some in (item.before, item.after)] for item in self.retired],
        ]
        return hashlib.sha256(orjson.dumps(told)).hexdigest()


def difference(
    known: Iterable[Unit], units: Sequence[Unit], *, last_day: date | None = None, own: Sequence[str] | None = None
) -> Difference:
    """Compare a list with the units that are there.

    Args:
        known: the units that are there.
        units: the list, already checked as a whole; units are told apart by their code.
        last_day: of those units that are not in the list; None: they stay as they are.
        own: patterns of the units that count as missing; None: all.
    """
    there = {item.code: item for item in known}
    listed = sorted(units, key=lambda item: item.code)
    named = {item.code for item in listed}
    changed = [Changed(there[item.code], item) for item in listed if item.code in there and item != there[item.code]]
    added = [item for item in listed if item.code not in there]
    others = [there[code] for code in sorted(there) if code not in named and _is_own(code, own)]
    return Difference(
        added=tuple(added),
        changed=tuple(changed),
        retired=tuple(_retired(others, last_day)) if last_day else (),
        missing=() if last_day else tuple(item for item in others if item.valid_to is None),
        unchanged=len(listed) - len(added) - len(changed),
    )


def written(unit: Unit, field: str) -> str:
    """A field as a list writes it; other codes with the days of their use, which only JSON can express."""
    value = getattr(unit, field)
    return ";".join(map(_other_code, value)) if field == "codes" else "" if value is None else str(value)


def _other_code(code: OtherCode) -> str:
    days = f" ({code.valid_from or ''}..{code.valid_to or ''})" if code.valid_from or code.valid_to else ""
    return f"{code.scheme}={code.code}{days}"


def _retired(units: Iterable[Unit], last_day: date) -> list[Changed]:
    return [
        Changed(item, item.model_copy(update={"valid_to": last_day}))
        for item in units
        if item.valid_to is None or item.valid_to > last_day
    ]


def _is_own(code: str, own: Sequence[str] | None) -> bool:
    return own is None or any(covers(pattern, code) for pattern in own)
