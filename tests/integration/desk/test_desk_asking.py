"""What the desk asks the router through its gateway: the tree, the plan, the track; shown as soon as it is known."""

from typing import Any

import orjson

from consumers.spool import questions
from consumers.spool.models import question
from consumers.spool.questions import Answered, QuestionKind
from schemas.ids import new_id
from support.deliveries import UNIT
from support.desks import RunningDesk, accept

LEVEL = {
    "of": {"code": "LCA", "name": "Tỉnh", "kind": "province", "link": "lan", "below": 2},
    "kinds": ["district"],
    "units": [
        {"code": "LCA.02", "name": "Thị xã Sa Pa", "kind": "district", "link": "wan", "below": 3},
        {"code": "LCA.03", "name": "Huyện Bát Xát", "kind": "district", "link": "none", "below": 0},
    ],
    "more": True,
}
PLAN: dict[str, Any] = {
    "at": "2026-11-29T05:04:03.210Z",
    "count": 1,
    "never": 0,
    "bytes": 61_440,
    "whole": True,
    "attachments": [],
    "groups": [
        {"link": "wan", "units": 1, "never": 0, "bytes": 9, "median_seconds": 4.0, "longest_seconds": 4.0},
    ],
    "units": [
        {"unit": "LCA.02", "name": "Thị xã Sa Pa", "arrives_at": "2026-11-29T05:09:41.007Z", "remarks": ["line_down"]}
    ],
    "left_out": [{"unit": "LCA.09", "reason": "newer_word", "detail": ""}],
    "left_out_count": 31,
    "notes": [],
}


def answer(desk: RunningDesk, kind: QuestionKind, told: dict[str, Any] | None, problem: str = "") -> None:
    """What the gateway notes when the router has answered a question."""
    with desk.spool.writing() as conn:
        (asked, *_) = [one for one in questions.waiting(conn, 10) if one.kind is kind]
        questions.answer(conn, [Answered(asked.pos, None if told is None else orjson.dumps(told), "", problem)])


