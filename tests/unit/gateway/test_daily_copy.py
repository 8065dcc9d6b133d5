"""The copy in the second place: whole or not there, one a day, nobody waits for it, nothing else is pushed out."""

import errno
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from consumers.copies import directory
from consumers.copies.daily import copy_if_due, copy_now, place_of
from consumers.copies.directory import SecondPlace, is_on_the_same_disk, make_copy
from consumers.copies.sources import read_file
from consumers.copies.standing import EVERY_MS, CopyStanding, Place, ask, copies_dir, keep_standing, standing_of
from consumers.copies.tables import read_tables
from consumers.errors import CopyError
from consumers.settings import GatewaySettings
from consumers.spool import Spool
from router.storage.lock import alone
from support.books import on_paper
from support.spool_revisions import take_back

DAY = 1_800_000_000_000


@pytest.fixture
def place(spool: Spool, tmp_path: Path) -> SecondPlace:
    (tmp_path / "stick").mkdir()
    return SecondPlace(tmp_path / "stick", "LCA.02.05", spool.id, 3)


def at(moment: int) -> Callable[[], int]:
    return lambda: moment


def names(place: SecondPlace) -> list[str]:
    return sorted(path.name for path in place.directory.iterdir())


def test_a_copy_is_the_whole_database_for_nobody_elses_eyes(spool: Spool, place: SecondPlace) -> None:
    on_paper(spool)
    made = make_copy(spool.path, place, DAY)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert names(place) == [made.name]
    with spool.reading() as conn:
        assert read_file(made).tables == read_tables(conn)


def test_a_copy_is_made_while_another_transaction_is_open_and_holds_what_was_committed(
    spool: Spool, place: SecondPlace
) -> None:
    on_paper(spool, "trước")
    with spool.writing() as conn:
        conn.exec_driver_sql("UPDATE book SET last = 99")
        made = make_copy(spool.path, place, DAY)
    assert [row["last"] for row in read_file(made).tables["book"].values()] == [1]


def test_writers_go_on_while_a_copy_is_made(spool: Spool, place: SecondPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    on_paper(spool)
    monkeypatch.setattr(directory, "_PAGES", 1)
    seen: list[int] = []

    class Slow(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **_options: object) -> None:
            def progress(_status: int, remaining: int, _total: int) -> None:
                if len(seen) < 3:
                    seen.append(on_paper(spool))
                assert remaining >= 0

            super().backup(target, pages=1, progress=progress)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Slow, **k))
    made = make_copy(spool.path, place, DAY)
    monkeypatch.undo()
    assert seen == [2, 3, 4]
    assert len(read_file(made).tables["book_entry"]) == 1


def test_a_place_that_is_not_there_is_said_and_never_made(spool: Spool, place: SecondPlace, tmp_path: Path) -> None:
    place.directory.rmdir()
    with pytest.raises(CopyError, match="is the stick plugged in"):
        make_copy(spool.path, place, DAY)
    assert not place.directory.exists()
    copy_if_due(tmp_path, place, clock=at(DAY))
    copy_if_due(tmp_path, place, clock=at(DAY + 60_000))
    told = standing_of(tmp_path, Place.DIRECTORY)
    assert (told.failing_since, told.tried_at, told.made_at) == (DAY, DAY, 0)
    assert "is the stick plugged in" in told.reason
    place.directory.mkdir()
    copy_if_due(tmp_path, place, clock=at(DAY + 300_000))
    assert standing_of(tmp_path, Place.DIRECTORY).failing_since == 0
    assert len(names(place)) == 1


@pytest.mark.parametrize("what", ["replace", "unlink"])
def test_a_place_that_keeps_all_it_was_given_is_told_before_it_fills_up(
    place: SecondPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = getattr(Path, what)

    def kept(path: Path, *args: Any, **kwargs: Any) -> object:
        if path.parent == place.directory:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, what, kept)
    for later in range(3):
        copy_if_due(tmp_path, place, clock=at(DAY + later * 300_000))
    assert "cannot be written, renamed and removed" in standing_of(tmp_path, Place.DIRECTORY).reason
    assert [path.stat().st_size for path in place.directory.iterdir()] == [0]


def test_a_copy_counts_though_an_older_one_cannot_be_removed(
    spool: Spool, place: SecondPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *_ = (make_copy(spool.path, place, DAY + day * EVERY_MS) for day in range(3))
    real = Path.unlink

    def kept(path: Path, *args: Any, **kwargs: Any) -> None:
        if path == old:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "unlink", kept)
    made = make_copy(spool.path, place, DAY + 3 * EVERY_MS)
    assert {old.name, made.name} <= set(names(place))


