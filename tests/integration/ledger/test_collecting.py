"""What nobody names is collected, what somebody is about to name never; what ended long ago may be forgotten."""

import asyncio
import hashlib
import os
import threading
import time
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, update

from router.content import ContentStore
from router.content.collecting import Collector
from router.content.possession import Possession
from router.delivery.retention import Retention, RetentionPeriods
from router.errors import UnknownAttachmentError
from router.ledger.engine import reading, writing
from router.ledger.models import attempt, content_holder, content_removed, delivery, receipt
from router.ledger.people.audit import By
from router.ledger.recovery import forgotten, recovering
from router.ledger.units.leftovers import hand_on
from router.ledger.units.unit_list import import_units
from router.ledger.way import acts, holders, retention
from router.ledger.way.acceptance import accept
from router.ledger.way.holders import Brought, UnnamedLimits
from router.ledger.way.retention import RetentionPage
from router.ledger.writer import Writer
from schemas.accounts import parse_account
from schemas.attachment import Attachment
from schemas.clock import now_ms
from schemas.dispatch import Submission
from schemas.ids import new_id
from schemas.states import Status
from support.ledgers import Clerk, attachment, new_dispatch, unit
from support.rot import rot

DAY = 86_400.0
KEPT = 7 * DAY
ISSUER = parse_account("issuer:LCA.VP")
UNITS = [unit("LCA.01"), unit("LCA.02")]
LIMITS = UnnamedLimits(100, 10**9)


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


def bring(ledger: Engine, store: ContentStore, data: bytes, *, days_ago: float = 0.0) -> str:
    """A content that an account brought so long ago."""
    sha256 = asyncio.run(store.put(data)).sha256
    at = time.time() - days_ago * DAY
    os.utime(store.path(sha256), (at, at))
    with writing(ledger) as conn:
        holders.note(conn, [Brought(sha256, len(data), ISSUER.name, round(at * 1000), LIMITS)])
    return sha256


def dispatch(ledger: Engine, *files: Attachment) -> str:
    with writing(ledger) as conn:
        return Clerk(conn).dispatch("LCA.VP", UNITS, attachments=files)


def collector(ledger: Engine, store: ContentStore) -> Collector:
    return Collector(ledger, store, kept=KEPT)


def held(ledger: Engine) -> set[str]:
    with reading(ledger) as conn:
        return set(conn.scalars(select(content_holder.c.sha256)))


def test_only_what_came_long_ago_and_nobody_names_is_removed(ledger: Engine, store: ContentStore) -> None:
    named, old, young = (bring(ledger, store, data, days_ago=ago) for data, ago in ((b"n", 9), (b"o", 9), (b"y", 6)))
    dispatch(ledger, attachment(b"n"))
    store.path(old).with_name(f"{old}.zstd.0").touch()
    assert [item.sha256 for item in collector(ledger, store).collect(dry_run=True)] == [old]
    assert store.size(old) == 1, "a dry run removes nothing"
    assert [item.sha256 for item in collector(ledger, store).collect()] == [old]
    assert [store.size(name) for name in (named, old, young)] == [1, None, 1]
    assert not list(store.path(old).parent.glob(f"{old}*")), "its forms go with it"
    assert held(ledger) == {named, young}
    assert collector(ledger, store).run() == 0


def test_what_was_brought_again_is_young_again(ledger: Engine, store: ContentStore) -> None:
    name = bring(ledger, store, b"again", days_ago=9)
    bring(ledger, store, b"again")
    assert collector(ledger, store).run() == 0
    assert store.size(name) == 5
    assert held(ledger) == {name}


def test_a_file_without_any_row_is_found_as_well(ledger: Engine, store: ContentStore) -> None:
    name = asyncio.run(store.put(b"left by a crash")).sha256
    os.utime(store.path(name), (0, 0))
    assert [item.sha256 for item in collector(ledger, store).collect()] == [name]


def test_what_was_damaged_long_ago_is_dropped_unless_somebody_needs_it(ledger: Engine, store: ContentStore) -> None:
    needed, free = bring(ledger, store, b"needed"), bring(ledger, store, b"free")
    dispatch(ledger, attachment(b"needed"))
    for name in (needed, free):
        rot(store.path(name))
        store.verify(name)
    assert collector(ledger, store).run() == 0
    assert {item.sha256 for item in store.damaged()} == {needed, free}, "it may be named yet"
    later = Collector(ledger, store, kept=KEPT, clock=lambda: time.time() + 8 * DAY)
    later.run()
    assert {item.sha256 for item in store.damaged()} == {needed}


