"""A desk and its gateway's way up, both killed in the midst of sending, before a real router: what must hold then."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, CookieJar
from sqlalchemy import select

from consumers.fetching.content import DIRECTORY_NAME
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, desk_letters, drafts, open_spool
from consumers.spool.book_entries import BookKey, EntryState
from faults.desk.office import KilledDesk
from router.ledger.engine import reading
from router.ledger.models import dispatch, dispatch_attachment
from schemas.ids import new_id
from schemas.register import BookKind
from schemas.stages import Stage
from schemas.states import Status
from support.api_server import GATEWAY, Api, running_api
from support.conditions import holds
from support.deliveries import came
from support.desks import DeskBrowser, let_in, today
from support.stories import PASSWORD

HERE = "LCA.02.01"
BOOK = BookKey(HERE, BookKind.OUTGOING, int(today()[:4]))
LONGEST = 0.25
"""Seconds from a form's sending to the kills: longer than most take."""


@dataclass(slots=True)
class SendingCount:
    """What a run counted; ``wrong`` says what did not hold."""

    seed: int
    sent: int = 0
    answered: int = 0
    unanswered: int = 0
    gateway_kills: int = 0
    dispatches: int = 0
    completed: int = 0
    wrong: list[str] = field(default_factory=list)


class KilledWayUp:
    """The sending half of a gateway as a process of its own, started again after each kill."""

    def __init__(self, directory: Path, api: Api) -> None:
        self._directory = directory
        self._api = api
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        environment = os.environ | {
            "CONGVAN_GATEWAY_DATA_DIR": str(self._directory),
            "CONGVAN_GATEWAY_UNITS": "LCA.02.#",
            "CONGVAN_GATEWAY_TOKEN": self._api.tokens[GATEWAY],
            "CONGVAN_GATEWAY_ORIGIN_URL": self._api.url,
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        }
        with (self._directory / "sender.log").open("ab") as out:
            command = [sys.executable, "-m", "support.senders", "never"]
            self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, 30)
            self._process = None


async def run_sending(directory: Path, seed: int, documents: int) -> SendingCount:
    """Send documents in a seeded order of kills; what was counted and what did not hold.

    Args:
        directory: an empty one.
        seed: of the moments, and of who is killed.
        documents: how many are sent.
    """
    chance, count = random.Random(seed), SendingCount(seed)
    unit = directory / "unit"
    spool = open_spool(unit)
    let_in(spool, [HERE], at=HERE)
    desk = KilledDesk(unit)
    async with running_api(directory / "router") as api:
        way_up = KilledWayUp(unit, api)
        try:
            await desk.start()
            way_up.start()
            async with ClientSession(desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
                browser = DeskBrowser(http)
                await browser.post("/desk/login", name="hoa", password=PASSWORD)
                browser.token = (await browser.text("/desk/help")).split('name="csrf" value="', 1)[1].split('"', 1)[0]
                for number in range(1, documents + 1):
                    await _send_one(_Kills(desk, way_up, chance, count), browser, spool, number)
                await holds(lambda: not _waiting(spool), what="everything has gone up", within=120)
        finally:
            await desk.kill()
            await way_up.kill()
        count.wrong += check_sent(spool, api, count)
    spool.close()
    return count


@dataclass(frozen=True, slots=True)
class _Kills:
    desk: KilledDesk
    way_up: KilledWayUp
    chance: random.Random
    count: SendingCount


async def _send_one(kills: _Kills, browser: DeskBrowser, spool: Spool, number: int) -> None:
    """Send a document, somebody killed meanwhile; the clerk sends the same form again until it is answered."""
    chance, count = kills.chance, kills.count
    once = new_id()
    form: dict[str, Any] = {"issuer": HERE, "subject": f"Báo cáo {number}", "number": "", "notation": ""}
    if chance.random() < 0.5:
        delivery = came(spool, unit=HERE, seq=number, notation=f"{number}-CV/TU")
        await browser.act(delivery, "register", day=today(), subject="Về việc")
        form |= {"answers": delivery, "completes": "true"}
    sending = asyncio.create_task(_post(browser, once, form, number))
    await asyncio.wait([sending], timeout=chance.uniform(0, LONGEST))
    if chance.random() < 0.7:
        await kills.desk.kill()
    if chance.random() < 0.7:
        count.gateway_kills += 1
        await kills.way_up.kill()
        kills.way_up.start()
    status = await sending
    await kills.desk.kill()
    await kills.desk.start()
    count.sent += 1
    count.answered += status == 303
    count.unanswered += status is None
    for _ in range(5):
        if status == 303:
            return
        version = _version(spool, once)
        status = await _post(browser, once, form | {"version": version}, number)
    count.wrong.append(f"document {number} was answered {status}")


async def _post(browser: DeskBrowser, once: str, form: dict[str, Any], number: int) -> int | None:
    try:
        answer = await browser.compose(once, (f"{number}.pdf", b"%%PDF %d" % number * 1000), **form)
    except (ClientError, OSError):
        return None
    return answer.status


def _version(spool: Spool, once: str) -> str:
    with spool.reading() as conn:
        found = drafts.find(conn, once)
    return str(found.version) if found else "0"


def _waiting(spool: Spool) -> int:
    with spool.reading() as conn:
        return desk_letters.count(conn, {HERE})[Stage.WAITING]


def check_sent(spool: Spool, api: Api, count: SendingCount) -> Iterator[str]:
    """What does not hold after all of that."""
    with spool.reading() as conn:
        entries = book_entries.entries(conn, BOOK)
        letters = desk_letters.listed(conn, {HERE}, limit=200)
        left = drafts.count(conn, {HERE})
    with reading(api.engine) as conn:
        subjects = list(conn.scalars(select(dispatch.c.subject)))
        files = list(conn.scalars(select(dispatch_attachment.c.sha256)))
    count.dispatches = len(subjects)
    wanted = [f"Báo cáo {number}" for number in range(1, count.sent + 1)]
    if [entry.number for entry in entries] != list(range(1, count.sent + 1)):
        yield f"the numbers are {[entry.number for entry in entries]}"
    if any(entry.state is not EntryState.ENTERED for entry in entries):
        yield "an entry is not entered"
    if sorted(subjects) != sorted(wanted):
        yield f"the router has {sorted(subjects)}"
    if sorted(files) != sorted(set(files)) or len(files) != count.sent:
        yield f"the router has {len(files)} files"
    if left:
        yield f"{left} drafts are left"
    kept = {path.name for path in (spool.path.parent / DIRECTORY_NAME).iterdir()}
    for letter in letters:
        if letter.stage is not Stage.ACCEPTED:
            yield f"{letter.document.subject} is {letter.document.state}: {letter.document.reason}"
        if letter.saying is not None and letter.saying.answers:
            yield from _check_answered(spool, letter.saying.answers, count)
    if not set(files) <= kept:
        yield "a file of a document has gone from the unit's disk"


def _check_answered(spool: Spool, delivery: str, count: SendingCount) -> Iterator[str]:
    told = [item.status for item in receipts_of(spool, delivery)].count(Status.COMPLETED)
    count.completed += told
    if get_entry(spool, delivery).state is not Status.COMPLETED or told != 1:
        yield f"{delivery} was told {told} times that it is done"
