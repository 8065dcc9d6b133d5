"""What the ledger tells about dispatches, deliveries and its log."""

import json

import pytest
from sqlalchemy import Engine

from router.errors import MalformedError
from router.ledger.engine import reading, writing
from router.ledger.queries import (
    Filter,
    Follower,
    addressees,
    find_delivery,
    find_dispatch,
    issuer_of,
    list_deliveries,
    list_dispatches,
    read_log,
    roll_up,
    undelivered,
)
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units.unit_list import import_units
from router.ledger.way.holders import may_fetch
from router.ledger.way.outbox import Failed, record_failures
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Effect, Status
from schemas.unit import Link
from support.ledgers import START, Clerk, attachment, unit

NEAR, FAR, NO_LINE = unit("LCA.02"), unit("LCA.03", Link.DIALUP), unit("LCA.04", Link.NONE)
ALL = [NEAR, FAR, NO_LINE]
REGISTERED = (Status.QUEUED, Status.TAKEN, Status.ARRIVED, Status.REGISTERED)


def test_a_roll_up_counts_each_state_and_what_has_arrived(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", ALL)
        clerk.tell(key, "LCA.02", *REGISTERED, register_number="57")
        clerk.tell(key, "LCA.03", Status.QUEUED)
        sums = roll_up(conn, EVERYTHING, key)
    assert sums.counts == {Status.REGISTERED: 1, Status.QUEUED: 1, Status.PENDING: 1}
    assert (sums.total, sums.arrived) == (3, 1)


def test_an_unknown_dispatch_has_an_empty_roll_up(ledger: Engine) -> None:
    with reading(ledger) as conn:
        assert roll_up(conn, EVERYTHING, new_id()).total == 0


def test_addressees_come_with_their_times_reason_and_register_number(ledger: Engine) -> None:
    with writing(ledger) as conn:
        import_units(conn, ALL, now_ms=START)
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", ALL)
        clerk.tell(key, "LCA.02", *REGISTERED, register_number="57")
        clerk.tell(key, "LCA.03", Status.PARKED, reason="disk full")
        near, far, waiting = addressees(conn, EVERYTHING, key)
    assert near.register_number == "57"
    assert set(near.times) == set(REGISTERED)
    assert near.times[Status.QUEUED] < near.times[Status.REGISTERED] == near.delivery.state_at
    assert near.delivery.unit_name == NEAR.name
    assert (far.delivery.state, far.delivery.reason) == (Status.PARKED, "disk full")
    assert (waiting.delivery.state, waiting.delivery.reason, waiting.times) == (Status.PENDING, "no_line", {})


def test_a_refused_receipt_adds_no_time(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR])
        clerk.tell(key, "LCA.02", Status.ARRIVED, Status.COMPLETED)
        assert set(addressees(conn, EVERYTHING, key)[0].times) == {Status.ARRIVED}


