from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.broker.acks import Acks


class AcksAgainstABroker(RuleBasedStateMachine):
    """A broker that closes the channel when a tag is acknowledged that is not outstanding."""

    def __init__(self) -> None:
        super().__init__()
        self.acks = Acks()
        self.delivered = 0
        self.outstanding: set[int] = set()  # as the broker sees it
        self.held: set[int] = set()  # delivered, and nobody has finished it

    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            self.delivered += 1
            self.outstanding.add(self.delivered)
            self.held.add(self.delivered)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def settle_some(self, data: st.DataObject) -> None:
        done = data.draw(st.sets(st.sampled_from(sorted(self.held)), min_size=1))
        self._send(self.acks.settle(done))
        self.held -= done

    @precondition(lambda self: self.held)
    @rule()
    def settle_all_in_one(self) -> None:
        sent = self.acks.settle(self.held)
        assert len(sent) == 1
        self._send(sent)
        self.held.clear()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def reject_one(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.held)))
        self.acks.settled(tag)
        self.outstanding.remove(tag)
        self.held.remove(tag)

    def _send(self, sent: list[tuple[int, bool]]) -> None:
        for tag, multiple in sent:
            assert tag in self.outstanding, "the broker would close the channel"
            self.outstanding -= {n for n in self.outstanding if n == tag or (multiple and n < tag)}

    @invariant()
    def the_broker_keeps_exactly_what_nobody_has_finished(self) -> None:
        assert self.outstanding == self.held


TestAcks = AcksAgainstABroker.TestCase


def test_a_batch_in_order_is_one_acknowledgement() -> None:
    assert Acks().settle(range(1, 501)) == [(500, True)]


def test_nothing_settled_is_nothing_sent() -> None:
    assert Acks().settle([]) == []
