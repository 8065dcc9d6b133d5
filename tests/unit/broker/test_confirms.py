from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.broker.confirms import Confirms
from router.broker.message import PublishOutcome


class ConfirmsAgainstABroker(RuleBasedStateMachine):
    """A broker that answers as it likes, within the protocol: each number once, the return before the ack."""

    def __init__(self) -> None:
        super().__init__()
        self.confirms: Confirms[int] = Confirms()
        self.tickets = 0
        self.next = 0
        self.on_the_wire: dict[int, tuple[int, str, float]] = {}  # number: ticket, id, deadline
        self.returned: set[int] = set()
        self.last_return = 0
        self.expired: set[int] = set()
        self.settled: Counter[int] = Counter()
        self.now = 0.0

    def _settle(self, tickets: list[int]) -> None:
        self.settled.update(tickets)

    @rule(message_id=st.sampled_from("abc"), patience=st.integers(1, 5))
    def send(self, message_id: str, patience: int) -> None:
        self.tickets += 1
        self.next += 1
        seq = self.confirms.sent(message_id, self.tickets, self.now + patience)
        assert seq == self.next
        assert seq not in self.on_the_wire
        self.on_the_wire[seq] = (self.tickets, message_id, self.now + patience)

    def _answered(self, data: st.DataObject) -> tuple[int, bool, list[int]]:
        seq = data.draw(st.sampled_from(sorted(self.on_the_wire)))
        multiple = data.draw(st.booleans())
        return seq, multiple, [n for n in sorted(self.on_the_wire) if n == seq or (multiple and n < seq)]

    @precondition(lambda self: self.on_the_wire)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        seq, multiple, meant = self._answered(data)
        answers = self.confirms.ack(seq, multiple=multiple)
        expected = [
            (self.on_the_wire[n][0], PublishOutcome.RETURNED if n in self.returned else PublishOutcome.CONFIRMED)
            for n in meant
            if n not in self.expired
        ]
        assert answers == expected
        self._settle([ticket for ticket, _ in answers])
        for n in meant:
            del self.on_the_wire[n]

    @precondition(lambda self: self.on_the_wire)
    @rule(data=st.data())
    def nack(self, data: st.DataObject) -> None:
        seq, multiple, meant = self._answered(data)
        answers = self.confirms.nack(seq, multiple=multiple)
        assert answers == [(self.on_the_wire[n][0], PublishOutcome.NACKED) for n in meant if n not in self.expired]
        self._settle([ticket for ticket, _ in answers])
        for n in meant:
            del self.on_the_wire[n]

    @rule(message_id=st.sampled_from("abc"))
    def give_back(self, message_id: str) -> None:
        """The broker returns in the order of publishing, and only what it has not answered."""
        candidates = [
            n for n, (_, known, _) in sorted(self.on_the_wire.items()) if known == message_id and n > self.last_return
        ]
        assert self.confirms.returned(message_id) is bool(candidates)
        if candidates:
            self.returned.add(candidates[0])
            self.last_return = candidates[0]

    @rule(passed=st.integers(1, 3))
    def time_passes(self, passed: int) -> None:
        self.now += passed
        late = {n for n, (_, _, deadline) in self.on_the_wire.items() if deadline <= self.now} - self.expired
        tickets = self.confirms.expire(self.now)
        assert sorted(tickets) == sorted(self.on_the_wire[n][0] for n in late)
        self._settle(tickets)
        self.expired |= late

    @rule()
    def the_channel_goes(self) -> None:
        lost = self.confirms.lose_all()
        assert lost == [self.on_the_wire[n][0] for n in sorted(self.on_the_wire) if n not in self.expired]
        self._settle(lost)
        self.on_the_wire.clear()
        self.returned.clear()
        self.expired.clear()
        self.last_return = 0
        self.next = 0

    @invariant()
    def nothing_is_settled_twice_and_nothing_is_forgotten(self) -> None:
        assert all(times == 1 for times in self.settled.values())
        waiting = {ticket for n, (ticket, _, _) in self.on_the_wire.items() if n not in self.expired}
        assert waiting | set(self.settled) == set(range(1, self.tickets + 1))

    @invariant()
    def the_window_counts_all_that_is_on_the_wire(self) -> None:
        assert len(self.confirms) == len(self.on_the_wire)
        assert self.confirms.live == len(set(self.on_the_wire) - self.expired)


TestConfirms = ConfirmsAgainstABroker.TestCase


def test_an_answer_for_a_number_that_was_never_sent_changes_nothing() -> None:
    confirms: Confirms[str] = Confirms()
    assert confirms.ack(5, multiple=False) == []
    assert confirms.nack(0, multiple=True) == []
