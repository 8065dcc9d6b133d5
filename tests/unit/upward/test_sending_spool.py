"""The spool's side of what the unit sends: known once, in order, ended once, forgotten late."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from consumers.errors import OutgoingRejectedError
from consumers.sending.document import OutgoingDocument
from consumers.sending.folder import ClaimedFolder
from consumers.sending.notes import reason_note
from consumers.sending.watch import taken
from consumers.spool import Spool, desk_letters, open_spool, sending
from consumers.spool.scope import UnitScope
from consumers.spool.sending import Rejected, SendingFile, Sent, TakenDocument, UploadProgress
from consumers.status import backlog
from schemas.clock import now_ms
from schemas.dispatch import Secrecy, Submission
from schemas.ids import new_id
from schemas.stages import Stage


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


def put(spool: Spool, name: str, *, urgency: int = 0, size: int = 10, reason: str = "") -> str:
    item = TakenDocument(
        new_id(), name, "LCA.02.05", "1/BC", name, urgency, b"{}", (SendingFile("a", "0" * 64, size),), reason
    )
    with spool.writing() as conn:
        sending.take(conn, [item])
        sending.take(conn, [item])
    return item.id


@pytest.mark.parametrize("secrecy", Secrecy)
def test_what_the_outbox_brings_is_as_secret_at_the_desk_as_its_letter_says(
    spool: Spool, tmp_path: Path, secrecy: Secrecy
) -> None:
    letter = Submission(notation="1/BC", subject="Báo cáo", issuer="LCA.02", addressees=("LCA",), secrecy=secrecy)
    with spool.writing() as conn:
        item = taken(ClaimedFolder(new_id(), tmp_path), OutgoingDocument(letter, ()))
        sending.take(conn, [item])
        assert len(desk_letters.listed(conn, {"LCA.02"}, limit=1)) == (0 if secrecy.is_secret else 1)
        assert len(desk_letters.listed(conn, UnitScope(("LCA.02",), frozenset({"LCA.02"})), limit=1)) == 1


def order(spool: Spool) -> list[str]:
    with spool.reading() as conn:
        return [item.name for item in sending.ready(conn, limit=10, without=())[0]]


def test_what_is_urgent_then_what_is_small_goes_first(spool: Spool) -> None:
    put(spool, "large", size=1000)
    put(spool, "small")
    put(spool, "express", urgency=3, size=5000)
    put(spool, "bad", reason="no subject")
    assert order(spool) == ["express", "small", "large"]
    with spool.reading() as conn:
        found, _ = sending.ready(conn, limit=1, without=())
        assert [file.size for file in sending.files_of(conn, found[0].pos)] == [5000]
        others, _ = sending.ready(conn, limit=10, without=[found[0].id])
    assert [item.name for item in others] == ["small", "large"]


@pytest.mark.parametrize("ahead_ms", [24 * 3_600_000, 365 * 24 * 3_600_000])
def test_what_a_clock_put_off_that_was_ahead_goes_now_and_what_a_right_one_did_waits(
    spool: Spool, ahead_ms: int
) -> None:
    ahead, right = put(spool, "ahead"), put(spool, "right")
    with spool.writing() as conn:
        sending.note(conn, [UploadProgress(ahead, 0, "x", now_ms() + ahead_ms + 30_000)])
        sending.note(conn, [UploadProgress(right, 0, "x", now_ms() + 30_000)])
    assert order(spool) == ["ahead"]


def test_a_document_ends_once(spool: Spool) -> None:
    key = put(spool, "a")
    with spool.writing() as conn:
        sending.accept(conn, [Sent(key, "dispatch", 3)])
        sending.reject(conn, [Rejected(key, "late")])
        sending.note(conn, [UploadProgress(key, 5, "late")])
    with spool.reading() as conn:
        ended = sending.stages(conn, [key, "unknown"])
        (shown,) = sending.listed(conn, stages=(), limit=5)
    assert list(ended) == [key]
    assert (ended[key].stage, ended[key].dispatch_id, ended[key].addressees) == (Stage.ACCEPTED, "dispatch", 3)
    assert (shown.state, shown.reason) == ("accepted", "")


def test_what_was_postponed_waits_for_its_moment(spool: Spool) -> None:
    key = put(spool, "a")
    later = now_ms() + 60_000
    with spool.writing() as conn:
        sending.note(conn, [UploadProgress(key, 4, "the router is full", later)])
    assert order(spool) == []
    with spool.reading() as conn:
        assert sending.ready(conn, limit=5, without=())[1] == later
        assert [item.reason for item in sending.listed(conn, stages=[Stage.WAITING], limit=5)] == ["the router is full"]


def test_the_status_counts_what_has_to_go_up(spool: Spool) -> None:
    key = put(spool, "a", size=1000)
    put(spool, "b", reason="wrong")
    with spool.writing() as conn:
        sending.note(conn, [UploadProgress(key, 400, "")])
    assert (backlog(spool).outgoing, backlog(spool).outgoing_bytes) == (1, 600)


def test_only_what_ended_long_ago_is_forgotten(spool: Spool) -> None:
    waiting, ended = put(spool, "a"), put(spool, "b", reason="wrong")
    with spool.writing() as conn:
        assert [gone.documents for gone in sending.forget(conn, [now_ms() - 1000])] == [0]
        assert [gone.documents for gone in sending.forget(conn, [now_ms() + 1000])] == [1]
        assert [gone.documents for gone in sending.forget(conn, [now_ms() + 1000])] == [0]
    with spool.reading() as conn:
        assert list(sending.stages(conn, [waiting, ended])) == [waiting]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM outgoing WHERE state = 'waiting' ORDER BY urgency DESC, size LIMIT 5", "ix_outgoing_waiting"),
        ("SELECT pos FROM outgoing WHERE state <> 'waiting' AND state_at < 5", "ix_outgoing_ended"),
    ],
)
def test_the_queries_have_an_index(spool: Spool, query: str, index: str) -> None:
    with spool.reading() as conn:
        plan = " ".join(row[3] for row in conn.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert index in plan


@pytest.mark.parametrize("vi", ["Tệp b.pdf đã bị sửa trong khi đang gửi.", ""])
def test_a_reason_reaches_its_reader_through_the_spool_in_both_languages(spool: Spool, vi: str) -> None:
    error = OutgoingRejectedError("b.pdf was changed while it was sent", vi=vi)
    late, early = put(spool, "late"), put(spool, "early", reason=error.told)
    with spool.writing() as conn:
        sending.reject(conn, [Rejected(late, error.told)])
    with spool.reading() as conn:
        ended = sending.stages(conn, [late, early])
    for key in (late, early):
        note = reason_note(ended[key].reason).decode()
        assert note == reason_note(error).decode()
        assert note.splitlines()[:2] == [vi or "Văn bản không gửi được; lý do bằng tiếng Anh ở dòng dưới.", str(error)]