def test_a_disk_that_cannot_be_asked_is_told_as_such(
    spool: Spool, place: SecondPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_path: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", fails)
    with pytest.raises(CopyError, match=r"no copy could be written to .*Input/output error"):
        make_copy(spool.path, place, DAY)


def test_a_full_place_is_said_before_anything_is_written(spool: Spool, place: SecondPlace) -> None:
    free = shutil.disk_usage(place.directory).free
    full = SecondPlace(place.directory, place.head, place.spool_id, 3, reserve=2 * free)
    with pytest.raises(CopyError, match="bytes free; a copy needs"):
        make_copy(spool.path, full, DAY)
    assert names(place) == []


def test_one_copy_a_day_or_when_it_is_asked_for(place: SecondPlace, tmp_path: Path) -> None:
    for moment in (DAY, DAY + 1_000, DAY + EVERY_MS - 1):
        copy_if_due(tmp_path, place, clock=at(moment))
    assert len(names(place)) == 1
    copy_if_due(tmp_path, place, clock=at(DAY + EVERY_MS))
    ask(tmp_path, Place.DIRECTORY, DAY + EVERY_MS + 5_000)
    copy_if_due(tmp_path, place, clock=at(DAY + EVERY_MS + 6_000))
    assert len(names(place)) == 3


def test_what_was_asked_for_while_one_was_made_or_brought_is_made_afterwards(tmp_path: Path) -> None:
    keep_standing(tmp_path, Place.ROUTER, CopyStanding(made_at=DAY - 1))
    before = standing_of(tmp_path, Place.ROUTER)
    ask(tmp_path, Place.ROUTER, DAY + 2_000)
    keep_standing(tmp_path, Place.ROUTER, before.made("a piece", 1, DAY + 1_000))
    assert standing_of(tmp_path, Place.ROUTER).is_due(DAY + 3_000)
    assert not standing_of(tmp_path, Place.ROUTER).is_due(DAY + 1_500), "a clock that was ahead asks for nothing"
    keep_standing(tmp_path, Place.ROUTER, before.made("the next", 1, DAY + 3_000))
    assert not standing_of(tmp_path, Place.ROUTER).is_due(DAY + 4_000)


def test_after_a_failure_that_stays_none_is_tried_before_a_day_is_over_or_somebody_asks(tmp_path: Path) -> None:
    keep_standing(tmp_path, Place.ROUTER, CopyStanding().failed("too large", DAY, again_ms=EVERY_MS))
    told = standing_of(tmp_path, Place.ROUTER)
    assert (told.reason, told.is_due(DAY + EVERY_MS - 1), told.is_due(DAY + EVERY_MS)) == ("too large", False, True)
    ask(tmp_path, Place.ROUTER, DAY + 1_000)
    assert standing_of(tmp_path, Place.ROUTER).is_due(DAY + 2_000)
    assert not told.failed("the line is down", DAY + 3_000).is_due(DAY + 4_000)
    assert told.failed("the line is down", DAY + 3_000).is_due(DAY + 303_001)


def test_two_who_keep_the_standing_at_a_moment_do_not_meet(tmp_path: Path) -> None:
    copies_dir(tmp_path).mkdir()

    def keep(size: int) -> None:
        for _ in range(200):
            keep_standing(tmp_path, Place.ROUTER, CopyStanding(made_at=DAY, size=size))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep, (1, 2)))
    assert standing_of(tmp_path, Place.ROUTER).size in {1, 2}
    assert [path.name for path in copies_dir(tmp_path).iterdir()] == ["router.json"]


def test_a_clock_that_was_ahead_puts_no_copy_off(place: SecondPlace, tmp_path: Path) -> None:
    copy_if_due(tmp_path, place, clock=at(DAY + 40 * EVERY_MS))
    copy_if_due(tmp_path, place, clock=at(DAY))
    assert len(names(place)) == 2
    assert CopyStanding(failing_since=DAY, tried_at=DAY + EVERY_MS).is_due(DAY)


def test_the_last_copies_stay_and_those_of_a_spool_that_was_lost(spool: Spool, place: SecondPlace) -> None:
    lost = SecondPlace(place.directory, place.head, "0" * 36, 3)
    for day in range(3):
        make_copy(spool.path, lost, DAY + day * EVERY_MS)
    (place.directory / "congvan-LCA.02.06-12345678-2027-01-15T080000Z.sqlite3").touch()
    (place.directory / "luận văn.docx").touch()
    for day in range(5):
        make_copy(spool.path, place, DAY + (10 + day) * EVERY_MS)
    left = names(place)
    assert len([name for name in left if place.name in name]) == 3
    assert len([name for name in left if lost.name in name]) == 3
    assert len(left) == 8
    assert left[-1] == "luận văn.docx"


