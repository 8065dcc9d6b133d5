"""A document is recalled at the console: what it will do is shown first, as the ledger decides, and comes true."""

import re
from html import unescape

import pytest
from aiohttp import ClientResponse
from sqlalchemy import select, update

from router.ledger.engine import reading, writing
from router.ledger.models import account_use, delivery, dispatch
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE
from router.ledger.people.senders import sender_of
from router.ledger.scope import EVERYTHING
from router.ledger.way import recalls
from schemas.clock import now_ms
from schemas.dispatch import Kind, Submission
from schemas.ids import new_id
from schemas.states import RecallEffect, Status
from support.audited import list_entries
from support.consoles import Browser, Console

WHY = "Sai phụ lục kèm theo"
EFFECT = re.compile(r'data-effect="(\w+)">([\d.]+)<')
FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


def place(console: Console) -> str:
    return f"/console/documents/{console.story.district}/recall"


async def preview(browser: Browser, console: Console) -> tuple[dict[str, int], dict[str, str]]:
    text = await browser.text(place(console))
    form = text.partition('id="recall"')[2]
    return {name: int(count) for name, count in EFFECT.findall(text)}, {
        name: unescape(value) for name, value in FIELD.findall(form)
    }


async def recall(browser: Browser, console: Console, fields: dict[str, str]) -> ClientResponse:
    return await browser.post(place(console), None, **fields)


def states(console: Console) -> dict[str, Status]:
    rows = select(delivery.c.unit, delivery.c.state).where(delivery.c.dispatch_id == console.story.district)
    with reading(console.engine) as conn:
        return {row[0]: Status(row[1]) for row in conn.execute(rows)}


async def test_what_the_preview_shows_is_what_the_recall_does(console: Console) -> None:
    before = states(console)
    with reading(console.engine) as conn:
        foreseen = {
            item.unit: item.effect for item in recalls.foresee(conn, [console.story.district], called_back=list(before))
        }
    async with console.as_("admin") as admin:
        counts, fields = await preview(admin, console)
        assert counts == {effect.value: sum(item is effect for item in foreseen.values()) for effect in RecallEffect}
        assert min(counts["ends"], counts["follows"], counts["asked"]) > 0
        assert states(console) == before, "nothing is done by looking"
        answer = await recall(admin, console, fields | {"reason": WHY, "notation": "9-TB/VP"})
        assert answer.status == 303, await answer.text()
        after = states(console)
        for unit, effect in foreseen.items():
            if effect is RecallEffect.ENDS:
                assert after[unit] is Status.RECALLED
            elif effect is RecallEffect.ASKED:
                assert after[unit] is Status.TAKE_BACK_REQUESTED
            else:
                assert after[unit] is before[unit]
        told = (await admin.text(f"/console/documents/{console.story.district}")).partition('id="recalls"')[2]
        said = {name: int(count) for name, count in re.findall(r'data-recalled="(\w+)">(\d+)<', told)}
        assert said["recalled"] == counts["ends"]
        assert said["take_back_requested"] == counts["asked"]
        assert sum(said.values()) == len(before)
        again, _ = await preview(admin, console)
        assert (again["ends"], again["asked"]) == (0, 0), "what was asked for once is asked for no more"
    key = dispatch.c.id
    with reading(console.engine) as conn:
        (entry,) = [row.entry for row in list_entries(conn, EVERYTHING) if row.entry.act is Act.DISPATCH_RECALLED]
        written = conn.scalar(select(dispatch.c.submission).where(key == entry.subject))
    letter = Submission.model_validate_json(written or b"")
    assert (letter.kind, letter.refers_to, letter.flash_text) == (Kind.RECALL, (console.story.district,), WHY)
    assert (entry.person, entry.reason, letter.notation) == ("admin", WHY, "9-TB/VP")


async def test_a_second_click_recalls_once_and_a_reason_is_needed(console: Console) -> None:
    async with console.as_("admin") as admin:
        _, fields = await preview(admin, console)
        without = await recall(admin, console, fields | {"reason": " ", "notation": "9-TB/VP"})
        assert (without.status, "Hãy nêu lý do" in await without.text()) == (422, True)
        assert 'value="9-TB/VP"' in await without.text()
        assert f'value="{fields["once"]}"' in await without.text()
        for _ in range(2):
            assert (await recall(admin, console, fields | {"reason": WHY})).status == 303
        other = await recall(admin, console, fields | {"reason": "Lý do khác"})
        assert (other.status, "nội dung khác" in await other.text()) == (422, True)
        assert f'value="{fields["once"]}"' not in await other.text(), "its key is spent"
    with reading(console.engine) as conn:
        acts = [row.entry.act for row in list_entries(conn, EVERYTHING)]
    assert acts.count(Act.DISPATCH_RECALLED) == 1


@pytest.mark.parametrize("name", ["viewer", "auditor", "district"])
async def test_only_who_sends_for_its_issuer_recalls_a_document(console: Console, name: str) -> None:
    before = states(console)
    async with console.as_(name) as somebody:
        assert (await somebody.get(place(console))).status == 403
        form = {"csrf": await somebody.csrf(), "once": "01a203b4-534c-749d-ae46-f303c470a0de", "reason": WHY}
        assert (await recall(somebody, console, form)).status == 403
        assert "/recall" not in await somebody.text(f"/console/documents/{console.story.district}")
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, name, [PEOPLE.check_grant("issuer", "LCA.09")], now_ms=now_ms())
    async with console.as_(name) as somebody:
        assert (await somebody.get(place(console))).status == 403, "of another issuer"
    assert states(console) == before


async def test_a_recall_that_the_hour_does_not_allow_any_more_is_told_beforehand(console: Console) -> None:
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "district", [PEOPLE.check_grant("admin", "LCA.02.#")], now_ms=now_ms())
        person = PEOPLE.find(conn, "district")
    assert person is not None
    letter = Submission(issuer="LCA.02", notation="1-CV/HU", subject="Họp", addressees=("LCA.02.05",))
    sender = sender_of(person, "LCA.02")
    sent = await console.services.intake.accept(letter, sender=sender, idempotency_key="1")
    path = f"/console/documents/{sent.id}/recall"
    async with console.as_("district") as district:
        assert 'id="problem"' not in await district.text(path)
        with writing(console.engine) as conn:
            conn.execute(update(account_use).values(dispatches=sender.rights.hourly.dispatches))
        page = await district.text(path)
        assert 'data-effect="ends">1<' in page, "what it would do is told all the same"
        assert "300" in page.partition('id="problem"')[2].partition("</div>")[0]
        form = {"csrf": await district.csrf(), "once": new_id(), "reason": WHY}
        answer = await district.post(path, None, **form)
        assert (answer.status, WHY in await answer.text()) == (422, True)


async def test_a_recall_comes_from_a_form_of_the_session_and_of_a_document_that_is_there(console: Console) -> None:
    before = states(console)
    async with console.as_("admin") as admin:
        _, fields = await preview(admin, console)
        assert (await recall(admin, console, fields | {"reason": WHY, "csrf": "0" * 64})).status == 403
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await admin.post(place(console), foreign, **(fields | {"reason": WHY}))).status == 403
        assert (await admin.get("/console/documents/01a203b4-534c-749d-ae46-f303c470a0de/recall")).status == 404
    assert states(console) == before
