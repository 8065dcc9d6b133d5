"""Documents that are written and sent at the desk: files kept by hash, one transaction, one number, sent once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from consumers.errors import (
    BookError,
    ContentNotKeptError,
    DocumentMovedError,
    DraftDroppedError,
    DraftSentError,
    UnknownDraftError,
)
from consumers.fetching.content import DIRECTORY_NAME, ContentDir
from consumers.reading import answering, dispatching, handling
from consumers.reading.dispatching import ReadyLetter
from consumers.reading.drafting import SeenDraft, drop_draft, mend, save_draft
from consumers.reading.handling import Acting, looked_at
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, book_entries, books, desk_letters, drafts, journal, sending
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState
from consumers.spool.desk_letters import OutgoingLetter
from consumers.spool.drafts import MOST_DRAFTS, DraftWords
from consumers.spool.people import Card
from consumers.spool.sending import Rejected, Sent
from schemas.clock import now_ms
from schemas.dispatch import MAX_ATTACHMENTS, Kind, Secrecy, Submission, Urgency
from schemas.errors import InvalidError, TransitionError
from schemas.ids import new_id
from schemas.model import parse
from schemas.recalling import recall_of
from schemas.register import BookKind
from schemas.stages import Stage
from schemas.states import Status
from support.deliveries import UNIT, came
from support.drafts import CLERK, DAY, ENTRY, HOA, brought, letter, ready, written

BOOK = BookKey(UNIT, BookKind.OUTGOING, DAY.year)
COLLEAGUE = Acting(Card("lan", "Lê Thị Lan"), now_ms() + 1, {UNIT})
STRANGER = Acting(HOA, now_ms(), {"LCA.02.06"})


def contents(spool: Spool) -> set[str]:
    root = spool.path.parent / DIRECTORY_NAME
    return {path.name for path in root.iterdir()} if root.exists() else set()


def sent(spool: Spool, outgoing_id: str) -> OutgoingLetter:
    with spool.reading() as conn:
        return desk_letters.get(conn, outgoing_id, {UNIT})


def numbers(spool: Spool) -> list[int]:
    with spool.reading() as conn:
        return [entry.number for entry in book_entries.entries(conn, BOOK)]


def accepted(spool: Spool, outgoing_id: str) -> str:
    dispatch_id = new_id()
    with spool.writing() as conn:
        answering.accept(conn, [Sent(outgoing_id, dispatch_id, 1)])
    return dispatch_id


def test_files_of_a_draft_lie_under_their_hashes_until_nobody_uses_them(spool: Spool, tmp_path: Path) -> None:
    one, two = brought(tmp_path, "Báo cáo.pdf"), brought(tmp_path, "Phụ lục.pdf", b"two")
    draft = written(spool, one, two)
    assert contents(spool) == {one.file.sha256, two.file.sha256}
    assert not one.path.exists()
    newer = brought(tmp_path, "Phụ lục.pdf", b"newer")
    draft = written(spool, newer, draft_id=draft.id, version=1)
    assert contents(spool) == {one.file.sha256, newer.file.sha256}, "the same name takes the other's place"
    save_draft(spool, SeenDraft(draft.id, 2), draft.words, CLERK, keep=["Báo cáo.pdf"])
    other = written(spool, brought(tmp_path, "Bản sao.pdf"))
    drop_draft(spool, SeenDraft(draft.id, 3), CLERK)
    assert contents(spool) == {one.file.sha256}, "the other draft has the same content"
    drop_draft(spool, SeenDraft(other.id, 1), CLERK)
    assert contents(spool) == set()
    with spool.reading() as conn:
        assert drafts.count(conn, {UNIT}) == 0
        assert [entry.act for _, entry in journal.entries(conn, [UNIT])] == ["draft_dropped"] * 2


def test_what_a_draft_or_a_sent_document_uses_survives_the_gateways_start(spool: Spool, tmp_path: Path) -> None:
    kept, gone = brought(tmp_path, "a.pdf", b"kept"), brought(tmp_path, "b.pdf", b"sent")
    written(spool, kept)
    draft = written(spool, gone)
    dispatching.send(spool, ready(draft, gone), CLERK)
    root = spool.path.parent / DIRECTORY_NAME
    (root / ("0" * 64)).write_bytes(b"left by a kill before the commit")
    directory = ContentDir(root, reserve_bytes=0)
    with spool.writing() as conn:
        directory.release(conn, [directory.at_start()])
    assert contents(spool) - {"inline"} == {kept.file.sha256, gone.file.sha256}
    with spool.writing() as conn:
        sending.accept(conn, [Sent(draft.id, new_id(), 1)])
        (forgotten,) = sending.forget(conn, [now_ms() + 1])
        directory.release(conn, [directory.files_of(forgotten.contents)])
    assert contents(spool) - {"inline"} == {kept.file.sha256}
    with pytest.raises(UnknownDraftError):
        sent(spool, draft.id)


def test_the_slower_of_two_who_write_is_told_and_nothing_is_written_over(spool: Spool) -> None:
    draft = written(spool)
    written(spool, draft_id=draft.id, version=1, subject="Báo cáo tháng")
    with pytest.raises(DocumentMovedError):
        written(spool, draft_id=draft.id, version=1, subject="Báo cáo năm")
    with pytest.raises(DocumentMovedError):
        dispatching.send(spool, ready(draft), CLERK)
    assert numbers(spool) == []
    with spool.reading() as conn:
        assert drafts.get(conn, draft.id, {UNIT}).words.subject == "Báo cáo tháng"


def test_a_form_of_a_draft_that_is_none_any_more_saves_and_sends_nothing(spool: Spool, tmp_path: Path) -> None:
    dropped, gone = written(spool, brought(tmp_path, "a.pdf")), written(spool, brought(tmp_path, "b.pdf"))
    drop_draft(spool, SeenDraft(dropped.id, 1), CLERK)
    with pytest.raises(DraftDroppedError):
        written(spool, draft_id=dropped.id, version=1)
    with pytest.raises(DraftDroppedError):
        dispatching.send(spool, ready(dropped), CLERK)
    dispatching.send(spool, ready(gone), COLLEAGUE)
    for version in (0, 1):
        with pytest.raises(DraftSentError, match="Lê Thị Lan"):
            written(spool, draft_id=gone.id, version=version)
    assert numbers(spool) == [1]
    with spool.reading() as conn:
        assert drafts.count(conn, {UNIT}) == 0


def test_a_draft_is_not_thrown_away_by_who_has_not_seen_what_it_says_now(spool: Spool) -> None:
    draft = written(spool)
    written(spool, draft_id=draft.id, version=1, subject="Báo cáo tháng")
    with pytest.raises(DocumentMovedError):
        drop_draft(spool, SeenDraft(draft.id, 1), CLERK)
    with spool.reading() as conn:
        assert drafts.get(conn, draft.id, {UNIT}).words.subject == "Báo cáo tháng"


def test_a_draft_says_who_wrote_it_last(spool: Spool) -> None:
    draft = written(spool)
    saved = save_draft(spool, SeenDraft(draft.id, 1), draft.words, COLLEAGUE)
    assert saved is not None
    assert (saved[0].by.login, saved[0].by.full_name, saved[0].by.at) == ("lan", "Lê Thị Lan", COLLEAGUE.at)


def test_drafts_of_another_unit_are_not_there(spool: Spool) -> None:
    draft = written(spool)
    words = DraftWords("LCA.02.06", "1/BC", "Báo cáo", "{}")
    acts: list[Callable[[], object]] = [
        lambda: save_draft(spool, SeenDraft(draft.id, 1), words, STRANGER),
        lambda: drop_draft(spool, SeenDraft(draft.id, 1), STRANGER),
        lambda: dispatching.send(spool, ready(draft), STRANGER),
    ]
    for act in acts:
        with pytest.raises(UnknownDraftError):
            act()


def test_drafts_and_their_files_are_bounded(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [brought(tmp_path, f"{number}.pdf", b"%d" % number) for number in range(MAX_ATTACHMENTS)]
    draft = written(spool, *many)
    before, more = contents(spool), brought(tmp_path, "one more.pdf")
    with pytest.raises(InvalidError, match="at most 50 files"):
        written(spool, more, draft_id=draft.id, version=1)
    assert (contents(spool), more.path.exists()) == (before, True), "what is refused becomes no content"
    monkeypatch.setattr(drafts, "MOST_DRAFTS", 1)
    with pytest.raises(InvalidError, match="at most 1 drafts"):
        written(spool)
    assert MOST_DRAFTS > 1


def test_sending_enters_it_in_the_book_and_hands_it_to_the_gateway_at_once(spool: Spool, tmp_path: Path) -> None:
    file = brought(tmp_path, "Báo cáo.pdf")
    draft = written(spool, file)
    dispatching.send(spool, ready(draft, file, number=1), CLERK)
    now = sent(spool, draft.id)
    assert (now.stage, now.number, now.year, now.document.size) == (Stage.WAITING, 1, DAY.year, file.file.size)
    assert now.saying is not None
    assert now.saying.full_name == "Nguyễn Thị Hoa"
    with spool.reading() as conn:
        (queued,), _ = sending.ready(conn, limit=5, without=())
        assert (queued.id, queued.kept) == (draft.id, True)
        assert parse(Submission, queued.body, what="submission") == letter(file)
        assert [item.sha256 for item in sending.files_of(conn, queued.pos)] == [file.file.sha256]
        assert drafts.find(conn, draft.id) is None
        (entry,) = book_entries.entries(conn, BOOK)
        assert (entry.number, entry.fields) == (1, ENTRY)
        assert [(item.act, item.subject) for _, item in journal.entries(conn, [UNIT])] == [("sent", "1/BC")]


def test_a_document_is_sent_once_however_often_somebody_clicks(spool: Spool) -> None:
    draft = written(spool)
    for _ in range(2):
        dispatching.send(spool, ready(draft), CLERK)
    assert numbers(spool) == [1]
    words = DraftWords(UNIT, "1/BC", "Báo cáo", "{}")
    assert save_draft(spool, SeenDraft(draft.id, 1), words, CLERK) is None, "it does not become a draft again"
    with spool.reading() as conn:
        assert drafts.count(conn, {UNIT}) == 0


def test_a_number_that_was_given_meanwhile_stops_it_and_a_reserved_one_may_be_used(spool: Spool) -> None:
    with spool.writing() as conn:
        books.reserve(conn, BOOK, 1, EntryAuthor("Hoa", 0, reason="Chờ ký"))
    first, second = written(spool), written(spool)
    dispatching.send(spool, ready(first, number=2), CLERK)
    with pytest.raises(BookError, match="given meanwhile"):
        dispatching.send(spool, ready(second, number=2), CLERK)
    with spool.reading() as conn:
        assert book_entries.reserved_numbers(conn, BOOK) == [1]
        assert drafts.find(conn, second.id) is not None
    dispatching.send(spool, ready(second, number=1), CLERK)
    assert (numbers(spool), sent(spool, second.id).number) == ([1, 2], 1)


def test_a_failure_at_any_statement_leaves_the_draft_as_it_was(spool: Spool, tmp_path: Path) -> None:
    file = brought(tmp_path, "a.pdf")
    draft = written(spool, file)
    statements = 0

    def fail(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == at:
            raise KeyboardInterrupt

    at = 0
    while not numbers(spool):
        at, statements = at + 1, 0
        event.listen(spool.engine, "before_cursor_execute", fail)
        try:
            dispatching.send(spool, ready(draft, file), CLERK)
        except KeyboardInterrupt:
            pass
        finally:
            event.remove(spool.engine, "before_cursor_execute", fail)
        with spool.reading() as conn:
            was_sent, still_draft = desk_letters.is_known(conn, draft.id), drafts.find(conn, draft.id) is not None
        assert was_sent is not still_draft
        assert was_sent is bool(numbers(spool))
    assert at > 10, "it failed at each of them before"


def test_a_file_that_has_gone_from_the_disk_is_said_before_anything_is_sent(spool: Spool, tmp_path: Path) -> None:
    file = brought(tmp_path, "Báo cáo.pdf")
    draft = written(spool, file)
    (spool.path.parent / DIRECTORY_NAME / file.file.sha256).unlink()
    with pytest.raises(ContentNotKeptError, match="Báo cáo"):
        dispatching.send(spool, ready(draft, file), CLERK)
    assert numbers(spool) == []


def test_a_rejected_document_is_put_right_under_its_number(spool: Spool, tmp_path: Path) -> None:
    file = brought(tmp_path, "a.pdf")
    draft = written(spool, file)
    dispatching.send(spool, ready(draft, file), CLERK)
    words = DraftWords(UNIT, "1/BC", "Báo cáo tuần 48", "{}")
    with pytest.raises(TransitionError):
        mend(spool, draft.id, new_id(), words, CLERK)
    with spool.writing() as conn:
        sending.reject(conn, [Rejected(draft.id, "addressees: LCA.99 is not there")])
        assert desk_letters.count(conn, {UNIT})[Stage.REJECTED] == 1
    again = mend(spool, draft.id, new_id(), words, CLERK)
    assert mend(spool, draft.id, new_id(), words, CLERK) == again, "a second click is the same draft"
    with spool.reading() as conn:
        assert desk_letters.count(conn, {UNIT})[Stage.REJECTED] == 0, "somebody is at it"
        found = drafts.get(conn, again, {UNIT})
        assert [item.name for item in drafts.files(conn, found.pos)] == ["a.pdf"]
    entry = ENTRY.model_copy(update={"subject": "Báo cáo tuần 48"})
    other = ReadyLetter(found, letter(file, issuer="LCA.02.06"), entry)
    with pytest.raises(InvalidError, match=r"issuer: has to be LCA\.02\.05"):
        dispatching.send(spool, other, Acting(HOA, now_ms(), {UNIT, "LCA.02.06"}))
    dispatching.send(spool, ReadyLetter(found, letter(file, subject="Báo cáo tuần 48"), entry), CLERK)
    assert (numbers(spool), sent(spool, again).number) == ([1], 1)
    with spool.reading() as conn:
        (entered,) = book_entries.entries(conn, BOOK)
        assert [version.state for version in entered.versions] == [EntryState.ENTERED] * 2
        assert entered.fields == entry


def test_a_draft_that_would_put_it_right_and_is_dropped_leaves_it_to_others(spool: Spool) -> None:
    draft = written(spool)
    dispatching.send(spool, ready(draft), CLERK)
    with spool.writing() as conn:
        sending.reject(conn, [Rejected(draft.id, "no")])
    words = DraftWords(UNIT, "1/BC", "Báo cáo", "{}")
    drop_draft(spool, SeenDraft(mend(spool, draft.id, new_id(), words, CLERK), 1), CLERK)
    with spool.reading() as conn:
        assert desk_letters.count(conn, {UNIT})[Stage.REJECTED] == 1


def test_an_answer_that_was_accepted_completes_what_it_answers_once(spool: Spool) -> None:
    delivery = came(spool)
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {UNIT})[1]
    handling.register(spool, looked, CLERK, ENTRY)
    draft = written(spool)
    dispatching.send(spool, ReadyLetter(draft, letter(), ENTRY, None, delivery, completes=True), CLERK)
    assert get_entry(spool, delivery).state is Status.REGISTERED, "the router has not taken the answer yet"
    for _ in range(2):
        accepted(spool, draft.id)
    assert get_entry(spool, delivery).state is Status.COMPLETED
    last = receipts_of(spool, delivery)[-1]
    assert (last.status, last.reason, last.person) == (Status.COMPLETED, "Trả lời: 1/BC", "Nguyễn Thị Hoa")
    assert [item.status for item in receipts_of(spool, delivery)].count(Status.COMPLETED) == 1


@pytest.mark.parametrize("completes", [True, False])
def test_an_answer_leaves_what_has_ended_or_is_not_to_be_completed(spool: Spool, *, completes: bool) -> None:
    delivery = came(spool)
    draft = written(spool)
    answer = ReadyLetter(draft, letter(), ENTRY, None, delivery, completes=completes)
    dispatching.send(spool, answer, CLERK)
    accepted(spool, draft.id)
    assert sent(spool, draft.id).stage is Stage.ACCEPTED
    assert get_entry(spool, delivery).state is Status.ARRIVED, "it was not even registered"


def test_a_letter_answers_only_what_its_unit_has_and_its_person_sees(spool: Spool) -> None:
    others, secret = came(spool, unit="LCA.02.06"), came(spool, secrecy=Secrecy.SECRET)
    both = Acting(HOA, now_ms(), {UNIT, "LCA.02.06"})
    draft = written(spool)
    for delivery in (others, secret, new_id()):
        with pytest.raises(InvalidError, match="answers"):
            save_draft(spool, SeenDraft(draft.id, 1), replace(draft.words, answers=delivery), both)
        with pytest.raises(InvalidError, match="answers"):
            dispatching.send(spool, ReadyLetter(draft, letter(), ENTRY, None, delivery, completes=True), both)
    assert numbers(spool) == []


def test_a_recall_goes_to_all_that_got_it_once_with_its_reason(spool: Spool) -> None:
    draft, recall_id = written(spool), new_id()
    dispatching.send(spool, ready(draft), CLERK)
    with pytest.raises(TransitionError, match="nobody has it yet"):
        dispatching.recall(spool, draft.id, recall_id, "Sai số liệu", CLERK)
    dispatch_id = accepted(spool, draft.id)
    with pytest.raises(InvalidError, match="reason"):
        dispatching.recall(spool, draft.id, recall_id, "", CLERK)
    with pytest.raises(UnknownDraftError):
        dispatching.recall(spool, draft.id, recall_id, "Sai số liệu", STRANGER)
    for one in (recall_id, recall_id, new_id()):
        assert dispatching.recall(spool, draft.id, one, "Sai số liệu", CLERK) == recall_id
    with spool.reading() as conn:
        said = parse(Submission, desk_letters.body_of(conn, recall_id), what="submission")
        assert [one.document.id for one in desk_letters.recalls_of(conn, dispatch_id)] == [recall_id]
    assert (said.kind, said.refers_to, said.addressees) == (Kind.RECALL, (dispatch_id,), ("LCA.02",))
    assert (said.flash_text, said.urgency) == ("Sai số liệu", Urgency.VERY_URGENT), "it overtakes what it recalls"
    assert said == recall_of(dispatch_id, letter(), reason="Sai số liệu"), "as the router's own pages write it"
    assert numbers(spool) == [1], "a recall has no number of the book"
    accepted(spool, recall_id)
    with pytest.raises(TransitionError, match="is a recall itself"):
        dispatching.recall(spool, recall_id, new_id(), "Nhầm", CLERK)


def test_a_recall_that_was_refused_goes_as_urgent_as_its_document_the_next_time(spool: Spool) -> None:
    draft = written(spool)
    dispatching.send(spool, ready(draft, urgency=Urgency.URGENT), CLERK)
    accepted(spool, draft.id)
    urgencies = []
    for _ in range(2):
        recall_id = dispatching.recall(spool, draft.id, new_id(), "Sai số liệu", CLERK)
        with spool.writing() as conn:
            said = parse(Submission, desk_letters.body_of(conn, recall_id), what="submission")
            sending.reject(conn, [Rejected(recall_id, "urgency 2 is above 1, the highest that it may send")])
        urgencies.append(said.urgency)
    assert urgencies == [Urgency.VERY_URGENT, Urgency.URGENT]


def test_lists_find_by_words_without_accents_and_show_what_came_by_the_outbox(spool: Spool) -> None:
    draft = written(spool)
    dispatching.send(spool, ready(draft), CLERK)
    with spool.writing() as conn:
        folder = sending.TakenDocument(new_id(), "thư", UNIT, "7/TB", "Thông báo nghỉ lễ")
        other = sending.TakenDocument(new_id(), "thư", "LCA.02.06", "8/TB", "Thông báo")
        sending.take(conn, [folder, other])
        found = desk_letters.listed(conn, {UNIT}, words="thong bao NGHI", limit=10)
        assert [(one.document.id, one.saying) for one in found] == [(folder.id, None)]
        assert len(desk_letters.listed(conn, {UNIT}, limit=10)) == 2
        assert [one.document.id for one in desk_letters.listed(conn, {UNIT}, before=2, limit=10)] == [draft.id]
        assert desk_letters.listed(conn, {UNIT}, stage=Stage.ACCEPTED, limit=10) == []
        (queued, _), _ = sending.ready(conn, limit=2, without=())
        assert not queued.kept or queued.id == draft.id
        written_ = drafts.listed(conn, {UNIT}, limit=5)
    assert written_ == []