async def test_what_a_submission_is_about_to_name_stays_though_it_is_old(ledger: Engine, store: ContentStore) -> None:
    """The submission has looked at the content; its commit comes after the collector has asked the ledger."""
    data = b"about to be named"
    name = await asyncio.to_thread(bring, ledger, store, data, days_ago=30)
    writer = Writer(ledger)
    possession = Possession(ledger, writer, limits=LIMITS, kept=KEPT)
    try:
        await possession.require(ISSUER, "LCA.VP", [attachment(data)], store=store, own=store)
        assert await asyncio.to_thread(collector(ledger, store).run) == 0
        await asyncio.to_thread(dispatch, ledger, attachment(data))
        assert store.sound(name) == len(data)
        os.utime(store.path(name), (0, 0))
        assert await asyncio.to_thread(collector(ledger, store).run) == 0, "it is named now"
    finally:
        await asyncio.to_thread(writer.close)


async def test_a_submission_that_comes_after_the_collector_is_told_to_bring_it(
    ledger: Engine, store: ContentStore
) -> None:
    data = b"too late"
    await asyncio.to_thread(bring, ledger, store, data, days_ago=30)
    assert await asyncio.to_thread(collector(ledger, store).run) == 1
    writer = Writer(ledger)
    try:
        with pytest.raises(UnknownAttachmentError):
            await Possession(ledger, writer, limits=LIMITS, kept=KEPT).require(
                ISSUER, "LCA.VP", [attachment(data)], store=store, own=store
            )
    finally:
        await asyncio.to_thread(writer.close)


def test_collectors_and_submissions_at_once_never_leave_a_dispatch_without_its_content(
    ledger: Engine, store: ContentStore
) -> None:
    """Two routers collect again and again while submissions name what is old: each is refused, or has its bytes."""
    files = [b"old %d" % number for number in range(40)]
    for data in files:
        bring(ledger, store, data, days_ago=30)
    over = threading.Event()

    def collect() -> None:
        mine = ContentStore(store.root, reserve_bytes=0)
        while not over.is_set():
            collector(ledger, mine).run()

    threads = [threading.Thread(target=collect) for _ in range(2)]
    accepted = []
    mine = Possession(ledger, None, limits=LIMITS, kept=KEPT)  # type: ignore[arg-type]  # nothing is brought here

    def lacking(data: bytes) -> bool:
        return bool(mine._lacking(ISSUER, "LCA.VP", [attachment(data)], store, store))

    def name(data: bytes) -> None:
        letter = {"issuer": "LCA.VP", "notation": "1", "subject": "x", "addressees": ["LCA.#"]}
        with writing(ledger) as conn:
            submission = Submission.model_validate(letter | {"attachments": [attachment(data)]})
            accept(conn, [new_dispatch(submission, UNITS, now_ms())])
        accepted.append(hashlib.sha256(data).hexdigest())

    assert not lacking(files[0]), "looked at before the others begin"
    for thread in threads:
        thread.start()
    name(files[0])
    for data in files[1:]:
        if not lacking(data):
            name(data)
    over.set()
    for thread in threads:
        thread.join(60)
    assert [sha256 for sha256 in accepted if store.sound(sha256) is None] == []


def end(ledger: Engine, dispatch_id: str, state: Status, at: int) -> None:
    with writing(ledger) as conn:
        conn.execute(
            update(delivery).where(delivery.c.dispatch_id == dispatch_id).values(state=state.value, state_at=at)
        )


async def pruned(ledger: Engine, store: ContentStore, kept: RetentionPeriods) -> None:
    writer = Writer(ledger)
    try:
        retention = Retention(writer, collector(ledger, store), kept)
        for _ in range(2):  # contents go from the second look on
            await retention.look()
    finally:
        await asyncio.to_thread(writer.close)


