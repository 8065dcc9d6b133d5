"""What of a document may be read: in each of its states the same at every door, of the desk and of the commands."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from consumers.desk import words
from consumers.fetching.content import DIRECTORY_NAME
from consumers.spool import Spool, open_spool
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Secrecy
from support.commands import Congvan
from support.deliveries import UNIT, by_reference, came, inside
from support.desks import DeskBrowser, RunningDesk

HELD = {"arrived", "registered", "assigned", "processing", "completed", "take_back_requested", "change_refused"}
GIVEN_BACK = {"refused", "recalled", "change_accepted"}
STATES = sorted(status.value for status in words.STATES)
TEXT, INSIDE, FETCHED = "Nước lên nhanh", b"\x89PNG inside", b"%PDF-1.4 fetched"
FILES = (inside("Ảnh.png", INSIDE), by_reference("Kế hoạch.pdf", FETCHED))


def kept(spool: Spool) -> str:
    """A document with a picture inside it and a file fetched for it, both of which another document has, too."""
    directory = spool.path.parent / DIRECTORY_NAME
    directory.mkdir(exist_ok=True)
    (directory / hashlib.sha256(FETCHED).hexdigest()).write_bytes(FETCHED)
    came(spool, seq=2, notation="124-CV/TU", attachments=FILES)
    return came(spool, attachments=FILES, flash_text=TEXT)


@pytest.fixture
def delivery(desk: RunningDesk) -> str:
    return kept(desk.spool)


def set_state(spool: Spool, delivery: str, state: str) -> None:
    with spool.writing() as conn:
        conn.exec_driver_sql("UPDATE inbox SET state = ? WHERE delivery_id = ?", (state, delivery))


def served(path: str, content: bytes) -> Callable[[DeskBrowser, str], Awaitable[bool]]:
    """Whether an address below the document's gives a content; else it has to say that there is none."""

    async def look(browser: DeskBrowser, delivery: str) -> bool:
        answer = await browser.get(f"/desk/incoming/{delivery}{path}")
        assert answer.status in {200, 404}
        return answer.status == 200 and await answer.read() == content

    return look


def shown(path: str, words: str) -> Callable[[DeskBrowser, str], Awaitable[bool]]:
    """Whether a page of the document shows words."""

    async def look(browser: DeskBrowser, delivery: str) -> bool:
        return words in await browser.text(f"/desk/incoming/{delivery}{path}")

    return look


DOORS = {
    "a file inside": served("/files/1", INSIDE),
    "a file fetched": served("/files/2", FETCHED),
    "links and frames": shown("", "/files/"),
    "the check": shown("?check=true", "nguyên vẹn"),
    "the stamp's pictures": shown("/stamp", "?file=1"),
    "the stamp over a picture": shown("/stamp?file=1", "<img"),
}


async def test_files_are_read_where_the_unit_has_the_document_and_nowhere_else(
    desk: RunningDesk, delivery: str
) -> None:
    async with desk.as_("hoa") as hoa:
        for state in STATES:
            set_state(desk.spool, delivery, state)
            opened = {door: await look(hoa, delivery) for door, look in DOORS.items()}
            assert opened == dict.fromkeys(DOORS, state in HELD), state


async def test_the_urgent_text_is_read_until_the_document_is_given_back(desk: RunningDesk, delivery: str) -> None:
    async with desk.as_("hoa") as hoa:
        for state in STATES:
            set_state(desk.spool, delivery, state)
            assert (TEXT in await hoa.text(f"/desk/incoming/{delivery}")) is (state not in GIVEN_BACK), state
            elsewhere = [await hoa.text(f"/desk{door}") for door in ("/", "/incoming", f"/incoming/{delivery}/slip")]
            assert state not in GIVEN_BACK or not any(TEXT in page for page in elsewhere), state


def test_commands_go_by_the_same_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = open_spool(tmp_path / "unit")
    delivery = kept(spool)
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path / "unit"))
    congvan = Congvan(monkeypatch, capsys, "gateway")
    for state in STATES:
        set_state(spool, delivery, state)
        saved = congvan("inbox", "save", delivery, str(tmp_path / state))
        assert saved.code == (0 if state in HELD else 3), (state, saved.err)
        assert (tmp_path / state / "Ảnh.png").exists() is (state in HELD)
        told = congvan("inbox", "show", delivery)
        assert told.code == 0, (state, told.err)
        assert (TEXT in told.out) is (state not in GIVEN_BACK), state
    spool.close()


async def test_a_browser_asks_each_time_for_a_file_and_keeps_none_of_a_secret(desk: RunningDesk, delivery: str) -> None:
    secret = came(desk.spool, seq=3, secrecy=Secrecy.SECRET, attachments=FILES)
    with desk.spool.writing() as conn:
        PEOPLE.invite(conn, "hoa", [RoleGrant(DeskRole.CLEARED, UNIT)], now_ms=now_ms())
    async with desk.as_("hoa") as hoa, desk.as_("lan") as lan, desk.as_("khac") as other:
        for number in (1, 2):
            path = f"/desk/incoming/{delivery}/files/{number}"
            first = await hoa.get(path)
            assert (first.headers["cache-control"], first.headers["vary"].lower()) == ("private, no-cache", "cookie")
            known = {"If-None-Match": first.headers["etag"]}
            statuses = [(await who.http.get(path, headers=known)).status for who in (hoa, lan, other)]
            assert statuses == [304, 304, 404], "whose browser it is says nothing"
            hidden = await hoa.get(f"/desk/incoming/{secret}/files/{number}")
            assert (hidden.status, hidden.headers["cache-control"]) == (200, "no-store")
        set_state(desk.spool, delivery, "refused")
        assert (await hoa.http.get(path, headers=known)).status == 404, "it was given back"
