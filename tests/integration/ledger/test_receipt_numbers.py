"""What the ledger knows of each unit's receipts, and what it asks for."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, select

from router.delivery import hellos
from router.delivery.hellos import Greeting
from router.delivery.recorder import NotedSigns, _apply
from router.ledger.engine import reading
from router.ledger.models import unit_receipts
from router.ledger.units import receipt_numbers
from router.ledger.units.receipt_numbers import MissingNumbers, QuestionsWanted
from router.rules.schedule import Silence
from schemas.accounts import parse_account
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.receipt import Hello
from schemas.states import Status
from support.ledgers import START, Clerk, unit

UNIT, OTHER = "LCA.01", "LCA.02"
SPOOL = new_id()
GATEWAY = parse_account("gateway:LCA.#")


@pytest.fixture(autouse=True)
def units(ledger: Engine) -> None:
    with ledger.begin() as conn:
        Clerk(conn).units(unit("LCA"), unit(UNIT), unit(OTHER))


def note(ledger: Engine, *numbers: int, at: int = START, code: str = UNIT) -> None:
    with ledger.begin() as conn:
        receipt_numbers.note(conn, {code: numbers}, ask_at=at)


def greet(ledger: Engine, last: int, *, spool: str = SPOOL, at: int = START, code: str = UNIT) -> None:
    with ledger.begin() as conn:
        receipt_numbers.greet(conn, spool, {code: last}, ask_at=at)


def claim(ledger: Engine, now: int = START, lease: int = 60_000) -> list[MissingNumbers]:
    with ledger.begin() as conn:
        return receipt_numbers.claim(conn, [QuestionsWanted(now, now + lease, 500)])[0]


def ask(ledger: Engine, now: int = START) -> Sequence[tuple[int, int]]:
    """Put the one question that is due."""
    found = claim(ledger, now)
    assert len(found) == 1, found
    with ledger.begin() as conn:
        receipt_numbers.settle(conn, [found])
    return found[0].missing


def test_receipts_that_come_in_order_or_twice_miss_nothing(ledger: Engine) -> None:
    greet(ledger, 0)
    for numbers in ((1, 2), (3,), (2, 3, 4), (6, 5)):
        note(ledger, *numbers)
    greet(ledger, 6)
    assert claim(ledger) == []
    with reading(ledger) as conn:
        assert not receipt_numbers.is_due(conn, START)


def test_what_a_hello_names_and_the_ledger_has_not_is_asked_for_after_the_grace(ledger: Engine) -> None:
    note(ledger, 1, 2)
    greet(ledger, 5, at=START + 30_000)
    assert claim(ledger, START + 29_999) == []
    with reading(ledger) as conn:
        assert receipt_numbers.is_due(conn, START + 30_000)
    assert ask(ledger, START + 30_000) == ((3, 5),)


def test_a_gap_that_later_receipts_leave_is_asked_for_after_the_grace(ledger: Engine) -> None:
    note(ledger, 1, 4, at=START + 10)
    note(ledger, 5, at=START + 20)
    assert claim(ledger, START + 9) == []
    assert ask(ledger, START + 10) == ((2, 3),)


def test_what_was_only_overtaken_is_not_asked_for(ledger: Engine) -> None:
    note(ledger, 1, 4, at=START + 10)
    note(ledger, 3, 2)
    assert claim(ledger, START + 10) == []


def test_the_same_numbers_are_asked_for_once_until_the_next_hello(ledger: Engine) -> None:
    note(ledger, 3)
    assert ask(ledger) == ((1, 2),)
    note(ledger, 4, 5)
    assert claim(ledger) == []
    note(ledger, 8)
    assert ask(ledger) == ((6, 7),)
    greet(ledger, 9)
    assert ask(ledger) == ((1, 2), (6, 7), (9, 9))


def test_a_claimed_question_is_nobody_elses_until_its_lease_is_over(ledger: Engine) -> None:
    note(ledger, 3)
    first = claim(ledger)
    assert claim(ledger, START + 59_999) == []
    again = claim(ledger, START + 60_000)
    assert [item.missing for item in again] == [item.missing for item in first]
    with ledger.begin() as conn:
        receipt_numbers.settle(conn, [first])
        assert conn.scalars(select(unit_receipts.c.ask_at)).one() is not None, "the second claim stands"


def test_what_came_while_the_question_was_put_and_left_a_new_gap_is_asked_for_later(ledger: Engine) -> None:
    note(ledger, 3)
    put = claim(ledger)
    note(ledger, 6)
    with ledger.begin() as conn:
        receipt_numbers.settle(conn, [put])
    assert claim(ledger, START + 59_999) == []
    assert ask(ledger, START + 60_000) == ((4, 5),), "though nothing came since"


def test_what_came_while_the_question_was_put_and_left_no_gap_asks_nothing(ledger: Engine) -> None:
    note(ledger, 3)
    put = claim(ledger)
    note(ledger, 4)
    with ledger.begin() as conn:
        receipt_numbers.settle(conn, [put])
    assert claim(ledger, START + 60_000) == []
    with reading(ledger) as conn:
        assert not receipt_numbers.is_due(conn, START + 2 * receipt_numbers.FURTHEST_MS)


def test_a_new_spool_counts_from_one_again(ledger: Engine) -> None:
    greet(ledger, 0)
    note(ledger, *range(1, 50))
    greet(ledger, 2, spool=new_id())
    assert ask(ledger) == ((1, 2),)


def test_a_first_hello_adopts_what_came_before_it(ledger: Engine) -> None:
    note(ledger, 1, 2)
    greet(ledger, 2)
    assert claim(ledger) == []


def test_each_unit_is_counted_by_itself(ledger: Engine) -> None:
    note(ledger, 1)
    note(ledger, 2, code=OTHER)
    assert [(item.unit, item.missing) for item in claim(ledger)] == [(OTHER, ((1, 1),))]


def test_receipts_are_noted_with_what_they_record_even_when_the_delivery_is_unknown(ledger: Engine) -> None:
    hello = {"units": (UNIT,), "spool_id": SPOOL, "at": iso(now_ms()), "receipts": (3,)}
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        dispatch = clerk.dispatch("LCA.VP", [unit(UNIT)])
        told = clerk.deliveries[dispatch, UNIT], new_id()
        entries = [clerk.entry(key, Status.TAKEN, UNIT, seq) for seq, key in enumerate(told, 1)]
        _apply(Silence(), 0, NotedSigns(), conn, [entries])
        hellos.note(0, conn, [Greeting(Hello.model_validate(hello), GATEWAY)])
    assert ask(ledger, now_ms()) == ((3, 3),)


def test_units_that_do_not_exist_leave_nothing_whatever_is_said_of_them(ledger: Engine) -> None:
    nobody, signs = "LCA.09", NotedSigns()
    hello = {"units": (UNIT, nobody), "spool_id": SPOOL, "at": iso(now_ms()), "receipts": (3, 7)}
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        entries = [clerk.entry(new_id(), Status.TAKEN, code, 2) for code in (UNIT, nobody)]
        _apply(Silence(), 0, signs, conn, [entries])
        hellos.note(0, conn, [Greeting(Hello.model_validate(hello), GATEWAY)])
        assert conn.scalars(select(unit_receipts.c.unit)).all() == [UNIT]
    assert set(signs._noted) == {UNIT}
    assert ask(ledger, now_ms()) == ((1, 1), (3, 3))


@pytest.mark.parametrize("state", [Status.QUEUED, Status.TAKEN])
def test_a_recall_goes_again_to_a_new_spool_with_what_it_recalls(ledger: Engine, state: Status) -> None:
    def say_hello(spool: str) -> int:
        hello = Hello.model_validate({"units": (UNIT,), "spool_id": spool, "at": iso(now_ms())})
        return hellos.note(0, conn, [Greeting(hello, GATEWAY)])[0]

    with ledger.begin() as conn:
        clerk = Clerk(conn)
        clerk.units(unit(UNIT))
        original = clerk.dispatch("LCA.VP", [unit(UNIT)])
        clerk.tell(original, UNIT, state)
        recall = clerk.dispatch("LCA.VP", [unit(UNIT)], kind="recall", refers_to=[original])
        clerk.tell(recall, UNIT, Status.ARRIVED)
        say_hello(SPOOL)
        assert clerk.made_due() == set()
        assert say_hello(new_id()) == 1
        assert clerk.made_due() == {clerk.deliveries[original, UNIT], clerk.deliveries[recall, UNIT]}
