"""What a person was granted: roles on units, and what a program's rights ask of them. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.codes import covers, includes


class AnyRight(StrEnum):
    """Base of a program's rights: what is asked of a person's roles.

    A program's own class names its rights and says in :attr:`roles` which of its roles give each.
    """

    @property
    def roles(self) -> Collection[StrEnum]:
        """The roles that give it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, order=True)
class RoleGrant:
    """A role, one of the program's, on a unit pattern."""

    role: StrEnum
    pattern: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who uses the pages, and what was granted."""

    name: str
    grants: tuple[RoleGrant, ...]

    def patterns(self, right: AnyRight) -> tuple[str, ...]:
        """The units on which the person has a right."""
        return tuple(dict.fromkeys(grant.pattern for grant in self.grants if grant.role in right.roles))

    def may(self, right: AnyRight, unit: str) -> bool:
        """Whether the person has a right on a unit."""
        return any(covers(pattern, unit) for pattern in self.patterns(right))

    def may_all(self, right: AnyRight, grants: Iterable[RoleGrant]) -> bool:
        """Whether the person has a right on all units of some grants."""
        own = self.patterns(right)
        return all(any(includes(pattern, grant.pattern) for pattern in own) for grant in grants)

    @property
    def home(self) -> str:
        """The unit under which the person's own doings are noted; empty when nothing is granted."""
        return self.grants[0].pattern.removesuffix(".#") if self.grants else ""
