"""`congvan send` and `congvan track` as a person runs them, against a real API."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from router.cli.send import app
from router.ledger.engine import reading, writing
from router.ledger.queries import addressees
from router.ledger.scope import EVERYTHING
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.states import Status
from support.api_server import GATEWAY, ISSUER, OTHER_ISSUER, Api, letter, running_api

LETTER = ("--issuer", "LCA.VP", "--to", "LCA.02.#", "--subject", "Về việc kiểm tra", "--notation", "123-CV/VP")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


async def congvan(api: Api, *arguments: str, account: str = ISSUER, url: str = "") -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.main", *arguments),
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")},
            "CONGVAN_API_URL": url or api.url,
            "CONGVAN_TOKEN": api.tokens[account],
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


class AnswersLost:
    """A proxy that lets requests through and breaks the connection when the first answers come."""

    def __init__(self, url: str, *, times: int) -> None:
        self._port = int(url.rpartition(":")[2])
        self._left = times
        self._served: list[Any] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._served)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._served.append(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        forth = asyncio.create_task(self._copy(reader, far_writer))
        back = asyncio.create_task(self._answer(far_reader, writer))
        await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (forth, back):
            task.cancel()
        await asyncio.gather(forth, back, return_exceptions=True)
        for end in (writer, far_writer):
            end.transport.abort()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await reader.read(1)
        if self._left:
            self._left -= 1
            return
        writer.write(answer)
        await self._copy(reader, writer)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def tell(api: Api, dispatch_id: str, *states: Status, units: tuple[str, ...] = ()) -> None:
    with reading(api.engine) as conn:
        found = {it.delivery.unit: it.delivery.id for it in addressees(conn, EVERYTHING, dispatch_id)}
    with writing(api.engine) as conn:
        for unit in units or found:
            for status in states:
                apply(conn, [NewReceipt(new_id(), found[unit], status, iso(now_ms()), now_ms())], Silence())


async def sent(api: Api, **fields: Any) -> str:
    """Send without the command, which is not the point of every test; the id."""
    async with api.http.post("/api/v1/dispatches", headers=api.as_(ISSUER), json=letter(**fields)) as answer:
        return str((await answer.json())["id"])


async def shown(api: Api, dispatch_id: str) -> Any:
    async with api.http.get(f"/api/v1/dispatches/{dispatch_id}", headers=api.as_(ISSUER)) as answer:
        return await answer.json()


async def test_a_dispatch_with_files_is_sent_and_its_id_and_count_are_printed(api: Api, tmp_path: Path) -> None:
    (tmp_path / "Quyết định.pdf").write_bytes(b"%PDF" * 1000)
    (tmp_path / "scan.unknown").write_bytes(b"\0" * 3_000_000)
    files = str(tmp_path / "Quyết định.pdf"), str(tmp_path / "scan.unknown")
    ran = await congvan(api, "send", *LETTER, "--urgency", "2", "--flash-text", "Khẩn", *files)
    assert ran.code == 0, ran.err
    dispatch_id, count = ran.out.strip().split("\t")
    assert count == "3 addressees"
    assert ran.err == ""
    submission = (await shown(api, dispatch_id))["submission"]
    assert [(item["name"], item["media_type"], item["size"]) for item in submission["attachments"]] == [
        ("Quyết định.pdf", "application/pdf", 4000),
        ("scan.unknown", "application/octet-stream", 3_000_000),
    ]
    assert (submission["urgency"], submission["flash_text"]) == (2, "Khẩn")


async def test_the_same_command_again_sends_nothing_twice(api: Api) -> None:
    first = json.loads((await congvan(api, "send", *LETTER, "--json")).out)
    again = json.loads((await congvan(api, "send", *LETTER, "--json")).out)
    other = json.loads((await congvan(api, "send", *LETTER, "--json", "--idempotency-key", "2")).out)
    assert (first["duplicate"], again["duplicate"], other["duplicate"]) == (False, True, False)
    assert first["id"] == again["id"] != other["id"]


async def test_a_letter_may_come_from_a_file_and_options_win_over_it(api: Api, tmp_path: Path) -> None:
    written = letter(addressees=["LCA.03"], subject="Cũ", notation="1-CV", due=None)
    (tmp_path / "letter.json").write_text(json.dumps(written), "utf-8")
    file = str(tmp_path / "letter.json")
    ran = await congvan(api, "send", "--file", file, "--subject", "Mới", "--due", "2d", "--json")
    submission = (await shown(api, json.loads(ran.out)["id"]))["submission"]
    assert (submission["subject"], submission["notation"], submission["addressees"]) == ("Mới", "1-CV", ["LCA.03"])
    assert submission["due"]


async def test_an_invalid_letter_is_refused_before_anything_is_sent(api: Api, tmp_path: Path) -> None:
    ran = await congvan(api, "send", "--issuer", "lca", "--subject", "x", url="http://127.0.0.1:9")
    assert ran.code == 2
    assert "issuer" in ran.err
    assert "addressees" in ran.err
    assert (await congvan(api, "send", *LETTER, str(tmp_path / "absent.pdf"))).code == 2


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_letter_is_wrong_usage(tmp_path: Path, text: str) -> None:
    (tmp_path / "letter.json").write_text(text)
    ran = CliRunner().invoke(app, ["--file", str(tmp_path / "letter.json")])
    assert ran.exit_code == 2
    assert "JSON" in ran.output


async def test_what_the_api_refuses_is_told_with_its_hint(api: Api) -> None:
    ran = await congvan(api, "send", *LETTER, account=OTHER_ISSUER)
    assert ran.code == 4
    assert ran.err.splitlines() == [
        "congvan: issuer:LCA.03 may not send for LCA.VP",
        "  hint: use the token of an account that stands for the issuer",
    ]
    ran = await congvan(api, "send", *LETTER, "--to", "LCA.99")
    assert ran.code == 4
    assert "LCA.99" in ran.err


async def test_a_broken_connection_is_tried_again_and_sends_once(api: Api, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"a" * 1_000_000)
    async with AnswersLost(api.url, times=2) as proxy:
        ran = await congvan(api, "send", *LETTER, str(tmp_path / "a.bin"), "--json", url=proxy.url)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["duplicate"] is True
    assert ran.err.count("trying again") == 2
    async with api.http.get("/api/v1/dispatches", headers=api.as_(ISSUER)) as answer:
        assert len((await answer.json())["items"]) == 1


async def test_an_api_that_is_not_there_is_told_so(api: Api) -> None:
    ran = await congvan(api, "track", new_id(), url="http://127.0.0.1:9")
    assert ran.code == 5
    assert "is the router running?" in ran.err


async def test_tracking_shows_each_addressee_and_says_by_its_code_whether_all_have_it(api: Api) -> None:
    dispatch_id = await sent(api)
    tell(api, dispatch_id, Status.ARRIVED, units=("LCA.02",))
    ran = await congvan(api, "track", dispatch_id)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "123-CV/VP Về việc kiểm tra: 1/3 arrived · 1 arrived · 2 pending"
    assert lines[1].split("\t")[:3] == ["unit", "name", "state"]
    assert [line.split("\t")[0] for line in lines[2:]] == ["LCA.02", "LCA.02.01", "LCA.02.02"]
    tell(api, dispatch_id, Status.ARRIVED, units=("LCA.02.01", "LCA.02.02"))
    ran = await congvan(api, "track", dispatch_id, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["arrived"] == 3


async def test_watching_ends_when_all_have_arrived(api: Api) -> None:
    dispatch_id = await sent(api)
    watching = asyncio.create_task(congvan(api, "track", dispatch_id, "--watch", "--timeout", "60"))
    for status in (Status.QUEUED, Status.TAKEN, Status.ARRIVED):
        await asyncio.to_thread(tell, api, dispatch_id, status)
    ran = await watching
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1].endswith("3/3 arrived · 3 arrived")


async def test_watching_ends_when_the_rest_waits_for_a_line_or_the_time_is_over(api: Api) -> None:
    dispatch_id = await sent(api, addressees=["LCA.03.#"])
    ran = await congvan(api, "track", dispatch_id, "--watch", "--timeout", "0", "--json")
    assert (ran.code, len(ran.out.splitlines())) == (1, 1)
    tell(api, dispatch_id, Status.ARRIVED, units=("LCA.03",))
    ran = await congvan(api, "track", dispatch_id, "--watch")
    assert ran.code == 1
    assert ran.out.strip().endswith("1/2 arrived · 1 arrived · 1 pending")


async def test_a_dispatch_that_is_not_there_or_not_ones_own_is_not_found(api: Api) -> None:
    dispatch_id = await sent(api)
    assert (await congvan(api, "track", new_id())).code == 3
    assert (await congvan(api, "track", dispatch_id, account=OTHER_ISSUER)).code == 3
    assert (await congvan(api, "track", dispatch_id, account=GATEWAY)).code == 3
    assert (await congvan(api, "track", "x")).code == 4


async def test_a_plan_says_when_it_would_arrive_and_sends_nothing(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "a.docx"
    file.write_bytes(os.urandom(60_000))
    ran = await congvan(api, "send", "--plan", *LETTER, str(file))
    assert ran.code == 0, ran.err
    assert "nothing was sent" in ran.out
    assert "dialup\t2\t" in ran.out
    told = json.loads((await congvan(api, "send", "--plan", "--json", *LETTER, str(file))).out)
    assert [unit["unit"] for unit in told["units"]] == ["LCA.02", "LCA.02.01", "LCA.02.02"]
    refused = await congvan(api, "send", "--plan", "--issuer", "LCA.03", *LETTER[2:])
    assert refused.code == 4
    async with api.http.get("/api/v1/dispatches", headers=api.as_(ISSUER)) as answer:
        assert (await answer.json())["items"] == []


async def test_a_recall_is_looked_at_and_then_asked_for_once(api: Api) -> None:
    sent = json.loads((await congvan(api, "send", *LETTER, "--json")).out)
    looked = await congvan(api, "recall", sent["id"], "--plan")
    assert looked.code == 0, looked.err
    assert f"{sent['addressees']:>6}  end at once" in looked.out
    assert "nothing was done" in looked.out
    assert (await congvan(api, "recall", sent["id"])).code == 2, "a reason is needed"
    found = await congvan(api, "recall", sent["id"], "--reason", "Sai phụ lục", "--notation", "9-TB/VP", "--json")
    assert found.code == 0, found.err
    again = await congvan(api, "recall", sent["id"], "--reason", "Sai phụ lục", "--notation", "9-TB/VP", "--json")
    assert json.loads(again.out) == json.loads(found.out) | {"duplicate": True}
    after = await congvan(api, "recall", sent["id"], "--plan")
    assert f"{sent['addressees']:>6}  nothing to recall any more" in after.out
    assert (await congvan(api, "recall", sent["id"], "--plan", account=OTHER_ISSUER)).code != 0
