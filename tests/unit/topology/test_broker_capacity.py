"""How many queues fit into a broker's file handles."""

from hypothesis import given
from hypothesis import strategies as st

from router.broker.topology.capacity import Capacity, handles_for, queues_that_fit


def test_a_shells_limit_holds_the_example_and_not_much_more() -> None:
    assert 247 <= queues_that_fit(1024) < 308, "RabbitMQ keeps 100 handles for itself and reserves three for each queue"
    assert queues_that_fit(20_000) < 6_633
    assert queues_that_fit(20_000, nodes=3) < 3_980


@given(st.integers(min_value=0, max_value=200_000), st.integers(min_value=1, max_value=9))
def test_what_is_asked_for_is_enough_and_hardly_more(queues: int, nodes: int) -> None:
    handles = handles_for(queues, nodes)
    assert queues_that_fit(handles, nodes) >= queues
    assert queues_that_fit(handles - 3, nodes) <= queues


@given(handles=st.integers(min_value=0, max_value=10_000), queues=st.integers(min_value=0, max_value=10_000))
def test_a_broker_that_holds_more_than_fits_has_room_for_none(handles: int, queues: int) -> None:
    capacity = Capacity(handles, None, queues)
    assert capacity.room == max(0, capacity.fits - queues)
