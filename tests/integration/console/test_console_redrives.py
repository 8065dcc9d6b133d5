"""Redrives in the console: from a filter to a job that goes on by itself, and what people do with it."""

import re
from asyncio import gather
from html import unescape
from typing import Any
from urllib.parse import quote

from aiohttp import ClientResponse

from router.ledger.engine import reading, writing
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE, PersonRole
from router.ledger.queries import Filter, find_deliveries
from router.ledger.redrives.decisions import JobState
from router.ledger.redrives.reading import RedriveJob, find_job, list_jobs
from router.ledger.scope import EVERYTHING
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.audited import list_entries
from support.conditions import holds
from support.consoles import Browser, Console
from support.ledgers import Clerk
from support.stories import GONE

WHY = "đĩa đã được dọn"


async def begin(browser: Browser, text: str, **form: Any) -> ClientResponse:
    """Send the wizard's form."""
    first = await browser.get(f"/console/redrives/new?q={quote(text)}")
    fields = {
        "csrf": await browser.csrf(),
        "q": text,
        "cut": first.headers["location"].rpartition("cut=")[2],
        "once": new_id(),
        "pace": "hand",
        "reason": WHY,
    }
    return await browser.post("/console/redrives", None, **(fields | form))


async def begun(browser: Browser, text: str, **form: Any) -> str:
    """Begin a redrive; its page."""
    answer = await begin(browser, text, **form)
    assert answer.status == 303, await answer.text()
    return answer.headers["location"]


async def act(browser: Browser, place: str, name: str, seen: int = 1) -> int:
    return (await browser.post(place, None, csrf=await browser.csrf(), act=name, seen=str(seen))).status


def job(console: Console, place: str) -> RedriveJob:
    with reading(console.engine) as conn:
        return find_job(conn, EVERYTHING, place.rpartition("/")[2])


def in_state(console: Console, state: Status) -> set[str]:
    with reading(console.engine) as conn:
        found = find_deliveries(conn, EVERYTHING, Filter(states=frozenset({state})), now_ms=now_ms())
    return {row.id for row in found}


def arrive(console: Console, status: Status = Status.ARRIVED) -> None:
    """What is on its way again comes to its units, or comes back."""
    again = in_state(console, Status.REDRIVEN)
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        for (dispatch, code), key in console.story.deliveries.items():
            if key in again:
                clerk.tell(dispatch, code, status, reason="again" if status is Status.PARKED else "")


async def stands(console: Console, place: str, state: JobState) -> None:
    await holds(lambda: job(console, place).state is state, what=f"the redrive is {state}")


async def test_one_is_sent_then_the_rest_and_reason_and_audit_stay(console: Console) -> None:
    async with console.as_("admin") as admin:
        place = await begun(admin, "is:parked")
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 1)
        arrive(console)
        await stands(console, place, JobState.WAITING)
        text = await admin.text(place)
        assert "<strong>1</strong> / 6" in text
        assert WHY in text
        assert await act(admin, place, "rest") == 303
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 5)
        assert "Không có gì tồn đọng" in await admin.text("/console/stuck")
        arrive(console)
        await stands(console, place, JobState.DONE)
        text = await admin.text("/console/audit?act=redriven&person=admin")
        assert text.count(WHY) == 1
        opened = re.search(r'href="(/console/audit\?[^"]*opened=[^"#]*)', text)
        assert opened is not None
        text = await admin.text(unescape(opened[1]))
        assert text.count(WHY) == 6
    with reading(console.engine) as conn:
        made = [row.entry for row in list_entries(conn, EVERYTHING, act=Act.REDRIVE_MADE)]
        sent = [row.entry for row in list_entries(conn, EVERYTHING, act=Act.REDRIVEN)]
    assert [(entry.person, entry.reason, entry.address) for entry in made] == [("admin", WHY, "127.0.0.1")]
    assert len({entry.subject for entry in sent}) == len(sent) == 6
    assert {entry.reason for entry in sent} == {WHY}


