"""The desk of one commune in a kept demonstration: its people, and documents in every state that they meet.

Whatever people do is done by the desk's own functions, as if they had clicked; what waits for them is left to be done.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp

from consumers.desk.typed import TypedDraft, entry_of
from consumers.reading import dispatching, drafting, handling, undoing
from consumers.reading.dispatching import ReadyLetter
from consumers.reading.drafting import SeenDraft
from consumers.reading.handling import Acting, Direction, Looked, looked_at
from consumers.reading.inbox import InboxEntry, descriptor_of, list_inbox
from consumers.reading.suggesting import suggested
from consumers.spool import Spool, books, drafts
from consumers.spool.book_entries import BookKey, EntryAuthor
from consumers.spool.people import PEOPLE, Card, DeskRole, write_card
from consumers.spool.scope import UnitScope
from consumers.spool.store import open_spool
from deploy.allinone import Running
from deploy.demo.errors import DemoError
from deploy.demo.scenes import FILES, Scene, send
from deploy.demo.screen import DemoScreen
from router.pages.people import RoleGrant
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.office import office_terms
from schemas.register import BookKind, RegisterFields
from schemas.states import Status
from schemas.zone import zone

UNIT = "LCA.02.05"
_ISSUER = "LCA.02"
_NAMES = {UNIT: "Đảng ủy xã", _ISSUER: "Huyện ủy Bát Xát"}
_CLERK = Card("hoa", "Nguyễn Thị Hoa", "Văn thư", "Văn phòng")
_LEADER = Card("nam", "Trần Văn Nam", "Bí thư", "Thường trực Đảng ủy")
_ROLES = {_CLERK.login: (DeskRole.CLERK, DeskRole.STAFF), _LEADER.login: (DeskRole.LEADER,)}
_WITHIN = 120.0
_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class DeskLetter:
    """A document that comes to the desk: number, type, subject, urgency, and what is done about it."""

    notation: str
    type: str
    subject: str
    done: tuple[str, ...] = ()
    urgency: int = 0


LETTERS = (
    DeskLetter("57-CV/HU", "công văn", "Về việc chuẩn bị kiểm tra công tác xây dựng Đảng quý IV"),
    DeskLetter("58-TB/HU", "thông báo", "Thông báo kết luận của Ban Thường vụ Huyện ủy", ("register",)),
    DeskLetter("59-CV/HU", "công văn", "Về việc báo cáo số liệu đảng viên", ("register", "submit")),
    DeskLetter("60-KH/HU", "kế hoạch", "Kế hoạch phòng, chống rét cho gia súc", ("register", "submit", "direct"), 1),
    DeskLetter("61-CV/HU", "công văn", "Về việc rà soát hộ nghèo", ("register", "direct", "process")),
    DeskLetter("69-BC/HU", "báo cáo", "Báo cáo sơ kết công tác dân vận", ("register", "direct", "process")),
    DeskLetter("62-GM/HU", "giấy mời", "Giấy mời họp giao ban tháng", ("register", "direct", "process", "complete")),
    DeskLetter("63-CV/HU", "công văn", "Về việc tiếp nhận cán bộ luân chuyển", ("refuse",)),
    DeskLetter("64-HD/HU", "hướng dẫn", "Hướng dẫn sinh hoạt chi bộ", ("register", "undo")),
    DeskLetter("65-CV/HU", "công văn", "Về việc nộp danh sách khen thưởng", ("register", "renumber", "direct")),
    DeskLetter("66-CV/HU", "công văn", "Về việc thay đổi thời gian tập huấn", ("register",)),
)
_RECALLED = "66-CV/HU"
_ANSWERED = "61-CV/HU"
_PARKED = DeskLetter("67-CV/HU", "công văn", "Về việc cấp phát tài liệu học tập")


async def open_office(running: Running, gateway: Path, screen: DemoScreen) -> None:
    """Let documents come, have people act on them, and say where the desk is and how to log in.

    Raises:
        DemoError: a document was refused, or is not there in time.
    """
    headers = {"Authorization": f"Bearer {running.token_of(Role.ISSUER)}"}
    async with aiohttp.ClientSession(running.api_url, headers=headers) as http:
        ids = {letter.notation: await send(http, _scene(letter)) for letter in LETTERS}
        with _spool(gateway) as office:
            await office.until(lambda: office.have(ids, Status.ARRIVED), "the documents have come to the desk")
            links = await asyncio.to_thread(office.invite, running.desk_url)
            await asyncio.to_thread(office.act)
            await _send(http, kind="recall", notation="68-CV/HU", subject="Thu hồi 66-CV/HU", refers=ids[_RECALLED])
            await office.until(lambda: office.state_of(_RECALLED) is Status.TAKE_BACK_REQUESTED, "a recall has come")
            await _park(running, http, office)
    screen.say(f"desk           {running.desk_url}   (of {UNIT}, with documents in every state)")
    for card, link in links.items():
        screen.say(f"  log in once: {link}   ({card.full_name}, {card.title})")


class DemoOffice:
    """The commune's people at their spool; each act is some minutes after the one before."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._cards = {card.login: card for card in (_CLERK, _LEADER)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.spool.close()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait.

        Raises:
            DemoError: it takes too long.
        """
        deadline = time.monotonic() + _WITHIN
        while not await asyncio.to_thread(condition):
            if time.monotonic() > deadline:
                raise DemoError(f"not within {_WITHIN:.0f} s: {what}")
            await asyncio.sleep(_LOOK_EVERY)

    def have(self, wanted: Mapping[str, str], state: Status) -> bool:
        """Whether all of these are in a state."""
        return {entry.notation for entry in self._entries() if entry.state is state} >= set(wanted)

    def state_of(self, notation: str) -> Status | None:
        """Where a document stands; None: it is not here."""
        return next((entry.state for entry in self._entries() if entry.notation == notation), None)

    def act(self) -> None:
        """Do what has been done about each document, enter a paper, answer one and begin another draft."""
        entries = {entry.notation: entry for entry in self._entries()}
        for letter in LETTERS:
            for name in letter.done:
                _ACTS[name](self, entries[letter.notation])
        self._enter_paper()
        self._answer(entries[_ANSWERED])
        self._draft("Báo cáo công tác dân vận tháng 11")

    def invite(self, desk_url: str) -> dict[Card, str]:
        """Each person's one-time link."""
        with self.spool.writing() as conn:
            links = {}
            for card in self._cards.values():
                grants = [RoleGrant(role, UNIT) for role in _ROLES[card.login]]
                links[card] = f"{desk_url}welcome?token={PEOPLE.invite(conn, card.login, grants, now_ms=now_ms())}"
                write_card(conn, card)
            return links

    def by(self, card: Card) -> Acting:
        """Somebody who acts now."""
        return Acting(card, now_ms(), {UNIT})

    def looked(self, entry: InboxEntry) -> Looked:
        """A document as it is now."""
        with self.spool.reading() as conn:
            return looked_at(conn, entry.delivery_id, {UNIT})[1]

    def register(self, entry: InboxEntry) -> None:
        """Enter it in the arrival book."""
        letter, scope = descriptor_of(self.spool, entry.delivery_id), UnitScope((UNIT,))
        with self.spool.reading() as conn:
            fields = suggested(conn, scope, entry, letter, today=_today(), zone=zone())
        handling.register(self.spool, self.looked(entry), self.by(_CLERK), fields)

    def direct(self, entry: InboxEntry) -> None:
        """Say who leads by when."""
        until = _today() + timedelta(days=5)
        says = Direction("Giao Văn phòng tham mưu, báo cáo Thường trực.", _CLERK.login, until=until)
        says = replace(says, until_ms=office_terms().calendar.closing(until))
        handling.direct(self.spool, self.looked(entry), self.by(_LEADER), says)

    def _entries(self) -> list[InboxEntry]:
        return [entry for entry in list_inbox(self.spool, unit=UNIT, limit=200) if entry.issuer == _ISSUER]

    def _enter_paper(self) -> None:
        fields = RegisterFields(
            day=_today(), author="Ủy ban nhân dân xã", notation="12/UBND", subject="Đề nghị phối hợp"
        )
        author = EntryAuthor(_CLERK.full_name, now_ms(), _CLERK.department)
        with self.spool.writing() as conn:
            books.enter(conn, BookKey(UNIT, BookKind.INCOMING, _today().year), fields, author)

    def _draft(self, subject: str, **typed: Any) -> TypedDraft:
        written = TypedDraft.begun(issuer=UNIT, subject=subject, addressees=(_ISSUER,), type="báo cáo", **typed)
        drafting.save_draft(self.spool, SeenDraft(written.once, 0), written.words(), self.by(_CLERK))
        return written

    def _answer(self, entry: InboxEntry) -> None:
        answers = {"answers": entry.delivery_id, "completes": "true", "refers_to": (entry.dispatch_id,)}
        typed = self._draft("Báo cáo kết quả rà soát hộ nghèo", number="1", notation="1-BC/ĐU", **answers)
        letter = typed.submission((), zone())
        with self.spool.reading() as conn:
            draft = drafts.get(conn, typed.once, {UNIT})
        said = entry_of(letter, typed, _NAMES, _today())
        ready = ReadyLetter(draft, letter, said, number=1, answers=entry.delivery_id, completes=True)
        dispatching.send(self.spool, ready, self.by(_CLERK))


