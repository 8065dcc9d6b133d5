"""Numbers of registers that were given twice: found by the index of words, so that a page of units costs little."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, tzinfo

from sqlalchemy import Connection, and_, select

from router.ledger.models import delivery, dispatch_word, receipt
from router.ledger.scope import Scope
from schemas.states import Effect, Status
from schemas.text import words_of


def repeated_numbers(conn: Connection, scope: Scope, numbers: Mapping[str, str], zone: tzinfo) -> frozenset[str]:
    """The units that gave their number to another document of the same year, too.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        numbers: an arrival number of each unit; empty ones are passed over.
        zone: whose years are meant: registers begin anew with each.
    """
    first = {unit: found[0] for unit, number in numbers.items() if (found := words_of(number))}
    if not first:
        return frozenset()
    word = dispatch_word.c
    joined = dispatch_word.join(
        delivery, and_(delivery.c.dispatch_id == word.dispatch_id, delivery.c.unit == word.unit)
    ).join(receipt, receipt.c.delivery_id == delivery.c.id)
    statement = select(delivery.c.unit, receipt.c.register_number, receipt.c.delivery_id, receipt.c.recorded_at)
    told = receipt.c.status == Status.REGISTERED.value, receipt.c.effect != Effect.REFUSED.value
    some = word.word.in_(set(first.values())), word.unit.in_(list(first)), scope.covers_unit(delivery.c.unit)
    given: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for unit, number, delivery_id, at in conn.execute(statement.select_from(joined).where(*some, *told)):
        if number == numbers[unit]:
            given[unit, datetime.fromtimestamp(at / 1000, zone).year].add(delivery_id)
    return frozenset(unit for (unit, _), ids in given.items() if len(ids) > 1)
