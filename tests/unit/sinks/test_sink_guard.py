"""The schedule, the circuit and the guard around a sink."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import (
    SinkParkedError,
    SinkRefusedError,
    SinkRetryError,
    SinkTroubleError,
    SinkWaitError,
)
from consumers.sinks import trouble
from consumers.sinks.base import Document
from consumers.sinks.circuit import FAILING_DOCUMENTS, Circuit, CircuitState
from consumers.sinks.guard import GuardedSink, RetryPolicy
from router.process.fate import Fate, fate_of
from schemas.reasons import ReasonCode
from support.documents import make_document

POLICY = RetryPolicy()
UNIT = "LCA.02.05"
FAILURE = SinkRetryError("the register is locked")


class _Told:
    """A sink that does what the test says, and a clock that the test moves."""

    def __init__(self) -> None:
        self.outcome: Callable[[], BaseException | None] = lambda: None
        self.held: Callable[[], Awaitable[None]] | None = None
        self.calls = 0
        self.now = 1_000_000

    async def deliver(self, document: Document) -> None:
        del document
        self.calls += 1
        if self.held is not None:
            await self.held()
        error = self.outcome()
        if error is not None:
            raise error

    async def close(self) -> None:
        self.calls = -1


@pytest.fixture
def told() -> _Told:
    return _Told()


@pytest.fixture
def guarded(told: _Told) -> GuardedSink:
    return GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return make_document(tmp_path, files={})


def _others(tmp_path: Path, count: int) -> list[Document]:
    return [make_document(tmp_path, files={}) for _ in range(count)]


async def _open(guarded: GuardedSink, told: _Told, tmp_path: Path) -> None:
    told.outcome = lambda: FAILURE
    for other in _others(tmp_path, FAILING_DOCUMENTS):
        with pytest.raises(SinkWaitError):
            await guarded.deliver(other, 0)


async def test_a_failure_is_counted_and_says_when_to_try_again(
    guarded: GuardedSink, told: _Told, document: Document
) -> None:
    told.outcome = lambda: FAILURE
    with pytest.raises(SinkWaitError) as caught:
        await guarded.deliver(document, 2)
    assert (caught.value.attempts, caught.value.retry_at) == (3, told.now + 4000)
    assert caught.value.reason == "the register is locked"


async def test_used_up_tries_park_with_the_last_reason(guarded: GuardedSink, told: _Told, document: Document) -> None:
    told.outcome = lambda: FAILURE
    with pytest.raises(SinkParkedError, match="the register is locked") as caught:
        await guarded.deliver(document, POLICY.attempts - 1)
    assert caught.value.attempts == POLICY.attempts


async def test_a_refusal_parks_with_its_reason(guarded: GuardedSink, told: _Told, document: Document) -> None:
    told.outcome = lambda: SinkRefusedError("số\n đã có")
    with pytest.raises(SinkParkedError, match=r"^số đã có$") as caught:
        await guarded.deliver(document, 0)
    assert caught.value.attempts == 1


async def test_an_error_of_our_own_is_tried_again_and_told(
    guarded: GuardedSink, told: _Told, document: Document
) -> None:
    told.outcome = lambda: KeyError("name")
    with pytest.raises(SinkWaitError, match=r"in a way it should not: KeyError\('name'\)") as caught:
        await guarded.deliver(document, 0)
    assert caught.value.attempts == 1
    with pytest.raises(SinkParkedError):
        await guarded.deliver(document, POLICY.attempts - 1)


@pytest.mark.parametrize("local", [True, False])
async def test_only_what_lasts_ends_a_document_and_a_machine_in_trouble_costs_it_no_try(
    local: bool,  # noqa: FBT001 - a parameter of the test
    guarded: GuardedSink,
    told: _Told,
    document: Document,
) -> None:
    for number in errno.errorcode:
        error = OSError(number, "a reason")
        told.outcome = lambda error=error: trouble.told(error, "a reason", local=local)  # type: ignore[misc]
        with pytest.raises((SinkWaitError, SinkParkedError)) as caught:
            await guarded.deliver(document, POLICY.attempts - 1)
        fate = fate_of(error)
        if fate is Fate.SHORT or (local and fate.passes):
            assert isinstance(caught.value, SinkWaitError)
            assert caught.value.attempts == POLICY.attempts - 1, "however often it was tried before"
        else:
            assert isinstance(caught.value, SinkParkedError), "the last of its tries"
        guarded.circuits.succeeded(document.unit)


async def test_trouble_of_the_machine_is_waited_for_with_growing_pauses_and_opens_no_circuit(
    guarded: GuardedSink, told: _Told, document: Document
) -> None:
    told.outcome = lambda: SinkTroubleError("no descriptors")
    pauses = []
    for _ in range(4 * FAILING_DOCUMENTS):
        with pytest.raises(SinkWaitError) as caught:
            await guarded.deliver(document, 0)
        pauses.append(caught.value.retry_at - told.now)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    assert guarded.circuits.state(document.unit) is CircuitState.CLOSED
    (shown,) = guarded.circuits.troubles(now=told.now)
    assert (shown.unit, shown.reason) == (document.unit, "no descriptors"), "told all the same"
    told.outcome = lambda: None
    await guarded.deliver(document, 0)
    assert guarded.circuits.troubles(now=told.now) == []


@pytest.mark.parametrize("ends", ["the document was recalled", "it goes on", "another unit's goes on"])
async def test_a_trouble_of_the_machine_that_no_try_meets_any_more_is_over(
    guarded: GuardedSink, told: _Told, document: Document, ends: str
) -> None:
    told.outcome = lambda: SinkTroubleError("the disk is full", code=ReasonCode.DISK_FULL)
    longest = round(POLICY.longest * 1000)
    for _ in range(5):
        with pytest.raises(SinkWaitError):
            await guarded.deliver(document, 0)
        told.now += longest
        assert [it.code for it in guarded.circuits.troubles(now=told.now)] == [ReasonCode.DISK_FULL], "it lasts"
    if ends != "the document was recalled":
        told.outcome = lambda: None
        going = document if ends == "it goes on" else replace(document, unit="LCA.09")
        await guarded.deliver(going, 0)
    told.now += 3 * longest
    assert guarded.circuits.troubles(now=told.now) == []


async def test_while_the_circuit_is_open_documents_wait_and_it_costs_no_try(
    guarded: GuardedSink, told: _Told, document: Document, tmp_path: Path
) -> None:
    await _open(guarded, told, tmp_path)
    calls = told.calls
    with pytest.raises(SinkWaitError, match=r"left in peace .* the register is locked") as caught:
        await guarded.deliver(document, 4)
    assert (caught.value.attempts, caught.value.retry_at) == (4, told.now + 60_000)
    assert told.calls == calls
    assert (guarded.circuits.state(UNIT), guarded.circuits.until(UNIT)) == (CircuitState.OPEN, told.now + 60_000)


async def test_one_document_that_always_fails_does_not_open_the_circuit(
    guarded: GuardedSink, told: _Told, document: Document
) -> None:
    told.outcome = lambda: FAILURE
    for attempts in range(POLICY.attempts - 1):
        with pytest.raises(SinkWaitError):
            await guarded.deliver(document, attempts)
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED
    with pytest.raises(SinkParkedError):
        await guarded.deliver(document, POLICY.attempts - 1)


async def test_a_success_in_between_starts_the_count_anew(guarded: GuardedSink, told: _Told, tmp_path: Path) -> None:
    for number, other in enumerate(_others(tmp_path, 9)):
        if number % 3 == 2:
            told.outcome = lambda: None
            await guarded.deliver(other, 0)
        else:
            told.outcome = lambda: FAILURE
            with pytest.raises(SinkWaitError):
                await guarded.deliver(other, 0)
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED


async def test_a_refusal_shows_that_the_sink_is_there(guarded: GuardedSink, told: _Told, tmp_path: Path) -> None:
    told.outcome = lambda: SinkRefusedError("no")
    for other in _others(tmp_path, FAILING_DOCUMENTS + 1):
        with pytest.raises(SinkParkedError):
            await guarded.deliver(other, 0)
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED


async def test_after_the_pause_one_probe_goes_and_its_success_closes_the_circuit(
    guarded: GuardedSink, told: _Told, document: Document, tmp_path: Path
) -> None:
    await _open(guarded, told, tmp_path)
    told.now += 60_000
    told.outcome = lambda: None
    await guarded.deliver(document, 0)
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED


async def test_a_failed_probe_costs_its_document_a_try_and_doubles_the_pause(
    guarded: GuardedSink, told: _Told, document: Document, tmp_path: Path
) -> None:
    await _open(guarded, told, tmp_path)
    pauses = []
    for attempts in range(6):
        told.now = guarded.circuits.until(UNIT)
        with pytest.raises(SinkWaitError) as caught:
            await guarded.deliver(document, attempts)
        assert caught.value.attempts == attempts + 1
        pauses.append((guarded.circuits.until(UNIT) - told.now) / 1000)
    assert pauses == [120, 240, 480, 600, 600, 600]


async def test_only_one_document_probes_at_a_time(told: _Told, document: Document, tmp_path: Path) -> None:
    guarded = GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)
    await _open(guarded, told, tmp_path)
    told.now += 60_000
    told.outcome = lambda: None
    held = asyncio.Event()
    going = asyncio.Event()

    async def hold() -> None:
        going.set()
        await held.wait()

    told.held = hold
    probe = asyncio.create_task(guarded.deliver(document, 0))
    await going.wait()
    with pytest.raises(SinkWaitError) as caught:
        await guarded.deliver(make_document(tmp_path, files={}), 3)
    assert (caught.value.attempts, caught.value.retry_at) == (3, told.now + 1000)
    held.set()
    await probe
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED


async def test_a_probe_that_is_broken_off_lets_another_go(told: _Told, document: Document, tmp_path: Path) -> None:
    guarded = GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)
    await _open(guarded, told, tmp_path)
    told.now += 60_000
    told.outcome = asyncio.CancelledError
    with pytest.raises(asyncio.CancelledError):
        await guarded.deliver(document, 0)
    told.outcome = lambda: None
    await guarded.deliver(document, 0)
    assert guarded.circuits.state(UNIT) is CircuitState.CLOSED


async def test_a_late_failure_of_a_document_under_way_leaves_the_probe_s_pause(
    guarded: GuardedSink, told: _Told, tmp_path: Path
) -> None:
    await _open(guarded, told, tmp_path)
    until = guarded.circuits.until(UNIT)
    assert not guarded.circuits.failed(UNIT, "another", "late", ReasonCode.SINK_TROUBLE, now=told.now + 10)
    assert guarded.circuits.until(UNIT) == until


async def _try(guarded: GuardedSink, document: Document, attempts: int = 0) -> SinkWaitError | None:
    try:
        await guarded.deliver(document, attempts)
    except SinkWaitError as error:
        return error
    return None


class _ByUnit(_Told):
    """A sink that fails the documents of some units."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: dict[str, SinkRetryError] = {}

    async def deliver(self, document: Document) -> None:
        self.calls += 1
        if document.unit in self.failing:
            raise self.failing[document.unit]


