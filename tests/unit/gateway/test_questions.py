"""Questions to the router: each once, kept for a while, within bounds; what nobody waits for is not asked."""

import pytest
from sqlalchemy import select, update

from consumers.spool import Spool, questions
from consumers.spool.models import question as table
from consumers.spool.questions import FRESH_MS, WAITED_MS, Answered, Question, QuestionKind

LEVEL = Question(QuestionKind.LEVEL, "LCA")
PLAN = Question(QuestionKind.PLAN, "a" * 64, b'{"notation": "1/BC"}')


def ask(spool: Spool, question: Question) -> questions.Answer:
    with spool.writing() as conn:
        if not questions.is_noted(conn, question):
            questions.want(conn, question)
        return questions.known(conn, question)


def waiting(spool: Spool) -> list[questions.OpenQuestion]:
    with spool.reading() as conn:
        return questions.waiting(conn, 10)


def answer(spool: Spool, body: bytes | None, problem: str = "", etag: str = "") -> None:
    (first, *_) = waiting(spool)
    with spool.writing() as conn:
        questions.answer(conn, [Answered(first.pos, body, etag, problem)])


def let_pass(spool: Spool, ms: int) -> None:
    with spool.writing() as conn:
        conn.execute(update(table).values(wanted_at=table.c.wanted_at - ms, answered_at=table.c.answered_at - ms))


def test_a_question_is_asked_once_however_many_look_and_its_answer_is_kept(spool: Spool) -> None:
    for _ in range(3):
        assert ask(spool, LEVEL) == questions.Answer()
    (one,) = waiting(spool)
    assert (one.kind, one.subject, one.etag) == (QuestionKind.LEVEL, "LCA", "")
    answer(spool, b'{"units": []}', etag='W/"1"')
    found = ask(spool, LEVEL)
    assert (found.body, found.problem, found.waits) == (b'{"units": []}', "", False)
    assert found.at is not None
    assert waiting(spool) == []


def test_an_old_answer_is_shown_while_it_is_asked_for_again_by_its_etag(spool: Spool) -> None:
    ask(spool, LEVEL)
    answer(spool, b"{}", etag='W/"1"')
    let_pass(spool, FRESH_MS[QuestionKind.LEVEL] + 1)
    found = ask(spool, LEVEL)
    assert (found.body, found.waits) == (b"{}", True)
    assert waiting(spool)[0].etag == 'W/"1"'
    answer(spool, None)
    assert ask(spool, LEVEL).body == b"{}", "it has not changed"
    assert not ask(spool, LEVEL).waits


def test_what_nobody_waits_for_any_more_is_not_asked(spool: Spool) -> None:
    ask(spool, PLAN)
    let_pass(spool, WAITED_MS + 1)
    assert waiting(spool) == []
    ask(spool, PLAN)
    assert [one.body for one in waiting(spool)] == [PLAN.body]


def test_what_was_looked_at_last_is_asked_first(spool: Spool) -> None:
    ask(spool, PLAN)
    let_pass(spool, 100)
    ask(spool, LEVEL)
    assert [one.kind for one in waiting(spool)] == [QuestionKind.LEVEL, QuestionKind.PLAN]


def test_a_refusal_is_an_answer_and_keeps_what_was_known(spool: Spool) -> None:
    ask(spool, PLAN)
    answer(spool, None, problem="the rules reach no unit")
    found = ask(spool, PLAN)
    assert (found.body, found.problem, found.waits) == (None, "the rules reach no unit", False)


def test_a_clock_that_was_ahead_keeps_no_answer_fresh(spool: Spool) -> None:
    ask(spool, LEVEL)
    answer(spool, b"{}")
    let_pass(spool, -10 * FRESH_MS[QuestionKind.LEVEL])
    assert ask(spool, LEVEL).waits


def test_answers_are_bounded_in_number_and_bytes(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_KEPT", 3)
    for number in range(5):
        ask(spool, Question(QuestionKind.SEARCH, str(number)))
        answer(spool, b'{"units": []}')
        let_pass(spool, 1)
    with spool.reading() as conn:
        assert set(conn.scalars(select(table.c.subject))) == {"2", "3", "4"}
    for number in range(5, 10):
        ask(spool, Question(QuestionKind.SEARCH, str(number)))
    with spool.reading() as conn:
        assert len(list(conn.scalars(select(table.c.subject)))) == 3, "those that wait, too"
    monkeypatch.setattr(questions, "MOST_BYTES", 10)
    let_pass(spool, WAITED_MS)
    ask(spool, LEVEL)
    answer(spool, b'{"units": []}')
    assert ask(spool, LEVEL).body is None, "not even one has room, and it is asked again"