_ACTS: Mapping[str, Callable[[DemoOffice, InboxEntry], object]] = {
    "register": DemoOffice.register,
    "refuse": lambda it, entry: handling.refuse(it.spool, it.looked(entry), it.by(_CLERK), "Không thuộc thẩm quyền"),
    "submit": lambda it, entry: handling.submit(it.spool, it.looked(entry), it.by(_CLERK), _LEADER, "Kính trình"),
    "direct": DemoOffice.direct,
    "process": lambda it, entry: handling.process(it.spool, it.looked(entry), it.by(_CLERK), "Đang tổng hợp"),
    "complete": lambda it, entry: handling.complete(it.spool, it.looked(entry), it.by(_CLERK), "Đã dự họp"),
    "undo": lambda it, entry: undoing.step_back(it.spool, it.looked(entry), it.by(_CLERK), "Đăng ký nhầm sổ"),
    "renumber": lambda it, entry: undoing.renumber(it.spool, it.looked(entry), it.by(_CLERK), "Trùng số văn bản giấy"),
}


async def _park(running: Running, http: aiohttp.ClientSession, office: DemoOffice) -> None:
    """Have a document that its folder cannot take: a file stands in its place meanwhile."""
    folder = running.inbox / UNIT
    aside = folder.with_name(f".{UNIT}.aside")
    await asyncio.to_thread(folder.rename, aside)
    try:
        await asyncio.to_thread(folder.write_text, "This file stands where the inbox folder should be.\n")
        await send(http, _scene(_PARKED))
        await office.until(lambda: office.state_of(_PARKED.notation) is Status.PARKED, "a document is parked")
    finally:
        await asyncio.to_thread(folder.unlink)
        await asyncio.to_thread(aside.rename, folder)


async def _send(http: aiohttp.ClientSession, *, kind: str, notation: str, subject: str, refers: str) -> None:
    letter = {"kind": kind, "notation": notation, "subject": subject, "issuer": _ISSUER, "urgency": 2}
    letter |= {"addressees": [UNIT], "refers_to": [refers], "flash_text": "Văn bản phát hành nhầm."}
    async with http.post("/api/v1/dispatches", json=letter, headers={"Idempotency-Key": f"demo-{notation}"}) as answer:
        if not answer.ok:
            raise DemoError(f"{notation} was not accepted: {await answer.text()}")


def _scene(letter: DeskLetter) -> Scene:
    due = datetime.now(zone()) + timedelta(days=7)
    fields = {
        "notation": letter.notation,
        "type": letter.type,
        "subject": letter.subject,
        "issuer": _ISSUER,
        "place": "Bát Xát",
        "urgency": letter.urgency,
        "due": due.isoformat(timespec="seconds"),
        "addressees": [UNIT],
    }
    return Scene("to the desk", fields, FILES / "cong-dien-mua-lu.pdf", "application/pdf")


def _spool(gateway: Path) -> DemoOffice:
    return DemoOffice(open_spool(gateway))


def _today() -> date:
    return datetime.now(zone()).date()
