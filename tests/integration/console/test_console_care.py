"""Who takes care of what is stuck, in the console: at the list, the unit, the audit and the export."""

import re
from typing import Any

from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.queries import StuckGroup
from router.ledger.scope import EVERYTHING
from schemas.clock import now_ms
from support.consoles import Browser, Console

NOTE = "đã gọi văn phòng, chiều sẽ dọn đĩa"


def groups_of(console: Console) -> tuple[StuckGroup, StuckGroup]:
    """One below the district LCA.02, and one below another."""
    with reading(console.engine) as conn:
        groups = queries.stuck(conn, EVERYTHING, now_ms=now_ms(), day=console.services.organisation.today)
    mine = [group for group in groups if group.parent == "LCA.02"]
    return mine[0], next(group for group in groups if group.parent not in {"LCA", "LCA.02"})


async def care(browser: Browser, group: StuckGroup, way: str = "take", **form: Any) -> int:
    fields = {"csrf": await browser.csrf(), "seen": "0", "text": NOTE} | form
    return (await browser.post(f"/console/stuck/{group.key.id}/{way}", None, **fields)).status


async def test_who_takes_care_is_shown_at_the_list_the_unit_the_audit_and_the_export(console: Console) -> None:
    group, _ = groups_of(console)
    with reading(console.engine) as conn:
        found = queries.find_deliveries(
            conn, EVERYTHING, queries.Filter(flags=frozenset({queries.Flag.PARKED}), units=("LCA.02.*",)), now_ms=0
        )
    code = found[0].unit
    async with console.as_("district") as district:
        place = f"/console/stuck/{group.key.id}"
        assert f'href="{place}"' in await district.text("/console/stuck")
        assert 'id="take"' in await district.text(place)
        assert await care(district, group) == 303
        page = await district.text(place)
        seen = re.search(r'name="seen" value="(\d+)"', page)
        assert seen is not None
        assert 'id="leave"' in page
        for where in ("/console/stuck", f"/console/units/{code}", place):
            text = await district.text(where)
            assert NOTE in text, where
            assert "<b>district</b>" in text, where
        assert NOTE in await (await district.get("/console/stuck.csv")).text()
        assert await care(district, group) == 422, "the form of a page that is old"
        assert await care(district, group, seen=seen[1], text="xong") == 303
        assert "xong" in await district.text("/console/stuck")
        assert await care(district, group, "leave") == 303
        assert await care(district, group, "leave") == 404
        assert "<b>district</b>" not in await district.text("/console/stuck")
    async with console.as_("auditor") as auditor:
        audit = await auditor.text("/console/audit?unit=LCA.02")
        assert audit.count("phụ trách việc tồn đọng</td>") + audit.count("phụ trách việc tồn đọng ") >= 3


async def test_who_may_not_act_on_all_of_it_sees_no_form_and_takes_nothing(console: Console) -> None:
    group, foreign = groups_of(console)
    async with console.as_("viewer") as viewer, console.as_("district") as district:
        assert 'id="take"' not in await viewer.text(f"/console/stuck/{group.key.id}")
        assert await care(viewer, group) == 403
        assert await care(district, foreign) == 404
        assert (await district.get(f"/console/stuck/{foreign.key.id}")).status == 404
        assert (await district.get("/console/stuck/none")).status == 422


async def test_the_stuck_are_asked_below_units(console: Console) -> None:
    mine, other = (group.key.id for group in groups_of(console))
    async with console.as_("admin") as admin:
        whole, part = await admin.text("/console/stuck"), await admin.text("/console/stuck?unit=lca.02.%23")
    assert (mine in whole, other in whole) == (True, True)
    assert (mine in part, other in part) == (True, False)
