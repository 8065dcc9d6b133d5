"""The content store: whole or not at all, once, within its limits, in flat memory."""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import router.content.writer
from router.content import CHUNK_BYTES, ContentStore
from router.errors import ContentFullError, ContentMismatchError, TooLargeError
from support.conditions import holds
from support.small_disk import small_disk

ABC = hashlib.sha256(b"abc").hexdigest()
MIB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


def files_of(store: ContentStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() and path.name != "lock"]


async def upload_16_chunks(store: ContentStore) -> None:
    async with await store.begin() as writer:
        for _ in range(16):
            await writer.write(b"x" * CHUNK_BYTES)


async def test_content_lies_under_its_hash_in_two_levels_of_directories(store: ContentStore) -> None:
    stored = await store.put(b"abc")
    assert (stored.sha256, stored.size, stored.created) == (ABC, 3, True)
    assert store.path(ABC) == store.root / ABC[:2] / ABC[2:4] / ABC
    assert store.path(ABC).read_bytes() == b"abc"
    assert store.size(ABC) == 3


async def test_identical_content_is_stored_once(store: ContentStore) -> None:
    results = await asyncio.gather(*(store.put(b"the same" * 100_000) for _ in range(8)))
    assert [result.created for result in results].count(True) >= 1
    assert len({result.sha256 for result in results}) == 1
    assert len(files_of(store)) == 1
    assert not (await store.put(b"the same" * 100_000)).created


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.integers(0, CHUNK_BYTES + 10), max_size=6))
async def test_any_cutting_into_chunks_stores_the_same_bytes(store: ContentStore, chunks: list[int]) -> None:
    async with await store.begin() as writer:
        for number, size in enumerate(chunks):
            await writer.write(bytes([number]) * size)
        stored = await writer.commit()
    whole = b"".join(bytes([number]) * size for number, size in enumerate(chunks))
    assert stored.sha256 == hashlib.sha256(whole).hexdigest()
    assert store.path(stored.sha256).read_bytes() == whole


async def test_bytes_that_do_not_have_the_said_hash_leave_nothing(store: ContentStore) -> None:
    async with await store.begin() as writer:
        await writer.write(b"abd")
        with pytest.raises(ContentMismatchError, match=ABC):
            await writer.commit(expected_sha256=ABC)
    assert files_of(store) == []
    assert store.size(ABC) is None


async def test_more_bytes_than_the_limit_leave_nothing(store: ContentStore) -> None:
    async with await store.begin(max_bytes=10) as writer:
        await writer.write(b"0123456789")
        with pytest.raises(TooLargeError, match="10 bytes"):
            await writer.write(b"x")
    assert files_of(store) == []


async def test_a_size_that_is_known_to_be_too_large_is_refused_before_the_first_byte(store: ContentStore) -> None:
    with pytest.raises(TooLargeError):
        await store.begin(expected_bytes=11, max_bytes=10)
    assert files_of(store) == []


async def test_an_aborted_writer_leaves_nothing_and_cannot_go_on(store: ContentStore) -> None:
    writer = await store.begin()
    await writer.write(b"x" * CHUNK_BYTES)
    assert len(files_of(store)) == 1
    await writer.abort()
    await writer.abort()
    assert files_of(store) == []
    with pytest.raises(ValueError, match="begin a new one"):
        await writer.commit()


