"""What of the books the router has: a piece stays as it is until it is there, then the next holds what has changed."""

from pathlib import Path

import pytest

from consumers.copies import chain, key
from consumers.copies.chain import CONFIRMED, PENDING, SentPiece
from consumers.copies.piece import decode, put_together
from consumers.copies.standing import copies_dir
from consumers.copies.tables import read_tables
from consumers.errors import CopyError
from consumers.spool import Spool, open_spool
from schemas.copies import MAX_PIECES
from support.books import on_paper
from support.deliveries import UNIT

IDENTITY = key.new_identity()


@pytest.fixture
def keyed(spool: Spool) -> Spool:
    with spool.writing() as conn:
        key.keep_recipient(conn, str(IDENTITY.to_public()))
    return spool


def make(spool: Spool, data_dir: Path, now: int = 1) -> SentPiece | None:
    return chain.make_piece(spool, data_dir, [UNIT], now)


def made(spool: Spool, data_dir: Path, now: int = 1) -> SentPiece:
    piece = make(spool, data_dir, now)
    assert piece is not None
    return piece


def data_of(data_dir: Path, piece: SentPiece) -> bytes:
    return (copies_dir(data_dir) / piece.file_name).read_bytes()


def test_the_first_holds_everything_and_the_next_what_has_changed(keyed: Spool, tmp_path: Path) -> None:
    kept = []
    for number in range(3):
        for entry in range(50 if number == 0 else 1):
            on_paper(keyed, f"Đơn {number} {entry}")
        piece = made(keyed, tmp_path)
        assert piece.number == number
        kept.append(data_of(tmp_path, piece))
        chain.confirm(tmp_path, piece)
    assert len(kept[1]) < len(kept[0])
    read = [(data, decode(key.decrypt(data, IDENTITY, what="it"), what="it")) for data in kept]
    head, tables = put_together(read)
    with keyed.reading() as conn:
        assert tables == read_tables(conn)
    assert (head.units, head.spool_id) == ((UNIT,), keyed.id)


def test_a_piece_that_waits_is_sent_as_it_was_whatever_happens_meanwhile(keyed: Spool, tmp_path: Path) -> None:
    piece = made(keyed, tmp_path)
    before = data_of(tmp_path, piece)
    on_paper(keyed)
    assert chain.pending(tmp_path) == piece
    assert data_of(tmp_path, piece) == before
    chain.confirm(tmp_path, piece)
    assert chain.pending(tmp_path) is None
    assert made(keyed, tmp_path).number == 1


def test_nothing_is_sent_when_nothing_has_changed(keyed: Spool, tmp_path: Path) -> None:
    chain.confirm(tmp_path, made(keyed, tmp_path))
    assert make(keyed, tmp_path) is None
    assert chain.pending(tmp_path) is None


def test_a_new_key_or_another_spool_begins_with_everything(keyed: Spool, tmp_path: Path) -> None:
    first = made(keyed, tmp_path)
    chain.confirm(tmp_path, first)
    other = key.new_identity()
    with keyed.writing() as conn:
        key.keep_recipient(conn, str(other.to_public()))
    second = made(keyed, tmp_path)
    assert (second.number, second.chain == first.chain) == (0, False)
    assert key.decrypt(data_of(tmp_path, second), other, what="it")
    chain.confirm(tmp_path, second)
    keyed.close()
    keyed.path.rename(tmp_path / "lost")
    anew = open_spool(tmp_path)
    with anew.writing() as conn:
        key.keep_recipient(conn, str(other.to_public()))
    assert made(anew, tmp_path).number == 0
    anew.close()


def test_a_chain_ends_when_it_is_long_or_has_outgrown_its_beginning(
    keyed: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_PIECES", 3)
    numbers = []
    for entry in range(5):
        for _ in range(60 if entry in {0, 3} else 1):
            on_paper(keyed)
        piece = made(keyed, tmp_path)
        numbers.append(piece.number)
        chain.confirm(tmp_path, piece)
    assert numbers == [0, 1, 2, 0, 1]
    assert MAX_PIECES > 3
    monkeypatch.undo()
    for entry in range(200):
        on_paper(keyed, f"{entry} " + "x" * 100 + str(entry * 7919))
    grown = made(keyed, tmp_path)
    chain.confirm(tmp_path, grown)
    on_paper(keyed)
    assert made(keyed, tmp_path).number == (0 if grown.grown > grown.whole else grown.number + 1)


@pytest.mark.parametrize("name", [CONFIRMED, PENDING])
def test_what_cannot_be_read_costs_a_whole_copy_and_nothing_else(keyed: Spool, tmp_path: Path, name: str) -> None:
    chain.confirm(tmp_path, made(keyed, tmp_path))
    on_paper(keyed)
    made(keyed, tmp_path)
    (copies_dir(tmp_path) / name).write_bytes(b"\x00 nonsense")
    if name == PENDING:
        assert chain.pending(tmp_path) is None
        assert made(keyed, tmp_path).number == 1
    else:
        assert made(keyed, tmp_path).number == 0


def test_a_piece_whose_file_was_lost_is_made_anew(keyed: Spool, tmp_path: Path) -> None:
    piece = made(keyed, tmp_path)
    (copies_dir(tmp_path) / piece.file_name).unlink()
    assert chain.pending(tmp_path) is None
    again = made(keyed, tmp_path)
    assert [path.name for path in copies_dir(tmp_path).glob("*.age")] == [again.file_name]


def test_a_piece_that_is_too_large_is_said_to_be(keyed: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_PIECE_BYTES", 100)
    with pytest.raises(CopyError, match="pieces of at most 100"):
        make(keyed, tmp_path)
    assert chain.pending(tmp_path) is None
