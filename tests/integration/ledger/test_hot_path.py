import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.exc import OperationalError

from router.errors import ConflictError, LedgerUnavailableError
from router.ledger.models import attempt, delivery, dispatch, receipt
from router.ledger.way import acceptance, outbox, receipts
from router.ledger.way.acceptance import NewDispatch
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.outbox import Claim, Claimed, Failed
from router.ledger.way.receipts import Recorded, Unknown
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.clock import iso
from schemas.dispatch import Accepted, Submission
from schemas.ids import new_id
from schemas.states import Effect, Status
from schemas.unit import Link
from support.ledgers import unit

NOW = 1_790_000_000_000
SILENCE = Silence()
UNITS = (unit("LCA.01"), unit("LCA.02"), unit("LCA.03", Link.NONE))


def new(key: str = "k1", subject: str = "x", urgency: int = 0, at: int = NOW) -> NewDispatch:
    submission = Submission(
        notation="1-CV/TU",
        subject=subject,
        issuer="LCA.VP",
        addressees=("LCA.#",),
        urgency=urgency,
    )
    return NewDispatch(
        id=new_id(),
        submission=submission,
        units=UNITS,
        account="issuer:LCA.VP",
        idempotency_key=key,
        submission_json=subject.encode(),
        submission_sha256=subject.encode().hex().ljust(64, "0")[:64],
        body=b"{}",
        content_sha256="0" * 64,
        record=None,
        traceparent="",
        accepted_at=at,
    )


def accept(ledger: Engine, *items: NewDispatch) -> list[Accepted | Exception]:
    with ledger.begin() as connection:
        return acceptance.accept(connection, items)


def claim(ledger: Engine, now: int = NOW, limit: int = 100, lease: int = 60_000) -> Claimed:
    with ledger.begin() as connection:
        return outbox.claim(connection, [Claim(now, now + lease, limit)])[0]


def tell(ledger: Engine, delivery_id: str, status: Status, at: int = NOW, **fields: object) -> receipts.Result:
    entry = NewReceipt(new_id(), delivery_id, status, iso(at), at, **fields)  # type: ignore[arg-type]
    with ledger.begin() as connection:
        return receipts.apply(connection, [entry], SILENCE)[0]


def row(ledger: Engine, delivery_id: str) -> object:
    with ledger.begin() as connection:
        return connection.execute(select(delivery).where(delivery.c.id == delivery_id)).one()


def test_one_key_at_two_routers_at_once_makes_one_dispatch(ledger: Engine) -> None:
    keys = [f"k{number}" for number in range(20)]
    together = threading.Barrier(4)

    def submit(order: list[str]) -> dict[str, Accepted | Exception]:
        together.wait()
        found: dict[str, Accepted | Exception] = {}
        for some in (order[:10], order[10:]):
            found |= dict(zip(some, accept(ledger, *(new(key) for key in some)), strict=True))
        return found

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(submit, [keys, keys[::-1], keys, keys[::-1]]))
    for key in keys:
        told = [answer[key] for answer in answers]
        assert {item.id for item in told if isinstance(item, Accepted)} == {told[0].id}  # type: ignore[union-attr]
        assert sorted(item.duplicate for item in told if isinstance(item, Accepted)) == [False, True, True, True]
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(delivery)) == len(UNITS) * len(keys)
        sequences = connection.scalars(select(delivery.c.seq).where(delivery.c.unit == "LCA.01")).all()
        assert sorted(sequences) == list(range(1, len(keys) + 1))


def test_a_key_is_its_accounts_alone(ledger: Engine) -> None:
    own, other = new(), replace(new(subject="y"), account="gateway:LCA.#")
    assert [isinstance(item, Accepted) for item in accept(ledger, own, other)] == [True, True]
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(dispatch)) == 2


def test_what_was_accepted_before_accounts_were_kept_is_known_by_its_issuer(ledger: Engine) -> None:
    first = accept(ledger, new())[0]
    with ledger.begin() as connection:
        connection.execute(update(dispatch).values(account=dispatch.c.issuer))
    again = accept(ledger, new())[0]
    assert isinstance(first, Accepted)
    assert again == Accepted(id=first.id, addressees=len(UNITS), duplicate=True)


def test_a_submission_that_an_older_program_wrote_with_fewer_fields_is_the_same(ledger: Engine) -> None:
    submission = new().submission
    first = accept(ledger, replace(new(), submission_json=submission.model_dump_json(exclude_defaults=True).encode()))
    with ledger.begin() as connection:
        connection.execute(update(dispatch).values(submission_sha256="1" * 64))
    again = accept(ledger, new())[0]
    assert isinstance(first[0], Accepted)
    assert isinstance(again, Accepted)
    assert (again.id, again.duplicate) == (first[0].id, True)