async def test_the_tree_is_asked_for_and_shown_as_soon_as_it_is_known(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        waits = await hoa.text("/desk/outgoing/units?of=LCA")
        assert 'hx-get="/desk/outgoing/units?of=LCA"' in waits
        answer(desk, QuestionKind.LEVEL, LEVEL)
        known = await hoa.text("/desk/outgoing/units?of=LCA")
        assert "Thị xã Sa Pa" in known
        assert 'value="LCA.02.#"' in known
        assert "after=LCA.03" in known, "there are more"
        rows = await hoa.text("/desk/outgoing/units?of=LCA&after=LCA.03")
        assert rows.strip().startswith("<li")
        assert "of=LCA&amp;after=LCA.03" in rows
        assert 'hx-get="/desk/outgoing/units?find=sa+pa"' in await hoa.text("/desk/outgoing/units?find=sa+pa")
        without_script = await hoa.text("/desk/outgoing/new?of=LCA")
        assert "Thị xã Sa Pa" in without_script


async def test_a_plan_is_asked_for_shown_and_what_the_router_refuses_is_said(desk: RunningDesk) -> None:
    form = {"issuer": UNIT, "addressees": "LCA.02", "bytes": "5000", "saved_bytes": "100"}
    script = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    async with desk.as_("hoa") as hoa:

        async def plan(**more: str) -> str:
            given = form | more | {"csrf": hoa.token, "once": new_id()}
            return await (await hoa.post("/desk/outgoing/plan", headers=script, **given)).text()

        assert 'hx-post="/desk/outgoing/plan"' in await plan()
        with desk.spool.reading() as conn:
            (asked,) = questions.waiting(conn, 5)
        assert asked.subject.endswith(">5100"), "the bytes of the files, saved and new"
        answer(desk, QuestionKind.PLAN, PLAN)
        assert "Thị xã Sa Pa" in await plan(), "whatever the id of the form is"
        assert 'hx-post="/desk/outgoing/plan"' in await plan(urgency="2")
        answer(desk, QuestionKind.PLAN, None, "the rule LCA.99 names nobody")
        assert "LCA.99" in await plan(urgency="2")
        assert "hx-post" not in await plan(addressees="")
        page = await (await hoa.send("/outgoing/plan", **form, once=new_id())).text()
        assert "Thị xã Sa Pa" in page, "without a script it is the whole page"


async def test_what_the_router_cut_is_said_to_be_cut(desk: RunningDesk) -> None:
    form = {"issuer": UNIT, "addressees": "LCA.02", "once": new_id()}
    script = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    async with desk.as_("hoa") as hoa:
        await hoa.post("/desk/outgoing/plan", headers=script, csrf=hoa.token, **form)
        answer(desk, QuestionKind.PLAN, PLAN | {"count": 42})
        page = await (await hoa.post("/desk/outgoing/plan", headers=script, csrf=hoa.token, **form)).text()
        assert "và 41 đơn vị khác" in page
        assert "và 30 đơn vị khác" in page
        assert "newer_word" in page, "a word that this program does not know yet"
        await hoa.text("/desk/outgoing/units?find=sa+pa")
        answer(desk, QuestionKind.SEARCH, LEVEL | {"of": None})
        assert "find=sa%20pa&amp;after=LCA.03" in await hoa.text("/desk/outgoing/units?find=sa+pa")


async def test_why_the_router_shows_no_units_is_said(desk: RunningDesk) -> None:
    async with desk.as_("hoa") as hoa:
        for place in ("/desk/outgoing/units?of=LCA", "/desk/outgoing/units?of=LCA&after=LCA.03"):
            await hoa.text(place)
            answer(desk, QuestionKind.LEVEL, None, "the account of this gateway has ended")
            page = await hoa.text(place)
            assert "the account of this gateway has ended" in page
            assert "hx-get" not in page, "it is not asked again and again"


async def test_an_answer_that_an_earlier_program_kept_breaks_no_page(desk: RunningDesk) -> None:
    once = new_id()
    form = {"issuer": UNIT, "addressees": "LCA.02", "once": new_id()}
    async with desk.as_("hoa") as hoa:
        await hoa.compose(once)
        accept(desk.spool, once)
        for _ in range(2):
            assert (await hoa.get("/desk/outgoing/units?of=LCA")).status == 200
            assert (await hoa.get("/desk/outgoing/units?find=sa+pa")).status == 200
            assert (await hoa.get(f"/desk/outgoing/{once}")).status == 200
            assert (await hoa.send("/outgoing/plan", **form)).status == 200
            with desk.spool.writing() as conn:
                kept = [Answered(one.pos, b'{"units": [{}]}') for one in questions.waiting(conn, 10)]
                questions.answer(conn, kept)


async def test_the_track_is_shown_as_the_router_has_it_and_asked_for_again(desk: RunningDesk) -> None:
    once = new_id()
    view = {
        "states": {"registered": 1},
        "addressees": 1,
        "deliveries": [
            {
                "unit": "LCA.02",
                "unit_name": "Thị xã Sa Pa",
                "state": "registered",
                "state_at": "2026-11-29T05:04:03.210Z",
                "register_number": "451",
                "reason": "",
                "bytes_held": None,
                "bytes_total": None,
                "line_down_since": None,
            }
        ],
        "next": None,
    }
    async with desk.as_("hoa") as hoa:
        await hoa.compose(once)
        assert 'id="track"' not in await hoa.text(f"/desk/outgoing/{once}"), "nobody has it yet"
        accept(desk.spool, once)
        page = await hoa.text(f"/desk/outgoing/{once}")
        assert f'hx-get="/desk/outgoing/{once}/track"' in page
        answer(desk, QuestionKind.TRACK, view)
        part = await hoa.text(f"/desk/outgoing/{once}/track")
        assert "Thị xã Sa Pa" in part
        assert "451" in part
        assert "hx-trigger" not in part, "it is fresh"
        with desk.spool.writing() as conn:
            conn.execute(question.update().values(answered_at=0, wanted_at=0))
        part = await hoa.text(f"/desk/outgoing/{once}/track")
        assert "Thị xã Sa Pa" in part, "what was known stays while it is asked again"
        assert "hx-trigger" in part
