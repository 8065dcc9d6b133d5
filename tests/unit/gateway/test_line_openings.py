"""Outside of a line's hours only express work is fetched, at once when it closes and again when it opens."""

from datetime import UTC, datetime

from consumers.cli.showing import how_far
from consumers.fetching.traffic import Traffic, Want
from consumers.line.openings import Openings, UnitHours
from consumers.reading.coming import LineNow, coming
from consumers.spool import Spool, work
from consumers.spool.taking import take
from consumers.spool.units import Hosted, keep_hosted
from schemas.dispatch import Lane, Urgency
from schemas.zone import zone
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference
from support.transfers import Fetches, wanting

EVENING = UnitHours("18:00-21:00", "Asia/Ho_Chi_Minh")
UNIT, OTHER = "LCA.02.05", "LCA.02.06"


class Clock:
    """By the clock on the wall in Ho Chi Minh City."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self) -> datetime:
        return datetime.fromisoformat(f"2026-11-22T{self.text}+07:00")


def test_a_closed_line_lets_express_work_pass_and_opens_by_the_clock() -> None:
    clock, changes = Clock("17:59"), list[str]()
    openings = Openings(clock=clock)
    openings.on_change.append(lambda: changes.append(clock.text))
    openings.adopt(1, {UNIT: EVENING})
    assert [openings.lets(UNIT, urgency) for urgency in Urgency] == [False, False, True, True, True]
    for clock.text in ("17:59:59", "18:00", "20:59", "21:00"):
        openings.look()
    assert changes == ["17:59", "18:00", "21:00"]
    openings.adopt(1, {})
    assert openings.lets(UNIT, Urgency.NORMAL)


def test_what_goes_up_for_no_unit_in_particular_waits_while_every_line_is_closed() -> None:
    openings = Openings(clock=Clock("12:00"))
    openings.adopt(2, {UNIT: EVENING})
    assert openings.lets("", Urgency.NORMAL)
    openings.adopt(2, {UNIT: EVENING, OTHER: EVENING})
    assert not openings.lets("", Urgency.NORMAL)
    assert openings.lets("", Urgency.EXPRESS)


def test_the_hours_are_told_in_a_word() -> None:
    clock = Clock("19:00")
    openings = Openings(clock=clock)
    assert openings.summary() == ""
    openings.adopt(1, {UNIT: EVENING})
    assert openings.summary() == "18:00-21:00 (Asia/Ho_Chi_Minh), open"
    clock.text = "12:00"
    assert openings.summary() == "18:00-21:00 (Asia/Ho_Chi_Minh), closed until 18:00"
    openings.adopt(3, {UNIT: EVENING})
    assert openings.summary() == "1 of 3 units closed"


async def test_a_transfer_stops_when_its_line_closes_unless_another_document_that_may_go_wants_it() -> None:
    fetches, closed = Fetches(), set[str]()

    def lets(unit: str, urgency: int) -> bool:
        return urgency >= Urgency.VERY_URGENT or unit not in closed

    traffic = Traffic(fetches.fetch, slots=lambda: 9, lets=lets)
    bulk = ("a", 9, Want(0, 1, UNIT)), ("b", 9, Want(0, 2, UNIT)), ("b", 9, Want(0, 3, OTHER))
    async with wanting(traffic, *bulk):
        assert fetches.reading() == {"a", "b"}
        closed.add(UNIT)
        traffic.reorder()
        assert fetches.reading() == {"b"}
        async with wanting(traffic, ("a", 9, Want(2, 4, UNIT))):
            assert fetches.reading() == {"a"}, "an urgent document wants it, too"
        assert fetches.reading() == {"b"}
        closed.clear()
        traffic.reorder()
        assert fetches.reading() == {"a", "b"}


def ready(spool: Spool, lane: Lane, *closed: str) -> set[str]:
    with spool.reading() as conn:
        found = work.outlook(conn, lane, limit=9, without=[], closed=closed).ready
    return {item.delivery_id for item in found}


def test_the_courier_begins_nothing_that_is_to_be_fetched_for_a_closed_unit(spool: Spool) -> None:
    large = a_descriptor(attachments=(by_reference("a.pdf", b"a" * 5000),))
    urgent = a_descriptor(attachments=(by_reference("u.pdf", b"u" * 5000),), urgency=Urgency.EXPRESS)
    items = [arriving(item, seq=seq, unit=UNIT) for seq, item in enumerate((large, a_descriptor(), urgent), 1)]
    items.append(arriving(large, unit=OTHER))
    with spool.writing() as conn:
        take(conn, [(items, ONE_MINUTE)])
    fetched, handed_over, express, elsewhere = (item.delivery_id for item in items)
    assert ready(spool, Lane.NORMAL) == {fetched, handed_over, elsewhere}
    assert ready(spool, Lane.NORMAL, UNIT) == {handed_over, elsewhere}
    assert ready(spool, Lane.EXPRESS) == {express}


def test_the_inbox_says_from_when_a_document_comes_and_nothing_waits_behind_it(spool: Spool) -> None:
    hour = datetime.now(UTC).hour
    hours = f"{(hour + 6) % 24:02}:00-{(hour + 7) % 24:02}:00"
    small = a_descriptor(attachments=(by_reference("a.pdf", b"a" * 5000),))
    large = a_descriptor(attachments=(by_reference("b.pdf", b"b" * 9000),))
    with spool.writing() as conn:
        keep_hosted(conn, [[Hosted(UNIT, hours, "UTC"), Hosted(OTHER)]])
        take(conn, [([arriving(small, unit=UNIT), arriving(large, unit=OTHER)], ONE_MINUTE)])
    goes, waits = coming(spool, LineNow("up", 1000.0))
    assert (goes.entry.unit, goes.seconds, goes.opens_at) == (OTHER, 9.0, None)
    assert (waits.entry.unit, waits.seconds) == (UNIT, None)
    assert waits.opens_at is not None
    assert how_far(waits) == f"0.0 of 4.9 KiB, from {waits.opens_at.astimezone(zone()):%H:%M}"
