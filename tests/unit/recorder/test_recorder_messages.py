import asyncio
import errno
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors as postgres
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from router.broker import Delivered, Outgoing, PublishOutcome
from router.delivery.recorder import Recorder
from router.errors import ContentFullError, LedgerTroubleError, LedgerUnavailableError, RefusedError
from router.intake.amqp import IntakeDoor
from router.ledger.engine import open_engine, upgrade
from router.ledger.models import delivery
from router.ledger.models import unit as unit_table
from router.ledger.way import receipts
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Result
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.dispatch import Accepted
from schemas.events import Event
from schemas.ids import new_id
from schemas.receipt import Burst, Receipt
from schemas.states import Status
from support.ledgers import START, Clerk, unit

LETTER = b'{"notation":"1","subject":"x","issuer":"LCA","addressees":["LCA.#"]}'


class Carrier:
    """Takes what is published and confirms it: no broker is asked here."""

    def __init__(self) -> None:
        self.dead: list[Outgoing] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        self.dead.extend(messages)
        return [PublishOutcome.CONFIRMED] * len(messages)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    upgrade(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(ledger: Engine) -> Iterator[Writer]:
    made = Writer(ledger)
    yield made
    made.close()


def arrived(ledger: Engine, count: int) -> list[Delivered]:
    """Messages that say ``arrived`` of so many deliveries."""
    with ledger.begin() as connection:
        clerk = Clerk(connection)
        ids = [clerk.dispatch("LCA.VP", [unit("LCA.02")]) for _ in range(count)]
        clerk.publish()
        keys = [clerk.deliveries[item, "LCA.02"] for item in ids]
    return [message(key, dispatch_id) for key, dispatch_id in zip(keys, ids, strict=True)]


def message(delivery_id: str, dispatch_id: str) -> Delivered:
    said = Receipt.model_validate(
        {
            "id": new_id(),
            "delivery_id": delivery_id,
            "dispatch_id": dispatch_id,
            "unit": "LCA.02",
            "status": "arrived",
            "at": iso(START),
            "seq": 1,
        }
    )
    body = Burst(receipts=(said,)).model_dump_json(exclude_defaults=True).encode()
    return delivered(body, type_="receipts", user_id="gateway:LCA.02")


def delivered(body: bytes, *, type_: str, user_id: str) -> Delivered:
    return Delivered(body, "q", "k", new_id(), type_, user_id, {}, "", "", redelivered=False)


def states(ledger: Engine) -> list[str]:
    with ledger.begin() as connection:
        return sorted(connection.scalars(select(delivery.c.state)))


async def test_one_receipt_that_the_ledger_cannot_take_does_not_stop_the_others(
    ledger: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages, carrier = arrived(ledger, 5), Carrier()
    odd = Burst.model_validate_json(messages[2].body).receipts[0].delivery_id
    real = receipts.apply

    def failing(connection: Connection, entries: Sequence[NewReceipt], silence: Silence) -> list[Result]:
        if any(item.delivery_id == odd for item in entries):
            raise ValueError("odd")
        return real(connection, entries, silence)

    monkeypatch.setattr(receipts, "apply", failing)
    recorder = Recorder(writer=writer, publisher=carrier, silence=Silence())  # type: ignore[arg-type]
    assert not await recorder.handle(messages)
    assert states(ledger) == [Status.ARRIVED.value] * 4 + [Status.PENDING.value]
    assert [item.template.headers["reason"] for item in carrier.dead] == ["it could not be recorded: odd"]


async def test_the_hellos_and_gaps_of_a_batch_share_commits_in_their_order(ledger: Engine) -> None:
    """A whole province says hello after an outage; of each unit the last spool works, and a gap is answered once."""
    codes = [f"LCA.{number:02d}" for number in range(1, 41)]
    with ledger.begin() as connection:
        Clerk(connection).units(unit("LCA"), *(unit(code) for code in codes))
    spools, commits = [new_id(), new_id()], []
    said = [
        delivered(
            json.dumps({"units": [code], "spool_id": spool_id, "at": iso(now_ms())}).encode(),
            type_="hello",
            user_id=f"gateway:{code}",
        )
        for spool_id in spools
        for code in codes
    ]
    gap = json.dumps({"unit": "LCA.02", "missing": [1, 2]}).encode()
    batch = [*said, *(delivered(gap, type_="gap", user_id="gateway:LCA.02") for _ in range(2))]
    writer = Writer(ledger, on_commit=lambda rows, _seconds: commits.append(rows))
    recorder = Recorder(writer=writer, publisher=Carrier(), silence=Silence())  # type: ignore[arg-type]
    with capture_logs() as logs:
        assert not await recorder.handle(batch)
    await asyncio.to_thread(writer.close)
    assert sum(commits) == len(said) + 2
    assert len(commits) < len(said) / 4
    with ledger.begin() as connection:
        working = connection.scalars(select(unit_table.c.spool_id).where(unit_table.c.code.in_(codes))).all()
    assert set(working) == {spools[-1]}
    assert [entry["fresh"] for entry in logs if entry["event"] == Event.GAP_REPORTED] == [0, 2]


async def test_one_submission_that_meets_an_error_of_ours_does_not_stop_the_others() -> None:
    class Broken:
        async def accept(self, *_: Any, **__: Any) -> None:
            raise ValueError("odd")

    carrier = Carrier()
    door = IntakeDoor(Broken(), carrier, first_pause=0.001)  # type: ignore[arg-type]
    assert not await door.handle([delivered(LETTER, type_="submission", user_id="issuer:LCA")])
    assert ["it could not be taken in: odd" in str(item.template.headers["reason"]) for item in carrier.dead] == [True]


def of_postgresql(kind: type[postgres.Error]) -> DBAPIError:
    return DBAPIError("INSERT", None, kind("as PostgreSQL says it"))


PASSING = [
    LedgerUnavailableError("the ledger did not answer within 30 s"),
    LedgerTroubleError("the ledger's database failed with XX000"),
    ContentFullError("the content store's disk is full"),
    of_postgresql(postgres.ReadOnlySqlTransaction),
    of_postgresql(postgres.InternalError_),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.EACCES, "Permission denied"),
    MemoryError(),
    ExceptionGroup("of several", [ValueError("odd"), OSError(errno.ENFILE, "Too many open files in system")]),
]
LASTING = [
    RefusedError("read and understood"),
    of_postgresql(postgres.CharacterNotInRepertoire),
    of_postgresql(postgres.NotNullViolation),
]


class Failing:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def accept(self, *_: Any, **__: Any) -> Accepted:
        if self.errors:
            raise self.errors.pop(0)
        return Accepted(id=new_id(), addressees=1, duplicate=False)


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_a_submission_that_something_else_stopped_goes_back_to_its_queue(error: Exception) -> None:
    carrier = Carrier()
    door = IntakeDoor(Failing(error), carrier)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        await door.handle([delivered(LETTER, type_="submission", user_id="issuer:LCA")])
    assert carrier.dead == []


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_a_submission_that_will_always_fail_ends_in_dead_at_once(error: Exception) -> None:
    carrier = Carrier()
    door = IntakeDoor(Failing(error), carrier)  # type: ignore[arg-type]
    assert not await door.handle([delivered(LETTER, type_="submission", user_id="issuer:LCA")])
    assert len(carrier.dead) == 1


async def test_an_error_of_the_programs_own_that_passes_costs_a_submission_nothing() -> None:
    carrier = Carrier()
    door = IntakeDoor(Failing(ValueError("odd"), KeyError("odd")), carrier, first_pause=0.001)  # type: ignore[arg-type]
    with capture_logs() as logs:
        assert not await door.handle([delivered(LETTER, type_="submission", user_id="issuer:LCA")])
    assert carrier.dead == []
    assert [entry["event"] for entry in logs] == [Event.MESSAGE_FAILED] * 2


@pytest.mark.parametrize("error", [item for item in PASSING if not isinstance(item, ContentFullError)], ids=repr)
async def test_receipts_that_something_else_stopped_go_back_to_their_queue(
    error: Exception, ledger: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages, carrier = arrived(ledger, 2), Carrier()
    recorder = Recorder(writer=writer, publisher=carrier, silence=Silence())  # type: ignore[arg-type]

    async def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(recorder, "record", failing)
    with pytest.raises(type(error)):
        await recorder.handle(messages)
    assert carrier.dead == []


async def test_a_gateway_that_would_send_over_amqp_is_refused_before_its_submission_is_looked_at() -> None:
    class Untouched:
        async def accept(self, *_: Any, **__: Any) -> None:
            raise AssertionError

    carrier = Carrier()
    door = IntakeDoor(Untouched(), carrier)  # type: ignore[arg-type]
    letter = b'{"notation":"1","subject":"x","issuer":"LCA.02","addressees":["LCA.#"]}'
    assert not await door.handle([delivered(letter, type_="submission", user_id="gateway:LCA.02")])
    assert ["may not send over AMQP" in str(item.template.headers["reason"]) for item in carrier.dead] == [True]


async def test_a_burst_of_unknown_receipts_is_put_aside_once_with_which_and_why(ledger: Engine, writer: Writer) -> None:
    (known,) = arrived(ledger, 1)
    said = json.loads(known.body)["receipts"][0]
    unknown = [said | {"id": new_id(), "delivery_id": new_id(), "seq": seq} for seq in range(2, 201)]
    body = json.dumps({"receipts": [said, *unknown]}).encode()
    carrier = Carrier()
    recorder = Recorder(writer=writer, publisher=carrier, silence=Silence())  # type: ignore[arg-type]
    assert not await recorder.handle([delivered(body, type_="receipts", user_id="gateway:LCA.02")])
    assert states(ledger) == [Status.ARRIVED.value], "what is known in it is recorded"
    (copy,) = carrier.dead
    reason = str(copy.template.headers["reason"])
    assert reason.startswith("199 of its receipts cannot be recorded: ")
    assert unknown[0]["id"] in reason
    assert reason.endswith("and 194 more")


async def test_a_correlation_id_that_cannot_be_sent_back_costs_nobody_else_the_answer() -> None:
    class Broken:
        async def accept(self, *_: Any, **__: Any) -> None:
            raise ValueError("odd")

    carrier = Carrier()
    door = IntakeDoor(Broken(), carrier, first_pause=0.001)  # type: ignore[arg-type]
    letter = b'{"notation":"1","subject":"x","issuer":"LCA","addressees":["LCA.#"]}'
    good = delivered(letter, type_="submission", user_id="issuer:LCA")
    mine = "upstream.issuer:LCA.replies"
    asked = [
        replace(good, reply_to=mine, correlation_id="\ufffd" * 86),
        replace(good, reply_to=mine, correlation_id="", message_id="\ufffd" * 200),
        replace(good, reply_to="amq.rabbitmq.reply-to.a.b"),
        replace(good, reply_to=mine, correlation_id="c-1"),
    ]
    assert not await door.handle(asked)
    assert [item.correlation_id for item in carrier.dead if item.routing_key == mine] == ["c-1"]


async def test_what_dead_does_not_take_is_left_to_the_broker_and_all_others_are_done(
    ledger: Engine, writer: Writer
) -> None:
    class Full(Carrier):
        async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
            return [PublishOutcome.NACKED] * len(messages)

    good = arrived(ledger, 3)
    bad = delivered(b"{", type_="receipts", user_id="gateway:LCA.02")
    recorder = Recorder(writer=writer, publisher=Full(), silence=Silence())  # type: ignore[arg-type]
    assert list(await recorder.handle([good[0], bad, good[1], bad, good[2]])) == [1, 3]
    assert states(ledger) == [Status.ARRIVED.value] * 3
