"""What waits for a unit that is gone is settled in the console; so is which of a unit's gateways works."""

from datetime import timedelta
from typing import Any

from sqlalchemy import insert, update

from router.ledger.engine import reading, writing
from router.ledger.models import unit as unit_row
from router.ledger.models import unit_trouble
from router.ledger.units import gateways
from router.ledger.units.gateways import GatewayHello
from router.ledger.units.leftovers import leftovers
from schemas.clock import now_ms
from schemas.health import Health
from schemas.ids import new_id
from support.consoles import Browser, Console

CODE, HEIR = "LCA.02.12", "LCA.02.13"
PLACE = f"/console/units/{CODE}"


async def post(browser: Browser, way: str, **form: Any) -> int:
    fields = {"csrf": await browser.csrf(), "reason": "QĐ 12"} | form
    return (await browser.post(f"{PLACE}/{way}", None, **fields)).status


def waiting(console: Console, code: str = CODE) -> int:
    with reading(console.engine) as conn:
        return len(leftovers(conn, code))


def abolish(console: Console, successor: str | None) -> None:
    day = console.services.organisation.today - timedelta(days=1)
    with writing(console.engine) as conn:
        conn.execute(update(unit_row).where(unit_row.c.code == CODE).values(valid_to=day, successor=successor))


async def test_what_waits_is_handed_on_to_the_successor_or_to_a_unit_of_ones_own(console: Console) -> None:
    before = waiting(console)
    assert before
    async with console.as_("district") as district, console.as_("viewer") as viewer:
        assert 'id="hand-on"' not in await district.text(f"{PLACE}/waiting")
        assert await post(district, "hand-on", successor=HEIR) == 422, "it exists"
        assert await post(district, "give-up") == 422
        abolish(console, "LCA.03.01")
        assert f'href="{PLACE}/waiting"' in await district.text("/console/stuck")
        assert 'id="hand-on"' in await district.text(f"{PLACE}/waiting")
        assert 'id="hand-on"' not in await viewer.text(f"{PLACE}/waiting")
        assert await post(viewer, "hand-on", successor=HEIR) == 403
        assert await post(viewer, "give-up") == 403
        assert await post(district, "hand-on", successor="LCA.05.01") == 422, "neither the successor nor theirs"
        assert await post(district, "hand-on", successor="LCA.02.99") == 422
        assert await post(district, "hand-on", successor=HEIR, reason=" ") == 422
        assert waiting(console) == before
        assert await post(district, "hand-on", successor="lca.03.01") == 303, "the successor, whose ever that is"
    assert waiting(console) == 0


async def test_what_waits_is_given_up(console: Console) -> None:
    abolish(console, None)
    async with console.as_("district") as district:
        assert await post(district, "give-up", reason="") == 422
        assert waiting(console)
        assert [await post(district, "give-up") for _ in range(2)] == [303, 303]
        assert waiting(console) == 0
        assert (await district.get("/console/units/LCA.03.01/waiting")).status == 404


async def test_another_gateway_is_let_work_for_a_unit_and_a_trouble_is_shown(console: Console) -> None:
    first, second, now = new_id(), new_id(), now_ms()
    with writing(console.engine) as conn:
        for spool, contested in ((first, False), (second, True)):
            said = GatewayHello(spool, f"gateway:{CODE}", now, 60_000, "0.2.0", Health(disk_free=5_000_000))
            gateways.note_said(conn, said, contested=contested)
        conn.execute(update(unit_row).where(unit_row.c.code == CODE).values(spool_id=first))
        trouble = {"unit": CODE, "code": "disk-full", "why": "no space left on /srv", "since": now, "told_at": now}
        conn.execute(insert(unit_trouble).values(trouble))
    async with console.as_("district") as district, console.as_("viewer") as viewer:
        page = await district.text(PLACE)
        assert "Cổng dự phòng" in page
        assert '<code lang="en">no space left on /srv' in page
        assert f'value="{second}"' in page
        assert f'value="{second}"' not in await viewer.text(PLACE)
        assert await post(viewer, "take-over", spool=second) == 403
        assert await post(district, "take-over", spool=new_id()) == 422
        assert await post(district, "take-over", spool=second) == 303
        after = await district.text(PLACE)
        assert f'Cổng đang làm việc</dt><dd><code title="{second}">' in after
        assert f'value="{second}"' not in after