def test_the_same_submission_twice_gives_the_same_id_and_no_second_delivery(ledger: Engine) -> None:
    first, second = accept(ledger, new()), accept(ledger, new())
    assert isinstance(first[0], Accepted)
    assert isinstance(second[0], Accepted)
    assert (first[0].id, first[0].duplicate, second[0].duplicate) == (second[0].id, False, True)
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(delivery)) == len(UNITS)


def test_the_same_submission_twice_in_one_commit_is_one_dispatch(ledger: Engine) -> None:
    first, second = accept(ledger, new(), new())
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.id == second.id
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(dispatch)) == 1


def test_the_same_key_with_other_content_is_a_conflict(ledger: Engine) -> None:
    accept(ledger, new())
    answers = accept(ledger, new(subject="other"), new("k2"))
    assert isinstance(answers[0], ConflictError)
    assert isinstance(answers[1], Accepted)


def test_each_unit_counts_its_deliveries_without_a_gap(ledger: Engine) -> None:
    accept(ledger, new("a"), new("b"))
    accept(ledger, new("c"))
    with ledger.begin() as connection:
        rows = connection.execute(select(delivery.c.unit, delivery.c.seq).order_by(delivery.c.unit, delivery.c.seq))
        assert [tuple(item) for item in rows] == [(item.code, seq) for item in UNITS for seq in (1, 2, 3)]


def test_a_unit_without_a_line_waits_with_its_reason_and_is_not_due(ledger: Engine) -> None:
    accept(ledger, new())
    assert {item.unit for item in claim(ledger).due} == {"LCA.01", "LCA.02"}
    with ledger.begin() as connection:
        held = connection.execute(select(delivery).where(delivery.c.unit == "LCA.03")).one()
    assert (held.state, held.reason, held.next_due_at) == ("pending", "no_line", None)


def test_the_most_urgent_is_claimed_first_then_the_oldest(ledger: Engine) -> None:
    accept(ledger, new("old"), new("urgent", urgency=3, at=NOW + 5), new("newer", at=NOW + 9))
    urgencies = [item.urgency for item in claim(ledger, now=NOW + 10, limit=4).due]
    assert urgencies == [3, 3, 0, 0]


def test_a_claimed_delivery_is_not_claimed_again_until_its_lease_is_over(ledger: Engine) -> None:
    accept(ledger, new())
    first = claim(ledger, lease=1000)
    assert not claim(ledger, now=NOW + 999).due
    again = claim(ledger, now=NOW + 1000)
    assert [item.id for item in again.due] == [item.id for item in first.due]
    assert again.bodies == first.bodies


def test_a_confirmed_publish_is_due_again_only_after_silence(ledger: Engine) -> None:
    accept(ledger, new())
    due = claim(ledger).due[0]
    result = tell(ledger, due.id, Status.QUEUED, confirmed=True)
    assert isinstance(result, Recorded)
    after = row(ledger, due.id)
    assert (after.state, after.published, after.next_due_at) == ("queued", 1, NOW + SILENCE.lan)  # type: ignore[attr-defined]


def test_what_has_arrived_is_never_due_again_even_when_the_confirm_comes_late(ledger: Engine) -> None:
    accept(ledger, new())
    due = claim(ledger).due[0]
    tell(ledger, due.id, Status.ARRIVED)
    late = tell(ledger, due.id, Status.QUEUED, confirmed=True)
    assert isinstance(late, Recorded)
    assert late.step.effect is Effect.STALE
    after = row(ledger, due.id)
    assert (after.state, after.next_due_at) == ("arrived", None)  # type: ignore[attr-defined]


def test_the_same_receipt_twice_is_recorded_once(ledger: Engine) -> None:
    accept(ledger, new())
    due = claim(ledger).due[0]
    entry = NewReceipt(new_id(), due.id, Status.TAKEN, iso(NOW), NOW)
    for batch in ([entry, entry], [entry]):
        with ledger.begin() as connection:
            receipts.apply(connection, batch, SILENCE)
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(receipt)) == 1


def test_a_receipt_of_another_units_delivery_is_not_recorded(ledger: Engine) -> None:
    accept(ledger, new())
    due = next(item for item in claim(ledger).due if item.unit == "LCA.01")
    result = tell(ledger, due.id, Status.TAKEN, unit="LCA.02")
    assert isinstance(result, Unknown)
    assert "LCA.01" in result.reason
    assert row(ledger, due.id).state == "pending"  # type: ignore[attr-defined]


