"""A desk, its gateway's way up and a real router: sent, asked, answered and recalled over a line that breaks."""

import os

from sqlalchemy import select

from consumers.reading.inbox import get_entry
from consumers.spool import desk_letters
from router.ledger.engine import reading
from router.ledger.models import dispatch, dispatch_attachment
from schemas.dispatch import Urgency
from schemas.ids import new_id
from schemas.stages import Stage
from schemas.states import Status
from support.conditions import holds
from support.deliveries import came
from support.desks import today
from support.offices import HERE, Office

SCAN = ("Quét.pdf", os.urandom(60_000))


async def test_a_document_of_the_desk_is_with_the_router_with_its_files(office: Office) -> None:
    once = new_id()
    assert (await office.compose(once, SCAN, ("b.txt", b"b"))).status == 303
    await holds(lambda: office.stage(once) is Stage.ACCEPTED, within=60)
    with reading(office.api.engine) as conn:
        columns = dispatch_attachment.c.name, dispatch_attachment.c.sha256
        files = dict(conn.execute(select(*columns)).all())
    assert set(files) == {SCAN[0], "b.txt"}
    assert office.api.content.path(files[SCAN[0]]).read_bytes() == SCAN[1]
    await office.page_has(f"/outgoing/{once}/track", "LCA.02")
    await office.page_has(f"/outgoing/{once}/track", "Đơn vị LCA.02")
    assert office.unit.stages() == ["accepted"], "the gateway's command lists it, too"


async def test_while_the_line_is_down_everything_but_the_router_works_and_then_it_goes(office: Office) -> None:
    office.line.refuse()
    once, draft = new_id(), new_id()
    assert (await office.compose(draft, SCAN, do="save", number="2")).status == 303
    assert (await office.compose(once, SCAN)).status == 303
    assert 'hx-get="/desk/outgoing/units?of=LCA.02"' in await office.hoa.text("/desk/outgoing/units?of=LCA.02")
    assert office.stage(once) is Stage.WAITING
    assert "1/CV" in await office.hoa.text(f"/desk/outgoing/{once}")
    office.line.refuse(refuse=False)
    await holds(lambda: office.stage(once) is Stage.ACCEPTED, within=60)
    await office.page_has("/outgoing/units?of=LCA.02", "LCA.02.02")
    assert office.sent() == ["1/CV"], "the draft was only saved"


async def test_tree_search_and_plan_come_over_the_line_and_stay_when_it_goes(office: Office) -> None:
    form = {"issuer": HERE, "addressees": "LCA.02.#", "bytes": "90000", "once": new_id()}
    await office.page_has("/outgoing/units", "LCA.02")
    await office.page_has("/outgoing/units?find=don+vi+03", "LCA.03.01")
    script = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}

    async def planned() -> bool:
        answer = await office.hoa.post("/desk/outgoing/plan", headers=script, csrf=office.hoa.token, **form)
        return "Đơn vị LCA.02.02" in await answer.text()

    await holds(planned, within=60)
    office.line.refuse()
    assert await planned()
    assert "LCA.02" in await office.hoa.text("/desk/outgoing/units")
    assert "Đơn vị LCA.02" in (await office.hoa.text("/desk/outgoing/new"))


async def test_what_the_router_refuses_is_rejected_mended_and_sent_under_its_number(office: Office) -> None:
    once = new_id()
    await office.compose(once, SCAN, addressees="LCA.99")
    await holds(lambda: office.stage(once) is Stage.REJECTED, within=60)
    assert "LCA.99" in await office.hoa.text(f"/desk/outgoing/{once}")
    made = (await office.hoa.send(f"/outgoing/{once}/mend")).headers["Location"].rpartition("/")[2]
    assert (await office.compose(made, version="1", keep=SCAN[0], addressees="LCA.02")).status == 303
    await holds(lambda: office.stage(made) is Stage.ACCEPTED, within=60)
    assert office.sent() == ["1/CV"]


async def test_an_answer_completes_what_came_and_a_recall_reaches_the_router(office: Office) -> None:
    once = new_id()
    await office.compose(first := new_id(), addressees="LCA.02")
    await holds(lambda: office.stage(first) is Stage.ACCEPTED, within=60)
    with office.desk.spool.reading() as conn:
        dispatch_id = desk_letters.get(conn, first, {HERE}).document.dispatch_id
    delivery = came(office.desk.spool, unit=HERE, id=str(dispatch_id), notation="1/CV", urgency=Urgency.URGENT)
    await office.hoa.act(delivery, "register", day=today(), subject="Báo cáo", number=1)
    answer = await office.compose(
        once, number="2", notation="2/CV", answers=delivery, completes="true", refers_to=str(dispatch_id)
    )
    assert answer.status == 303
    await holds(lambda: get_entry(office.desk.spool, delivery).state is Status.COMPLETED, within=60)
    key = new_id()
    assert (await office.hoa.send(f"/outgoing/{once}/recall", once=key, reason="Sai số liệu")).status == 303
    await holds(lambda: office.stage(key) is Stage.ACCEPTED, within=60)
    with reading(office.api.engine) as conn:
        kinds = dict(conn.execute(select(dispatch.c.subject, dispatch.c.kind)).all())
    assert kinds["Thu hồi văn bản số 2/CV: Báo cáo tuần"] == "recall"
    await office.page_has(f"/outgoing/{once}/track", "LCA.02")
