"""A desk as a process that is killed in the midst of acts, over a spool with documents, and what must hold then."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, CookieJar
from sqlalchemy import select

from consumers.reading.handling import looked_at
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, handling, open_spool
from consumers.spool.book_entries import BookKey, Entry, EntryState
from consumers.spool.models import journal, receipt
from consumers.spool.people import PEOPLE, DeskRole
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.register import BookKind
from schemas.states import Effect, Status, follow, go_back
from support.conditions import holds
from support.deliveries import UNIT, came
from support.desks import DeskBrowser, let_in, today
from support.fork_server import Forked, fork_server
from support.installation import free_port
from support.stories import PASSWORD

BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))
PAPER = "paper"
LONGEST = 0.03
"""Seconds from a form's sending to the kill: longer than most acts take."""


@dataclass(slots=True)
class Count:
    """What a run counted; ``wrong`` says what did not hold."""

    seed: int
    acts: int = 0
    answered: int = 0
    """Done, as the desk said."""
    refused: int = 0
    """Acting the state, or because another was faster."""
    unanswered: int = 0
    """Cut off by the kill."""
    done_though_unanswered: int = 0
    entries: int = 0
    receipts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything held."""
        return not self.wrong


class KilledDesk:
    """``congvan desk`` as a process of its own, started again after each kill."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: Forked | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = os.environ | {
            "CONGVAN_GATEWAY_DATA_DIR": str(self._directory),
            "CONGVAN_DESK_PORT": str(self._port),
            "CONGVAN_LOG_LEVEL": "warning",
        }
        with (self._directory / "desk.log").open("ab") as out:
            self._process = fork_server().start(["desk"], environment, out)
        await holds(self._listens, what="the desk listens")

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(self._process.wait, 30)

    async def _listens(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.close()
            return True
        return False


async def run(directory: Path, seed: int, acts: int, documents: int) -> Count:
    """Send forms in a seeded order, the desk killed in the midst of each; what was counted and what did not hold.

    Args:
        directory: an empty one.
        seed: of the order and the moments.
        acts: how many forms.
        documents: how many there are.
    """
    chance, count = random.Random(seed), Count(seed)
    spool = open_spool(directory)
    let_in(spool, [UNIT])
    with spool.writing() as conn:
        PEOPLE.invite(conn, "hoa", [RoleGrant(role, UNIT) for role in DeskRole], now_ms=now_ms())
    ids = [came(spool, seq=number, notation=f"{number}-CV/TU") for number in range(1, documents + 1)]
    desk = KilledDesk(directory)
    answered: list[str] = []
    try:
        await desk.start()
        async with ClientSession(desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
            browser = DeskBrowser(http)
            await browser.post("/desk/login", name="hoa", password=PASSWORD)
            browser.token = (await browser.text("/desk/help")).split('name="csrf" value="', 1)[1].split('"', 1)[0]
            for number in range(1, acts + 1):
                marker = f"act {number}."
                target = chance.choice([*ids, PAPER])
                sent = await _send_and_kill(desk, browser, chance, await _form(browser, spool, chance, target, marker))
                count.acts += 1
                if sent == 303:
                    answered.append(marker)
                elif sent is None:
                    count.unanswered += 1
                else:
                    count.refused += 1
                    if sent not in {404, 409, 422}:
                        count.wrong.append(f"{marker} was answered {sent}")
    finally:
        await desk.kill()
    count.answered = len(answered)
    count.wrong += check(spool, ids, answered, count)
    spool.close()
    return count


@dataclass(frozen=True, slots=True)
class _Form:
    path: str
    fields: dict[str, Any]


async def _form(browser: DeskBrowser, spool: Spool, chance: random.Random, target: str, marker: str) -> _Form:
    """A form as a person would fill it, of a page as it is now."""
    if target == PAPER:
        with spool.reading() as conn:
            number = book_entries.next_number(conn, BOOK)
        fields: dict[str, Any] = {"day": today(), "subject": "Giấy mời", "note": marker, "number": number}
        return _Form(f"/desk/registers/{UNIT}/incoming/{BOOK.year}/entries", fields)
    what, filled = chance.choice(
        [
            ("register", {"day": today(), "subject": "Về việc", "note": marker}),
            ("register", {"day": today(), "subject": "Về việc", "note": marker}),
            ("refuse", {"reason": "Gửi sai nơi nhận", "other": marker}),
            ("submit", {"leader": "nam", "words": marker}),
            ("direct", {"lead": "lan", "instruction": marker}),
            ("process", {"words": marker}),
            ("complete", {"words": marker}),
            ("undo", {"reason": marker}),
        ]
    )
    return _Form(f"/desk/incoming/{target}/{what}", filled | {"seen": await browser.seen(target)})


async def _send_and_kill(desk: KilledDesk, browser: DeskBrowser, chance: random.Random, form: _Form) -> int | None:
    """Send a form and kill the desk meanwhile; its answer, None: there was none. Sometimes it is sent again."""
    sending = asyncio.create_task(_send(browser, form))
    await asyncio.wait([sending], timeout=chance.uniform(0, LONGEST))
    await desk.kill()
    status = await sending
    await desk.start()
    if status is None and chance.random() < 0.5:
        again = await _send(browser, form)
        status = None if again == 409 else again
    return status


async def _send(browser: DeskBrowser, form: _Form) -> int | None:
    try:
        return (await browser.post(form.path, csrf=browser.token, **form.fields)).status
    except (ClientError, OSError):
        return None


def check(spool: Spool, ids: list[str], answered: list[str], count: Count) -> Iterator[str]:
    """What does not hold of a spool after all those acts."""
    with spool.reading() as conn:
        entered = book_entries.entries(conn, BOOK)
        steps = {one: handling.steps(conn, looked_at(conn, one, {UNIT})[2]) for one in ids}
        acts = Counter(conn.scalars(select(journal.c.act)))
        seqs = list(conn.scalars(select(receipt.c.seq).order_by(receipt.c.seq)))
    count.entries, count.receipts = len(entered), len(seqs)
    if [entry.number for entry in entered] != list(range(1, len(entered) + 1)):
        yield f"the numbers are {[entry.number for entry in entered]}"
    if seqs != list(range(1, len(seqs) + 1)):
        yield "the receipts are not numbered one by one"
    for one in ids:
        yield from _check_document(
            spool, one, [entry for entry in entered if entry.delivery_id == one], len(steps[one])
        )
    marks = Counter(entry.versions[0].fields.note for entry in entered if entry.versions[0].fields is not None)
    marks += Counter(
        step.detail.words.rpartition(": ")[2] for found in steps.values() for step in found if step.detail.words
    )
    if doubled := [mark for mark, times in marks.items() if times > 1]:
        yield f"done twice: {doubled}"
    if lost := [mark for mark in answered if mark not in marks]:
        yield f"answered and not done: {lost}"
    count.done_though_unanswered = sum(marks.values()) - len(answered)
    done = sum(len(found) for found in steps.values()) + sum(entry.delivery_id is None for entry in entered)
    told = acts.total() - acts["logged_in"]
    if done != told:
        yield f"{done} acts were done and {told} stand in the journal"


def _check_document(spool: Spool, one: str, entries: list[Entry], steps: int) -> Iterator[str]:
    said = receipts_of(spool, one)
    registered = [item.register_number for item in said if item.status is Status.REGISTERED and item.undoes is None]
    if registered != [str(entry.number) for entry in entries]:
        yield f"{one} was told as {registered} and was entered as {[entry.number for entry in entries]}"
    state = Status.ARRIVED
    for item in said[1:]:
        step = follow(state, item.status) if item.undoes is None else go_back(state, item.status)
        if step.effect not in {Effect.ADVANCE, Effect.BACK}:
            yield f"{one}: {item.status} was said after {state}"
        state = item.status
    standing = [entry.number for entry in entries if entry.state is EntryState.ENTERED]
    if len(standing) != (state not in {Status.ARRIVED, Status.REFUSED}):
        yield f"{one} is {state} and stands in the register as {standing}"
    if get_entry(spool, one).state is not state:
        yield f"{one} is {get_entry(spool, one).state}, its receipts say {state}"
    if len(said) - 1 > steps:
        yield f"{one} has {len(said) - 1} receipts of people and {steps} steps"