def test_a_receipt_that_is_not_allowed_is_kept_as_refused_and_moves_nothing(ledger: Engine) -> None:
    accept(ledger, new())
    due = claim(ledger).due[0]
    tell(ledger, due.id, Status.ARRIVED)
    result = tell(ledger, due.id, Status.COMPLETED)
    assert isinstance(result, Recorded)
    assert result.step.effect is Effect.REFUSED
    with ledger.begin() as connection:
        kept = connection.execute(select(receipt).where(receipt.c.status == "completed")).one()
    assert kept.effect == "refused"
    assert "cannot follow arrived" in kept.reason
    assert row(ledger, due.id).state == "arrived"  # type: ignore[attr-defined]


def test_a_publish_that_fails_is_noted_and_tried_again_later_each_time(ledger: Engine) -> None:
    accept(ledger, new())
    due = claim(ledger).due[0]
    for failures in range(3):
        with ledger.begin() as connection:
            outbox.record_failures(connection, [[Failed(due.id, NOW, "returned", "no queue", failures)]])
    after = row(ledger, due.id)
    assert (after.failures, after.next_due_at, after.reason) == (3, NOW + 4000, "returned: no queue")  # type: ignore[attr-defined]
    with ledger.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(attempt)) == 3


def test_what_waits_for_units_whose_queue_is_new_becomes_due_at_once(ledger: Engine) -> None:
    accept(ledger, new())
    for item in claim(ledger).due:
        tell(ledger, item.id, Status.QUEUED, confirmed=True)
    with ledger.begin() as connection:
        assert outbox.make_due(connection, ["LCA.01", "LCA.03"], [Status.QUEUED], NOW) == 1
    assert [item.unit for item in claim(ledger).due] == ["LCA.01"]


@pytest.mark.parametrize("told", [None, Status.TAKEN, Status.ARRIVED])
def test_a_gap_that_a_unit_reports_is_published_again_unless_it_had_arrived(
    ledger: Engine, told: Status | None
) -> None:
    accept(ledger, new())
    due = next(item for item in claim(ledger).due if item.unit == "LCA.01")
    tell(ledger, due.id, Status.QUEUED, confirmed=True)
    if told:
        tell(ledger, due.id, told)
    with ledger.begin() as connection:
        found = outbox.make_due_by_sequence(connection, "LCA.01", [due.seq, 99], NOW)
    missed = [due.id] if told in {None, Status.TAKEN} else []
    assert (found, [item.id for item in claim(ledger).due]) == (len(missed), missed)


@pytest.fixture
def writer(ledger: Engine) -> Iterator[Writer]:
    made = Writer(ledger, linger=0.05)
    yield made
    made.close()


async def test_changes_that_wait_together_share_a_commit(ledger: Engine) -> None:
    commits: list[int] = []
    writer = Writer(ledger, linger=0.5, on_commit=lambda rows, _seconds: commits.append(rows))
    answers = await asyncio.gather(*(writer.run(acceptance.accept, new(f"k{i}")) for i in range(20)))
    writer.close()
    assert len({item.id for item in answers}) == 20
    assert commits == [20]


async def test_one_bad_change_harms_no_other_in_its_commit(writer: Writer) -> None:
    bad = new("bad")
    object.__setattr__(bad, "body", None)
    outcomes = await asyncio.gather(
        *(writer.run(acceptance.accept, item) for item in (new("a"), bad, new("b"))), return_exceptions=True
    )
    assert [isinstance(item, Accepted) for item in outcomes] == [True, False, True]


async def test_a_refusal_returned_for_one_item_is_raised_to_its_caller_alone(writer: Writer) -> None:
    await writer.run(acceptance.accept, new())
    outcomes = await asyncio.gather(
        writer.run(acceptance.accept, new(subject="other")),
        writer.run(acceptance.accept, new("c")),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], ConflictError)
    assert isinstance(outcomes[1], Accepted)


async def test_changes_wait_while_the_database_is_away_and_are_made_when_it_is_back(writer: Writer) -> None:
    away = threading.Event()
    away.set()
    tried = threading.Event()

    def change(connection: Connection, items: Sequence[NewDispatch]) -> list[Accepted | Exception]:
        if away.is_set():
            tried.set()
            raise OperationalError("", None, ConnectionError("gone"), connection_invalidated=True)
        return acceptance.accept(connection, items)

    answer = asyncio.create_task(writer.run(change, new()))
    await asyncio.to_thread(tried.wait, 30)
    assert not answer.done()
    away.clear()
    assert isinstance(await asyncio.wait_for(answer, 30), Accepted)
    assert writer.available


async def test_a_writer_that_is_closed_says_so(writer: Writer) -> None:
    writer.close()
    with pytest.raises(LedgerUnavailableError):
        await writer.run(acceptance.accept, new())
