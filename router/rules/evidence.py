"""What a unit says of a delivery, held against what the ledger knows: pure decisions, asked before a receipt counts.

A unit's word is evidence only as far as it fits: of the content that was sent, for a delivery that was sent, at a time
that can be. What cannot be is refused; what may be the fault of a clock is taken and marked.
"""

from datetime import datetime
from typing import NamedTuple

from schemas.clock import to_ms
from schemas.states import BY_PEOPLE, Status

CLOCKS_DIFFER_MS = 5 * 60_000
"""How far before its acceptance a receipt may be dated: unit clocks that nobody sets run that far behind."""
LATEST_MS = 24 * 3_600_000
"""How far ahead of the present a receipt may be dated."""
HAS_IT = BY_PEOPLE | {Status.ARRIVED}
"""What only a unit that has every byte can say."""


class Judged(NamedTuple):
    """Why a receipt cannot be believed (empty: it can), and what is doubtful about it (empty: nothing is)."""

    refusal: str = ""
    mark: str = ""


BELIEVED = Judged()


def judge(
    status: Status, at: str, seen: str | None, *, sent: bool, content: str, accepted_at: int, now_ms: int
) -> Judged:
    """Judge what a unit says.

    Args:
        status: what it says.
        at: when, by its clock, RFC 3339.
        seen: the hash of the content as the unit has it; None: it does not say.
        sent: whether a relay ever had the delivery.
        content: the hash of the content that was sent.
        accepted_at: when the dispatch was accepted, UTC ms.
        now_ms: the present, UTC ms.
    """
    marks = []
    if seen is not None and seen != content:
        differs = f"the unit has the content {seen[:16]}…, sent was {content[:16]}…"
        if status in HAS_IT:
            return Judged(refusal=differs)
        marks.append(differs)
    if not sent:
        if seen != content:
            return Judged(refusal="the delivery was never sent, so no unit can have it")
        marks.append("by this ledger it was never sent, and yet the unit has its content")
    told = to_ms(datetime.fromisoformat(at))
    if told < accepted_at - CLOCKS_DIFFER_MS:
        marks.append(f"it is dated {at}, before the dispatch was accepted")
    elif told > now_ms + LATEST_MS:
        marks.append(f"it is dated {at}, more than a day ahead")
    return Judged(mark="; ".join(marks))