async def test_a_form_sent_twice_at_once_makes_one_redrive_and_one_sends_one(console: Console) -> None:
    async with console.as_("admin") as admin:
        token = new_id()
        places = await gather(*(begun(admin, "is:parked", once=token, cut=str(now_ms())) for _ in range(4)))
        assert len(set(places)) == 1
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 1)
        other = await begin(admin, "is:parked", once=token, reason="another")
        assert other.status == 409
        arrive(console)
        await stands(console, places[0], JobState.WAITING)
        assert set(await gather(*(act(admin, places[0], "one") for _ in range(4)))) == {303}
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 1)
        arrive(console)
        await stands(console, places[0], JobState.WAITING)
        assert job(console, places[0]).tally.sent == 2
    with reading(console.engine) as conn:
        assert len(list_jobs(conn, EVERYTHING)) == 1


async def test_the_first_that_comes_back_stops_it_for_all_to_see(console: Console) -> None:
    async with console.as_("admin") as admin, console.as_("viewer") as viewer:
        place = await begun(admin, "is:parked", pace="canary")
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 1)
        arrive(console, Status.PARKED)
        await stands(console, place, JobState.STOPPED)
        for browser in (admin, viewer):
            assert "parked: again" in await browser.text(place)
            assert place in await browser.text("/console/stuck")
            assert place in await browser.text("/console/redrives")
        assert await act(viewer, place, "resume") == 403
        assert 'name="act"' not in await viewer.text(place)
        assert await act(admin, place, "cancel") == 303
        assert job(console, place).state is JobState.CANCELLED
        assert await act(admin, place, "resume") == 422
        assert len(in_state(console, Status.PARKED)) == 6
        assert place not in await admin.text("/console/stuck")


async def test_what_gets_stuck_after_the_cut_off_is_not_sent_again(console: Console) -> None:
    async with console.as_("admin") as admin:
        place = await begun(admin, "is:parked", cut=str(now_ms() - 60 * 60_000), pace="all")
        await holds(lambda: len(in_state(console, Status.REDRIVEN)) == 4)
        assert job(console, place).course.total == 4
        assert {row.reason for row in _parked(console)} == {GONE}


def _parked(console: Console) -> Any:
    with reading(console.engine) as conn:
        return find_deliveries(conn, EVERYTHING, Filter(states=frozenset({Status.PARKED})), now_ms=now_ms())


async def test_a_dry_run_tells_what_is_skipped_and_a_redrive_needs_a_reason(console: Console) -> None:
    async with console.as_("admin") as admin:
        answer = await begin(admin, "is:parked", reason="  ")
        assert answer.status == 422
        assert "Hãy nêu lý do" in await answer.text()
        for wrong in ({"pace": "two"}, {"watch": "0"}, {"once": "x"}, {"per_minute": "-1"}, {"q": "colour:red"}):
            assert (await begin(admin, "is:parked", **wrong)).status in {400, 422}, wrong
        text = await admin.text(f"/console/redrives/new?cut={now_ms()}&q=document:{console.story.district}")
        assert "Bỏ qua: từ chối" in text
        assert (await begin(admin, "state:arrived")).status == 422
    async with console.as_("district") as district:
        text = await district.text(f"/console/redrives/new?cut={now_ms()}&q=is:parked")
        assert "<strong>4</strong>" in text
        assert job(console, await begun(district, "is:parked")).course.total == 4
    with reading(console.engine) as conn:
        assert len(list_jobs(conn, EVERYTHING)) == 1


async def test_who_sees_a_part_of_a_redrive_sees_that_part_alone(console: Console) -> None:
    async with console.as_("admin") as admin, console.as_("district") as district:
        place = await begun(admin, "unit:LCA.#")
        text = await district.text(place)
        assert "/ 4" in text
        assert "unit:LCA" not in text
        assert await act(district, place, "cancel") == 403
        codes = set(re.findall(r'<b class="code">([A-Z0-9.]+)</b>', text))
        assert codes
        assert all(code.startswith("LCA.02") for code in codes)


async def test_who_lost_the_role_lets_nothing_more_go(console: Console) -> None:
    async with console.as_("district") as district:
        place = await begun(district, "is:parked")
        await holds(lambda: job(console, place).tally.sent == 1)
        with writing(console.engine) as conn:
            PEOPLE.withdraw(conn, "district", RoleGrant(PersonRole.OPERATOR, "LCA.02.#"))
            PEOPLE.invite(conn, "district", [PEOPLE.check_grant("viewer", "LCA.02.#")], now_ms=now_ms())
        assert await act(district, place, "ten") == 403
        assert job(console, place).tally.sent == 1