async def test_nothing_of_a_dispatch_is_forgotten_unless_the_settings_say_so(
    ledger: Engine, store: ContentStore
) -> None:
    name = await asyncio.to_thread(bring, ledger, store, b"kept", days_ago=4000)
    key = await asyncio.to_thread(dispatch, ledger, attachment(b"kept"))
    await asyncio.to_thread(end, ledger, key, Status.COMPLETED, 1)
    await pruned(ledger, store, RetentionPeriods())
    assert store.size(name) == 4


@pytest.mark.parametrize("other", [Status.COMPLETED, Status.ARRIVED, Status.PARKED, Status.QUEUED])
async def test_of_a_dispatch_that_ended_long_ago_is_forgotten_what_the_settings_say(
    ledger: Engine, store: ContentStore, other: Status
) -> None:
    """A content that another dispatch still needs stays, as does all of a dispatch that has not ended."""
    name = await asyncio.to_thread(bring, ledger, store, b"shared", days_ago=4000)
    ended = await asyncio.to_thread(dispatch, ledger, attachment(b"shared"))
    second = await asyncio.to_thread(dispatch, ledger, attachment(b"shared"))
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=1000)
        clerk.deliveries = {
            (row[0], row[1]): row[2]
            for row in conn.execute(select(delivery.c.dispatch_id, delivery.c.unit, delivery.c.id))
        }
        for key in (ended, second):
            clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
            conn.execute(attempt.insert().values(delivery_id=clerk.deliveries[key, "LCA.02"], at=1000, outcome="lost"))
    await asyncio.to_thread(end, ledger, ended, Status.COMPLETED, 2000)
    await asyncio.to_thread(end, ledger, second, other, 2000)
    await pruned(ledger, store, RetentionPeriods(receipts=10 * DAY, attempts=10 * DAY, contents=10 * DAY))
    is_open = other in {Status.PARKED, Status.QUEUED}
    with reading(ledger) as conn:
        assert conn.scalar(select(func.count()).select_from(receipt)) == (3 if is_open else 1), "the last place stays"
        assert conn.scalar(select(func.count()).select_from(attempt)) == (1 if is_open else 0)
        assert list(conn.scalars(select(content_removed.c.sha256))) == ([] if is_open else [name])
    assert store.size(name) == (6 if is_open else None)


