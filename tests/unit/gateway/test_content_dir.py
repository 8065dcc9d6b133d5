"""The directory of contents: what is kept, what is removed, what rides inside."""

import asyncio
import errno
import hashlib
import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import DiskFullError
from consumers.fetching.content import ContentDir
from consumers.fetching.part import sync_after
from consumers.spool import Writer
from consumers.spool.taking import take
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference, inside
from support.rot import rot

USED, UNUSED = b"used", b"unused"


def put(directory: ContentDir, data: bytes, *, ending: str = "") -> Path:
    path = directory.path(hashlib.sha256(data).hexdigest() + ending)
    path.write_bytes(data)
    return path


@pytest.fixture
async def directory(tmp_path: Path, writer: Writer) -> ContentDir:
    item = arriving(a_descriptor(attachments=(by_reference("a", USED),)))
    await writer.run(take, ([item], ONE_MINUTE))
    return ContentDir(tmp_path / "content", reserve_bytes=0)


async def test_what_a_delivery_uses_is_not_released(directory: ContentDir, writer: Writer) -> None:
    used, unused = put(directory, USED), put(directory, UNUSED)
    await writer.run(directory.release, directory.files_of([used.name, unused.name]))
    assert used.exists()
    assert not unused.exists()


def test_a_start_looks_at_the_directory_once_and_not_where_it_is_assembled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ContentDir(tmp_path, reserve_bytes=0), USED)
    scanned: list[Path] = []
    real = os.scandir

    def counted(path: Path) -> Any:
        scanned.extend([path] if path == tmp_path else [])
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    directory = ContentDir(tmp_path, reserve_bytes=0)
    assert not scanned, "the event loop assembles"
    assert len(directory.at_start()) == 1
    assert len(scanned) == 1


async def test_what_a_crash_left_behind_is_swept_at_the_start(directory: ContentDir, writer: Writer) -> None:
    kept = [put(directory, USED)]
    gone = [put(directory, USED, ending=".part"), put(directory, UNUSED), put(directory, UNUSED, ending=".part")]
    assert await writer.run(directory.release, directory.at_start()) == 1
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


@pytest.mark.parametrize(("gone", "partial", "scans"), [(1, 0, 0), (500, 0, 0), (1, 1, 1), (500, 250, 1)])
async def test_removing_looks_at_the_directory_once_at_most_and_never_in_the_writer(
    directory: ContentDir, writer: Writer, monkeypatch: pytest.MonkeyPatch, *, gone: int, partial: int, scans: int
) -> None:
    kept = [put(directory, b"kept %d" % number) for number in range(2000)]
    whole = [put(directory, b"gone %d" % number) for number in range(gone - partial)]
    parts = [put(directory, b"part %d" % number, ending=".part") for number in range(partial)]
    scanned: list[str] = []
    real = os.scandir

    def counted(path: Path) -> Any:
        scanned.append(threading.current_thread().name)
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    names = [path.name.removesuffix(".part") for path in (*whole, *parts)]
    files = await asyncio.to_thread(directory.files_of, names)
    assert await writer.run(directory.release, files) == gone
    assert len(scanned) == scans
    assert "spool-writer" not in scanned
    monkeypatch.undo()
    assert not any(path.exists() for path in (*whole, *parts))
    assert all(path.exists() for path in kept)


def test_what_rides_inside_is_written_to_files_of_the_deliverys_own(tmp_path: Path) -> None:
    directory = ContentDir(tmp_path, reserve_bytes=0)
    descriptor = a_descriptor(attachments=(inside("a", b"one"), by_reference("b", b"two"), inside("c", b"three")))
    paths = directory.unpack("delivery", descriptor)
    assert sorted(path.read_bytes() for path in paths.values()) == [b"one", b"three"]
    directory.discard_unpacked("delivery")
    assert not any(path.exists() for path in paths.values())


def test_nothing_unpacked_survives_a_restart(tmp_path: Path) -> None:
    descriptor = a_descriptor(attachments=(inside("a", b"one"),))
    (path,) = ContentDir(tmp_path, reserve_bytes=0).unpack("delivery", descriptor).values()
    ContentDir(tmp_path, reserve_bytes=0)
    assert not path.exists()


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    directory = ContentDir(tmp_path, reserve_bytes=2**60)
    with pytest.raises(DiskFullError, match="stay"):
        directory.require_room(1)
    with pytest.raises(DiskFullError):
        directory.unpack("delivery", a_descriptor(attachments=(inside("a", b"one"),)))


@pytest.mark.parametrize(("rate", "expected"), [(0, 65_536), (4_000, 65_536), (100_000, 200_000), (1e9, 8 * 1024**2)])
def test_a_power_cut_costs_two_seconds_of_the_line_or_64_kb(rate: float, expected: int) -> None:
    assert sync_after(rate) == expected


def test_a_content_that_rotted_on_the_disk_is_removed_to_be_fetched_again(tmp_path: Path) -> None:
    path = put(ContentDir(tmp_path, reserve_bytes=0), USED)
    rot(path)
    directory = ContentDir(tmp_path, reserve_bytes=0)
    assert not directory.has(path.name)
    assert not path.exists()


@pytest.mark.parametrize(("code", "is_removed"), [(errno.EIO, True), (errno.ENFILE, False)])
def test_a_content_on_a_bad_place_of_the_disk_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, *, is_removed: bool
) -> None:
    path = put(ContentDir(tmp_path, reserve_bytes=0), USED)
    directory = ContentDir(tmp_path, reserve_bytes=0)

    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(hashlib, "file_digest", fails)
    with nullcontext() if is_removed else pytest.raises(OSError, match="files"):
        assert not directory.has(path.name)
    assert path.exists() != is_removed


def test_a_content_that_was_right_is_not_hashed_again_at_once_but_when_it_has_changed(tmp_path: Path) -> None:
    directory = ContentDir(tmp_path, reserve_bytes=0)
    path = put(directory, USED)
    assert directory.has(path.name)
    path.write_bytes(UNUSED)
    assert not directory.has(path.name)


def test_a_part_that_a_crash_left_of_a_whole_content_goes_at_the_start_and_no_other(tmp_path: Path) -> None:
    whole = put(ContentDir(tmp_path, reserve_bytes=0), USED)
    left = whole.with_name(f"{whole.name}.zstd.e.5.part")
    coming = tmp_path / f"{'0' * 64}.zstd.e.5.part"
    left.write_bytes(b"12345")
    coming.write_bytes(b"123")
    directory = ContentDir(tmp_path, reserve_bytes=0)
    directory.at_start()
    assert not left.exists()
    assert whole.exists()
    assert coming.exists()
    assert directory.has(whole.name)
