"""Unit codes and the patterns that cover them.

A code is a dotted path, most general part first: ``LCA.02.05`` is the fifth commune of the second district of
``LCA``. Codes of other schemes are further rows beside a unit (see :mod:`schemas.unit`), never parsed here.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import StringConstraints

MAX_CODE_LENGTH = 100
MAX_PARTS = 10
PART_REGEX = r"[A-Z0-9]{1,16}"
CODE_REGEX = rf"^{PART_REGEX}(\.{PART_REGEX}){{0,{MAX_PARTS - 1}}}$"
PATTERN_REGEX = rf"^{PART_REGEX}(\.{PART_REGEX}){{0,{MAX_PARTS - 1}}}(\.#)?$"
_CODE = re.compile(CODE_REGEX)

UnitCode = Annotated[
    str,
    StringConstraints(pattern=CODE_REGEX, max_length=MAX_CODE_LENGTH),
]
"""A unit's code: 1 to 10 parts of 1 to 16 capital letters or digits, joined by dots."""

UnitPattern = Annotated[
    str,
    StringConstraints(pattern=PATTERN_REGEX, max_length=MAX_CODE_LENGTH + 2),
]
"""One unit (``LCA.02.05``) or a subtree with its head (``LCA.02.#``)."""


def is_code(text: str) -> bool:
    """Whether ``text`` is a well-formed unit code."""
    return len(text) <= MAX_CODE_LENGTH and _CODE.fullmatch(text) is not None


def parent_of(code: str) -> str | None:
    """The code one level up, or None at the root."""
    head, dot, _ = code.rpartition(".")
    return head if dot else None


def ancestors_of(code: str) -> Iterator[str]:
    """The codes above ``code``, nearest first."""
    above = parent_of(code)
    while above is not None:
        yield above
        above = parent_of(above)


def is_within(code: str, head: str) -> bool:
    """Whether ``code`` is ``head`` itself or below it."""
    return code == head or code.startswith(head + ".")


def covers_whole(pattern: str) -> bool:
    """Whether a unit pattern covers an organisation from its topmost unit on.

    >>> covers_whole("LCA.#"), covers_whole("LCA.02.#"), covers_whole("LCA")
    (True, False, False)
    """
    return pattern.endswith(".#") and "." not in pattern.removesuffix(".#")


def covers(pattern: str, code: str) -> bool:
    """Whether a unit pattern covers a unit: the one rule of who may act for whom.

    >>> covers("LCA.02.#", "LCA.02"), covers("LCA.02.#", "LCA.02.05"), covers("LCA.02", "LCA.02.05")
    (True, True, False)
    """
    if pattern.endswith(".#"):
        return is_within(code, pattern[:-2])
    return code == pattern


def includes(pattern: str, other: str) -> bool:
    """Whether all units of another pattern are of this one.

    >>> includes("LCA.#", "LCA.02.#"), includes("LCA.02", "LCA.02"), includes("LCA.02", "LCA.02.#")
    (True, True, False)
    """
    return pattern == other or (pattern.endswith(".#") and covers(pattern, other.removesuffix(".#")))


def pattern_regex(pattern: str) -> str:
    """The regular expression, not anchored, of the codes a unit pattern covers (for broker permissions)."""
    if pattern.endswith(".#"):
        return re.escape(pattern[:-2]) + r"(\.[A-Z0-9]+)*"
    return re.escape(pattern)
