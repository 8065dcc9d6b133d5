"""When a sink is tried again, and when a document is parked."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import SinkRefusedError, SinkRetryError
from consumers.settings import GatewaySettings
from consumers.sinks.guard import Park, RetryAt, RetryPolicy, next_step, schedule

POLICY = RetryPolicy()
FAILURE = SinkRetryError("the register is locked")


def test_the_published_schedule_doubles_up_to_its_longest_pause() -> None:
    assert schedule(RetryPolicy(first=1, longest=60, attempts=8)) == (1, 2, 4, 8, 16, 32, 60)
    assert schedule(RetryPolicy(first=0.5, longest=2, attempts=5)) == (0.5, 1, 2, 2)
    assert schedule(RetryPolicy(attempts=1)) == ()


def test_the_documents_publish_the_schedule_of_the_default_settings(tmp_path: Path) -> None:
    pauses = [f"{pause:g}" for pause in schedule(RetryPolicy.of(GatewaySettings(data_dir=tmp_path)))]
    docs = Path(__file__).parents[3] / "docs"
    assert f"{', '.join(pauses)} seconds" in (docs / "reference" / "sinks.md").read_text("utf-8")
    assert f"{', '.join(pauses[:-1])} and {pauses[-1]} seconds" in (docs / "how-to" / "gateway.md").read_text("utf-8")


@given(
    first=st.floats(0.01, 100),
    longest=st.floats(0.01, 1000),
    attempts=st.integers(1, 100),
    luck=st.floats(0, 1),
    asked=st.none() | st.floats(0, 1e9),
)
def test_a_pause_is_within_half_of_the_schedule_and_the_longest(
    first: float, longest: float, attempts: int, luck: float, asked: float | None
) -> None:
    policy = RetryPolicy(first, longest, attempts=1000)
    step = next_step(policy, attempts, SinkRetryError("x", retry_after=asked), now=5000, luck=luck)
    assert isinstance(step, RetryAt)
    full = min(first * 2 ** (attempts - 1), longest)
    lowest = max(full / 2, min(asked or 0.0, longest))
    assert lowest - 0.001 <= (step.at - 5000) / 1000 <= longest + 0.001


def test_the_last_try_parks_and_a_refusal_parks_at_once() -> None:
    assert isinstance(next_step(POLICY, 7, FAILURE, now=0, luck=0), RetryAt)
    assert next_step(POLICY, POLICY.attempts, FAILURE, now=0, luck=0) == Park()
    assert next_step(POLICY, 1, SinkRefusedError("no"), now=0, luck=0) == Park()