def test_addressees_are_paged_by_unit_and_filtered_by_state(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", ALL)
        clerk.tell(key, "LCA.03", Status.QUEUED)
        first = addressees(conn, EVERYTHING, key, limit=2)
        rest = addressees(conn, EVERYTHING, key, after=first[-1].delivery.unit)
        queued = addressees(conn, EVERYTHING, key, states=[Status.QUEUED])
    assert [item.delivery.unit for item in (*first, *rest)] == ["LCA.02", "LCA.03", "LCA.04"]
    assert [item.delivery.unit for item in queued] == ["LCA.03"]


def test_the_list_shows_the_latest_first_and_pages_without_gap_or_repeat(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        keys = [clerk.dispatch("LCA", [NEAR]) for _ in range(3)]
        clerk.now -= 1000
        keys.append(clerk.dispatch("LCA", [NEAR]))  # in the same millisecond as the one before
        found: list[str] = []
        cursor = None
        while True:
            page = list_dispatches(conn, EVERYTHING, cursor=cursor, limit=1)
            found.extend(row.id for row in page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
    assert found == sorted(keys, reverse=True)


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "MTIz", "YTpi", "é"])
def test_a_cursor_that_is_not_ours_is_refused(ledger: Engine, cursor: str) -> None:
    with reading(ledger) as conn, pytest.raises(MalformedError, match="cursor"):
        list_dispatches(conn, EVERYTHING, cursor=cursor)


def test_the_list_is_filtered_by_issuer_time_text_and_state(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        flood = clerk.dispatch("LCA.VP", [NEAR], subject="Phòng chống lũ lụt 100%", notation="5-CV/TU")
        drill = clerk.dispatch("LCA.02", [NEAR], subject="Diễn tập Đường dây")
        clerk.tell(flood, "LCA.02", Status.PARKED, reason="disk full")

        def found(**filters: object) -> list[str]:
            return [row.id for row in list_dispatches(conn, EVERYTHING, **filters).items]  # type: ignore[arg-type]

        assert found(issuers="LCA.#") == [drill, flood]
        assert found(issuers="LCA.VP") == [flood]
        assert found(since=START + 2000) == [drill]
        assert found(until=START + 2000) == [flood]
        assert found(text="LU LUT") == found(text="5-cv") == found(text="100%") == [flood]
        assert found(text="duong day") == [drill]
        assert found(text="0_0") == found(text="%%") == []
        assert found(states=[Status.PARKED]) == [flood]
        assert found(states=[Status.PARKED, Status.PENDING]) == [drill, flood]


def test_a_row_of_the_list_carries_its_roll_up(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.tell(clerk.dispatch("LCA", ALL), "LCA.02", Status.ARRIVED)
        row = list_dispatches(conn, EVERYTHING).items[0]
        narrow = list_dispatches(conn, Scope(units=("LCA.02",))).items[0]
    assert (row.roll_up.arrived, row.roll_up.total, row.total) == (1, 3, 3)
    assert narrow.roll_up.counts == {Status.ARRIVED: 1}


def test_a_dispatch_is_told_whole(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        before = clerk.dispatch("LCA", [NEAR])
        key = clerk.dispatch(
            "LCA", [NEAR], kind="update", refers_to=[before], attachments=[attachment(b"1", "b.pdf"), attachment(b"2")]
        )
        detail, first = find_dispatch(conn, EVERYTHING, key), find_dispatch(conn, EVERYTHING, before)
        assert issuer_of(conn, key) == "LCA"
        assert issuer_of(conn, new_id()) is None
    assert detail is not None
    assert first is not None
    assert [item.name for item in detail.attachments] == ["b.pdf", "a.pdf"]
    assert (detail.refers_to, first.referred_by) == ((before,), (key,))
    assert json.loads(detail.submission)["kind"] == detail.row.kind == "update"


def test_deliveries_are_listed_in_order_by_state_unit_and_dispatch(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        one, two = clerk.dispatch("LCA", ALL), clerk.dispatch("LCA", ALL)
        clerk.tell(two, "LCA.03", Status.PARKED, reason="disk full")
        pages = list_deliveries(conn, EVERYTHING, limit=4)
        pages += list_deliveries(conn, EVERYTHING, after=pages[-1].id)
        assert [row.id for row in pages] == sorted(clerk.deliveries.values())
        assert [row.unit for row in list_deliveries(conn, EVERYTHING, states=[Status.PARKED])] == ["LCA.03"]
        assert {row.dispatch_id for row in list_deliveries(conn, EVERYTHING, units="LCA.03")} == {one, two}
        assert len(list_deliveries(conn, EVERYTHING, dispatch_id=one)) == 3


def test_a_delivery_is_told_with_its_receipts_and_failed_publishes(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR])
        delivery_id = clerk.deliveries[key, "LCA.02"]
        record_failures(conn, [[Failed(delivery_id, START, "returned", "no route", 0)]])
        clerk.tell(key, "LCA.02", Status.ARRIVED, Status.COMPLETED, person="Hà")
        detail = find_delivery(conn, EVERYTHING, delivery_id)
        assert find_delivery(conn, EVERYTHING, new_id()) is None
    assert detail is not None
    assert [(item.status, item.effect) for item in detail.receipts] == [
        (Status.ARRIVED, Effect.ADVANCE),
        (Status.COMPLETED, Effect.REFUSED),
    ]
    assert "cannot follow" in detail.receipts[1].reason
    assert [(item.outcome, item.detail) for item in detail.attempts] == [("returned", "no route")]


def test_undelivered_tells_how_many_how_old_and_what_waits_for_a_line(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        old = clerk.dispatch("LCA", [NO_LINE])
        key = clerk.dispatch("LCA", ALL)
        clerk.tell(key, "LCA.02", Status.ARRIVED)
        clerk.tell(old, "LCA.04", Status.PARKED, reason="lost")
        found = undelivered(conn, EVERYTHING, now_ms=START + 12_000)
    assert found.by_state == {Status.PENDING: 2, Status.PARKED: 1}
    assert (found.count, found.held, found.oldest_age_ms) == (3, 1, 10_000)


def test_nothing_undelivered_has_no_age(ledger: Engine) -> None:
    with reading(ledger) as conn:
        found = undelivered(conn, EVERYTHING, now_ms=START)
    assert (found.count, found.held, found.oldest_age_ms) == (0, 0, 0)


@pytest.mark.parametrize("state", [Status.RECALLED, Status.EXPIRED])
def test_content_is_no_longer_a_units_when_its_delivery_has_ended_so(ledger: Engine, state: Status) -> None:
    file, scope = attachment(), Scope(units=("LCA.02",))
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR], attachments=[file])
        assert may_fetch(conn, scope, file.sha256)
        clerk.tell(key, "LCA.02", state, reason="ended")
        assert not may_fetch(conn, scope, file.sha256)
        assert may_fetch(conn, Scope(issuers=("LCA",)), file.sha256)
        clerk.dispatch("LCA", [NEAR], attachments=[file])
        assert may_fetch(conn, scope, file.sha256)


def test_content_that_nobody_sent_is_nobodys(ledger: Engine) -> None:
    with reading(ledger) as conn:
        assert not may_fetch(conn, EVERYTHING, attachment().sha256)


def test_the_log_tells_the_newest_in_their_order_and_then_what_follows(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR])
        clerk.tell(key, "LCA.02", *REGISTERED, register_number="57")
        newest = read_log(conn, EVERYTHING, limit=2)
        following = read_log(conn, EVERYTHING, after=newest[0].pos)
        first = read_log(conn, EVERYTHING, after=0, limit=1)
    assert [entry.status for entry in newest] == [Status.ARRIVED, Status.REGISTERED]
    assert following == newest[1:]
    assert [entry.status for entry in first] == [Status.QUEUED]
    assert (newest[1].register_number, newest[1].notation, newest[1].issuer) == ("57", "1-CV/TU", "LCA")


def test_the_log_is_filtered_by_unit_state_dispatch_and_time(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        one, two = clerk.dispatch("LCA", ALL), clerk.dispatch("LCA", ALL)
        for code in ("LCA.02", "LCA.03"):
            clerk.tell(one, code, Status.QUEUED, Status.TAKEN)
        clerk.now += 600_000
        since = clerk.now
        clerk.tell(two, "LCA.02", Status.QUEUED)

        def units(**wanted: object) -> list[str]:
            return [entry.unit for entry in read_log(conn, EVERYTHING, Filter(**wanted))]  # type: ignore[arg-type]

        assert units(units=("LCA.03",)) == ["LCA.03", "LCA.03"]
        assert units(states=frozenset({Status.TAKEN})) == ["LCA.02", "LCA.03"]
        assert units(dispatch_id=two) == units(since=since) == ["LCA.02"]
        assert units(since=clerk.now + 10_000_000) == []
        assert len(units(since=0)) == 5


def test_a_follower_tells_each_entry_once(ledger: Engine) -> None:
    follower = Follower(EVERYTHING, first=2)
    told: list[Status] = []
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR])
        clerk.tell(key, "LCA.02", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    for status in (None, Status.REGISTERED, None, Status.COMPLETED, None):
        if status is not None:
            with writing(ledger) as conn:
                clerk.conn = conn
                clerk.tell(key, "LCA.02", status, register_number="57")
        with reading(ledger) as conn:
            told.extend(entry.status for entry in follower.read(conn))
    assert told == [Status.TAKEN, Status.ARRIVED, Status.REGISTERED, Status.COMPLETED]


def test_a_follower_of_an_empty_log_tells_what_comes(ledger: Engine) -> None:
    follower = Follower(EVERYTHING)
    with reading(ledger) as conn:
        assert follower.read(conn) == []
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.tell(clerk.dispatch("LCA", [NEAR]), "LCA.02", Status.QUEUED)
    with reading(ledger) as conn:
        assert [entry.status for entry in follower.read(conn)] == [Status.QUEUED]


def test_a_follower_reads_more_than_a_page_at_once(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "router.ledger.queries.delivery_log.read_log.__kwdefaults__", {"after": None, "before": None, "limit": 2}
    )
    follower = Follower(EVERYTHING)
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR])
        clerk.tell(key, "LCA.02", Status.QUEUED)
        follower.read(conn)
        clerk.tell(key, "LCA.02", Status.TAKEN, Status.ARRIVED, *REGISTERED, register_number="57")
        assert len(follower.read(conn)) == 6


def test_a_follower_does_not_miss_a_commit_that_comes_late(ledger: Engine) -> None:
    if ledger.dialect.name != "postgresql":
        pytest.skip("on SQLite one writer follows the other")
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [NEAR, FAR])
    follower = Follower(EVERYTHING)
    with writing(ledger) as slow:
        clerk.conn, clerk.now = slow, now_ms()
        clerk.tell(key, "LCA.02", Status.QUEUED)
        with writing(ledger) as fast:
            clerk.conn = fast
            clerk.tell(key, "LCA.03", Status.QUEUED)
        with reading(ledger) as conn:
            early = [entry.unit for entry in follower.read(conn)]
    with reading(ledger) as conn:
        late = [entry.unit for entry in follower.read(conn)]
    assert (early, late) == (["LCA.03"], ["LCA.02"])
