"""State secrets that are written and sent at the desk: seen at no door by who is not cleared, numbered apart."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import book_entries, books, desk_letters, drafts, sending
from consumers.spool.book_entries import BookKey
from consumers.spool.people import PEOPLE, DeskRole
from consumers.spool.scope import UnitScope
from consumers.spool.sending import Rejected
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from schemas.dispatch import Secrecy, Submission
from schemas.ids import new_id
from schemas.model import parse
from schemas.register import SECRET_BOOK, BookKind
from schemas.states import Status
from support.deliveries import UNIT, came
from support.desks import OTHER, RunningDesk, accept, today

YEAR = int(today()[:4])
SECRET = "Phương án bảo vệ Đại hội"
EVERY_ROLE = [role for role in DeskRole if role is not DeskRole.CLEARED]
FORBIDDEN = ("Phương án", "9-KH/HU", "8-KH/HU", "5-KH/HU", "bytes of it", "Lộ tin", f"name={quote(SECRET_BOOK)}")
FILE = ("Phương án.pdf", b"%PDF-1.4 bytes of it")
CLEARED = UnitScope((UNIT,), frozenset({UNIT}))


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the cleared have written: a draft, a document on its way, an accepted one, a rejected one, a recall."""

    draft: str
    waiting: str
    accepted: str
    rejected: str
    recall: str


@pytest.fixture
async def secrets(desk: RunningDesk) -> Secrets:
    """``hoa`` has every role, ``nam`` all but the clearance."""
    with desk.spool.writing() as conn:
        for login, roles in (("hoa", list(DeskRole)), ("nam", EVERY_ROLE)):
            PEOPLE.invite(conn, login, [RoleGrant(role, UNIT) for role in roles], now_ms=now_ms())
    told: dict[str, Any] = {"secrecy": Secrecy.SECRET.value, "subject": SECRET}
    made = Secrets(*(new_id() for _ in range(5)))
    async with desk.as_("hoa") as hoa:
        written = ((made.waiting, "9"), (made.accepted, "8"), (made.rejected, "5"))
        for place, (once, number) in enumerate(written, start=1):
            sent = await hoa.compose(once, FILE, **told, number=str(place), notation=f"{number}-KH/HU")
            assert sent.status == 303, await sent.text()
        assert (await hoa.compose(made.draft, FILE, **told, notation="9-KH/HU", do="save")).status == 303
        dropped = new_id()
        await hoa.compose(dropped, **told, notation="9-KH/HU", do="save")
        assert (await hoa.send(f"/outgoing/drafts/{dropped}/drop", version=1)).status == 303
        accept(desk.spool, made.accepted)
        with desk.spool.writing() as conn:
            sending.reject(conn, [Rejected(made.rejected, "Lộ tin")])
        recalled = await hoa.send(f"/outgoing/{made.accepted}/recall", once=made.recall, reason="Lộ tin")
        assert recalled.status == 303
    return made


def doors(secrets: Secrets) -> list[tuple[str, int]]:
    """Every page and download of what goes out, with how it answers who may not see secrets."""
    shown = ["/", "/outgoing", "/journal", "/registers", "/line", "/reports", f"/registers/{UNIT}/outgoing/{YEAR}"]
    shown += [f"/outgoing?{query}" for query in ("q=phuong+an", "q=9-kh", f"unit={UNIT}", "q=lo+tin")]
    shown += [f"/outgoing?stage={stage}" for stage in ("draft", "waiting", "accepted", "rejected", "draft&q=phuong")]
    shown += [f"/outgoing/new?unit={UNIT}", f"/registers/{UNIT}/outgoing/{YEAR}/export"]
    sent = [secrets.waiting, secrets.accepted, secrets.rejected, secrets.recall]
    hidden = [f"/outgoing/{one}{path}" for one in sent for path in ("", "/track", "/recall")]
    hidden += [f"/outgoing/{one}/files/1" for one in sent[:3]]
    hidden += [f"/outgoing/drafts/{one}" for one in (secrets.draft, *sent)]
    hidden += [f"/outgoing/drafts/{secrets.draft}/files/1"]
    book = [f"/registers/{UNIT}/outgoing/{YEAR}{path}?name={SECRET_BOOK}" for path in ("", "/1", "/export", "/print")]
    return [*((path, 200) for path in shown), *((path, 404) for path in hidden), *((path, 403) for path in book)]


async def test_no_door_shows_what_goes_out_in_secret_to_who_is_not_cleared(desk: RunningDesk, secrets: Secrets) -> None:
    async with desk.as_("nam") as nam, desk.as_("hoa") as hoa:
        for path, status in doors(secrets):
            answer = await nam.get(f"/desk{path}")
            text = (await answer.read()).decode("utf-8", errors="replace")
            assert answer.status == status, path
            typed = path + quote(path, safe="/?=&-")  # is shown again, with errors too
            assert [word for word in FORBIDDEN if word in text and word not in typed] == [], path
            assert (await hoa.get(f"/desk{path}")).status in {200, 303, 409}, path  # 409: nobody has it yet
        for path in ("/", "/outgoing", "/outgoing?stage=draft", "/outgoing?stage=rejected", "/journal"):
            assert "KH/HU" in await hoa.text(f"/desk{path}"), path
        assert "<b>0</b>" in await nam.text("/desk/outgoing?stage=accepted"), "and none is counted"


