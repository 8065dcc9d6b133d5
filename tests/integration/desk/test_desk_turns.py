"""Whose turn it is can take it: in every state that has not ended there is a form for what is owed, and it works."""

from typing import Any

import pytest

from consumers.desk.words import STATES
from consumers.reading import desk_lists
from consumers.reading.desk_filters import Need, WantedDocuments
from consumers.reading.inbox import get_entry
from consumers.spool import recalls
from consumers.spool.people import PEOPLE, DeskRole
from consumers.spool.scope import UnitScope
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.duties import Duty, Terms
from schemas.states import ENDED, HELD, Status
from schemas.working_calendar import WorkingCalendar
from support.deliveries import UNIT, came
from support.desks import HERE, RunningDesk, today

FORMS: dict[Duty, tuple[str, dict[str, Any]]] = {
    Duty.REGISTER: ("register", {"day": today(), "subject": "Về việc"}),
    Duty.ASSIGN: ("direct", {"lead": "lan"}),
    Duty.PROCESS: ("process", {"words": "Đang làm"}),
    Duty.GIVE_BACK: ("recall", {"accept": "false", "reason": "Đã thực hiện"}),
}
NEEDS = {Duty.REGISTER: Need.REGISTER, Duty.GIVE_BACK: Need.ANSWER, Duty.ASSIGN: Need.WORK, Duty.PROCESS: Need.WORK}
BEFORE = {Status.ARRIVED, Status.TAKE_BACK_REQUESTED, Status.CHANGE_REFUSED}
"""The states in which a document may stand in no register yet."""
OPEN = sorted(STATES.keys() & (HELD - ENDED))
CASES = [(state, registered) for state in OPEN for registered in (True, False) if registered or state in BEFORE]
TERMS = Terms(WorkingCalendar(HERE))


def recall(desk: RunningDesk, delivery: str) -> None:
    dispatch = get_entry(desk.spool, delivery).dispatch_id
    with desk.spool.writing() as conn:
        recalls.note(conn, [recalls.Noted(unit=UNIT, by="0" * 32, notation="9-CV/TU", dispatch_ids=(dispatch,))])
        recalls.carry_out(conn, {(UNIT, dispatch)})


async def test_whatever_state_it_is_in_what_is_owed_can_be_done(desk: RunningDesk) -> None:
    with desk.spool.writing() as conn:
        PEOPLE.invite(conn, "hoa", [RoleGrant(role, UNIT) for role in DeskRole], now_ms=now_ms())
    async with desk.as_("hoa") as hoa:
        for seq, (state, registered) in enumerate(CASES, 1):
            delivery = came(desk.spool, seq=seq, notation=f"{seq}-CV/TU")
            if state is Status.TAKE_BACK_REQUESTED:
                recall(desk, delivery)
            with desk.spool.writing() as conn:
                sql = "UPDATE inbox SET state = ?, registered_at = ? WHERE delivery_id = ?"
                conn.exec_driver_sql(
                    sql, (state.value, 1 if registered and state is not Status.ARRIVED else None, delivery)
                )
            with desk.spool.reading() as conn:
                (row,) = desk_lists.of_these(conn, {UNIT}, [delivery])
            owed = row.owed(TERMS)
            assert owed is not None, (state, registered)
            what, form = FORMS[owed.duty]
            assert f'id="{what}"' in await hoa.text(f"/desk/incoming/{delivery}"), (state, registered)
            listed = await hoa.text(f"/desk/incoming?need={NEEDS[owed.duty]}")
            assert delivery in listed, (state, registered)
            assert (await hoa.act(delivery, what, **form)).status == 303, (state, registered)


async def test_what_was_kept_before_it_was_registered_is_registered_like_any_other(desk: RunningDesk) -> None:
    delivery = came(desk.spool)
    recall(desk, delivery)
    async with desk.as_("hoa") as hoa:
        await hoa.act(delivery, "recall", accept="false", reason="Đã thực hiện")
        page = await hoa.text(f"/desk/incoming/{delivery}")
        assert ('id="register"' in page, 'id="submit"' in page) == (True, False)
        seen = await hoa.seen(delivery)
        for what, form in (("submit", {"leader": "nam"}), ("process", {}), ("complete", {})):
            assert (await hoa.act(delivery, what, seen=seen, **form)).status == 409, what
        assert (await hoa.act(delivery, "register", day=today(), subject="Về việc", number=1)).status == 303
        assert 'id="submit"' in await hoa.text(f"/desk/incoming/{delivery}")


@pytest.mark.parametrize("registered", [True, False])
async def test_a_list_and_its_count_agree_on_what_was_kept(desk: RunningDesk, registered: bool) -> None:  # noqa: FBT001 - a case
    for seq, state in enumerate(OPEN, 1):
        delivery = came(desk.spool, seq=seq)
        with desk.spool.writing() as conn:
            sql = "UPDATE inbox SET state = ?, registered_at = ? WHERE delivery_id = ?"
            conn.exec_driver_sql(sql, (state.value, 1 if registered else None, delivery))
    with desk.spool.reading() as conn:
        counts = desk_lists.count(conn, UnitScope.whole(UNIT))
        listed = {need: len(desk_lists.find(conn, WantedDocuments({UNIT}, need))) for need in Need}
    assert counts == listed
    assert sum(counts.values()) == len(OPEN)
