"""Dispatches that change others: whether they may, and what a recall does to the deliveries it calls back.

What no relay has claimed yet, and what is parked, ends here and now. What the unit has is asked for (receipt 13). What
is on its way between the two is left to the unit's gateway, which gets the recall as well: it ends the delivery, or
the delivery arrives and is asked for then, or is parked and ends (see :func:`router.ledger.way.receipts.apply`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from router.errors import AddressingError, ReferencesError, RefusedError
from router.ledger.models import delivery, dispatch
from router.ledger.way.new_receipt import NewReceipt, take_back
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from router.storage.statements import chunks
from schemas.dispatch import Kind, Submission
from schemas.errors import FieldProblem
from schemas.recalling import NOT_RECALLED, is_recallable
from schemas.rights import UNBOUND, Rights, may_change
from schemas.states import RecallEffect, Status, on_recall, recall_effect

_ON_THE_WAY = [Status.QUEUED.value, Status.TAKEN.value]
_AGAIN = (
    update(delivery)
    .where(
        delivery.c.dispatch_id == bindparam("b_recall"),
        delivery.c.unit == bindparam("b_unit"),
        delivery.c.state.not_in([Status.RECALLED.value, Status.EXPIRED.value]),
        delivery.c.paused == 0,
    )
    .values(next_due_at=bindparam("b_now"))
)
_NAMED = 5
"""Units that a refusal names."""


def refusal(
    connection: Connection, letter: Submission, called_back: Sequence[str], rights: Rights = UNBOUND
) -> RefusedError | None:
    """Why a recall, update or replacement cannot be accepted; None: it can, or it is another kind of dispatch.

    Args:
        connection: a transaction.
        letter: what was submitted.
        called_back: of a recall, the units whose copies it wants back.
        rights: of the account that submits it.
    """
    if letter.kind is Kind.NEW:
        return None
    known = {
        row[0]: (row[1], row[2])
        for row in connection.execute(
            select(dispatch.c.id, dispatch.c.issuer, dispatch.c.kind).where(dispatch.c.id.in_(letter.refers_to))
        )
    }
    problems = list(_problems(letter, known, rights))
    if problems:
        return ReferencesError("; ".join(item.problem for item in problems), problems=problems)
    return _strangers(connection, letter, called_back) if letter.kind is Kind.RECALL else None


def addressed(connection: Connection, questions: Sequence[Sequence[str]]) -> list[frozenset[str]]:
    """The units that some dispatches were sent to, whatever became of them since."""
    statement = select(delivery.c.unit).distinct()
    return [frozenset(connection.scalars(statement.where(delivery.c.dispatch_id.in_(keys)))) for keys in questions]


def carry_out(
    connection: Connection,
    recall_id: str,
    recalled: Sequence[str],
    at_ms: int,
    *,
    called_back: Sequence[str],
    gone: Collection[str] = (),
) -> None:
    """Apply an accepted recall to the deliveries of the recalled dispatches.

    Args:
        connection: a transaction that writes.
        recall_id: the recall.
        recalled: the dispatches that it calls back.
        at_ms: when, UTC ms.
        called_back: from these units.
        gone: those of them that exist no more: what waits in a queue for one of them, nobody will take.
    """
    for codes in chunks(sorted(called_back)):
        rows = connection.execute(
            update(delivery)
            .where(delivery.c.dispatch_id.in_(recalled), delivery.c.unit.in_(codes))
            .values(recalled_by=recall_id)
            .returning(
                delivery.c.id, delivery.c.state, delivery.c.claimed + delivery.c.published, delivery.c.unit.in_(gone)
            )
        ).all()
        found = [
            _consequence(recall_id, at_ms, row[0], Status(row[1]), sent=row[2] > 0, lost=bool(row[3])) for row in rows
        ]
        apply(connection, [entry for entry in found if entry is not None], Silence())


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a recall would do to one delivery, as it is now."""

    delivery_id: str
    unit: str
    state: Status
    effect: RecallEffect


def foresee(
    connection: Connection, recalled: Sequence[str], *, called_back: Sequence[str], gone: Collection[str] = ()
) -> list[Foreseen]:
    """What :func:`carry_out` would do now, by unit; nothing is done. The arguments are those there."""
    statement = select(
        delivery.c.id, delivery.c.unit, delivery.c.state, delivery.c.claimed + delivery.c.published > 0
    ).order_by(delivery.c.unit, delivery.c.id)
    found = []
    for codes in chunks(sorted(called_back)):
        wanted = statement.where(delivery.c.dispatch_id.in_(recalled), delivery.c.unit.in_(codes))
        for key, unit, name, sent in connection.execute(wanted):
            state = Status(name)
            effect = recall_effect(state, gone=_is_gone(state, sent=bool(sent), lost=unit in gone))
            found.append(Foreseen(key, unit, state, effect))
    return found


def send_again(connection: Connection, units: Sequence[str], now_ms: int) -> None:
    """Have the recalls of what is still on its way to these units published again: their spools are new."""
    for codes in chunks(units):
        pairs = connection.execute(
            select(delivery.c.recalled_by, delivery.c.unit).where(
                delivery.c.unit.in_(codes),
                delivery.c.state.in_(_ON_THE_WAY),
                delivery.c.recalled_by.is_not(None),
            )
        ).all()
        if pairs:
            values = [{"b_recall": pair[0], "b_unit": pair[1], "b_now": now_ms} for pair in pairs]
            connection.execute(_AGAIN, values)


def _problems(letter: Submission, known: dict[str, tuple[str, str]], rights: Rights) -> Iterator[FieldProblem]:
    for index, key in enumerate(letter.refers_to):
        field = f"refers_to.{index}"
        if key not in known:
            yield FieldProblem(field, f"there is no dispatch {key}", key)
        elif not may_change(rights, letter.issuer, known[key][0]):
            yield FieldProblem(field, f"{key} was issued by {known[key][0]}, not by {letter.issuer}", key)
        elif letter.kind is Kind.RECALL and not is_recallable(Kind(known[key][1])):
            yield FieldProblem(field, f"{key} {NOT_RECALLED}", key)


def _strangers(connection: Connection, letter: Submission, codes: Sequence[str]) -> AddressingError | None:
    had = addressed(connection, [letter.refers_to])[0]
    strangers = [code for code in codes if code not in had]
    if not strangers:
        return None
    names = ", ".join(strangers[:_NAMED]) + (f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else "")
    problem = FieldProblem("addressees", f"did not get what is recalled: {names}")
    return AddressingError(problem.problem, problems=[problem], hint="address those units only that got the original")


def _consequence(
    recall_id: str, at_ms: int, delivery_id: str, state: Status, *, sent: bool, lost: bool
) -> NewReceipt | None:
    outcome = on_recall(state, gone=_is_gone(state, sent=sent, lost=lost))
    return None if outcome is None else take_back(delivery_id, recall_id, at_ms, outcome)


def _is_gone(state: Status, *, sent: bool, lost: bool) -> bool:
    """Whether a delivery may be out of our hands."""
    out_of_hand = state is not Status.PARKED and (sent or state in _ON_THE_WAY)
    return out_of_hand and not (lost and state is not Status.TAKEN)