def test_a_copy_that_is_damaged_on_the_way_does_not_count(
    spool: Spool, place: SecondPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        on_paper(spool, f"Số {number}")
    whole = copy_now(tmp_path, place, clock=at(DAY))
    connect = sqlite3.connect

    class Garbling(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **_options: object) -> None:
            super().backup(target)
            path = target.execute("PRAGMA database_list").fetchone()[2]
            target.execute("PRAGMA cache_size=0")
            with open(path, "r+b") as file:  # noqa: PTH123 - while SQLite has it open
                file.seek(3 * 4096)
                file.write(b"\xff" * 8192)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Garbling, **k))
    with pytest.raises(CopyError):
        copy_now(tmp_path, place, clock=at(DAY + EVERY_MS))
    assert whole is not None
    assert names(place) == [whole.name]
    assert standing_of(tmp_path, Place.DIRECTORY).failing_since == DAY + EVERY_MS


def test_one_process_at_a_time_makes_it(place: SecondPlace, tmp_path: Path) -> None:
    copies_dir(tmp_path).mkdir()

    def in_use(holder: str) -> Exception:
        return RuntimeError(holder)

    with alone(copies_dir(tmp_path) / "directory.lock", in_use):
        copy_if_due(tmp_path, place, clock=at(DAY))
        with pytest.raises(CopyError, match="makes a copy at this moment"):
            copy_now(tmp_path, place, clock=at(DAY))
    assert names(place) == []
    copy_if_due(tmp_path, place, clock=at(DAY))
    assert len(names(place)) == 1


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from consumers.copies import directory
from consumers.copies.directory import SecondPlace, make_copy
step, database, place, spool_id = sys.argv[1:]
def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "written":
    directory.os.fsync = die
elif step == "renamed":
    directory.sync_directory = die
else:
    real = directory._write
    def write(source, part):
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        die()
    directory._write = write
make_copy(Path(database), SecondPlace(Path(place), "LCA.02.05", spool_id, 3), 1_800_000_000_000)
"""


@pytest.mark.parametrize("step", ["begun", "written", "renamed"])
def test_a_kill_leaves_the_copies_of_before_and_no_half_one(spool: Spool, place: SecondPlace, step: str) -> None:
    on_paper(spool)
    before = make_copy(spool.path, place, DAY - EVERY_MS)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(spool.path), str(place.directory), spool.id], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    whole = [path for path in place.directory.iterdir() if path.suffix == ".sqlite3"]
    assert before in whole
    assert [len(read_file(path).tables["book_entry"]) for path in whole] == [1] * len(whole)
    after = make_copy(spool.path, place, DAY + 1)
    assert not [name for name in names(place) if name.endswith(".part")]
    assert after.name in names(place)


def test_the_place_and_the_number_of_copies_are_the_settings(spool: Spool, tmp_path: Path) -> None:
    assert place_of(GatewaySettings(units="LCA.02.#"), spool) is None
    place = place_of(GatewaySettings(units="LCA.02.#", backup_dir=tmp_path, backups_kept=2), spool)
    assert place is not None
    assert (place.directory, place.head, place.kept) == (tmp_path, "LCA.02", 2)
    assert is_on_the_same_disk(tmp_path, tmp_path)
    assert not is_on_the_same_disk(tmp_path / "none", tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is no copy"), (b"hello", "is no copy"), (b"SQLite format 3\0" + bytes(4096), "damaged|cannot be used")],
)
def test_a_file_that_is_no_copy_is_said_to_be_none(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(content)
    with pytest.raises(CopyError, match=told):
        read_file(path)


def test_another_database_is_no_copy_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(CopyError, match="no gateway's"):
        read_file(path)
    assert path.read_bytes() == before


def test_an_older_copy_is_read_and_stays_as_it_is(spool: Spool, place: SecondPlace) -> None:
    on_paper(spool)
    made = make_copy(spool.path, place, DAY)
    engine = create_engine(f"sqlite:///{made}")
    with engine.begin() as older:
        take_back(older, "0005")
    engine.dispose()
    before = made.read_bytes()
    assert len(read_file(made).tables["book_entry"]) == 1
    assert made.read_bytes() == before
    with sqlite3.connect(made) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CopyError, match="newer program"):
        read_file(made)
