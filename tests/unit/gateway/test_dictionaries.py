"""What is kept of what came: the latest, as much as is allowed, nothing that is called back or classified."""

import hashlib
import os
from pathlib import Path

import pytest

from consumers.fetching.dictionaries import Came, Dictionaries
from consumers.spool import Writer
from consumers.spool.taking import take
from schemas.dispatch import Kind
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference

SIZE = 10_000


def came(directory: Path, *contents: bytes, dispatch_id: str = "d") -> Came:
    paths = [directory / hashlib.sha256(data).hexdigest() for data in contents]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return Came(dispatch_id, tuple(paths))


def content(number: int, size: int = SIZE) -> bytes:
    return bytes([number]) * size


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def dictionaries(tmp_path: Path) -> Dictionaries:
    return Dictionaries(tmp_path / "dictionaries", most_bytes=3 * SIZE)


async def test_what_came_is_kept_when_the_content_itself_is_removed(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    item = came(tmp_path, content(1))
    await writer.run(dictionaries.remember, item)
    item.paths[0].unlink()
    assert dictionaries.read(name(content(1))) == content(1)
    assert dictionaries.holds(name(content(1)))
    assert dictionaries.read(name(content(2))) is None


async def test_what_was_used_least_goes_first(tmp_path: Path, writer: Writer, dictionaries: Dictionaries) -> None:
    for number in (1, 2, 3):
        await writer.run(dictionaries.remember, came(tmp_path, content(number)))
    assert dictionaries.read(name(content(1))) is not None
    await writer.run(dictionaries.remember, came(tmp_path, content(4)))
    assert [dictionaries.holds(name(content(number))) for number in (1, 2, 3, 4)] == [True, False, True, True]


async def test_a_restart_knows_what_was_used_when_and_keeps_to_a_lower_bound(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    for number in (1, 2, 3):
        await writer.run(dictionaries.remember, came(tmp_path, content(number)))
        os.utime(dictionaries._root / name(content(number)), (10 - number, 10 - number))
    again = Dictionaries(dictionaries._root, most_bytes=2 * SIZE)
    assert [again.holds(name(content(number))) for number in (1, 2, 3)] == [True, True, False]
    assert len(list(dictionaries._root.iterdir())) == 2


async def test_one_that_is_gone_from_the_disk_or_changed_is_held_no_longer(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    for number in (1, 2):
        await writer.run(dictionaries.remember, came(tmp_path, content(number)))
    (dictionaries._root / name(content(1))).unlink()
    (dictionaries._root / name(content(2))).write_bytes(b"?" * SIZE)
    for number in (1, 2):
        assert dictionaries.read(name(content(number))) is None
        assert not dictionaries.holds(name(content(number)))
    await writer.run(dictionaries.remember, came(tmp_path, content(1)))
    assert dictionaries.read(name(content(1))) == content(1), "it may come again"


async def test_too_small_and_too_large_ones_are_not_kept(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    await writer.run(dictionaries.remember, came(tmp_path, content(1, 3 * SIZE + 1), content(2, 4095)))
    assert list(dictionaries._root.iterdir()) == []
    nothing = Dictionaries(tmp_path / "none", most_bytes=0)
    await writer.run(nothing.remember, came(tmp_path, content(1)))
    assert list(nothing._root.iterdir()) == []


async def test_a_content_that_is_gone_already_is_no_error(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    item = came(tmp_path, content(1))
    item.paths[0].unlink()
    await writer.run(dictionaries.remember, item)
    assert list(dictionaries._root.iterdir()) == []


async def test_what_is_called_back_is_forgotten_and_not_kept_again(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    letter = a_descriptor(attachments=(by_reference("a", content(1)),))
    other = a_descriptor(attachments=(by_reference("b", content(2)),))
    await writer.run(take, ([arriving(letter), arriving(other, seq=2)], ONE_MINUTE))
    kept = came(tmp_path, content(1), dispatch_id=letter.id)
    await writer.run(dictionaries.remember, kept)
    await writer.run(dictionaries.remember, came(tmp_path, content(2), dispatch_id=other.id))

    recall = a_descriptor(kind=Kind.RECALL, refers_to=(letter.id,))
    await writer.run(take, ([arriving(recall, seq=3)], ONE_MINUTE))
    await writer.run(dictionaries.forget_recalled, [letter.id])
    assert not dictionaries.holds(name(content(1)))
    await writer.run(dictionaries.remember, kept)
    assert not dictionaries.holds(name(content(1)))
    assert dictionaries.holds(name(content(2)))


async def test_what_a_crash_left_of_a_recalled_dispatch_goes_at_the_start(
    tmp_path: Path, writer: Writer, dictionaries: Dictionaries
) -> None:
    letter = a_descriptor(attachments=(by_reference("a", content(1)),))
    await writer.run(take, ([arriving(letter)], ONE_MINUTE))
    await writer.run(dictionaries.remember, came(tmp_path, content(1), dispatch_id=letter.id))
    recall = a_descriptor(kind=Kind.RECALL, refers_to=(letter.id,))
    await writer.run(take, ([arriving(recall, seq=2)], ONE_MINUTE))
    assert dictionaries.holds(name(content(1)))
    await writer.run(dictionaries.forget_recalled, None)
    assert not dictionaries.holds(name(content(1)))
