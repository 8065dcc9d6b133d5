"""Desk and gateway killed in the midst of acts, with a router behind the line, and what must hold then."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, CookieJar
from sqlalchemy import select

from consumers.reading.handling import looked_at
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, handling
from consumers.spool.book_entries import BookKey, Entry, EntryState
from consumers.spool.models import inbox, journal, receipt
from faults.desk.office import Office, office
from router.ledger import models as ledger
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.scope import EVERYTHING
from schemas.register import BookKind
from schemas.standing import standing
from schemas.states import Effect, Status, follow, go_back
from support.deliveries import UNIT
from support.desks import DeskBrowser, today
from support.installation import Installation

BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))
PAPER = "paper"
LONGEST = 0.03
"""Seconds from a form's sending to the kill: longer than most acts take."""
_DONE = 303


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
    recorded: int = 0
    """By the router, of the receipts."""
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything held."""
        return not self.wrong

    def note(self, marker: str, sent: int | None) -> bool:
        """Count an act by its answer; whether it was done."""
        self.acts += 1
        if sent is None:
            self.unanswered += 1
        elif sent != _DONE:
            self.refused += 1
            if sent not in {404, 409, 422}:
                self.wrong.append(f"{marker} was answered {sent}")
        return sent == _DONE


async def run(made: Installation, seed: int, acts: int, documents: int) -> Count:
    """Send forms in a seeded order, gateway or desk or both killed in the midst of each; what does not hold then.

    Args:
        made: an installation with the unit in it.
        seed: of the order and the moments.
        acts: how many forms.
        documents: how many there are.
    """
    chance, count = random.Random(seed), Count(seed)
    with office(made) as pc:
        pc.gateway.start()
        await pc.send(documents)
        ids, answered = pc.arrived(), []
        await pc.desk.start()
        async with ClientSession(pc.desk.url, cookie_jar=CookieJar(unsafe=True)) as http:
            browser = await pc.log_in(http)
            for number in range(1, acts + 1):
                marker = f"act {number}."
                form = await form_of(browser, pc.spool, chance, chance.choice([*ids, PAPER]), marker)
                sent = await _send_and_kill(pc, browser, chance, form)
                if count.note(marker, sent):
                    answered.append(marker)
        await pc.desk.kill()
        count.answered = len(answered)
        count.wrong += [*check(pc.spool, ids, answered, count), *await told(pc, count)]
    return count


async def told(pc: Office, count: Count) -> list[str]:
    """Wait until the router has all that was said, and tell what it has otherwise than the spool."""
    with pc.spool.reading() as conn:
        rows = select(inbox.c.delivery_id, receipt.c.id).join(inbox, inbox.c.pos == receipt.c.inbox_pos)
        said = [tuple(row) for row in conn.execute(rows.order_by(receipt.c.pos))]

    def recorded() -> list[tuple[str, str]]:
        log = select(ledger.receipt.c.delivery_id, ledger.receipt.c.id).where(ledger.receipt.c.seq.is_not(None))
        with reading(pc.made.engine) as conn:
            return [tuple(row) for row in conn.execute(log.order_by(ledger.receipt.c.pos))]

    await asyncio.to_thread(pc.made.wait, lambda: len(recorded()) >= len(said), f"{len(said)} receipts are recorded")
    count.recorded = len(recorded())
    return [
        *(
            f"{key} was said as {by_delivery(said)[key]} and is recorded as {found}"
            for key, found in by_delivery(recorded()).items()
            if found != by_delivery(said).get(key)
        ),
        *_shown(pc),
    ]


def by_delivery(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The receipts of each delivery in their order."""
    found: dict[str, list[str]] = {}
    for key, receipt_id in rows:
        found.setdefault(key, []).append(receipt_id)
    return found


def _shown(pc: Office) -> Iterator[str]:
    """What the ledger shows otherwise than the unit has it: states and arrival numbers."""
    with pc.spool.reading() as conn:
        numbers = {entry.delivery_id: entry.number for entry in book_entries.entries(conn, BOOK) if _stands(entry)}
    with reading(pc.made.engine) as conn:
        for delivery_id, state in conn.execute(select(ledger.delivery.c.id, ledger.delivery.c.state)):
            here = get_entry(pc.spool, delivery_id).state
            if state != here:
                yield f"{delivery_id} is {here} at the unit and {state} in the ledger"
            found = queries.find_delivery(conn, EVERYTHING, delivery_id)
            registered = found and standing(found.receipts).told.get(Status.REGISTERED)
            number = registered and registered.register_number
            if (number or "") != str(numbers.get(delivery_id, "")):
                yield f"{delivery_id} has number {numbers.get(delivery_id)} at the unit and {number} in the ledger"


