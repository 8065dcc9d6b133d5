"""A clerk answers what came: where the form begins, and what the answer completes."""

from consumers.reading.inbox import get_entry
from consumers.spool import desk_letters
from consumers.spool.units import keep_names
from schemas.accounts import Role
from schemas.dispatch import Urgency
from schemas.ids import new_id
from schemas.rights import DEFAULTS
from schemas.states import Status
from support.deliveries import UNIT, came
from support.desks import OTHER, RunningDesk, accept, today

PDF = ("Báo cáo.pdf", b"%PDF-1.4 one")


async def test_an_answer_begins_no_more_urgent_than_a_gateway_may_send(
    desk: RunningDesk,
) -> None:
    delivery = came(desk.spool, urgency=Urgency.EXPRESS)
    async with desk.as_("hoa") as hoa:
        await hoa.act(delivery, "register", day=today(), subject="Công điện", number=1)
        page = await hoa.text(f"/desk/outgoing/new?answers={delivery}")
    assert f'<option value="{DEFAULTS[Role.GATEWAY].max_urgency}" selected>' in page


async def test_an_answer_begins_at_what_came_and_completes_it_when_it_is_accepted(desk: RunningDesk) -> None:
    delivery = came(desk.spool, notation="128-CĐ/TU", urgency=Urgency.URGENT)
    with desk.spool.writing() as conn:
        keep_names(conn, [{"LCA.VP": "Văn phòng Tỉnh ủy"}])
    once = new_id()
    async with desk.as_("hoa") as hoa:
        await hoa.act(delivery, "register", day=today(), subject="Về việc phòng, chống rét", number=1)
        assert f"/desk/outgoing/new?answers={delivery}" in await hoa.text(f"/desk/incoming/{delivery}")
        page = await hoa.text(f"/desk/outgoing/new?answers={delivery}")
        assert "V/v trả lời công văn số 128-CĐ/TU" in page
        assert ">\nLCA.VP</textarea>" in page
        assert 'hx-trigger="load, change from:#send' in page, "it is planned at once"
        dispatch = get_entry(desk.spool, delivery).dispatch_id
        assert dispatch in page
        sent = await hoa.compose(once, answers=delivery, completes="true", refers_to=dispatch, addressees="LCA.VP")
        assert sent.status == 303
        assert get_entry(desk.spool, delivery).state is Status.REGISTERED
        accept(desk.spool, once)
        assert get_entry(desk.spool, delivery).state is Status.COMPLETED
        assert "1/CV" in await hoa.text(f"/desk/incoming/{delivery}")
        assert "Văn phòng Tỉnh ủy" in await hoa.text(f"/desk/registers/{UNIT}/outgoing/{today()[:4]}"), (
            "nơi nhận by name"
        )


async def test_an_answer_names_only_what_came_to_the_persons_units(desk: RunningDesk) -> None:
    delivery = came(desk.spool, unit=OTHER)
    async with desk.as_("hoa") as hoa:
        assert (await hoa.get(f"/desk/outgoing/new?answers={delivery}")).status == 404
        refused = await hoa.compose(new_id(), PDF, answers=delivery, completes="true")
        assert refused.status == 422
        assert "data-kept" not in await refused.text(), "its files did not become the draft's"
    with desk.spool.reading() as conn:
        assert desk_letters.listed(conn, {UNIT}, limit=10) == []
