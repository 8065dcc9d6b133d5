"""A chain of pieces is the whole or an error: no hole, no foreign piece, no damage, no other key passes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson
import pytest

from consumers.copies import key
from consumers.copies.piece import (
    Change,
    Piece,
    PieceHead,
    changes_between,
    decode,
    digests_of,
    encode,
    put_together,
)
from consumers.copies.tables import Tables, read_tables
from consumers.errors import CopyError, CopyTooLargeError
from consumers.spool import Spool, retention
from schemas.clock import now_ms
from schemas.encoding import zstd
from schemas.ids import new_id
from support.books import on_paper, register, submit
from support.deliveries import UNIT, came

IDENTITY = key.new_identity()
RECIPIENT = str(IDENTITY.to_public())


@dataclass
class Chain:
    """Pieces as they are kept, each made after the one before."""

    spool: Spool
    kept: list[bytes]
    tables: list[Tables]
    id: str

    def add(self) -> None:
        with self.spool.reading() as conn:
            now = read_tables(conn)
        before = digests_of(self.tables[-1]) if self.tables else {}
        sha256 = hashlib.sha256(self.kept[-1]).hexdigest() if self.kept else ""
        head = PieceHead(self.id, len(self.kept), now_ms(), self.spool.id, "0008", (UNIT,), sha256)
        self.kept.append(key.encrypt(encode(head, changes_between(before, now, digests_of(now))), RECIPIENT))
        self.tables.append(now)


@pytest.fixture
def chain(spool: Spool) -> Chain:
    made = Chain(spool, [], [], new_id())
    first, second = came(spool, seq=1), came(spool, seq=2)
    register(spool, first)
    made.add()
    on_paper(spool)
    register(spool, second)
    submit(spool, second)
    made.add()
    submit(spool, first)
    made.add()
    return made


def read(kept: Sequence[bytes]) -> list[tuple[bytes, Piece]]:
    return [(data, decode(key.decrypt(data, IDENTITY, what="a piece"), what="a piece")) for data in kept]


def test_a_whole_chain_is_what_the_books_were(chain: Chain) -> None:
    for count in (1, 2, 3):
        _, tables = put_together(read(chain.kept[:count]))
        assert tables == chain.tables[count - 1]


def test_a_difference_holds_what_has_changed_and_nothing_else(chain: Chain) -> None:
    changed = {change.table: len(change.rows) for _, piece in read(chain.kept[1:2]) for change in piece.changes}
    assert changed == {
        "inbox": 1,
        "receipt": 1,
        "book": 1,
        "book_entry": 2,
        "book_version": 2,
        "step": 2,
        "task": 1,
        "journal": 2,
    }


def test_what_was_forgotten_goes_from_the_copy_too(chain: Chain) -> None:
    with chain.spool.writing() as conn:
        conn.exec_driver_sql("UPDATE receipt SET sent_at = 1")
        conn.exec_driver_sql("UPDATE task SET ended_at = 1")
        assert retention.forget(conn, [now_ms() + 1])[0].deliveries == 2
    chain.add()
    _, tables = put_together(read(chain.kept))
    assert (len(tables["inbox"]), len(tables["step"]), len(tables["book_entry"])) == (0, 0, 3)


def test_a_hole_is_named(chain: Chain) -> None:
    pieces = read(chain.kept)
    with pytest.raises(CopyError, match="the pieces before it are missing"):
        put_together(pieces[1:])
    with pytest.raises(CopyError, match="after piece 0 of the copy comes piece 2"):
        put_together([pieces[0], pieces[2]])
    with pytest.raises(CopyError, match="there is no piece"):
        put_together([])


def test_a_piece_of_another_copy_is_refused(chain: Chain) -> None:
    first, second, _ = read(chain.kept)
    other = replace(second[1], head=replace(second[1].head, chain=new_id()))
    with pytest.raises(CopyError, match="is of another copy"):
        put_together([first, (second[0], other)])
    swapped = replace(second[1], head=replace(second[1].head, before="0" * 64))
    with pytest.raises(CopyError, match="was made after another piece 0"):
        put_together([first, (second[0], swapped)])


def test_another_key_and_damage_are_told_apart(chain: Chain) -> None:
    data = chain.kept[0]
    with pytest.raises(key.OtherKeyError, match="another recovery key"):
        key.decrypt(data, key.new_identity(), what="piece 0")
    for damaged in (data[:-1], data[: len(data) // 2], data[:-20] + bytes(20)):
        with pytest.raises(CopyError, match="piece 0 is damaged"):
            key.decrypt(damaged, IDENTITY, what="piece 0")


def test_what_cannot_be_read_is_an_error_that_says_so(chain: Chain) -> None:
    packed = key.decrypt(chain.kept[0], IDENTITY, what="it")
    for broken in (b"", packed[:-3], zstd.compress(b"nonsense"), zstd.compress(orjson.dumps({"form": 1}))):
        with pytest.raises(CopyError):
            decode(broken, what="piece 0")
    with pytest.raises(CopyError, match="another version of the program"):
        decode(zstd.compress(orjson.dumps({"form": 2})), what="piece 0")


def test_what_a_newer_program_keeps_is_not_silently_left_out(chain: Chain) -> None:
    data, piece = read(chain.kept[:1])[0]
    entry = next(change for change in piece.changes if change.table == "book")
    wider = replace(entry, columns=(*entry.columns, "colour"), rows=tuple((*row, "red") for row in entry.rows))
    with pytest.raises(CopyError, match="restore with a newer one"):
        put_together([(data, replace(piece, changes=(wider,)))])


def test_a_piece_that_is_too_large_is_given_up_at_the_table_that_makes_it_so(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_paper(spool)
    with spool.reading() as conn:
        tables = read_tables(conn)
    changes = changes_between({}, tables, digests_of(tables))
    read: list[str] = []

    def one_by_one() -> Iterator[Change]:
        for change in changes:
            read.append(change.table)
            yield change

    monkeypatch.setattr("consumers.copies.piece.MAX_PLAIN", 20)
    with pytest.raises(CopyTooLargeError, match="at most 20 are copied"):
        encode(PieceHead(new_id(), 0, now_ms(), spool.id, "0009", (UNIT,)), one_by_one())
    assert len(read) == 1 < len(changes)
