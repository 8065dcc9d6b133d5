"""What a clerk, a leader and staff do about a document from a terminal: the desk's acts, by people who may."""

from pathlib import Path

import pytest

from consumers.reading.inbox import receipts_of
from consumers.spool import Spool, book_entries, open_spool
from consumers.spool.book_entries import BookKey
from schemas.register import BookKind
from support.commands import Congvan
from support.deliveries import UNIT, came
from support.desks import let_in, today

BOOK = BookKey(UNIT, BookKind.INCOMING, int(today()[:4]))


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path))
    made = open_spool(tmp_path)
    let_in(made, [UNIT])
    came(made)
    return made


@pytest.fixture
def congvan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Congvan:
    return Congvan(monkeypatch, capsys, "gateway")


def said(spool: Spool) -> list[tuple[str, str, str]]:
    with spool.reading() as conn:
        (delivery,) = conn.exec_driver_sql("SELECT delivery_id FROM inbox").scalars()
    return [(item.status.value, item.person, item.register_number) for item in receipts_of(spool, delivery)[1:]]


def test_a_document_goes_its_way_by_commands(spool: Spool, congvan: Congvan) -> None:
    for arguments in (
        ("register", "123-CV/TU", "--by", "hoa", "--recipients", "Văn phòng"),
        ("submit", "123-CV/TU", "--by", "hoa", "--to", "nam"),
        ("direct", "123-CV/TU", "--by", "nam", "--lead", "lan", "--know", "Công an xã", "--until", "2026-12-05"),
        ("process", "123-CV/TU", "--by", "lan", "--note", "Đang dự thảo"),
        ("complete", "123-CV/TU", "--by", "lan", "--answer", "45-BC/ĐU"),
        ("undo", "123-CV/TU", "--by", "lan", "--reason", "Chưa gửi"),
    ):
        ended = congvan(*arguments)
        assert ended.code == 0, ended.err
    assert said(spool) == [
        ("registered", "Nguyễn Thị Hoa", "1"),
        ("assigned", "Trần Văn Nam", ""),
        ("processing", "Lê Thị Lan", ""),
        ("completed", "Lê Thị Lan", ""),
        ("processing", "Lê Thị Lan", ""),
    ]
    with spool.reading() as conn:
        (entry,) = book_entries.entries(conn, BOOK)
    assert entry.fields is not None
    assert (entry.fields.recipients, entry.fields.notation) == ("Văn phòng", "123-CV/TU")


def test_only_who_may_acts_and_the_answer_says_who_that_is(spool: Spool, congvan: Congvan) -> None:
    ended = congvan("register", "123-CV/TU", "--by", "nam")
    assert (ended.code, "nam may not register at LCA.02.05 (hoa may)" in ended.err) == (4, True)
    ended = congvan("refuse", "123-CV/TU", "--by", "nobody", "--reason", "x")
    assert ended.code == 4
    assert congvan("complete", "123-CV/TU", "--by", "lan").code == 4, "it is not registered"
    assert congvan("submit", "999-CV/TU", "--by", "hoa", "--to", "nam").code == 3
    assert said(spool) == []


def test_a_registration_that_is_undone_strikes_its_number(spool: Spool, congvan: Congvan) -> None:
    assert congvan("register", "123-CV/TU", "--by", "hoa", "--number", "1").code == 0
    assert congvan("undo", "123-CV/TU", "--reason", "x").code == 4, "it stands in a register: somebody has to say who"
    assert congvan("undo", "123-CV/TU", "--by", "hoa", "--reason", "Nhầm sổ").code == 0
    ended = congvan("refuse", "123-CV/TU", "--by", "hoa", "--reason", "Gửi sai nơi nhận", "--json")
    assert ended.objects[0]["state"] == "refused"
    with spool.reading() as conn:
        assert [entry.state.value for entry in book_entries.entries(conn, BOOK)] == ["struck"]
