"""What people ask goes over the line when documents let it, one after the other, and only the router answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumers.asking import inquirer as asking
from consumers.asking.answers import MOST_PACKED
from consumers.asking.inquirer import Inquirer
from consumers.fetching.answers import PROBLEM
from consumers.fetching.origin import Clients
from consumers.line.pace import LinePace
from consumers.line.precedence import NOTHING, QUESTION, Precedence, Side
from consumers.line.state import Line
from consumers.spool import Spool, Writer, questions
from consumers.spool.models import question as question_table
from consumers.spool.questions import MOST_UNPACKED, Answer, Question, QuestionKind
from consumers.spool.units import names_of
from router.broker import SessionState
from schemas.dispatch import Urgency
from support.conditions import holds

LEVEL = Question(QuestionKind.LEVEL, "LCA>LCA.02")
TOLD: dict[str, Any] = {
    "of": None,
    "kinds": [],
    "units": [{"code": "LCA.03", "name": "Huyện Bát Xát", "kind": "district", "link": "wan", "below": 2}],
    "more": False,
}
PLAN: dict[str, Any] = {"count": 1, "never": 0, "bytes": 9, "whole": True, "left_out_count": 0} | {
    name: [] for name in ("groups", "units", "left_out", "notes")
}
TRACK: dict[str, Any] = {"addressees": 1, "states": {"queued": 1}, "deliveries": [], "next": None}


@dataclass(slots=True)
class Router:
    """The router's web API as far as questions go: answers in their order, the last one for ever."""

    answers: list[web.Response] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.asked.append(request)
        first = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=first.status, body=first.body, headers=first.headers)


@dataclass(slots=True)
class Ground:
    """An inquirer that runs, and the sides of its line that documents have."""

    router: Router
    spool: Spool
    documents: Side
    inquirer: Inquirer

    def ask(self, question: Question = LEVEL) -> Answer:
        """As the desk does."""
        with self.spool.writing() as conn:
            if not questions.is_noted(conn, question):
                questions.want(conn, question)
                self.inquirer.wake()
            return questions.known(conn, question)


def said(told: object, status: int = 200, **headers: str) -> web.Response:
    """An answer, compressed as the router's are."""
    given = {"Content-Type": "application/json", "Content-Encoding": "gzip"} | headers
    return web.Response(status=status, body=gzip.compress(orjson.dumps(told)), headers=given)


def problem(status: int, detail: str) -> web.Response:
    body = orjson.dumps({"type": "urn:congvan:problem:x", "title": "No", "detail": detail})
    return web.Response(status=status, body=body, headers={"Content-Type": PROBLEM})


