"""A unit: a node of the organisation that documents are addressed to."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.clock import Day
from schemas.codes import UnitCode
from schemas.model import Travelling
from schemas.opening import Opening
from schemas.text import Name, OneLine

UnitKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
"""province, department, district, commune …: a word that is data, not a rule."""


class Link(StrEnum):
    """How a unit is reached."""

    LAN = "lan"
    WAN = "wan"
    DIALUP = "dialup"
    NONE = "none"
    """No line: documents wait, visibly, until the unit gets one or they are carried."""
    EXCLUDED = "excluded"
    """On a network of its own: never an addressee."""


class OtherCode(Travelling):
    """The same unit's code in another scheme, for a span of time."""

    scheme: Name
    """Whose codes these are."""
    code: Name
    """The code there."""
    valid_from: Day | None = None
    """The first day on which it is used."""
    valid_to: Day | None = None
    """The last."""


class Unit(Travelling):
    """One unit of the directory.

    ``valid_from`` is the first day and ``valid_to`` the last day on which the unit exists; an abolished unit names
    the ``successor`` that takes its documents.
    """

    code: UnitCode
    """A dotted path, most general part first."""
    parent: UnitCode | None = None
    """The code of the unit above it."""
    name: Name
    """Its name."""
    kind: UnitKind
    """A word that is data: province, department, district, commune …"""
    link: Link
    """How it is reached."""
    note: Annotated[OneLine, Field(max_length=500)] = ""
    """For operators."""
    opening: Opening = ""
    """The hours at which everything is fetched, as ``18:00-21:00``; empty: always. See :mod:`schemas.opening`."""
    valid_from: Day | None = None
    """The first day on which it exists."""
    valid_to: Day | None = None
    """The last."""
    successor: UnitCode | None = None
    """Who takes its documents when it is abolished."""
    codes: tuple[OtherCode, ...] = ()
    """Its codes in other schemes."""

    def exists_on(self, day: date) -> bool:
        """Whether the unit exists on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)
