"""Somebody takes care of a group of what is stuck: known by its cause, told to who sees all of it, over when empty."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection, Engine, update

from router.delivery.care import CareWatch
from router.errors import ActRefusedError, ForbiddenError, NotFoundError
from router.ledger import queries
from router.ledger.acts import stuck_care
from router.ledger.acts.stuck_care import cares_of, leave, take
from router.ledger.engine import reading, writing
from router.ledger.models import delivery
from router.ledger.models import unit as unit_row
from router.ledger.people.audit import Act, By
from router.ledger.queries import StuckGroup
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units.leftovers import hand_on
from router.ledger.writer import Writer
from schemas.clock import day_at
from schemas.states import Status
from support.audited import list_entries
from support.ledgers import START, Clerk, unit

ZONE = "Asia/Ho_Chi_Minh"
TODAY = day_at(START, ZONE)
UNITS = [unit(code) for code in ("LCA", "LCA.02", "LCA.02.05", "LCA.02.07", "LCA.03", "LCA.03.01")]
DISTRICT = Scope(units=("LCA.02.#",), issuers=("LCA.02.#",))
FULL = "HTTP 507: the disk is full"


def parked(conn: Connection, to: str, reason: str = FULL) -> Clerk:
    clerk = Clerk(conn)
    clerk.units(*UNITS)
    clerk.tell(clerk.dispatch("LCA", UNITS), to, Status.QUEUED, Status.TAKEN, Status.PARKED, reason=reason)
    return clerk


def stuck(conn: Connection, scope: Scope = EVERYTHING) -> list[StuckGroup]:
    return queries.stuck(conn, scope, now_ms=START, day=TODAY)


def by(who: str = "hoa", note: str = "đã gọi văn phòng", at: int = START) -> By:
    return By(who, note, at)


def _coded(conn: Connection) -> None:
    parked(conn, "LCA.02.05")


def _of_a_later_version(conn: Connection) -> None:
    parked(conn, "LCA.02.05")
    conn.execute(update(delivery).where(delivery.c.state == Status.PARKED.value).values(reason_code="not_known_here"))


def _told(conn: Connection) -> None:
    parked(conn, "LCA.02.05", "máy tính ở bộ phận một cửa bị hỏng")


def _expired(conn: Connection) -> None:
    clerk = Clerk(conn)
    clerk.units(*UNITS)
    clerk.tell(clerk.dispatch("LCA", UNITS), "LCA.02.05", Status.EXPIRED, reason="had not arrived")


def _of_the_root(conn: Connection) -> None:
    parked(conn, "LCA")


def _gone(conn: Connection) -> None:
    parked(conn, "LCA.02.05")
    over = {"valid_to": TODAY - timedelta(days=1), "successor": "LCA.02.07"}
    conn.execute(update(unit_row).where(unit_row.c.code == "LCA.02.05").values(over))


KINDS = [_coded, _of_a_later_version, _told, _expired, _of_the_root, _gone]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_group_is_cared_for_and_that_is_over_when_it_is_empty(
    ledger: Engine, kind: Callable[[Connection], None]
) -> None:
    with writing(ledger) as conn:
        kind(conn)
        key = next(group.key for group in stuck(conn))
        take(conn, EVERYTHING, key.id, by(), seen=0, day=TODAY)
        assert cares_of(conn, EVERYTHING, [key])[key].note == "đã gọi văn phòng"
        code = "LCA" if kind is _of_the_root else "LCA.02.05"
        assert queries.keys_of_unit(conn, EVERYTHING, code, day=TODAY) == [key]
    watch(ledger)
    with writing(ledger) as conn:
        assert list(cares_of(conn, EVERYTHING, [key])) == [key], "something is left of it"
        if kind is _gone:
            hand_on(conn, "LCA.02.05", "", by(), day=TODAY)
        else:
            states = [Status.PARKED.value, Status.EXPIRED.value]
            conn.execute(update(delivery).where(delivery.c.state.in_(states)).values(state=Status.REDRIVEN.value))
    watch(ledger)
    watch(ledger)
    with reading(ledger) as conn:
        assert not cares_of(conn, EVERYTHING, [key])
        acts = [(row.entry.act, row.entry.person, row.entry.detail) for row in list_entries(conn, EVERYTHING)]
    assert [act for act in acts if act[0] in {Act.CARE_ENDED, Act.CARE_TAKEN}] == [
        (Act.CARE_ENDED, stuck_care.BY_ITSELF, "hoa"),
        (Act.CARE_TAKEN, "hoa", ""),
    ]


def watch(ledger: Engine) -> None:
    """A look of the router."""
    writer = Writer(ledger)
    try:
        asyncio.run(CareWatch(ledger, writer, ZONE, clock=lambda: START).look())
    finally:
        writer.close()


def test_a_group_is_the_same_whoever_looks_and_however_many_are_in_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = parked(conn, "LCA.02.05", "HTTP 507: the disk of pc-1 is full")
        clerk.tell(
            clerk.dispatch("LCA", UNITS),
            *("LCA.02.07", Status.QUEUED, Status.TAKEN, Status.PARKED),
            reason="HTTP 507: the disk of pc-2 is full",
        )
        (whole,), (mine,) = stuck(conn), stuck(conn, DISTRICT)
        assert whole.key.id == mine.key.id
        assert whole.units == 2


def test_only_who_may_act_on_all_of_a_group_takes_it_and_only_who_sees_all_is_told(ledger: Engine) -> None:
    with writing(ledger) as conn:
        parked(conn, "LCA.02")
        (group,) = stuck(conn, DISTRICT)
        assert group.parent == "LCA"
        with pytest.raises(ForbiddenError):
            take(conn, DISTRICT, group.key.id, by(), seen=0, day=TODAY)
        take(conn, EVERYTHING, group.key.id, by("tinh"), seen=0, day=TODAY)
        assert not cares_of(conn, DISTRICT, [group.key])
        with pytest.raises(ForbiddenError):
            leave(conn, DISTRICT, group.key.id, by(), day=TODAY)
        with pytest.raises(NotFoundError):
            take(conn, Scope(units=("LCA.03.#",)), group.key.id, by(), seen=0, day=TODAY)


def test_two_who_take_it_at_once_do_not_overwrite_each_other_unseen(ledger: Engine) -> None:
    with writing(ledger) as conn:
        parked(conn, "LCA.02.05")
        (group,) = stuck(conn)
        first = take(conn, DISTRICT, group.key.id, by(), seen=0, day=TODAY)
        assert take(conn, DISTRICT, group.key.id, by(at=START + 1), seen=first.at, day=TODAY) == first, "a second click"
        with pytest.raises(ActRefusedError):
            take(conn, DISTRICT, group.key.id, by("lan"), seen=0, day=TODAY)
        take(conn, DISTRICT, group.key.id, by("lan", at=START + 2), seen=first.at, day=TODAY)
        leave(conn, DISTRICT, group.key.id, by("hoa", "lan đi vắng"), day=TODAY)
        acts = [(row.entry.act, row.entry.person, row.entry.detail) for row in list_entries(conn, EVERYTHING)]
    assert acts == [(Act.CARE_LEFT, "hoa", "lan"), (Act.CARE_TAKEN, "lan", "hoa"), (Act.CARE_TAKEN, "hoa", "")]


def test_another_day_decides_which_units_exist(ledger: Engine) -> None:
    """A group of a unit becomes one of what waits for a unit that is gone, with an owner of its own."""
    with writing(ledger) as conn:
        parked(conn, "LCA.02.05")
        (group,) = stuck(conn)
        take(conn, EVERYTHING, group.key.id, by(), seen=0, day=TODAY)
        conn.execute(update(unit_row).where(unit_row.c.code == "LCA.02.05").values(valid_to=date(2020, 1, 1)))
    watch(ledger)
    with reading(ledger) as conn:
        assert not cares_of(conn, EVERYTHING, [group.key])
