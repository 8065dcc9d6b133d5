"""What can be wrong with what travels.

::

    SchemaError
    ├── InvalidError              a document from outside does not fit its schema; names each field
    ├── TransitionError           a receipt that the delivery's state does not allow
    └── AddressingError           an addressing rule that cannot be read, or that matches nobody
"""

from collections.abc import Sequence
from dataclasses import dataclass


class SchemaError(ValueError):
    """Base of the errors of this package."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that is wrong: its dotted place, what is wrong with it, what was given (shortened)."""

    field: str
    problem: str
    given: str = ""


MAX_PROBLEMS = 20
"""Problems that one answer names."""


def capped(problems: Sequence[FieldProblem], count: int | None = None) -> list[FieldProblem]:
    """The first problems, and a last one that says how many more there are.

    Args:
        problems: all of them, or the first.
        count: how many there are; None: as many as are given.
    """
    total = len(problems) if count is None else count
    if total <= MAX_PROBLEMS:
        return list(problems)
    shown = list(problems[: MAX_PROBLEMS - 1])
    return [*shown, FieldProblem("(others)", f"{total - len(shown)} more are wrong; mend these first")]


class InvalidError(SchemaError):
    """A document from outside does not fit its schema."""

    def __init__(self, what: str, problems: Sequence[FieldProblem]) -> None:
        self.what = what
        self.problems = list(problems)
        lines = "; ".join(f"{item.field}: {item.problem}" for item in self.problems)
        super().__init__(f"the {what} is not valid: {lines}")


class TransitionError(SchemaError):
    """A receipt that the delivery's present state does not allow."""


class AddressingError(SchemaError):
    """Addressing rules that cannot be read, name an unknown unit or match nobody; a problem for each such rule."""

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