async def test_one_units_broken_folder_holds_up_its_own_documents_alone(tmp_path: Path) -> None:
    told = _ByUnit()
    guarded = GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)
    told.failing["LCA.02"] = SinkRetryError("the inbox /in/LCA.02 cannot be written", code=ReasonCode.SINK_UNWRITABLE)
    for _ in range(FAILING_DOCUMENTS):
        assert await _try(guarded, make_document(tmp_path, unit="LCA.02", files={}))
    assert guarded.circuits.state("LCA.02") is CircuitState.OPEN
    for unit in ("LCA.02.05", "LCA.02.06"):
        assert await _try(guarded, make_document(tmp_path, unit=unit, files={})) is None
    waits = await _try(guarded, make_document(tmp_path, unit="LCA.02", files={}), 4)
    assert waits is not None
    assert (waits.attempts, waits.code) == (4, ReasonCode.SINK_UNWRITABLE)
    assert [(it.unit, it.code, it.since) for it in guarded.circuits.troubles(now=told.now)] == [
        ("LCA.02", ReasonCode.SINK_UNWRITABLE, told.now)
    ]


@given(order=st.lists(st.sampled_from(["LCA.02", "LCA.02.05", "LCA.02.06"]), min_size=1, max_size=40))
async def test_a_unit_waits_for_no_failure_but_its_own_and_is_shown_no_other_reason(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    told, directory = _ByUnit(), tmp_path_factory.mktemp("units")
    guarded = GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)
    told.failing = {unit: SinkRetryError(f"{unit} is broken") for unit in ("LCA.02", "LCA.02.05")}
    for unit in order:
        waits = await _try(guarded, make_document(directory, unit=unit, files={}))
        assert (waits is None) == (unit == "LCA.02.06")
        assert waits is None or f"{unit} is broken" in waits.reason