def _stands(entry: Entry) -> bool:
    return entry.state is EntryState.ENTERED and entry.delivery_id is not None


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form, and where it is sent."""

    path: str
    fields: dict[str, Any]


async def form_of(browser: DeskBrowser, spool: Spool, chance: random.Random, target: str, marker: str) -> FilledForm:
    """A form as a person would fill it, of a page as it is now."""
    if target == PAPER:
        with spool.reading() as conn:
            number = book_entries.next_number(conn, BOOK)
        fields: dict[str, Any] = {"day": today(), "subject": "Giấy mời", "note": marker, "number": number}
        return FilledForm(f"/desk/registers/{UNIT}/incoming/{BOOK.year}/entries", fields)
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
            ("correct", {"day": today(), "subject": "Về việc", "reason": marker}),
            ("renumber", {"reason": marker, "another": ""}),
        ]
    )
    if what in {"correct", "renumber"}:
        return _of_entry(spool, target, what, filled)
    return FilledForm(f"/desk/incoming/{target}/{what}", filled | {"seen": await browser.seen(target)})


def _of_entry(spool: Spool, target: str, what: str, filled: dict[str, Any]) -> FilledForm:
    """A form of the entry of a document as it is now; if it has none yet, of the first number."""
    with spool.reading() as conn:
        entered = book_entries.entry_of(conn, target)
    number, version = (entered.number, entered.versions[-1].version) if entered is not None else (1, 0)
    said = filled | ({"version": version} if what == "correct" else {})
    return FilledForm(f"/desk/registers/{UNIT}/incoming/{BOOK.year}/{number}/{what}", said)


async def _send_and_kill(pc: Office, browser: DeskBrowser, chance: random.Random, form: FilledForm) -> int | None:
    """Send a form and kill the desk, the gateway or both meanwhile; its answer, None: there was none.

    A form without an answer is sometimes sent again, as people do.
    """
    victims = chance.choice(((pc.desk.program,), (pc.gateway,), (pc.desk.program, pc.gateway)))
    sending = asyncio.create_task(send(browser, form))
    await asyncio.wait([sending], timeout=chance.uniform(0, LONGEST))
    await pc.close(*victims)
    if pc.gateway in victims:
        pc.gateway.start()
    if pc.desk.program in victims:
        await pc.desk.start()
    status = await sending
    if status is None and chance.random() < 0.5:
        again = await send(browser, form)
        status = None if again == 409 else again
    return status


async def send(browser: DeskBrowser, form: FilledForm) -> int | None:
    try:
        return (await browser.post(form.path, csrf=browser.token, **form.fields)).status
    except (ClientError, OSError):
        return None  # killed


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
    first = [(entry.delivery_id or str(entry.number), entry.versions[0].fields) for entry in entered]
    # An entry that was given another number has its note once more.
    marks = Counter(note for _, note in {(key, fields.note) for key, fields in first if fields is not None} if note)
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
    if list(dict.fromkeys(registered)) != [str(entry.number) for entry in entries]:
        yield f"{one} was told as {registered} and was entered as {[entry.number for entry in entries]}"
    state = Status.ARRIVED
    began = [item.status for item in said].index(Status.ARRIVED) + 1
    for item in (item for item in said[began:] if item.corrects is None):
        step = follow(state, item.status) if item.undoes is None else go_back(state, item.status)
        if step.effect not in {Effect.ADVANCE, Effect.BACK}:
            yield f"{one}: {item.status} was said after {state}"
        state = item.status
    standing = [entry.number for entry in entries if entry.state is EntryState.ENTERED]
    if len(standing) != (state not in {Status.ARRIVED, Status.REFUSED}):
        yield f"{one} is {state} and stands in the register as {standing}"
    if get_entry(spool, one).state is not state:
        yield f"{one} is {get_entry(spool, one).state}, its receipts say {state}"
    if len(said) - began > steps:
        yield f"{one} has {len(said) - began} receipts of people and {steps} steps"
