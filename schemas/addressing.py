"""Addressing rules: whom a dispatch goes to, as text and as values.

======================  =====================================================
``LCA.02.05``           one unit
``LCA.02.#``            a subtree with its head
``LCA.02.*``            the direct children, without the head
``LCA.#{commune}``      the units of one kind in a subtree (the head included when it is of that kind)
``LCA.*{district}``     the direct children of one kind
``!LCA.02.05``          leaves out what the rule after the ``!`` names; the order of rules does not matter
======================  =====================================================

What a rule reaches is decided against a directory, by ``router.directory.resolve``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.codes import MAX_CODE_LENGTH, MAX_PARTS, PART_REGEX, is_within, parent_of
from schemas.errors import AddressingError, FieldProblem

_RULE = re.compile(
    rf"(?P<not>!?)(?P<head>{PART_REGEX}(?:\.{PART_REGEX})*)"
    r"(?:\.(?P<reach>[#*])(?:\{(?P<kind>[a-z][a-z0-9_-]{0,31})\})?)?"
)
_CODE_SHAPED = re.compile(r"[A-Z0-9]+(?:\.[A-Z0-9]+)*")
_LONG_PART = re.compile(r"[A-Z0-9]{17,}")


class Reach(StrEnum):
    """How far a rule goes from the unit it names; the value is what stands after the code."""

    UNIT = ""
    SUBTREE = "#"
    CHILDREN = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One addressing rule."""

    head: str
    reach: Reach = Reach.UNIT
    kind: str = ""
    """Only units of this kind; empty: of any. Never set with :attr:`Reach.UNIT`."""
    exclude: bool = False

    def __str__(self) -> str:
        tail = f".{self.reach.value}" if self.reach else ""
        kind = f"{{{self.kind}}}" if self.kind else ""
        return f"{'!' if self.exclude else ''}{self.head}{tail}{kind}"


def parse_rule(text: str) -> Rule:
    """Read one rule.

    Raises:
        AddressingError: what is wrong and at which character, counted from 1.
    """
    match = _RULE.fullmatch(text)
    if match is None or len(match["head"]) > MAX_CODE_LENGTH or match["head"].count(".") >= MAX_PARTS:
        raise AddressingError(f"the rule {text!r} {_complaint(text)}")
    return Rule(
        head=match["head"], reach=Reach(match["reach"] or ""), kind=match["kind"] or "", exclude=bool(match["not"])
    )


def within(rules: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """What rules name of the units of patterns (``LCA.02``, ``LCA.02.#``), as rules again; of other units nothing.

    Where the children of one kind are named, a child that a pattern names stands with its subtree and that kind.

    >>> within(["LCA.#{commune}", "!LCA.02.05", "LCA.03.*"], ["LCA.02.#"])
    ('LCA.02.#{commune}', '!LCA.02.05')
    """
    parsed = [parse_rule(rule) for rule in rules]
    found = (_part(rule, pattern) for rule in parsed for pattern in patterns)
    return tuple(dict.fromkeys(str(rule) for rule in found if rule is not None))


def _part(rule: Rule, pattern: str) -> Rule | None:
    head, is_tree = pattern.removesuffix(".#"), pattern.endswith(".#")
    if is_within(rule.head, head) and (is_tree or (rule.head == head and rule.reach is Reach.UNIT)):
        return rule
    if rule.reach is Reach.SUBTREE and is_within(head, rule.head):
        return replace(rule, head=head) if is_tree else Rule(head, exclude=rule.exclude)
    if rule.reach is Reach.CHILDREN and parent_of(head) == rule.head:
        tree = is_tree and rule.kind
        return replace(rule, head=head, reach=Reach.SUBTREE) if tree else Rule(head, exclude=rule.exclude)
    return None


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Read rules, all of them before anything is said about one.

    Raises:
        AddressingError: ``problems`` holds one entry per rule that cannot be read, named ``addressees.<index>``.
    """
    rules: list[Rule] = []
    problems: list[FieldProblem] = []
    for index, text in enumerate(texts):
        try:
            rules.append(parse_rule(text))
        except AddressingError as error:
            problems.append(FieldProblem(f"addressees.{index}", str(error), text))
    if problems:
        raise AddressingError("; ".join(item.problem for item in problems), problems)
    return tuple(rules)


def _complaint(text: str) -> str:
    start = 1 if text.startswith("!") else 0
    shape = _CODE_SHAPED.match(text, start)
    if shape is None:
        return _at(start, "a unit's code of capital letters and digits, such as LCA.02.05, has to stand here")
    long_part = _LONG_PART.search(shape[0])
    if long_part is not None:
        return _at(start + long_part.start(), "this part is longer than 16 characters")
    if len(shape[0]) > MAX_CODE_LENGTH or shape[0].count(".") >= MAX_PARTS:
        return _at(start, f"a code has at most {MAX_PARTS} parts and {MAX_CODE_LENGTH} characters")
    return _complaint_on_tail(text, shape.end())


def _complaint_on_tail(text: str, end: int) -> str:
    tail = text[end:]
    if tail.startswith("{"):
        return _at(end, "a kind stands after .# or .*, as in LCA.#{commune}")
    if not tail.startswith("."):
        return _at(end, f"{tail[0]!r} cannot stand in a code of capital letters and digits")
    if not tail.startswith((".#", ".*")):
        return _at(end + 1, "a part of capital letters and digits, # or * has to follow the dot")
    if tail[2:].startswith("{"):
        return _at(end + 3, "a kind is a word of small letters, digits, _ and -, closed by } at the rule's end")
    return _at(end + 2, "nothing but a kind in braces may follow # or *")


def _at(index: int, problem: str) -> str:
    return f"cannot be read at character {index + 1}: {problem}"