@asynccontextmanager
async def ground(spool: Spool, writer: Writer, *answers: web.Response, lets: bool = True) -> AsyncIterator[Ground]:
    router = Router(list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", router.answer)
    precedence, line = Precedence(), Line(LinePace())
    line.broker_is(SessionState.UP)
    documents = precedence.side()
    clients = Clients(token="secret", no_progress=20.0)
    async with TestServer(app) as server:
        inquirer = Inquirer(
            spool,
            writer,
            clients,
            origin_url=str(server.make_url("")),
            line=line,
            pace=LinePace(),
            side=precedence.side(),
            lets=lambda _unit, _urgency: lets,
        )
        task = asyncio.create_task(inquirer.run())
        try:
            yield Ground(router, spool, documents, inquirer)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await clients.aclose()


async def test_an_answer_comes_compressed_is_kept_and_names_units(spool: Spool, writer: Writer) -> None:
    async with ground(spool, writer, said(TOLD, ETag='W/"1"')) as it:
        it.ask()
        await holds(lambda: it.ask().body is not None)
        assert orjson.loads(it.ask().body or b"") == TOLD
        (request,) = it.router.asked
        assert request.path_qs == "/api/v1/directory?below=LCA&after=LCA.02"
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.headers["Accept-Encoding"] == "gzip"
    with spool.reading() as conn:
        assert names_of(conn, ["LCA.03"]) == {"LCA.03": "Huyện Bát Xát"}


async def test_each_kind_has_its_request(spool: Spool, writer: Writer) -> None:
    async with ground(spool, writer, said(TOLD), said(TOLD), said(PLAN), said(TRACK)) as it:
        for question in (
            Question(QuestionKind.SEARCH, "sa pa>LCA.02"),
            Question(QuestionKind.SEARCH, "sa pa"),
            Question(QuestionKind.PLAN, f"{'a' * 64}>5000", b'{"notation":"1"}'),
            Question(QuestionKind.TRACK, "01a203b4-534c-749d-ae46-f303c470a0de>LCA.02"),
        ):
            it.ask(question)
            await holds(lambda: it.ask(question).body is not None)  # noqa: B023 - awaited here
        assert [request.path_qs for request in it.router.asked] == [
            "/api/v1/directory?find=sa+pa&after=LCA.02",
            "/api/v1/directory?find=sa+pa",
            "/api/v1/dispatches/plan?more_bytes=5000&most_units=30",
            "/api/v1/dispatches/01a203b4-534c-749d-ae46-f303c470a0de?after=LCA.02&limit=100",
        ]
        assert it.router.bodies[2] == b'{"notation":"1"}'


async def test_a_question_waits_for_documents_and_then_goes_beside_ordinary_ones(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LOOK_EVERY", 0.05)
    async with ground(spool, writer, said(TOLD)) as it:
        it.documents.say(Urgency.NORMAL)
        it.ask()
        for _ in range(5):
            await asyncio.sleep(0)
        assert it.router.asked == [], "documents go first"
        it.documents.say(NOTHING)
        await holds(lambda: it.ask().body is not None)
        monkeypatch.setattr(asking, "PATIENCE", 0.2)
        it.documents.say(Urgency.URGENT)
        it.ask(other := Question(QuestionKind.SEARCH, "a"))
        waiting = asyncio.get_running_loop().time() + 0.5
        await holds(lambda: asyncio.get_running_loop().time() > waiting)
        assert len(it.router.asked) == 1, "beside what is urgent it never goes"
        it.documents.say(Urgency.NORMAL)
        await holds(lambda: it.ask(other).body is not None)


def test_questions_come_after_documents_and_before_nothing() -> None:
    precedence = Precedence()
    documents, people = precedence.side(), precedence.side()
    assert people.say(QUESTION) == QUESTION
    assert documents.say(Urgency.NORMAL) == Urgency.NORMAL, "a question holds nothing up"
    assert people.say(QUESTION) == Urgency.NORMAL
    documents.say(NOTHING)
    assert precedence.top == QUESTION


async def test_a_refusal_is_told_in_the_routers_words(spool: Spool, writer: Writer) -> None:
    async with ground(spool, writer, problem(422, "the rule LCA.99 names nobody")) as it:
        it.ask()
        await holds(lambda: not it.ask().waits)
        assert it.ask().problem == "the rule LCA.99 names nobody"


@pytest.mark.parametrize(
    "stranger",
    [
        web.Response(status=200, text="<html>Đăng nhập Wi-Fi</html>", content_type="text/html"),
        web.Response(status=302, headers={"Location": "http://portal/"}),
        web.Response(status=404, text="not found"),
        web.Response(status=200, body=b"[1, 2]", content_type="application/json"),
        web.Response(status=200, body=b"{", content_type="application/json"),
        said({"units": "a" * (MOST_UNPACKED + 1)}),
        web.Response(status=200, body=b"{" + b" " * MOST_PACKED + b"}", content_type="application/json"),
        web.Response(
            status=200, body=b"no gzip", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        ),
        problem(503, "the ledger is away"),
    ],
)
async def test_what_is_no_answer_of_the_routers_is_asked_again(
    spool: Spool, writer: Writer, stranger: web.Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_FIRST_PAUSE", 0.01)
    async with ground(spool, writer, stranger, said(TOLD)) as it:
        it.ask()
        await holds(lambda: it.ask().body is not None)
        assert len(it.router.asked) == 2
        assert it.ask().problem == ""


WHOLE = {QuestionKind.LEVEL: TOLD, QuestionKind.SEARCH: TOLD, QuestionKind.PLAN: PLAN, QuestionKind.TRACK: TRACK}


@pytest.mark.parametrize("kind", QuestionKind)
async def test_an_object_that_is_no_answer_to_the_question_is_not_believed(
    spool: Spool, writer: Writer, kind: QuestionKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = WHOLE[kind]
    lacking = [{name: value for name, value in whole.items() if name != left} for left in whole]
    wrong = [whole | {name: {"a": []}} for name in whole] + [whole | {name: 1.5} for name in whole]
    monkeypatch.setattr(asking, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(asking, "_LONGEST_PAUSE", 0.002)
    strangers = [{"ok": True}, *lacking, *wrong]
    async with ground(spool, writer, *map(said, strangers), said(whole | {"newer": 1})) as it:
        question = Question(kind, "a")
        it.ask(question)
        await holds(lambda: not it.ask(question).waits)
        assert len(it.router.asked) == len(strangers) + 1
        assert orjson.loads(it.ask(question).body or b"") == whole | {"newer": 1}, "what it may gain does not matter"


async def test_what_has_not_changed_is_not_sent_again(spool: Spool, writer: Writer) -> None:
    async with ground(spool, writer, said(TOLD, ETag='W/"1"'), web.Response(status=304)) as it:
        it.ask()
        await holds(lambda: it.ask().body is not None)
        with spool.writing() as conn:
            conn.execute(question_table.update().values(answered_at=0))
        before = it.ask()
        assert before.body is not None
        assert before.waits
        await holds(lambda: not it.ask().waits)
        assert it.router.asked[1].headers["If-None-Match"] == 'W/"1"'
        assert orjson.loads(it.ask().body or b"") == TOLD


async def test_outside_of_the_lines_hours_nothing_is_asked(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LOOK_EVERY", 0.01)
    async with ground(spool, writer, said(TOLD), lets=False) as it:
        it.ask()
        waiting = asyncio.get_running_loop().time() + 0.2
        await holds(lambda: asyncio.get_running_loop().time() > waiting)
        assert it.router.asked == []
        assert it.ask().waits
