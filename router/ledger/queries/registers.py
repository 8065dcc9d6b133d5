"""Numbers of registers that were given twice: found by the index of words, so that a page of units costs little."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from router.ledger.models import delivery, dispatch_word, receipt
from router.ledger.scope import Scope
from router.storage.statements import chunks
from schemas.standing import standing
from schemas.states import Effect, Status
from schemas.text import words_of


class _Said(NamedTuple):
    """What a unit said of a delivery, as :func:`schemas.standing.standing` reads it."""

    delivery_id: str
    id: str
    status: Status
    effect: Effect
    recorded_at: int
    seq: int | None
    corrects: str | None
    undoes: str | None
    register_number: str


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
    for delivery_id, receipts in _said(conn, units).items():
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


def _said(conn: Connection, delivery_ids: Iterable[str]) -> Mapping[str, list[_Said]]:
    """All receipts of some deliveries, in the order of the log."""
    row = receipt.c
    columns = row.delivery_id, row.id, row.status, row.effect, row.recorded_at, row.seq, row.corrects, row.undoes
    found: defaultdict[str, list[_Said]] = defaultdict(list)
    for some in chunks(sorted(delivery_ids)):
        statement = select(*columns, row.register_number).where(row.delivery_id.in_(some)).order_by(row.pos)
        for key, name, status, effect, *rest in conn.execute(statement):
            found[key].append(_Said(key, name, Status(status), Effect(effect), *rest))
    return found
