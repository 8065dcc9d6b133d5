"""A part on disk when calls of a cancelled fetch come late, twice, or after the end."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import WrongContentError
from consumers.fetching.part import Part, part_path

DATA = bytes(range(256)) * 40


def a_part(directory: Path, data: bytes = DATA) -> Part:
    def require_room(_size: int) -> None:
        """The disk has room."""

    return Part(directory / hashlib.sha256(data).hexdigest(), len(data), require_room=require_room)


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 3)), min_size=1, max_size=30))
def test_a_write_made_again_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    part = a_part(tmp_path_factory.mktemp("part"))
    writes: list[tuple[bytes, int]] = []
    for size, back in steps:
        start = part.position
        writes.append((DATA[start : start + size], start))
        part.write(*writes[-1])
        part.write(*writes[max(0, len(writes) - 1 - back)])
        assert part.position == min(start + size, len(DATA))
    part.write(DATA[part.position :], part.position)
    part.finish()
    part.close()


def test_a_longer_write_that_overlaps_adds_only_what_is_new(tmp_path: Path) -> None:
    part = a_part(tmp_path)
    part.write(DATA[:100], 0)
    part.write(DATA[50:300], 50)
    assert part.position == 300
    part.write(DATA[300:], 300)
    part.finish()
    part.close()
    assert (tmp_path / hashlib.sha256(DATA).hexdigest()).read_bytes() == DATA


def test_a_write_that_leaves_a_hole_is_left_out(tmp_path: Path) -> None:
    part = a_part(tmp_path)
    part.write(DATA[200:], 200)
    assert part.position == 0
    part.close()


def test_what_comes_after_the_end_touches_no_file(tmp_path: Path) -> None:
    part = a_part(tmp_path)
    part.write(DATA[:100], 0)
    part.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    part.write(DATA[100:], 100)
    part.finish()
    assert os.fstat(other).st_size == 0, "a file that got the closed one's number"
    os.close(other)
    assert part_path(tmp_path / hashlib.sha256(DATA).hexdigest()).stat().st_size == 100


def test_after_wrong_bytes_a_part_begins_again_from_nothing(tmp_path: Path) -> None:
    part = a_part(tmp_path)
    part.write(b"\0" * len(DATA), 0)
    with pytest.raises(WrongContentError, match="SHA-256"):
        part.finish()
    assert part.position == 0
    with pytest.raises(WrongContentError, match="longer"):
        part.write(DATA + b"!", 0)
    part.write(DATA, 0)
    part.finish()
    part.close()