async def test_a_cancelled_upload_leaves_nothing(store: ContentStore) -> None:
    async def upload() -> None:
        async with await store.begin() as writer:
            while True:
                await writer.write(b"x" * CHUNK_BYTES)

    task = asyncio.create_task(upload())
    await holds(lambda: bool(files_of(store)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_of(store) == []


async def test_a_reader_of_the_old_file_is_not_disturbed_by_a_second_upload(store: ContentStore) -> None:
    await store.put(b"abc")
    with store.path(ABC).open("rb") as reader:
        await store.put(b"abc")
        assert reader.read() == b"abc"


async def test_a_stored_file_that_lost_bytes_is_replaced_by_the_next_upload(store: ContentStore) -> None:
    await store.put(b"abc")
    store.path(ABC).write_bytes(b"a")
    assert (await store.put(b"abc")).created
    assert store.path(ABC).read_bytes() == b"abc"


async def test_below_the_reserve_nothing_is_accepted(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "content", reserve_bytes=shutil.disk_usage(tmp_path).total)
    with pytest.raises(ContentFullError, match="reserve"):
        await store.put(b"abc")
    assert files_of(store) == []


async def test_a_hopeless_size_is_refused_before_the_first_byte(store: ContentStore) -> None:
    with pytest.raises(ContentFullError):
        await store.begin(expected_bytes=2**60, max_bytes=2**61)
    assert files_of(store) == []


async def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=2 * MIB) as disk:
        store = ContentStore(disk / "content", reserve_bytes=0)
        with pytest.raises(ContentFullError):
            await upload_16_chunks(store)
        assert files_of(store) == []
        assert (await store.put(b"abc")).sha256 == ABC


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_no_space_told_by_the_system_itself_is_the_same_error(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_space(_fd: int, _chunk: bytes) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(router.content.writer, "write_all", no_space)
    with pytest.raises(ContentFullError, match=os.strerror(code)):
        await store.put(b"abc")
    assert files_of(store) == []


async def test_another_error_of_the_system_is_not_called_a_full_disk(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int, _chunk: bytes) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(router.content.writer, "write_all", broken)
    with pytest.raises(OSError, match="broken"):
        await store.put(b"abc")
    assert files_of(store) == []


async def test_leftovers_of_a_killed_writer_are_swept_and_those_of_a_living_one_are_kept(store: ContentStore) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from router.content import ContentStore\n"
        "async def main():\n"
        "    writer = await ContentStore(Path(sys.argv[1]), reserve_bytes=0).begin()\n"
        "    await writer.write(b'x' * 300_000); print('written', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    living = await store.begin()
    with subprocess.Popen(  # noqa: ASYNC220 - waiting for it is the point
        [sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    assert len(files_of(store)) == 2
    again = ContentStore(store.root, reserve_bytes=0)
    assert len(files_of(again)) == 1
    await living.write(b"abc")
    assert (await living.commit()).sha256 == ABC


async def test_a_file_swept_between_its_making_and_its_locking_is_made_anew(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[Path] = []

    def sweep_first(fd: int, operation: int) -> None:
        if not swept:
            swept.extend(files_of(store))
            swept[0].unlink()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    assert (await store.put(b"abc")).sha256 == ABC
    assert swept


async def test_what_is_known_to_be_sound_waits_for_no_other_file_that_is_hashed(store: ContentStore) -> None:
    await store.put(b"abc")
    with store._hashing[int(ABC[:2], 16) % len(store._hashing)]:
        assert await asyncio.wait_for(asyncio.to_thread(store.sound, ABC), 10) == 3
        assert await asyncio.wait_for(asyncio.to_thread(store.read, ABC), 10) == b"abc"


async def test_a_sweep_needs_no_more_of_a_lock_than_nfs_gives_a_file_that_is_only_read(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def as_over_nfs(fd: int, operation: int) -> None:
        is_for_reading = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if operation & fcntl.LOCK_EX and is_for_reading:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", as_over_nfs)
    living = await store.begin()
    (store.incoming / "abandoned").write_bytes(b"ab")
    again = ContentStore(store.root, reserve_bytes=0)
    assert len(list(again.incoming.iterdir())) == 1, "the one that is being written"
    await living.write(b"abc")
    assert (await living.commit()).sha256 == ABC


@pytest.mark.parametrize("name", ["", "../../etc/passwd", ABC.upper(), ABC[:-1], ABC + "0", ABC[:-1] + "\n"])
def test_a_name_that_is_no_hash_never_becomes_a_path(store: ContentStore, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        store.path(name)


async def test_memory_stays_flat_however_large_the_file(store: ContentStore) -> None:
    chunk = b"x" * 65536
    tracemalloc.start()
    async with await store.begin() as writer:
        for _ in range(64 * MIB // len(chunk)):
            await writer.write(chunk)
        stored = await writer.commit()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stored.size == 64 * MIB
    assert peak < 4 * MIB
