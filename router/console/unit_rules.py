"""Addressing rules are tried: who a dispatch with them would go to on a day, who not and why. Nothing is sent."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from router.console.access import Looking, Parts, Viewer
from router.console.pages import page, preferences_of
from router.console.unit_acts import NO_DAY, typed_day
from router.directory import Directory, LeftOut, Note, resolve
from router.ledger.people.persons import Right
from router.pages.faults import Fault, fault_of, said
from router.pages.language import N_, translations
from schemas.addressing import parse_rules, within
from schemas.dispatch import MAX_RULES
from schemas.errors import AddressingError, FieldProblem
from schemas.unit import Unit

MAX_LENGTH = 4000
"""Characters of rules that an address carries, so that it can be sent to a colleague."""
MOST_SHOWN = 500
"""Units of a kind that a page shows; all of them are counted."""
_UNPROCESSABLE = 422
_TOO_LONG = N_("At most %(most)s characters of rules fit into the address of a page; try fewer at once.")
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Trial:
    """What rules do, as far as somebody sees it."""

    included: Sequence[Unit] = ()
    left_out: Sequence[LeftOut] = ()
    notes: Mapping[str, Sequence[Note]] = field(default_factory=dict)
    """By the unit that they are about; empty: about a rule."""
    beyond: Sequence[str] = ()
    """Rules that name nothing of what they see."""
    problems: Sequence[FieldProblem] = ()


@router.get("/units/rules")
async def try_rules(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    rules: Annotated[str, Query(max_length=4 * MAX_LENGTH)] = "",
    day: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """The form, and what its rules do; a rule in each line."""
    lines = [line.strip() for line in rules.splitlines() if line.strip()]
    is_too_long = len(rules) > MAX_LENGTH or len(lines) > MAX_RULES
    on = typed_day(day)
    wrong_day = NO_DAY if day and on is None else ""
    on = on or services.organisation.today
    trial = Trial()
    if lines and not is_too_long:
        trial = await asyncio.to_thread(try_out, services.organisation.directory, lines, on, viewer)
    language = preferences_of(request).language
    say = translations(language).gettext
    faults: list[Fault] = [fault_of(item, say) for item in trial.problems]
    return page(
        request,
        viewer,
        "units_rules.html",
        status=_UNPROCESSABLE if wrong_day or is_too_long or faults else 200,
        typed={"rules": rules, "day": day},
        on=on,
        asked=bool(lines),
        trial=trial,
        faults=faults,
        wrong_day=wrong_day,
        too_long=_TOO_LONG if is_too_long else "",
        most=MOST_SHOWN,
        max_length=MAX_LENGTH,
        said=_said_in(say),
        directory=services.organisation.directory,
    )


def try_out(directory: Directory, rules: Sequence[str], day: date, viewer: Viewer) -> Trial:
    """Expand rules, and keep what a person sees of it. A second for a whole country: blocks.

    A rule that names nothing of theirs is not looked up, so that nobody learns from it which units others have.
    """
    patterns = viewer.person.patterns(Right.SEE)
    try:
        parse_rules(rules)
        own = [rule for rule in rules if within([rule], patterns)]
        found = resolve(directory, own, day) if own else None
    except AddressingError as error:
        return Trial(problems=error.problems)
    beyond = [rule for rule in rules if rule not in own]
    if found is None:
        return Trial(beyond=beyond)
    notes: dict[str, list[Note]] = {}
    for note in found.notes:
        notes.setdefault(note.unit_code, []).append(note)
    return Trial(
        included=[unit for unit in found.included if viewer.person.may(Right.SEE, unit.code)],
        left_out=[item for item in found.left_out if viewer.person.may(Right.SEE, item.unit_code)],
        notes=notes,
        beyond=beyond,
    )


def _said_in(say: Callable[[str], str]) -> Callable[[str], str]:
    return lambda detail: said(detail, say)
