"""An answer is read whole however it comes, and not without end."""

import asyncio
import re
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader

import consumers
import deploy
import router
from router.process.bodies import read_within


@pytest.mark.parametrize(("most", "wanted"), [(6, b"abcdef"), (100, b"abcdef"), (5, None)])
async def test_what_comes_in_pieces_is_read_whole_up_to_its_bound(most: int, wanted: bytes | None) -> None:
    stream = StreamReader(Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
    reading = asyncio.create_task(read_within(stream, most))
    for piece in (b"ab", b"c", b"def"):
        stream.feed_data(piece)
        await asyncio.sleep(0)  # the reader's turn
    stream.feed_eof()
    assert await reading == wanted


def test_no_answer_is_read_by_what_has_come_of_it() -> None:
    files = [file for package in (router, consumers, deploy) for file in Path(package.__path__[0]).rglob("*.py")]
    found = {file.name for file in files if re.search(r"\.content\.read\(\S", file.read_text("utf-8"))}
    assert found == {"webhook.py"}, "which reads again and again"
