"""A damaged spool is put aside under a dated name and the gateway begins anew; nothing else is taken for one."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from consumers.errors import SpoolDamagedError, SpoolError, SpoolRevisionError, SpoolUnavailableError
from consumers.spool import Spool, open_spool, work
from consumers.spool.damage import KEPT, put_aside
from consumers.spool.store import FILE_NAME, open_or_begin_anew
from consumers.spool.taking import take
from schemas.dispatch import Lane
from schemas.events import Event
from schemas.ids import new_id
from support.deliveries import ONE_MINUTE, a_descriptor, arriving

PAGE = 4096


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a spool with some hundred documents."""
    directory = tmp_path_factory.mktemp("full")
    spool = open_spool(directory)
    with spool.writing() as conn:
        items = [arriving(a_descriptor(subject="x" * 300), seq=seq) for seq in range(1, 301)]
        take(conn, [(items, ONE_MINUTE)])
    spool.close()
    return (directory / FILE_NAME).read_bytes()


def laid(directory: Path, content: bytes) -> Path:
    (directory / FILE_NAME).write_bytes(content)
    return directory


def truncated(content: bytes, at: float) -> bytes:
    return content[: round(len(content) * at)]


def zeroed(content: bytes, at: float) -> bytes:
    start = round((len(content) - 4 * PAGE) * at)
    return content[:start] + bytes(4 * PAGE) + content[start + 4 * PAGE :]


def garbled(content: bytes, at: float) -> bytes:
    start = round((len(content) - 4 * PAGE) * at)
    return content[:start] + random.Random(at).randbytes(4 * PAGE) + content[start + 4 * PAGE :]


def all_zero(content: bytes, _at: float) -> bytes:
    return bytes(len(content))


def works(spool: Spool) -> None:
    """Taken from and written to as a gateway does."""
    with spool.writing() as conn:
        take(conn, [([arriving(a_descriptor(), seq=1000)], ONE_MINUTE)])
    with spool.reading() as conn:
        work.outlook(conn, Lane.NORMAL, limit=500, without=[])


def asides(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob(f"{FILE_NAME}.damaged-*"))


@pytest.mark.parametrize("at", [0.0, 0.01, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("harm", [truncated, zeroed, garbled, all_zero])
def test_a_damaged_spool_is_put_aside_or_works_and_never_stands_in_the_way(
    tmp_path: Path, full: bytes, harm: Callable[[bytes, float], bytes], at: float
) -> None:
    laid(tmp_path, harm(full, at))
    for _ in range(3):  # as a supervisor starts it again and again
        spool = open_or_begin_anew(tmp_path)
        try:
            works(spool)
        except SpoolDamagedError:
            spool.close()
            put_aside(spool.path)  # as the gateway does when it ends for this reason
        else:
            spool.close()
            return
    pytest.fail(f"three starts were not enough; aside: {asides(tmp_path)}")


def test_what_was_there_is_kept_under_a_dated_name_and_said(tmp_path: Path, full: bytes) -> None:
    laid(tmp_path, zeroed(full, 0.0))
    (tmp_path / "status.json").write_bytes(orjson.dumps({"spool_id": (before := new_id())}))
    with capture_logs() as logs:
        spool = open_or_begin_anew(tmp_path)
    (aside,) = asides(tmp_path)
    assert (tmp_path / aside).read_bytes() == zeroed(full, 0.0)
    assert [(line["event"], line["now"]) for line in logs] == [(Event.SPOOL_PUT_ASIDE, aside)]
    assert spool.replaces == before, "so that the router need not wait for its silence"
    spool.close()
    again = open_or_begin_anew(tmp_path)
    assert (again.id, again.replaces) == (spool.id, before)
    again.close()
    assert len(asides(tmp_path)) == 1


def test_after_a_power_cut_the_whole_file_is_looked_at(tmp_path: Path, full: bytes) -> None:
    laid(tmp_path, full)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO meta VALUES ('more', 'x')")
    connection.commit()
    for ending in ("", "-wal"):
        shutil.copyfile(tmp_path / f"{FILE_NAME}{ending}", tmp_path / f"cut{ending}")
    connection.close()
    harmed = (tmp_path / "cut").read_bytes()
    (tmp_path / FILE_NAME).write_bytes(zeroed(harmed, 0.6))
    (tmp_path / "cut-wal").rename(tmp_path / f"{FILE_NAME}-wal")
    open_or_begin_anew(tmp_path).close()
    assert len([name for name in asides(tmp_path) if not name.endswith(("-wal", "-shm"))]) == 1


def test_a_command_says_what_it_is_and_touches_nothing(tmp_path: Path, full: bytes) -> None:
    laid(tmp_path, zeroed(full, 0.0))
    with pytest.raises(SpoolDamagedError, match="begins anew") as caught:
        open_spool(tmp_path)
    assert caught.value.exit_code == 1
    assert asides(tmp_path) == []


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_kill_while_a_spool_is_put_aside_leaves_none_that_has_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    live, here = tmp_path / "live", tmp_path / "here"
    live.mkdir()
    here.mkdir()
    open_spool(live).close()
    running = open_spool(live)
    with running.writing() as conn:
        take(conn, [([arriving(a_descriptor(), seq=1)], ONE_MINUTE)])
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):  # as a power cut leaves them: the taken one is in the log alone
        shutil.copy(live / name, here / name)
    running.close()
    rename, left = Path.rename, iter(range(done))

    def rename_until_killed(path: Path, to: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return rename(path, to)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "rename", rename_until_killed)
        if done < 2:
            with pytest.raises(KeyboardInterrupt):
                put_aside(here / FILE_NAME)
        else:
            put_aside(here / FILE_NAME)
    again = open_or_begin_anew(here)
    with again.reading() as conn:
        waiting = work.outlook(conn, Lane.NORMAL, limit=500, without=[])
    assert (again.id == running.id) == (done == 0)
    assert len(waiting.ready) == (1 if done == 0 else 0)
    again.close()


def test_a_newer_programs_spool_and_a_locked_one_are_not_put_aside(tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SpoolRevisionError):
        open_or_begin_anew(tmp_path)
    assert asides(tmp_path) == []
    assert issubclass(SpoolUnavailableError, SpoolError)


def test_of_many_that_were_put_aside_the_last_few_stay(tmp_path: Path) -> None:
    for _ in range(KEPT + 2):
        (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
        open_or_begin_anew(tmp_path).close()
    assert len([name for name in asides(tmp_path) if not name.endswith(("-wal", "-shm"))]) == KEPT
