from hypothesis import given
from hypothesis import strategies as st

from consumers.reporting.reporter import linger_of

SECONDS = st.floats(0, 1000)


def test_receipts_on_a_lan_hardly_wait_and_on_a_dialup_line_wait_for_all_of_it() -> None:
    assert linger_of(2.0, 0.004) == 0.04
    assert linger_of(2.0, 0.37) == 2.0


@given(SECONDS, SECONDS)
def test_nothing_waits_longer_than_was_set_nor_longer_than_ten_confirms(longest: float, confirm: float) -> None:
    assert linger_of(longest, confirm) <= longest
    assert linger_of(longest, confirm) <= 10 * confirm


@given(SECONDS)
def test_express_receipts_never_wait(confirm: float) -> None:
    assert linger_of(0.0, confirm) == 0.0
