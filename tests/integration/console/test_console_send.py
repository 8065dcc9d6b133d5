"""A letter is written at the console and sent in the name of a unit: once, by who may, with what is wrong beside it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, FormData
from sqlalchemy import Engine, func, select, update

from router.ledger.engine import reading, writing
from router.ledger.models import delivery, dispatch
from router.ledger.people.audit import Act
from router.ledger.people.persons import PEOPLE
from router.ledger.scope import EVERYTHING
from schemas.clock import now_ms
from schemas.dispatch import MAX_ATTACHMENTS, Secrecy, Submission
from support.audited import list_entries
from support.conditions import until
from support.consoles import Browser, Console, running_console
from support.stories import Story

ONCE = re.compile(r'name="once" value="([^"]*)"')
LETTER = {"issuer": "LCA.VP", "notation": "45-CV/VP", "subject": "Về việc họp", "addressees": "LCA.02.#  !LCA.02.05"}
FILES = {"Công văn.pdf": b"%PDF-1.4 x", "Phụ lục.txt": b"y" * 2000}


def grant(console: Console, name: str, role: str, pattern: str) -> None:
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, name, [PEOPLE.check_grant(role, pattern)], now_ms=now_ms())


async def once_of(browser: Browser) -> str:
    found = ONCE.search(await browser.text("/console/send"))
    assert found is not None
    return found[1]


async def send(browser: Browser, files: dict[str, bytes] | None = None, **fields: Any) -> ClientResponse:
    """Post the form as a browser does: its fields in the order of the page, then the files."""
    form = FormData()
    form.add_field("csrf", fields.pop("csrf", None) or await browser.csrf())
    form.add_field("once", fields.pop("once", None) or await once_of(browser))
    for name, value in (LETTER | fields).items():
        form.add_field(name, value)
    for name, data in (files or {"": b""}).items():
        form.add_field("file", data, filename=name, content_type="application/octet-stream")
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = await browser.http.post("/console/send", data=form, headers=headers, allow_redirects=False)
    await answer.read()
    return answer


def sent(console: Console, answer: ClientResponse) -> Submission:
    assert answer.status == 303, answer.status
    key = answer.headers["location"].rsplit("/", 1)[1]
    with reading(console.engine) as conn:
        return Submission.model_validate_json(
            conn.scalar(select(dispatch.c.submission).where(dispatch.c.id == key)) or ""
        )


def count(console: Console, table: Any = dispatch) -> int:
    with reading(console.engine) as conn:
        return int(conn.scalar(select(func.count()).select_from(table)) or 0)


async def test_a_letter_is_sent_with_its_files_and_stands_in_the_audit_log(console: Console) -> None:
    async with console.as_("admin") as admin:
        answer = await send(
            admin, FILES, urgency="1", due="2030-01-02T17:00", signer="Trần Văn B", issued_on="2026-11-29"
        )
        letter = sent(console, answer)
        assert letter.addressees == ("LCA.02.#", "!LCA.02.05")
        assert [(file.name, file.size) for file in letter.attachments] == [("Công văn.pdf", 10), ("Phụ lục.txt", 2000)]
        assert (letter.due and letter.due.isoformat(), letter.signer) == ("2030-01-02T17:00:00+07:00", "Trần Văn B")
        text = await admin.text(answer.headers["location"])
        assert "45-CV/VP" in text
        assert "gửi một văn bản" in await admin.text("/console/audit")
    with reading(console.engine) as conn:
        (entry,) = [row.entry for row in list_entries(conn, EVERYTHING) if row.entry.act is Act.DISPATCH_SENT]
    assert (entry.person, entry.unit, entry.detail) == ("admin", "LCA.VP", "45-CV/VP")
    assert answer.headers["location"].endswith(entry.subject)


async def test_a_double_click_and_a_repetition_after_a_lost_answer_are_one_dispatch(console: Console) -> None:
    async with console.as_("admin") as admin:
        before, once, csrf = count(console), await once_of(admin), await admin.csrf()
        both = await asyncio.gather(*(send(admin, FILES, once=once, csrf=csrf) for _ in range(2)))
        again = await send(admin, FILES, once=once)
        assert len({answer.headers["location"] for answer in (*both, again)}) == 1
        assert count(console) == before + 1
        other = await send(admin, FILES, once=once, subject="Việc khác")
        assert other.status == 422
        assert "đã được gửi trước đó với nội dung khác" in await other.text()
        fresh = ONCE.search(await other.text())
        assert fresh is not None
        assert [(await send(admin, FILES, once=fresh[1], subject="Việc khác")).status for _ in range(2)] == [303, 303]
        assert count(console) == before + 2
    with reading(console.engine) as conn:
        acts = [row.entry.act for row in list_entries(conn, EVERYTHING)]
    assert acts.count(Act.DISPATCH_SENT) == 2


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"subject": ""}, "subject", "thiếu"),
        ({"notation": ""}, "notation", "thiếu"),
        ({"addressees": ""}, "addressees", "thiếu"),
        ({"addressees": "LCA.99"}, "addressees", "LCA.99"),
        ({"addressees": "lca"}, "addressees", "lca"),
        ({"issuer": "LCA.98"}, "issuer", "danh mục"),
        ({"due": "tomorrow"}, "due", "phải viết"),
        ({"number": "x"}, "number", "số nguyên"),
        ({"urgency": "4"}, "", "hỏa tốc hẹn giờ"),
        ({"flash_text": "đ" * 1025}, "flash_text", "2050"),
        ({"refers_to": "x"}, "refers_to", ""),
        ({"kind": "replace"}, "", "văn bản"),
        ({"secrecy": "secret"}, "", ""),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_is_kept(
    console: Console, fields: dict[str, str], field: str, says: str
) -> None:
    before = count(console)
    async with console.as_("admin") as admin:
        answer = await send(admin, FILES, signer="Người ký đã gõ", **fields)
        text = await answer.text()
    assert answer.status == 422
    place = text.partition(f'id="problem-{field}"' if field else 'id="send-problems"')[2].partition("</ul>")[0]
    assert place
    assert says in unescape(place), place
    assert 'value="Người ký đã gõ"' in text
    assert field in {"", "issuer"} or 'aria-invalid="true"' in text
    assert count(console) == before


async def test_only_who_may_send_for_the_issuer_sends_and_as_far_as_the_role_reaches(console: Console) -> None:
    grant(console, "viewer", "issuer", "LCA.VP")
    grant(console, "district", "admin", "LCA.02.#")
    async with console.as_("auditor") as auditor:
        assert (await auditor.get("/console/send")).status == 403
        assert (await auditor.get("/console/send/units")).status == 403
        assert (await send(auditor, once="x")).status == 403
        assert "/console/send" not in await auditor.text("/console/")
    async with console.as_("viewer") as clerk:
        assert sent(console, await send(clerk, addressees="LCA.#{commune}", urgency="3")).issuer == "LCA.VP"
        assert (await send(clerk, issuer="LCA.02")).status == 422
    async with console.as_("district") as district:
        refused = await send(district, issuer="LCA.02", addressees="LCA.03.01")
        assert refused.status == 422
        assert "LCA.03.01" in (await refused.text()).partition('id="problem-addressees"')[2].partition("</ul>")[0]
        assert sent(console, await send(district, issuer="LCA.02", addressees="LCA.02.05 LCA")).issuer == "LCA.02"


BEGUN = re.compile(
    r"<textarea[^>]* name=\"(addressees)\"[^>]*>\n([^<]*)<|<input[^>]* name=\"(\w+)\"[^>]* value=\"([^\"]*)\""
)
CHOSEN = re.compile(r'<select[^>]* name="(\w+)"[^>]*>(?:(?!</select>).)*?<option value="([^"]*)" selected>', re.DOTALL)


def begun(page: str) -> dict[str, str]:
    """What stands in the form that a page shows, as a browser would post it."""
    form = page.split("<form", 1)[1]
    found = {one[0] or one[2]: unescape(one[1] or one[3]) for one in BEGUN.findall(form)}
    return found | dict(CHOSEN.findall(form))


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("takes", [tuple(Secrecy), (Secrecy.NONE,)], ids=["taken", "taken no more"])
@pytest.mark.parametrize("way", ["answers={}", "changes={}&kind=update", "changes={}&kind=replace"])
async def test_what_is_written_about_a_secret_begins_as_secret_as_that(
    ledger: Engine, tmp_path: Path, story: Story, way: str, takes: tuple[Secrecy, ...]
) -> None:
    with writing(ledger) as conn:
        one = dispatch.c.id == story.province
        secret = json.loads(conn.scalars(select(dispatch.c.submission).where(one)).one()) | {"secrecy": "secret"}
        conn.execute(update(dispatch).where(one).values(submission=json.dumps(secret).encode()))
    async with running_console(ledger, tmp_path, story, secrecies=takes) as console, console.as_("admin") as admin:
        form = begun(await admin.text(f"/console/send?{way.format(story.province)}"))
        assert form["secrecy"] == "secret"
        assert form["subject"].endswith(secret["subject"])
        answer = await send(admin, None, **(form | {"notation": "9-CV/VP"}))
        if Secrecy.SECRET in takes:
            assert sent(console, answer).secrecy is Secrecy.SECRET
        else:
            assert answer.status == 422


async def bring(console: Console, browser: Browser, meanwhile: Callable[[], None], form: bytes) -> ClientResponse:
    """Post a form whose last file stands still at its beginning until something has happened."""
    tail = b"y\r\n--x--\r\n"

    def happen() -> None:
        until(lambda: any(console.services.content.incoming.iterdir()), what="the file has begun")
        meanwhile()

    async def body() -> AsyncIterator[bytes]:
        yield form
        await asyncio.to_thread(happen)
        yield tail

    headers = {"Sec-Fetch-Site": "same-origin", "content-type": "multipart/form-data; boundary=x"}
    headers["content-length"] = str(len(form) + len(tail))
    answer = await browser.http.post("/console/send", data=body(), headers=headers, allow_redirects=False)
    await answer.read()
    return answer


def part_of(name: str, value: str) -> str:
    return f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("lost", "status"), [("role", 422), ("other role", 422), ("access", 303), ("nothing", 303)])
async def test_what_is_withdrawn_while_the_files_come_counts(console: Console, lost: str, status: int) -> None:
    grant(console, "viewer", "issuer", "LCA.VP")

    def lose() -> None:
        with writing(console.engine) as conn:
            if lost in {"role", "other role"}:
                PEOPLE.withdraw(conn, "viewer", PEOPLE.check_grant("issuer", "LCA.VP"))
            if lost == "access":
                PEOPLE.revoke(conn, "viewer", now_ms=now_ms())
        if lost == "other role":
            grant(console, "viewer", "issuer", "LCA.02")

    before = count(console)
    async with console.as_("viewer") as viewer:
        fields = LETTER | {"csrf": await viewer.csrf(), "once": await once_of(viewer)}
        file = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        head = "".join(part_of(*item) for item in fields.items()) + file
        answer = await bring(console, viewer, lose, head.encode() + b"y" * 100_000)
        assert answer.status == status
        assert ("/login" in answer.headers.get("location", "")) is (lost == "access")
    assert count(console) == before + (lost == "nothing")


async def test_a_recall_comes_by_its_own_page_alone(console: Console) -> None:
    before = count(console)
    async with console.as_("admin") as admin:
        answer = await send(admin, kind="recall", refers_to=console.story.province, flash_text="x")
        assert (answer.status, "trên trang của văn bản" in await answer.text()) == (422, True)
    assert count(console) == before


async def test_nothing_of_a_foreign_form_is_kept(console: Console) -> None:
    before, kept = count(console), sorted(console.services.content.root.rglob("*"))
    async with console.as_("admin") as admin:
        assert (await send(admin, FILES, csrf="0" * 64)).status == 403
        form = FormData()
        form.add_field("file", b"x", filename="a.pdf")
        form.add_field("csrf", await admin.csrf())
        headers = {"Sec-Fetch-Site": "same-origin"}
        assert (await admin.http.post("/console/send", data=form, headers=headers)).status == 403
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await admin.http.post("/console/send", data=FormData({"csrf": "x"}), headers=foreign)).status == 403
    assert (count(console), sorted(console.services.content.root.rglob("*"))) == (before, kept)


async def test_files_are_bounded_in_size_and_number_and_named_once(console: Console) -> None:
    before = count(console)
    async with console.as_("admin") as admin:
        large = await send(admin, {"a.bin": b"x" * (1024 * 1024 + 1)})
        assert large.status == 422
        assert "problem-attachments" in await large.text()
        assert (await send(admin, {f"{n}.txt": b"x" for n in range(MAX_ATTACHMENTS + 1)})).status == 413
        twice = await send(admin, {"a:b.txt": b"x", "a?b.txt": b"y"})
        assert twice.status == 422
        assert "problem-attachments" in await twice.text()
    assert count(console) == before


async def test_the_tree_comes_a_branch_at_a_time_and_names_are_found_without_accents(console: Console) -> None:
    async with console.as_("admin") as admin:
        whole = await admin.text("/console/send")
        assert 'value="LCA.02.#"' in whole
        assert "LCA.02.05" not in whole.partition('id="unit-tree"')[2].partition("</fieldset>")[0]
        branch = await admin.text("/console/send/units?of=LCA.02")
        assert 'value="LCA.02.05"' in branch
        assert 'value="LCA.02.*"' in branch
        assert 'value="LCA.02.#{commune}"' in branch
        assert "<html" not in branch
        assert 'value="LCA.02.05"' in await admin.text("/console/send?of=LCA.02")
        assert 'data-unit="' in await admin.text("/console/send/units?find=bat+xat")
        assert (await admin.get("/console/send/units?of=LCA.99")).status == 404


async def test_the_plan_stands_beside_the_letter_and_keeps_nothing(console: Console) -> None:
    before = count(console)
    async with console.as_("admin") as admin:
        fields = {"csrf": await admin.csrf(), "issuer": "LCA.VP", "addressees": ["LCA.02.#", "!LCA.02.05"]}
        headers = {"Sec-Fetch-Site": "same-origin", "HX-Request": "true"}
        answer = await admin.post("/console/send/plan", headers, **fields, bytes="0")
        text = await answer.text()
        assert answer.status == 200
        assert "<html" not in text
        assert 'data-count="23"' in text
        assert "LCA.02.05" in text.partition("Sẽ không nhận")[2], text
        heavy = await (await admin.post("/console/send/plan", headers, **fields, bytes=str(10**8))).text()
        assert heavy != text
        wrong = await admin.post("/console/send/plan", headers, **(fields | {"addressees": "LCA.99"}))
        assert (wrong.status, "LCA.99" in await wrong.text()) == (200, True)
        page = await admin.post("/console/send/plan", None, **fields, subject="Đã gõ")
        assert 'value="Đã gõ"' in await page.text()
    assert count(console) == before


async def test_an_answer_begins_with_what_it_answers_and_a_replacement_with_what_it_replaces(console: Console) -> None:
    story = console.story
    async with console.as_("admin") as admin:
        assert f"/console/send?answers={story.district}" in await admin.text(f"/console/documents/{story.district}")
        text = await admin.text(f"/console/send?answers={story.district}")
        assert f'name="refers_to" value="{story.district}"' in text
        assert 'value="Trả lời văn bản số ' in text
        replacing = await admin.text(f"/console/send?changes={story.district}&kind=replace")
        assert '<option value="replace" selected>' in replacing
    async with console.as_("viewer") as viewer:
        assert "/console/send?" not in await viewer.text(f"/console/documents/{story.district}")
    grant(console, "district", "issuer", "LCA.02.#")
    async with console.as_("district") as district:
        other = "01a203b4-534c-749d-ae46-f303c470a0de"
        assert (await district.get(f"/console/send?answers={other}")).status == 404
    assert count(console, delivery) > 0
