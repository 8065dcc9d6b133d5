"""Numbers of registers that were given twice: found by the index of words, so that a page of units costs little."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, tzinfo

from sqlalchemy import Connection, and_, select

from router.ledger.models import delivery, dispatch_word, receipt
from router.ledger.scope import Scope
from router.ledger.way import steps
from schemas.standing import standing
from schemas.states import Effect, Status
from schemas.text import words_of


def repeated_numbers(conn: Connection, scope: Scope, numbers: Mapping[str, str], zone: tzinfo) -> frozenset[str]:
    """The units whose number stands for another document of the same year, too; what was put right since does not.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        numbers: an arrival number of each unit; empty ones are passed over.
        zone: whose years are meant: registers begin anew with each.
    """
    units = _ever_given(conn, scope, numbers)
    given: defaultdict[tuple[str, int], int] = defaultdict(int)
    for delivery_id, receipts in steps.recorded(conn, units).items():
        stands, unit = standing(receipts), units[delivery_id]
        registered = stands.told.get(Status.REGISTERED)
        if registered is not None and registered.register_number == numbers[unit]:
            at = stands.times[Status.REGISTERED]
            given[unit, datetime.fromtimestamp(at / 1000, zone).year] += 1
    return frozenset(unit for (unit, _), count in given.items() if count > 1)


def _ever_given(conn: Connection, scope: Scope, numbers: Mapping[str, str]) -> Mapping[str, str]:
    """The deliveries that were registered under the number of their unit at some time, and of which unit each is."""
    first = {unit: words[0] for unit, number in numbers.items() if (words := words_of(number))}
    if not first:
        return {}
    word = dispatch_word.c
    joined = dispatch_word.join(
        delivery, and_(delivery.c.dispatch_id == word.dispatch_id, delivery.c.unit == word.unit)
    ).join(receipt, receipt.c.delivery_id == delivery.c.id)
    statement = select(delivery.c.id, delivery.c.unit, receipt.c.register_number).select_from(joined)
    told = receipt.c.status == Status.REGISTERED.value, receipt.c.effect != Effect.REFUSED.value
    some = word.word.in_(set(first.values())), word.unit.in_(list(first)), scope.covers_unit(delivery.c.unit)
    rows = conn.execute(statement.where(*some, *told))
    return {key: unit for key, unit, number in rows if number == numbers[unit]}
