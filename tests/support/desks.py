"""A desk as it runs, over a spool with documents in it, and the people of its units."""

import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from aiohttp import ClientResponse, ClientSession, CookieJar, FormData

from consumers.desk.app import create_desk
from consumers.desk.services import DeskServices
from consumers.reading import answering
from consumers.spool import Spool
from consumers.spool.people import PEOPLE, Card, DeskRole, write_card
from consumers.spool.sending import Sent
from consumers.spool.units import Hosted, keep_hosted
from router.pages.people import RoleGrant, passwords
from schemas.clock import now_ms
from schemas.duties import Terms
from schemas.ids import new_id
from schemas.working_calendar import WorkingCalendar
from support.api_server import served
from support.consoles import Browser
from support.deliveries import UNIT
from support.stories import LIGHT, PASSWORD

HERE = "Asia/Ho_Chi_Minh"
OTHER = "LCA.02.06"
NAMES = {
    "hoa": ("Nguyễn Thị Hoa", "Văn thư", "Văn phòng", (DeskRole.CLERK,)),
    "nam": ("Trần Văn Nam", "Bí thư", "Thường trực", (DeskRole.LEADER,)),
    "lan": ("Lê Thị Lan", "Chuyên viên", "Văn phòng", (DeskRole.STAFF,)),
    "quan": ("Vũ Quân", "Quản trị", "Văn phòng", (DeskRole.ADMIN,)),
    "xem": ("Đỗ Xem", "", "", (DeskRole.VIEWER,)),
    "la": ("Người Lạ", "", "", ()),
}
"""The people of :data:`UNIT`: full name, title, department, roles."""


@dataclass(slots=True)
class RunningDesk:
    """A desk, and what is behind it."""

    url: str
    spool: Spool

    @contextlib.asynccontextmanager
    async def as_(self, name: str) -> AsyncIterator["DeskBrowser"]:
        """A person's browser, logged in."""
        async with ClientSession(self.url, cookie_jar=CookieJar(unsafe=True)) as http:
            browser = DeskBrowser(http)
            answer = await browser.post("/desk/login", name=name, password=PASSWORD)
            assert answer.status == 303, await answer.text()
            browser.token = (await browser.text("/desk/help")).split('name="csrf" value="', 1)[1].split('"', 1)[0]
            yield browser


@dataclass(slots=True)
class DeskBrowser(Browser):
    """A browser at the desk, with the session's own token for its forms."""

    token: str = ""

    async def seen(self, delivery: str) -> str:
        """What the page of a document says that it has seen; empty: it has no form."""
        text = await self.text(f"/desk/incoming/{delivery}")
        return text.split('name="seen" value="', 1)[1].split('"', 1)[0] if 'name="seen"' in text else ""

    async def act(self, delivery: str, what: str, *, seen: str | None = None, **form: Any) -> ClientResponse:
        """Send a form of a document's page."""
        given = await self.seen(delivery) if seen is None else seen
        return await self.post(f"/desk/incoming/{delivery}/{what}", csrf=self.token, seen=given, **form)

    async def compose(self, once: str, *files: tuple[str, bytes], do: str = "", **form: Any) -> ClientResponse:
        """Send the form that writes a document, with its files; ``do="save"``: by the button that saves."""
        given = {"issuer": UNIT, "notation": "1/CV", "number": "1", "subject": "Báo cáo tuần", "addressees": "LCA.02"}
        data = FormData()
        for name, value in ({"csrf": self.token, "once": once, "version": "0"} | given | form).items():
            for item in value if isinstance(value, list) else [value]:
                data.add_field(name, item)
        for name, content in files or [("", b"")]:
            data.add_field("file", content, filename=name, content_type="application/pdf")
        headers = {"Sec-Fetch-Site": "same-origin"}
        place = f"/desk/outgoing/send?do={do}" if do else "/desk/outgoing/send"
        answer = await self.http.post(place, data=data, headers=headers, allow_redirects=False)
        await answer.read()
        return answer

    async def send(self, path: str, **form: Any) -> ClientResponse:
        """Send a form of another page."""
        return await self.post(f"/desk{path}", csrf=self.token, **form)


def today() -> str:
    """The office's day, as forms have it."""
    return datetime.now(ZoneInfo(HERE)).date().isoformat()


def accept(spool: Spool, outgoing_id: str) -> str:
    """What a gateway notes when the router has accepted a document; the dispatch that it is."""
    dispatch_id = new_id()
    with spool.writing() as conn:
        answering.accept(conn, [Sent(outgoing_id, dispatch_id, 1)])
    return dispatch_id


def let_in(spool: Spool, units: Collection[str] = (UNIT, OTHER), *, at: str = UNIT) -> None:
    """Host units, and give the people of one of them a password; a clerk of another unit is called ``khac``."""
    with spool.writing() as conn:
        keep_hosted(conn, [[Hosted(code, "", HERE) for code in units]])
        for login, (full_name, title, department, roles) in NAMES.items():
            grants = [RoleGrant(role, at) for role in roles]
            token = PEOPLE.invite(conn, login, grants, now_ms=now_ms())
            PEOPLE.set_password(conn, token, LIGHT.hash(PASSWORD), now_ms=now_ms())
            write_card(conn, Card(login, full_name, title, department))
        token = PEOPLE.invite(conn, "khac", [RoleGrant(DeskRole.CLERK, OTHER)], now_ms=now_ms())
        PEOPLE.set_password(conn, token, LIGHT.hash(PASSWORD), now_ms=now_ms())


@contextlib.asynccontextmanager
async def running_desk(spool: Spool, **settings: Any) -> AsyncIterator[RunningDesk]:
    """Serve until the block ends; the settings are those of :class:`DeskServices`."""
    services = DeskServices(spool, Terms(WorkingCalendar(HERE)), **settings)
    with patch.object(passwords, "_hasher", LIGHT):
        async with served(create_desk(services)) as url:
            yield RunningDesk(url, spool)