async def test_what_ended_long_ago_is_found_in_small_steps_between_what_stays(
    ledger: Engine, store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement looks at more rows than one step has, however many of them stay."""
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    stay = {}
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=1000)
        for number in range(8):
            key = clerk.dispatch("LCA.VP", UNITS, attachments=[attachment(b"%d" % number)])
            stay[key] = number in {0, 1, 2, 5}
            clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
            conn.execute(attempt.insert().values(delivery_id=clerk.deliveries[key, "LCA.02"], at=1000, outcome="lost"))
        last = clerk.dispatch("LCA.VP", UNITS)
        clerk.tell(last, "LCA.01", Status.QUEUED)
    for key in [key for key, stays in stay.items() if not stays]:
        await asyncio.to_thread(end, ledger, key, Status.COMPLETED, 2000)
    await pruned(ledger, store, RetentionPeriods(receipts=10 * DAY, attempts=10 * DAY, contents=10 * DAY))
    with reading(ledger) as conn:
        assert conn.scalar(select(func.count()).select_from(receipt)) == 3 * 4 + 1
        assert conn.scalar(select(func.count()).select_from(attempt)) == 4
        assert conn.scalar(select(func.count()).select_from(content_removed)) == 4


async def test_a_content_that_was_let_go_is_wanted_again_when_a_dispatch_names_it(
    ledger: Engine, store: ContentStore
) -> None:
    name = await asyncio.to_thread(bring, ledger, store, b"twice", days_ago=1)
    ended = await asyncio.to_thread(dispatch, ledger, attachment(b"twice"))
    await asyncio.to_thread(end, ledger, ended, Status.COMPLETED, 2000)
    await pruned(ledger, store, RetentionPeriods(contents=10 * DAY))
    assert store.size(name) == 5, "it came lately"
    await asyncio.to_thread(dispatch, ledger, attachment(b"twice"))
    os.utime(store.path(name), (0, 0))
    await pruned(ledger, store, RetentionPeriods(contents=10 * DAY))
    assert store.size(name) == 5


async def test_a_router_that_has_just_started_removes_no_content(ledger: Engine, store: ContentStore) -> None:
    name = await asyncio.to_thread(bring, ledger, store, b"unnamed", days_ago=8)
    writer = Writer(ledger)
    retention = Retention(writer, collector(ledger, store), RetentionPeriods())
    try:
        await retention.look()
        assert store.size(name) == 7
        await retention.look()
        assert store.size(name) is None
    finally:
        await asyncio.to_thread(writer.close)


@pytest.mark.parametrize("open_recovery", [False, True])
def test_nothing_is_removed_while_the_ledger_is_older_than_what_gateways_tell(
    ledger: Engine, store: ContentStore, *, open_recovery: bool
) -> None:
    name = bring(ledger, store, b"of a forgotten dispatch", days_ago=8)
    with writing(ledger) as conn:
        if open_recovery:
            recovering.begin(conn, recovering.NewRecovery("thu", now_ms(), 0))
        else:
            forgotten.note(conn, {new_id(): "LCA.01"}, now_ms())
    assert collector(ledger, store).run() == 0
    assert store.size(name) == 23
    with writing(ledger) as conn:
        recovering.end(conn, now_ms())
        forgotten.give_up(conn, now_ms())
    assert collector(ledger, store).run() == 1


def let_go(ledger: Engine) -> None:
    with writing(ledger) as conn:
        retention.let_go_of_contents(conn, [RetentionPage(now_ms() - round(10 * DAY * 1000))])


def noted(ledger: Engine) -> set[str]:
    with reading(ledger) as conn:
        return set(conn.scalars(select(content_removed.c.sha256)))


def test_a_note_that_crossed_the_acceptance_of_a_dispatch_takes_no_file(ledger: Engine, store: ContentStore) -> None:
    """Another router's note comes in after the commit of a dispatch that could not see it to delete it."""
    name = bring(ledger, store, b"crossed", days_ago=4000)
    end(ledger, dispatch(ledger, attachment(b"crossed")), Status.COMPLETED, 2000)
    key = dispatch(ledger, attachment(b"crossed"))
    with writing(ledger) as conn:
        conn.execute(content_removed.insert().values(sha256=name, at=0))
    assert collector(ledger, store).run() == 0
    assert store.size(name) == 7
    end(ledger, key, Status.COMPLETED, now_ms())
    let_go(ledger)
    assert noted(ledger) == set(), "it ended just now, so it is kept for as long as the settings say"


@pytest.mark.parametrize("by", ["redrive", "hand_on"])
@pytest.mark.parametrize("gone", [False, True])
def test_what_expired_long_ago_goes_again_with_its_contents_or_not_at_all(
    ledger: Engine, store: ContentStore, by: str, *, gone: bool
) -> None:
    name = bring(ledger, store, b"again", days_ago=4000)
    key = dispatch(ledger, attachment(b"again"))
    end(ledger, key, Status.EXPIRED, 2000)
    let_go(ledger)
    if gone:
        assert collector(ledger, store).run() == 1
    assert goes_again(ledger, key, by) is not gone
    collector(ledger, store).run()
    assert store.size(name) == (None if gone else 5)
    if gone:
        bring(ledger, store, b"again")
        assert goes_again(ledger, key, by), "its bytes are here again"
    assert noted(ledger) == set()


def goes_again(ledger: Engine, key: str, by: str) -> bool:
    """Whether the delivery to LCA.01 of a dispatch is sent again."""
    row, other = delivery.c, unit("LCA.03")
    with writing(ledger) as conn:
        if by == "redrive":
            ids = conn.scalars(select(row.id).where(row.dispatch_id == key, row.unit == "LCA.01")).all()
            done = acts.redrive(conn, ids, who="lan", reason="the line is up", now_ms=now_ms())
            assert len(done.redriven) + len(done.refused) == 1
            assert all(name in why for name in ["a.pdf"] for why in done.refused.values())
            return bool(done.redriven)
        left = UNITS[0].model_copy(update={"valid_to": date(2020, 1, 1), "successor": "LCA.03"})
        import_units(conn, [unit("LCA"), left, other], now_ms=now_ms())
        settled = hand_on(conn, "LCA.01", "", By("lan", "merged", now_ms()), day=date(2026, 1, 1))
        assert len(settled.handed_on) + len(settled.left) == 1
        return bool(settled.handed_on)