async def test_no_act_on_what_goes_out_in_secret_is_done_by_who_is_not_cleared(
    desk: RunningDesk, secrets: Secrets
) -> None:
    async with desk.as_("nam") as nam:
        seen: dict[str, Any] = {"version": "1", "keep": FILE[0]}
        acts = {
            "save": await nam.compose(secrets.draft, do="save", **seen),
            "send": await nam.compose(secrets.draft, **seen),
            "make it open": await nam.compose(secrets.draft, secrecy="none", do="save", **seen),
            "drop": await nam.send(f"/outgoing/drafts/{secrets.draft}/drop", version=1),
            "mend": await nam.send(f"/outgoing/{secrets.rejected}/mend"),
            "recall": await nam.send(f"/outgoing/{secrets.accepted}/recall", once=new_id(), reason="x"),
            "send again": await nam.compose(secrets.waiting, do="save"),
        }
        assert {what: answer.status for what, answer in acts.items()} == dict.fromkeys(acts, 404)
        for degree in ("secret", "top_secret", "hush"):
            refused = await nam.compose(new_id(), secrecy=degree, subject="Về việc", do="save")
            assert refused.status == 422, "nobody writes what they could not read"
            assert 'id="send-number" name="number" type="text" value="4"' not in await refused.text()
            assert "Số tiếp theo" not in await refused.text(), "how many secrets there are is one"
    with desk.spool.reading() as conn:
        assert drafts.count(conn, CLEARED) == 1
        assert drafts.get(conn, secrets.draft, CLEARED).version == 1


async def test_secret_letters_are_numbered_apart_and_stay_secret_when_they_are_put_right(
    desk: RunningDesk, secrets: Secrets
) -> None:
    async with desk.as_("hoa") as hoa:
        assert 'name="number" type="text" value="1"' in await hoa.text("/desk/outgoing/new"), "the open series"
        assert (await hoa.compose(new_id())).status == 303
        made = (await hoa.send(f"/outgoing/{secrets.rejected}/mend")).headers["Location"].rpartition("/")[2]
        assert '<option value="secret" selected' in await hoa.text(f"/desk/outgoing/drafts/{made}")
        told: dict[str, Any] = {"secrecy": "secret", "notation": "5-KH/HU", "number": "3", "subject": SECRET}
        again = await hoa.compose(made, version="1", keep=FILE[0], **told)
        assert again.status == 303, await again.text()
    with desk.spool.reading() as conn:
        last = {found.key.name: found.last for found in book_entries.books(conn, CLEARED) if found.last}
        assert last == {"": 1, SECRET_BOOK: 3}
        for one in (secrets.accepted, secrets.recall, made):
            letter = parse(Submission, desk_letters.body_of(conn, one), what="submission")
            assert letter.secrecy is Secrecy.SECRET, "a recall, too, travels as what it recalls"


async def test_an_answer_to_a_secret_is_as_secret_and_no_others_name_it(desk: RunningDesk, secrets: Secrets) -> None:
    del secrets
    secret = came(desk.spool, notation="9-KH/HU", subject=SECRET, secrecy=Secrecy.CONFIDENTIAL)
    async with desk.as_("hoa") as hoa, desk.as_("nam") as nam:
        page = await hoa.text(f"/desk/outgoing/new?answers={secret}")
        assert '<option value="confidential" selected' in page
        assert 'name="number" type="text" value="4"' in page, "the next one of the secret book"
        assert (await nam.get(f"/desk/outgoing/new?answers={secret}")).status == 404
        for never in (secret, new_id()):
            named = await nam.compose(new_id(), answers=never, completes="true", do="save")
            assert named.status == 422
            assert 'name="answers" value=""' in await named.text(), "it may be sent as an answer to nothing"
        await hoa.compose(once := new_id(), answers=secret, subject="Về việc đã rõ")
        assert secret in await hoa.text(f"/desk/outgoing/{once}")
        assert secret not in await nam.text(f"/desk/outgoing/{once}"), "an open letter does not lead to it"


async def test_what_a_secret_letter_answers_is_done_without_its_name(desk: RunningDesk, secrets: Secrets) -> None:
    del secrets
    plain, once = came(desk.spool, notation="8-CV/TU"), new_id()
    async with desk.as_("hoa") as hoa:
        await hoa.act(plain, "register", day=today(), subject="Về việc", number=1)
        told: dict[str, Any] = {"secrecy": "secret", "notation": "4-KH/HU", "number": "4", "subject": SECRET}
        assert (await hoa.compose(once, answers=plain, completes="true", **told)).status == 303
    accept(desk.spool, once)
    assert get_entry(desk.spool, plain).state is Status.COMPLETED
    assert "KH/HU" not in str(receipts_of(desk.spool, plain)[-1])


async def test_who_drafts_for_one_unit_reads_no_number_of_anothers_book(desk: RunningDesk) -> None:
    with desk.spool.writing() as conn:
        books.begin(conn, BookKey(OTHER, BookKind.OUTGOING, YEAR), 7_654_321)  # digits of no id
    async with desk.as_("hoa") as hoa, desk.as_("khac") as khac:
        assert "7654321" in await khac.text("/desk/outgoing/new")
        for place in ("/outgoing/plan", "/outgoing/send"):
            page = await (await hoa.send(place, once=new_id(), issuer=OTHER, subject="Báo cáo")).text()
            assert "Báo cáo" in page
            assert "7654321" not in page
