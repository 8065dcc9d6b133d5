"""How documents have fared, for registers and reports: those in the inbox, and those that were forgotten since."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Subquery, delete, exists, func, insert, select, union_all

from consumers.spool.handling import StepKind
from consumers.spool.models import inbox, letter, past, step
from consumers.spool.scope import UnitScope
from consumers.spool.sets import among

_KEPT_MS = 3 * 366 * 86_400_000
"""How long what was forgotten is still counted."""


def _last(kind: StepKind, value: ColumnElement[object]) -> ColumnElement[object]:
    """Of the last step of a kind that nobody took back."""
    of_it = step.c.inbox_pos == inbox.c.pos, step.c.kind == kind.value, ~step.c.undone
    return select(value).where(*of_it).order_by(step.c.pos.desc()).limit(1).correlate(inbox).scalar_subquery()


_DETAIL = step.c.detail
_LEAD = func.coalesce(_last(StepKind.DIRECTED, func.json_extract(_DETAIL, "$.lead")), "")
_DIRECTED_AT = _last(StepKind.DIRECTED, step.c.at)
_ANSWER = func.coalesce(_last(StepKind.COMPLETED, func.json_extract(_DETAIL, "$.answer")), "")
_UNTIL = _last(StepKind.DIRECTED, func.json_extract(_DETAIL, "$.until_ms"))
_COLUMNS = tuple(column.name for column in past.columns)
_CURRENT = select(
    inbox.c.delivery_id,
    inbox.c.unit,
    inbox.c.secret,
    letter.c.issuer,
    letter.c.type,
    inbox.c.urgency,
    inbox.c.taken_at,
    inbox.c.registered_at,
    inbox.c.state,
    inbox.c.state_at,
    _LEAD.label("lead"),
    _DIRECTED_AT.label("directed_at"),
    _UNTIL.label("until"),
    _ANSWER.label("answer"),
).join(letter, letter.c.pos == inbox.c.letter_pos)


def keep(conn: Connection, values: dict[str, str], before: int) -> None:
    """Keep of deliveries that are about to be forgotten what is needed still; older ones go.

    Args:
        conn: a transaction that writes.
        values: their places, as ``positions`` of :func:`consumers.spool.sets.among`.
        before: what they are forgotten for having ended before (UTC ms).
    """
    rows = _CURRENT.where(among(inbox.c.pos, "positions"))
    conn.execute(insert(past).prefix_with("OR REPLACE").from_select(_COLUMNS, rows), values)
    conn.execute(delete(past).where(past.c.state_at < before - _KEPT_MS))


def between(units: Collection[str], since: int, until: int) -> Subquery:
    """The rows, as of ``past``, of what came in a time (UTC ms), as far as it is seen."""
    scope = UnitScope.of(units)
    here = _CURRENT.where(scope.documents, inbox.c.taken_at >= since, inbox.c.taken_at < until)
    again = exists().where(inbox.c.delivery_id == past.c.delivery_id)
    gone = select(past).where(~again, scope.of_past, past.c.taken_at >= since, past.c.taken_at < until)
    return union_all(here, gone).subquery("fared")


def of_deliveries(conn: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """State and answer of deliveries by their ids."""
    here = select(inbox.c.delivery_id, inbox.c.state, _ANSWER).where(inbox.c.delivery_id.in_(ids))
    gone = select(past.c.delivery_id, past.c.state, past.c.answer).where(past.c.delivery_id.in_(ids))
    return {row[0]: (row[1], row[2]) for rows in (gone, here) for row in conn.execute(rows)}
