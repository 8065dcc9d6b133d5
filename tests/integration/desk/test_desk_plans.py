"""No page of the desk reads a whole table that grows (SQLite's plans of all their queries), or on the event loop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from consumers.spool import Spool
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.ids import new_id
from support.deliveries import UNIT, came
from support.desks import OTHER, RunningDesk, today
from support.query_plans import plans, scanned

YEAR = int(today()[:4])
BOOK = f"/registers/{UNIT}/incoming/{YEAR}"
GROWS = {
    *("inbox", "letter", "letter_reference", "receipt", "book_entry", "book_version", "step", "journal", "past"),
    *("outgoing", "there", "outgoing_file", "desk_letter", "draft", "draft_file"),
}
SMALL = {
    "USING COVERING INDEX ix_letter_folded",
    "USING COVERING INDEX ix_outgoing_folded",
    "USING INDEX ix_inbox_waiting",
    "USING INDEX ix_receipt_unsent",
}
"""The folded texts, in which words are looked for, are small beside the letters; few documents are on their way, and
few receipts wait."""


FILTERS = (
    "",
    "need=register",
    "need=register&before=5",
    "need=work",
    "need=ended&before=9",
    "q=ve+viec",
    "state=arrived",
    "urgency=2",
    "issuer=LCA.VP",
    "type=c%C3%B4ng+v%C4%83n",
    "book=-",
    "lead=lan",
    "due=week",
    f"from={YEAR}-01-01&to={YEAR}-12-31",
    "q=ret&need=work&issuer=LCA.VP&lead=lan&due=overdue",
)


@pytest.mark.parametrize("cleared", [True, False])
async def test_no_page_reads_a_whole_table_that_grows(desk: RunningDesk, cleared: bool) -> None:  # noqa: FBT001 - a case
    roles = [role for role in DeskRole if cleared or role is not DeskRole.CLEARED]
    with desk.spool.writing() as conn:
        grants = [RoleGrant(role, unit) for role in roles for unit in (UNIT, OTHER)]
        PEOPLE.invite(conn, "nam", grants, now_ms=now_ms())
    fresh, entered = (came(desk.spool, seq=seq, notation=f"{seq}-CV/TU") for seq in (1, 2))
    async with desk.as_("nam") as nam:
        assert (await nam.act(entered, "register", day=today(), subject="Về việc")).status == 303
        places = [f"/incoming?{query}" for query in FILTERS]
        places += ["/", f"/incoming/{fresh}", f"/incoming/{entered}", f"/incoming/{entered}/slip", "/registers"]
        places += [BOOK, f"{BOOK}?form=following", f"{BOOK}/print", f"{BOOK}/1", f"{BOOK}/export", "/journal"]
        places += ["/completeness", "/completeness?issuer=LCA.VP&pattern=-CV/TU", "/reports", "/line", "/people"]
        once, draft = new_id(), new_id()
        assert (await nam.compose(once)).status == 303
        assert (await nam.compose(draft, do="save")).status == 303
        shelves = ("draft", "waiting", "accepted", "rejected")
        places += [f"/outgoing?{query}" for query in ("", "q=bao+cao", "before=9", f"unit={UNIT}")]
        places += [f"/outgoing?stage={shelf}&q={words}" for shelf in shelves for words in ("", "tuan")]
        places += ["/outgoing/new", f"/outgoing/{once}", f"/outgoing/{once}/recall", f"/outgoing/drafts/{draft}"]
        places += [f"/registers/{UNIT}/outgoing/{YEAR}/1"]
        with plans(desk.spool.engine) as found:
            for place in places:
                assert (await nam.get(f"/desk{place}")).status == 200, place
            assert (await nam.act(fresh, "register", day=today(), subject="Về việc")).status == 303
    whole = scanned(found, GROWS, SMALL)
    assert not whole, "\n\n".join(whole)
    assert any("ix_inbox_desk" in plan for plan in found.values())


async def test_no_page_reads_the_spool_on_the_event_loop(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = came(desk.spool, seq=1)
    places = [
        "/",
        "/attention",
        "/incoming",
        f"/incoming/{fresh}",
        f"/incoming/{fresh}/stamp",
        "/outgoing",
        "/registers",
    ]
    places += ["/outgoing/new", BOOK, "/completeness", "/reports", "/line", "/journal", "/help"]
    looked, on_the_loop = set[str](), set[str]()

    def noted(way: Callable[[Spool], Any]) -> Callable[[Spool], Any]:
        def begin(spool: Spool) -> Any:
            looked.add(where)
            with suppress(RuntimeError):
                asyncio.get_running_loop()
                on_the_loop.add(where)
            return way(spool)

        return begin

    async with desk.as_("hoa") as hoa:
        monkeypatch.setattr(Spool, "reading", noted(Spool.reading))
        monkeypatch.setattr(Spool, "writing", noted(Spool.writing))
        for where in places:
            assert (await hoa.get(f"/desk{where}")).status == 200, where
    assert (looked, on_the_loop) == (set(places), set())
