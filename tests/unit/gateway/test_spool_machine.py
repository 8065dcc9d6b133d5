"""The spool as a state machine: any order of deliveries, ends, receipts and crashes, against a model in memory.

A crash is a reopened file: what a transaction did is there, what was under way is not.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from consumers.reading.inbox import add_person_receipt, list_inbox
from consumers.reporting.reporter import bursts
from consumers.spool import open_spool, outbox, retention, work
from consumers.spool.models import inbox, receipt
from consumers.spool.outbox import Unsent
from consumers.spool.taking import Arriving, take
from consumers.spool.work import Arrived, Parked, Postponed, Waiting
from schemas.descriptor import Descriptor
from schemas.dispatch import Lane
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import Burst
from schemas.states import Status
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference

UNITS = ("LCA.02", "LCA.02.05")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system without a disk behind it; the name is made by mkdtemp


class SpoolMachine(RuleBasedStateMachine):
    """Deliveries go in and come to their ends; nothing is lost, nothing ends twice, every receipt keeps its id."""

    deliveries = Bundle("deliveries")

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self.spool = open_spool(self.directory)
        self.states: dict[str, Status] = {}
        self.said: dict[str, Counter[str]] = {}
        self.heard: set[str] = set()
        self.redrives = 0
        self.seqs: Counter[str] = Counter()
        self.ids: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.directory)

    @rule(
        target=deliveries,
        unit=st.sampled_from(UNITS),
        urgency=st.sampled_from([0, 3]),
        complete=st.booleans(),
        size=st.integers(0, 3),
    )
    def a_delivery_comes(self, unit: str, urgency: int, *, complete: bool, size: int) -> Arriving:
        self.seqs[unit] += 1
        files = tuple(by_reference(f"{number}", new_id().encode()) for number in range(0 if complete else size))
        descriptor: Descriptor = a_descriptor(urgency=urgency, attachments=files)
        item = arriving(descriptor, unit=unit, seq=self.seqs[unit], complete=complete)
        self._take([item])
        self.states[item.delivery_id] = Status.ARRIVED if complete else Status.TAKEN
        self.said[item.delivery_id] = Counter(["arrived" if complete else "taken"])
        return item

    @rule(items=st.lists(deliveries, min_size=1, max_size=4))
    def deliveries_come_again(self, items: list[Arriving]) -> None:
        heard = {item.delivery_id for item in items if self._parked_was_heard(item.delivery_id)}
        self._take(items)
        for delivery_id in heard:
            self.states[delivery_id] = Status.TAKEN
            self.said[delivery_id]["taken"] += 1

    @rule(item=deliveries, redriven=st.booleans())
    def a_router_that_tells_redrives_from_copies_sends_one_again(self, item: Arriving, *, redriven: bool) -> None:
        self.redrives += redriven
        self._take([item._replace(redriven_at=self.redrives if redriven else 0)])
        if redriven and self.states[item.delivery_id] is Status.PARKED:
            self.states[item.delivery_id] = Status.TAKEN
            self.said[item.delivery_id]["taken"] += 1

    @precondition(lambda self: self._waiting())
    @rule(data=st.data(), keep=st.booleans())
    def one_arrives(self, data: st.DataObject, *, keep: bool) -> None:
        item = data.draw(st.sampled_from(self._waiting()))
        with self.spool.writing() as conn:
            work.arrive(conn, [Arrived(item, item.attempts + 1, keep=keep)])
        self.states[item.delivery_id] = Status.ARRIVED
        self.said[item.delivery_id]["arrived"] += 1

    @precondition(lambda self: self._waiting())
    @rule(data=st.data())
    def one_is_parked(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self._waiting()))
        with self.spool.writing() as conn:
            work.park(conn, [Parked(item, 8, "the sink refused it")])
        self.states[item.delivery_id] = Status.PARKED
        self.said[item.delivery_id]["parked"] += 1

    @precondition(lambda self: self._waiting())
    @rule(data=st.data())
    def one_is_postponed(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self._waiting()))
        with self.spool.writing() as conn:
            work.postpone(conn, [Postponed(item, item.attempts + 1, 0, "later")])

    @rule(item=deliveries)
    def a_person_registers_it(self, item: Arriving) -> None:
        if self.states.get(item.delivery_id) is Status.ARRIVED:
            add_person_receipt(self.spool, item.delivery_id, Status.REGISTERED, register_number="57")
            self.states[item.delivery_id] = Status.REGISTERED
            self.said[item.delivery_id]["registered"] += 1

    @rule(data=st.data())
    def some_receipts_are_confirmed(self, data: st.DataObject) -> None:
        rows = self._unsent()
        confirmed = data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row.pos)) if rows else []
        with self.spool.writing() as conn:
            outbox.mark_sent(conn, [[row.pos for row in confirmed]])
        self.heard.update(row.id for row in confirmed)

    @rule()
    def the_gateway_crashes_inside_a_transaction(self) -> None:
        with self.spool.engine.connect() as conn:
            transaction = conn.begin()
            take(conn, [([arriving(seq=10_000)], ONE_MINUTE)])
            self.spool.engine.dispose()
            transaction.rollback()
        self._reopen()

    @rule()
    def the_gateway_is_killed_between_transactions(self) -> None:
        self._reopen()

    @rule()
    def nothing_that_is_not_old_is_forgotten(self) -> None:
        with self.spool.writing() as conn:
            assert retention.forget(conn, [0])[0].deliveries == 0

    @invariant()
    def every_delivery_is_there_once_in_its_state(self) -> None:
        if hasattr(self, "spool"):
            found = {entry.delivery_id: entry.state for entry in list_inbox(self.spool, limit=10_000)}
            assert found == self.states
            assert {item.delivery_id for item in self._waiting()} == {
                key for key, state in self.states.items() if state is Status.TAKEN
            }

    @invariant()
    def what_was_said_is_kept_with_its_id_and_sent_until_it_is_confirmed(self) -> None:
        if not hasattr(self, "spool"):
            return
        told, unsent = self._told(), {row.id for row in self._unsent()}
        said: dict[str, Counter[str]] = {}
        for receipt_id, delivery_id, status in told:
            said.setdefault(delivery_id, Counter())[status] += 1
            assert self.ids.setdefault(receipt_id, delivery_id) == delivery_id
        assert said == self.said
        assert {receipt_id for receipt_id, _, _ in told} - self.heard <= unsent

    @invariant()
    def what_waits_to_be_sent_is_what_its_readers_expect(self) -> None:
        if hasattr(self, "spool"):
            for message in bursts(self._unsent()):
                burst = parse(Burst, message.body, what="burst")
                assert {f"LCA.VP.{item.unit}.{item.status.value}" for item in burst.receipts} == {message.key}

    def _take(self, items: list[Arriving]) -> None:
        with self.spool.writing() as conn:
            take(conn, [(items, ONE_MINUTE)])

    def _parked_was_heard(self, delivery_id: str) -> bool:
        if self.states[delivery_id] is not Status.PARKED:
            return False
        return not any(row.delivery_id == delivery_id and row.status == "parked" for row in self._unsent())

    def _waiting(self) -> list[Waiting]:
        with self.spool.reading() as conn:
            return [item for lane in Lane for item in work.outlook(conn, lane, limit=1000, without=[]).ready]

    def _unsent(self) -> list[Unsent]:
        with self.spool.reading() as conn:
            return [row for lane in Lane for row in outbox.unsent(conn, lane, after=0, limit=10_000)]

    def _told(self) -> list[tuple[str, str, str]]:
        columns = select(receipt.c.id, inbox.c.delivery_id, receipt.c.status)
        with self.spool.reading() as conn:
            rows = conn.execute(columns.join(inbox, inbox.c.pos == receipt.c.inbox_pos)).all()
        return [(row[0], row[1], row[2]) for row in rows]

    def _reopen(self) -> None:
        spool_id = self.spool.id
        self.spool.close()
        self.spool = open_spool(self.directory)
        assert self.spool.id == spool_id


SpoolMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestSpoolMachine = SpoolMachine.TestCase
