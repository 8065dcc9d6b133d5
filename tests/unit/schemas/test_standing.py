"""Which receipts count once some were put right or undone, in whatever order they came into the log."""

from collections import Counter
from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

from schemas.standing import standing
from schemas.states import Effect, Status

S, E = Status, Effect


@dataclass(frozen=True)
class Said:
    id: str
    status: Status
    effect: Effect = E.ADVANCE
    recorded_at: int = 0
    corrects: str | None = None
    undoes: str | None = None
    seq: int | None = None


def log(*said: tuple[str, Status, Effect, str | None, str | None]) -> list[Said]:
    return [
        Said(key, status, effect, pos * 10, corrects, undoes)
        for pos, (key, status, effect, corrects, undoes) in enumerate(said, 1)
    ]


ARRIVED = ("a", S.ARRIVED, E.ADVANCE, None, None)
REGISTERED = ("r", S.REGISTERED, E.ADVANCE, None, None)
RIGHT = ("c", S.REGISTERED, E.CORRECT, "r", None)
AGAIN = ("d", S.REGISTERED, E.CORRECT, "c", None)


def test_what_was_put_right_counts_whatever_came_first_and_the_time_is_that_of_the_step() -> None:
    for order in permutations([REGISTERED, RIGHT, AGAIN]):
        found = standing(log(ARRIVED, *order))
        assert found.told[S.REGISTERED].id == "d"
        assert found.times == {S.ARRIVED: 10, S.REGISTERED: 20 + 10 * order.index(REGISTERED)}


def test_what_was_undone_does_not_count_nor_what_followed_it() -> None:
    done = [("p", S.PROCESSING, E.ADVANCE, None, None), ("e", S.COMPLETED, E.ADVANCE, None, None)]
    back = ("b", S.REGISTERED, E.BACK, None, "e")
    found = standing(log(ARRIVED, REGISTERED, *done, back))
    assert list(found.told) == [S.ARRIVED, S.REGISTERED]
    found = standing(log(ARRIVED, REGISTERED, *done, back, ("n", S.ASSIGNED, E.ADVANCE, None, None)))
    assert list(found.told) == [S.ARRIVED, S.REGISTERED, S.ASSIGNED]


def test_what_was_refused_neither_counts_nor_undoes_nor_puts_right() -> None:
    refused = [
        ("x", S.ARRIVED, E.REFUSED, None, "r"),
        ("y", S.REGISTERED, E.REFUSED, "r", None),
        ("z", S.COMPLETED, E.REFUSED, None, None),
    ]
    found = standing(log(ARRIVED, REGISTERED, *refused))
    assert {status: row.id for status, row in found.told.items()} == {S.ARRIVED: "a", S.REGISTERED: "r"}


def test_a_number_given_again_after_an_undone_registration_is_the_new_one() -> None:
    back = ("b", S.ARRIVED, E.BACK, None, "r")
    assert S.REGISTERED not in standing(log(ARRIVED, REGISTERED, back)).told
    again = standing(log(ARRIVED, REGISTERED, back, ("n", S.REGISTERED, E.ADVANCE, None, None)))
    assert (again.told[S.REGISTERED].id, again.times[S.REGISTERED]) == ("n", 40)


def test_the_order_is_that_of_the_unit_though_its_last_word_came_first() -> None:
    acts = [("r", S.REGISTERED, None), ("b", S.ARRIVED, "r"), ("n", S.REGISTERED, None), ("s", S.ASSIGNED, None)]
    for order in permutations(range(4)):
        newest, rows = -1, [Said("a", S.ARRIVED, recorded_at=1, seq=1)]
        for place in order:
            key, status, undoes = acts[place]
            late = E.STALE if place < newest else E.ADVANCE
            newest = max(newest, place)
            rows.append(Said(key, status, late, 10 + place, None, undoes, 2 + place))
        found = standing(rows)
        assert found.times == {S.ARRIVED: 1, S.REGISTERED: 12, S.ASSIGNED: 13}
        assert [row.id for row in found.told.values()] == ["a", "n", "s"]
        assert found.last is not None
        assert found.last.id == "s"


def test_a_new_spool_counts_after_the_one_that_was_lost_though_its_numbers_are_lower() -> None:
    old = [Said("a", S.ARRIVED, recorded_at=1, seq=8), Said("r", S.REGISTERED, recorded_at=2, seq=9)]
    new = [Said("b", S.ARRIVED, E.BACK, 3, None, "r", 1), Said("n", S.REGISTERED, recorded_at=4, seq=3)]
    late = Said("x", S.PROCESSING, E.STALE, 5, None, None, 2)
    found = standing([*old, *new, late])
    assert found.told[S.REGISTERED].id == "n"
    assert found.times[S.REGISTERED] == 4


def test_a_correction_counts_only_if_what_it_names_does() -> None:
    back, again = ("b", S.ARRIVED, E.BACK, None, "r"), ("n", S.REGISTERED, E.ADVANCE, None, None)
    assert standing(log(ARRIVED, REGISTERED, back, again, RIGHT)).told[S.REGISTERED].id == "n"
    assert S.REGISTERED not in standing(log(ARRIVED, RIGHT)).told


def test_corrections_that_name_each_other_end() -> None:
    around = ("x", S.REGISTERED, E.CORRECT, "d", None), ("d", S.REGISTERED, E.CORRECT, "x", None)
    assert standing(log(ARRIVED, REGISTERED, *around)).told[S.REGISTERED].id == "r"


class Counted(Said):
    """Counts what is asked of it."""

    asked: ClassVar[Counter[str]] = Counter()

    def __getattribute__(self, name: str) -> object:
        Counted.asked[name] += 1
        return super().__getattribute__(name)


def work(rounds: int) -> int:
    """What is asked of the receipts of a document that was registered, corrected and undone so often."""
    rows = []
    for place in range(rounds):
        first, right = f"r{place}", f"c{place}"
        rows += [
            Counted(first, S.REGISTERED, seq=4 * place),
            Counted(right, S.REGISTERED, E.CORRECT, corrects=first, seq=4 * place + 1),
            Counted(f"s{place}", S.ASSIGNED, seq=4 * place + 2),
            Counted(f"b{place}", S.ARRIVED, E.BACK, undoes=right, seq=4 * place + 3),
        ]
    Counted.asked.clear()
    standing(rows)
    return Counted.asked.total()


def test_a_document_with_twice_the_receipts_costs_twice_the_work() -> None:
    assert 0 < work(400) <= 2.1 * work(200)