async def test_what_all_units_share_is_probed_by_turns_and_frees_all_when_it_works(tmp_path: Path) -> None:
    told = _ByUnit()
    guarded = GuardedSink(told, POLICY, clock=lambda: told.now, luck=lambda: 1.0)
    units = [f"LCA.02.{number:02}" for number in range(6)]
    told.failing = dict.fromkeys(units, SinkRetryError("connection refused", code=ReasonCode.SINK_UNREACHABLE))
    for _ in range(3):
        for unit in units:
            await _try(guarded, make_document(tmp_path, unit=unit, files={}))
    calls = told.calls
    assert calls < 3 * len(units)  # one document of each unit is enough to know
    told.now += 60_000
    for unit in units:
        await _try(guarded, make_document(tmp_path, unit=unit, files={}))
    assert told.calls == calls + 1
    told.failing = {}
    told.now += 120_000
    assert await _try(guarded, make_document(tmp_path, unit=units[3], files={})) is None
    for unit in units:
        assert await _try(guarded, make_document(tmp_path, unit=unit, files={})) is None
    assert guarded.circuits.troubles(now=told.now) == []


@pytest.mark.parametrize("code", [ReasonCode.SINK_LOGIN, ReasonCode.SINK_ADDRESS])
async def test_an_expired_token_opens_the_circuit_at_once_and_parks_nothing(
    guarded: GuardedSink, told: _Told, document: Document, code: ReasonCode
) -> None:
    told.outcome = lambda: SinkRetryError("answered 401", code=code)
    for _ in range(3 * POLICY.attempts):
        waits = await _try(guarded, document, POLICY.attempts - 1)
        assert waits is not None
        assert (waits.attempts, waits.code) == (POLICY.attempts - 1, code)
        assert guarded.circuits.state(UNIT) is CircuitState.OPEN
        told.now = waits.retry_at
    told.outcome = lambda: None
    assert await _try(guarded, document) is None


async def test_closing_the_guard_closes_the_sink(guarded: GuardedSink, told: _Told) -> None:
    await guarded.close()
    assert told.calls == -1


@pytest.mark.parametrize("back", [24 * 3_600_000, 365 * 24 * 3_600_000])
def test_a_circuit_that_a_clock_opened_that_was_ahead_lets_a_probe_go(back: int) -> None:
    circuit = Circuit(first_pause=60.0)
    now = 1_790_000_000_000
    for name in ("a", "b", "c"):
        circuit.opened_by_failure(name, "down", now=now)
    assert circuit.admit("a", now=now) == now + 60_000
    assert circuit.admit("a", now=now - back) is None
