"""The benchmark's made-up country is one that the ledger could hold: its rows agree with each other."""

from collections import defaultdict

from benchmarks.nation import GREAT, Size, make, receipts
from schemas.ids import is_id
from schemas.states import Effect, Status, follow

NOW = 1_790_000_000_000
SIZE = Size(6_000, 30_000)


def test_states_are_what_the_receipts_add_up_to_and_numbers_run_without_a_gap() -> None:
    nation = make(SIZE, 1, NOW)
    states = {row["id"]: Status.PENDING for row in nation.deliveries}
    last = 0
    for row in receipts(nation, 1):
        step = follow(states[row["delivery_id"]], Status(row["status"]))
        assert step.effect is Effect.ADVANCE
        states[row["delivery_id"]] = Status(row["status"])
        assert last <= row["recorded_at"] < NOW
        last = row["recorded_at"]
    assert {row["id"]: row["state"] for row in nation.deliveries} == states
    numbers = defaultdict(list)
    for row in nation.deliveries:
        numbers[row["unit"]].append(row["seq"])
        assert is_id(row["id"])
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    totals = {row["id"]: row["total"] for row in nation.dispatches}
    assert totals[nation.great] == max(totals.values()) == GREAT
    assert sum(totals.values()) == len(nation.deliveries)


def test_the_same_seed_makes_the_same_rows() -> None:
    one, two, other = (make(SIZE, seed, NOW) for seed in (1, 1, 2))
    assert one.deliveries == two.deliveries != other.deliveries
    assert list(receipts(one, 1)) == list(receipts(two, 1))
    assert len(one.units) == SIZE.units
    assert len(one.told) >= SIZE.receipts
