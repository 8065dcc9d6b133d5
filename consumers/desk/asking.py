"""What pages show of the router: the tree of units, plans, tracks, as the gateway last learned them over the line."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from consumers.asking.told import told
from consumers.desk.services import DeskServices
from consumers.spool import Spool, questions
from consumers.spool.questions import Answer, Question, QuestionKind
from router.pages.sending import LINKS, NodePage, PickNode
from schemas.dispatch import Submission

Say = Callable[[str], str]
_WITHOUT_LINE = frozenset({"none", "excluded"})


async def ask(services: DeskServices, question: Question) -> Answer:
    """What is known of a question now; where that is old or nothing, the gateway is to ask the router."""
    return await asyncio.to_thread(_ask, services.spool, question)


def level_below(code: str, after: str = "") -> Question:
    """The units directly below one; empty: the topmost."""
    return Question(QuestionKind.LEVEL, f"{code}>{after}" if after else code)


def units_named(words: str, after: str = "") -> Question:
    """Units by words of their names, or by how their codes begin; no name has a ``>``."""
    asked = " ".join(words.replace(">", " ").split())
    return Question(QuestionKind.SEARCH, f"{asked}>{after}" if after else asked)


def plan_of(letter: Submission, more_bytes: int) -> Question:
    """Whom a letter would reach and when, with so many bytes of files."""
    body = letter.model_dump_json(exclude_defaults=True).encode()
    return Question(QuestionKind.PLAN, f"{hashlib.sha256(body).hexdigest()}>{more_bytes or ''}", body)


def track_of(dispatch_id: str, after: str = "") -> Question:
    """What became of a dispatch at each addressee, from behind a unit on."""
    return Question(QuestionKind.TRACK, f"{dispatch_id}>{after}" if after else dispatch_id)


def nodes_of(answer: Answer, say: Say, *, find: str = "", is_top: bool = False) -> NodePage | None:
    """A level of the tree as the picker shows it, the topmost one with the unit above it; None: it is not known.

    Where the router gives none, its page says why.
    """
    found = told(QuestionKind.LEVEL, answer)
    if found is None:
        return NodePage((), find=find, problem=answer.problem) if answer.problem and not answer.waits else None
    units = found["units"]
    above = found["of"]
    return NodePage(
        nodes=[_node(unit, say) for unit in units],
        of=None if above is None else _node(above, say, tuple(found["kinds"])),
        after=units[-1]["code"] if units and found["more"] else "",
        find=find,
        is_top=is_top and above is not None,
    )


def _node(unit: dict[str, Any], say: Say, kinds: tuple[str, ...] = ()) -> PickNode:
    note = say(LINKS[unit["link"]]) if unit["link"] in _WITHOUT_LINE else ""
    return PickNode(unit["code"], unit["name"], unit["kind"], has_children=unit["below"] > 0, kinds=kinds, note=note)


def _ask(spool: Spool, question: Question) -> Answer:
    with spool.reading() as conn:
        if questions.is_noted(conn, question):
            return questions.known(conn, question)
    with spool.writing() as conn:
        questions.want(conn, question)
        return questions.known(conn, question)
