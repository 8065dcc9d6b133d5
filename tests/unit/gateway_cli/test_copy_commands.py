"""The commands by which the books outlive the PC: the key shown once, copies on demand, books back or a clear no."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.copies import key as recovery
from consumers.spool import book_entries, books, confirming, open_spool
from consumers.spool.scope import UnitScope
from consumers.spool.store import hosting_alone
from router.storage.files import write_file
from schemas.register import SECRET_BOOK
from support.books import BY, book, key, on_paper, this_year
from support.commands import Congvan
from support.deliveries import UNIT, by_reference, came, inside


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"DATA_DIR": tmp_path / "data", "UNITS": UNIT, "DISK_RESERVE_BYTES": 0}.items():
        monkeypatch.setenv(f"CONGVAN_GATEWAY_{name}", str(value))
    return tmp_path / "data"


@pytest.fixture
def desk(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Congvan:
    open_spool(data).close()
    return Congvan(monkeypatch, capsys, "desk")


def test_a_key_is_shown_once_and_what_encrypts_to_it_is_kept(desk: Congvan, data: Path) -> None:
    ended = desk("recovery-key")
    assert ended.code == 0
    lines = [line for line in ended.out.splitlines() if line.startswith("    ")]
    identity = recovery.typed(lines)
    spool = open_spool(data)
    with spool.reading() as conn:
        assert recovery.recipient_of(conn) == str(identity.to_public())
    spool.close()
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert str(identity).encode() not in kept
    assert lines[1].strip().encode() not in kept
    check = recovery.check_of(str(identity.to_public()))
    again = desk("recovery-key")
    assert (again.code, check in again.err) == (4, True)
    other = desk("recovery-key", "--replace")
    assert (other.code, check in other.out) == (0, False)


@pytest.mark.parametrize("step", ["consumers.copies.standing.ask", "consumers.copies.sheet.RecoverySheet.text"])
def test_a_key_that_nobody_has_seen_does_not_count(
    desk: Congvan, data: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> str:
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(step, fails)
    ended = desk("recovery-key")
    assert (ended.code != 0, "AGE-SECRET" in ended.out) == (True, False)
    spool = open_spool(data)
    with spool.reading() as conn:
        assert recovery.recipient_of(conn) == ""
    spool.close()


def test_a_sheet_is_never_open_to_others_not_even_while_it_is_written(tmp_path: Path) -> None:
    seen: list[int] = []

    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fchmod", lambda *_: seen.append((tmp_path / "key.html").stat().st_mode & 0o777))
            write_file(tmp_path / "key.html", b"key", mode=0o600)
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_sheet_is_a_file_for_its_owner_and_never_written_over(desk: Congvan, tmp_path: Path) -> None:
    sheet = tmp_path / "key.html"
    ended = desk("recovery-key", "--sheet", str(sheet))
    assert (ended.code, "AGE-SECRET-KEY" in ended.out + ended.err) == (0, False)
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert "AGE-SECRET-KEY-1" in sheet.read_text()
    before = sheet.read_bytes()
    assert desk("recovery-key", "--replace", "--sheet", str(sheet)).code != 0
    assert sheet.read_bytes() == before


def test_a_copy_is_made_now_and_says_what_is_not_set(
    desk: Congvan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = desk("copy")
    assert (ended.code, "CONGVAN_GATEWAY_BACKUP_DIR" in ended.out, "recovery-key" in ended.out) == (0, True, True)
    monkeypatch.setenv("CONGVAN_GATEWAY_BACKUP_DIR", str(tmp_path / "stick"))
    ended = desk("copy")
    assert (ended.code, "is the stick plugged in" in ended.err) == (4, True)
    (tmp_path / "stick").mkdir()
    assert desk("copy").code == 0
    assert len(list((tmp_path / "stick").iterdir())) == 1


def test_books_come_back_from_a_file_without_the_router(
    desk: Congvan, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(data)
    came(spool, attachments=(by_reference("a.pdf", b"lost"), inside("b.txt", b"inside")))
    came(spool, seq=2, attachments=(inside("c.txt", b"inside, too"),))
    on_paper(spool)
    entries = book(spool)
    spool.close()
    (tmp_path / "stick").mkdir()
    monkeypatch.setenv("CONGVAN_GATEWAY_BACKUP_DIR", str(tmp_path / "stick"))
    assert desk("copy").code == 0
    (copy,) = (tmp_path / "stick").iterdir()
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path / "anew"))
    ended = desk("restore", "--from", str(copy), "--without-router", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["without_files"], told["missing"]) == (1, 0)
    assert told["registers"] == [{"register": str(key()), "last": 1, "to_be_said": True}]
    spool = open_spool(tmp_path / "anew")
    assert book(spool) == entries
    spool.close()
    again = desk("restore", "--from", str(copy), "--without-router")
    assert (again.code, "hold 1 entries already" in again.err) == (4, True)
    said = desk("next-number", UNIT, "--next", "4", "--year", str(this_year()))
    assert (said.code, "2 numbers from 2 to 3" in said.out) == (0, True)
    said = desk("next-number", UNIT, "--next", "9")
    assert (said.code, "its next number is 4" in said.err) == (4, True)


def test_a_register_is_not_begun_by_a_mistyped_name_nor_told_of_to_who_may_not_see_it(
    desk: Congvan, data: Path
) -> None:
    spool = open_spool(data)
    secret = replace(key(), name=SECRET_BOOK)
    with spool.writing() as conn:
        books.begin(conn, secret, 8)
        confirming.mark_restored(conn, [UNIT], BY, this_year())
    for arguments, told in (
        (("--book", SECRET_BOOK), "by who may see them"),
        (("--book", f"{SECRET_BOOK} khôi phục"), "by who may see them"),
        (("--book", "Giấy mời"), "is its name right?"),
        (("--year", str(this_year() + 1)), "nothing was lost of it"),
    ):
        ended = desk("next-number", UNIT, "--next", "40", *arguments)
        assert (ended.code, told in ended.err, "8" in ended.err) == (4, True, False), ended.err
    ended = desk("next-number", "LCA.02.55", "--next", "40")
    assert (ended.code, f"{UNIT} has" in ended.err) == (4, True)
    assert desk("next-number", UNIT, "--next", "40", "--book", "Giấy mời", "--begin").code == 0
    assert desk("next-number", UNIT, "--next", "41").code == 0
    with spool.reading() as conn:
        begun = book_entries.books(conn, UnitScope((UNIT,), frozenset({UNIT})))
    assert {(one.key.name, one.first) for one in begun} == {(SECRET_BOOK, 8), ("Giấy mời", 40), ("", 41)}
    spool.close()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from-receipts", "--recovery-key", "-"),
        ("--from-receipts", "--without-router"),
        ("--from", "a", "--from-receipts"),
    ],
)
def test_a_restore_that_does_not_say_from_what_is_wrong_usage(desk: Congvan, arguments: tuple[str, ...]) -> None:
    assert desk("restore", *arguments).code == 2


def test_nothing_is_put_back_under_a_gateway_that_runs(desk: Congvan, data: Path, tmp_path: Path) -> None:
    with hosting_alone(data):
        ended = desk("restore", "--from", str(tmp_path / "none"), "--without-router")
    assert (ended.code, "in use by another gateway" in ended.err) == (4, True)


@pytest.mark.parametrize(
    "source", [("--from", "/nowhere/copy"), ("--recovery-key", "/nowhere/key"), ("--from-receipts",)]
)
def test_what_cannot_be_had_is_said_and_changes_nothing(desk: Congvan, data: Path, source: tuple[str, ...]) -> None:
    before = (data / "spool.sqlite3").read_bytes()
    ended = desk("restore", *source)
    assert (ended.code, ended.err.startswith("congvan: ")) == (4, True)
    assert (data / "spool.sqlite3").read_bytes() == before
