"""The recovery key: typed as it comes from paper, checked letter by letter, and never kept."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.copies import key
from consumers.copies.sheet import RecoverySheet
from consumers.errors import CopyError
from consumers.spool import Spool

IDENTITY = key.new_identity()
TEXT, RECIPIENT = str(IDENTITY), str(IDENTITY.to_public())
SHEET = RecoverySheet(TEXT, RECIPIENT, "LCA.02.05", date(2026, 11, 29))
LETTERS = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"


@pytest.mark.parametrize(
    "lines",
    [
        [TEXT],
        [TEXT.lower()],
        key.grouped(TEXT),
        key.grouped(TEXT)[1:],
        ["  ".join(key.grouped(TEXT)).replace(" ", "-")],
    ],
)
def test_it_is_read_however_it_is_typed(lines: list[str]) -> None:
    assert str(key.typed(lines)) == TEXT


@given(st.integers(0, 57), st.sampled_from(LETTERS))
def test_one_wrong_letter_is_noticed(at: int, letter: str) -> None:
    at += len("AGE-SECRET-KEY-1")
    wrong = TEXT[:at] + letter + TEXT[at + 1 :]
    if wrong != TEXT:
        with pytest.raises(CopyError, match="letter by letter"):
            key.typed([wrong])


@pytest.mark.parametrize("lines", [[], [""], ["AGE-SECRET-KEY-1"], ["khóa"], ["A" * 10_000], ["\x00"]])
def test_what_is_none_is_said_to_be_none(lines: list[str]) -> None:
    with pytest.raises(CopyError, match="this is no recovery key"):
        key.typed(lines)


def test_only_what_encrypts_is_kept(spool: Spool) -> None:
    with spool.writing() as conn:
        assert key.recipient_of(conn) == ""
        key.keep_recipient(conn, "age1first")
        key.keep_recipient(conn, RECIPIENT)
        assert key.recipient_of(conn) == RECIPIENT
    assert TEXT.encode() not in spool.path.read_bytes()
    assert key.decrypt(key.encrypt(b"books", RECIPIENT), IDENTITY, what="it") == b"books"


@pytest.mark.parametrize("sheet", [SHEET.text(), SHEET.html()])
def test_the_sheet_holds_the_key_in_groups_its_unit_and_its_check(sheet: str) -> None:
    assert all(line in sheet for line in key.grouped(TEXT))
    assert "LCA.02.05" in sheet
    assert key.check_of(RECIPIENT) in sheet
    assert "congvan desk restore --recovery-key -" in sheet


def test_a_key_that_was_copied_from_the_sheet_opens_the_copy() -> None:
    lines = [line for line in SHEET.text().splitlines() if line.startswith("    ")]
    assert str(key.typed(lines)) == TEXT
