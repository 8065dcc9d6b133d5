"""Search, filters and errors as clerks meet them: any order, no accents, their own words; pages say what is wrong."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from router.ledger.engine import reading, writing
from router.ledger.queries import Filter, find_deliveries, list_dispatches
from router.ledger.scope import EVERYTHING, Scope
from schemas.clock import now_ms
from schemas.states import Status
from support.consoles import Console
from support.ledgers import Clerk, attachment
from support.stories import FULL, PASSWORD

STORM = "Công điện về chủ động ứng phó mưa lũ, sạt lở đất"


@pytest.mark.parametrize(
    "typed", ["mua sat lo", "lo sat mua", "128 CD TU", "128-CĐ/TU", "tu cd 128", "SẠT LỞ", "ung ph dat", "ứng  phó"]
)
async def test_a_document_is_found_by_the_beginnings_of_its_words_in_any_order(console: Console, typed: str) -> None:
    async with console.as_("admin") as admin:
        assert STORM in await admin.text(f"/console/search?q={quote(typed)}")


@pytest.mark.parametrize("typed", ["quyet dinh pdf", "Nguyễn Văn A", "tran van z", "512", "tran thi b"])
async def test_a_document_is_found_by_file_signer_arrival_number_and_who_registered_it(
    console: Console, typed: str
) -> None:
    async with console.as_("admin") as admin:
        found = await admin.text(f"/console/search?q={quote(typed)}")
    assert ("315-QĐ/TU" in found) == (typed != "tran van z")


async def test_a_document_is_found_by_the_beginning_of_its_hash(console: Console) -> None:
    digest = attachment(b"scan", "x").sha256
    async with console.as_("admin") as admin:
        assert "315-QĐ/TU" in await admin.text(f"/console/search?q={digest[:12]}")
        assert "Không có văn bản nào" in await admin.text(f"/console/search?q={'f' * 12}")


async def test_what_a_unit_said_is_found_by_those_alone_who_see_the_unit(console: Console) -> None:
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        row = find_deliveries(
            conn, EVERYTHING, Filter(units=("LCA.03.#",), dispatch_id=console.story.province), now_ms=now_ms(), limit=1
        )[0]
        clerk.tell(console.story.province, row.unit, Status.ARRIVED)
        clerk.tell(console.story.province, row.unit, Status.REGISTERED, register_number="9876", person="Hoàng Kín")
    with reading(console.engine) as conn:
        for scope, seen in ((EVERYTHING, 1), (Scope(units=("LCA.03.#",)), 1), (Scope(units=("LCA.02.#",)), 0)):
            for typed in ("9876", "hoang kin"):
                assert len(list_dispatches(conn, scope, text=typed).items) == seen, (scope, typed)
        assert len(list_dispatches(conn, Scope(issuers=("LCA.VP",)), text="9876").items) == 1


async def test_units_are_found_by_words_in_any_order(console: Console) -> None:
    async with console.as_("admin") as admin:
        assert "Huyện ủy Bát Xát" in await admin.text("/console/search?q=xat+huyen")
        assert "Đảng ủy xã Cam Đường" in await admin.text("/console/units?find=duong+cam")


async def test_a_filter_takes_vietnamese_words_and_offers_what_may_have_been_meant(console: Console) -> None:
    async with console.as_("admin") as admin:
        in_english = await admin.text("/console/deliveries?q=state:parked")
        count = re.search(r'data-count="(\d+)"', in_english)
        assert count is not None
        for words in ('trạng-thái:"bị giữ lại"', "trang-thai:bi-giu-lai", 'tình-trạng:"Bị giữ lại"'):
            assert count[0] in await admin.text(f"/console/deliveries?q={quote(words)}"), words
        wrong = await admin.get("/console/deliveries?q=" + quote("state:parkd"))
        text = unescape(await wrong.text())
        assert wrong.status == 422
        assert "Có phải ý bạn là state:parked?" in text
        word = unescape(await admin.text("/console/deliveries?q=parked"))
        assert "Có phải ý bạn là state:parked?" in word
        unknown = await admin.get("/console/deliveries?q=" + quote("trạngthai:parked"))
        assert unknown.status == 200
        assert (await admin.get("/console/deliveries?q=" + quote("màu:đỏ"))).status == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/console/nowhere", 404),
        ("/console/deliveries/01a203b4-534c-749d-ae46-f303c470a0de", 404),
        ("/console/log?before=x", 422),
        ("/console/units/acts", 422),
        ("/console/log.csv?q=colour:red", 400),
    ],
)
async def test_an_error_page_speaks_the_pages_language_and_keeps_menu_and_search(
    console: Console, path: str, status: int
) -> None:
    async with console.as_("admin") as admin:
        answer = await admin.get(path)
        text = await answer.text()
        assert answer.status == status
        assert 'class="side"' in text
        assert 'id="error-find"' in text
        main = text.partition("<main")[2]
        assert 'lang="en"' not in main
        assert not re.search(r"Error|Exception|Input should|type=|integer|pydantic", re.sub(r"<[^>]*>", " ", main))
        await admin.post("/console/preferences", None, language="en")
        english = (await (await admin.get(path)).text()).partition("<main")[2]
        assert not re.search(r"[ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", english)


async def test_an_error_of_a_form_leads_back_to_the_page_it_came_from(console: Console) -> None:
    place = f"{console.url}/console/units/LCA.02"
    async with console.as_("admin") as admin:
        sent = {"Sec-Fetch-Site": "same-origin", "Referer": place}
        answer = await admin.post(
            "/console/units/acts", sent, csrf=await admin.csrf(), unit="LCA.02", act="mute", day="soon", reason="x"
        )
        assert answer.status == 400
        assert 'href="/console/units/LCA.02"' in (await answer.text()).partition("<main")[2]


async def test_machines_reasons_are_one_group_in_words_though_each_names_its_own_path(console: Console) -> None:
    with writing(console.engine) as conn:
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        waiting = find_deliveries(
            conn,
            EVERYTHING,
            Filter(units=("LCA.02.*",), states=frozenset({Status.QUEUED, Status.TAKEN})),
            now_ms=now_ms(),
        )
        for row in waiting[:3]:
            reason = f"/srv/{row.unit}/inbox: [Errno 28] No space left on device"
            clerk.tell(row.dispatch_id, row.unit, Status.PARKED, reason=reason)
    async with console.as_("admin") as admin:
        stuck = await admin.text("/console/stuck")
        assert stuck.count("Ổ đĩa của thư mục nhận đã đầy") == 1
        target = re.search(r'href="(/console/deliveries[^"]*why%3Asink_disk_full[^"]*)"', stuck)
        assert target is not None
        assert 'data-count="7"' in await admin.text(unescape(target[1]))
        assert "/srv/" not in stuck.partition("<main")[2].replace("title=", "")
        one = await admin.text(f"/console/deliveries/{waiting[0].id}")
    assert "Giải phóng dung lượng" in one
    assert FULL not in one


async def test_a_form_filled_when_the_session_ends_is_there_again_after_the_login(console: Console) -> None:
    async with console.as_("admin") as admin:
        form = {"csrf": await admin.csrf(), "unit": "LCA.02.12", "act": "pause", "reason": "trụ sở đang chuyển"}
        await admin.post("/console/logout", None, csrf=form["csrf"])
        answer = await admin.post("/console/units/acts", None, **form)
        assert answer.status == 401
        kept = re.search(r'name="kept" value="([^"]*)"', await answer.text())
        assert kept is not None
        assert form["csrf"] not in unescape(kept[1])

        again = await admin.post("/console/login", None, name="admin", password=PASSWORD, kept=unescape(kept[1]))
        text = await again.text()
        assert again.status == 200
        assert 'value="trụ sở đang chuyển"' in text
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', text.partition('id="again-form"')[2]))
        done = await admin.post("/console/units/acts", None, **{name: unescape(fields[name]) for name in fields})
        assert done.status == 303
        foreign = await admin.post("/console/logout", None, csrf=fields["csrf"])
        assert foreign.status == 303
        other = await admin.post("/console/units/acts", {"Sec-Fetch-Site": "cross-site"}, **form)
        assert other.status == 303
        assert "/console/login" in other.headers["location"]
