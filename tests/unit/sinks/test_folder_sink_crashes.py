"""The folder sink, stopped before any of its steps on the disk and killed at any moment: complete, and once."""

import asyncio
import multiprocessing
import random
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.sinks.base import Document
from consumers.sinks.folder import FolderSink
from support.documents import FILES, make_document, visible
from support.folder_filler import fill

STEPS = {"open", "os.mkdir", "os.chmod", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


class _Crash(BaseException):
    """The process ends here, for all the sink can tell."""


class _Bomb:
    """Ends the sink before the step that is so many steps away; a Python audit hook sees each step."""

    def __init__(self) -> None:
        self.steps_left = -1
        sys.addaudithook(self._count)

    def _count(self, event: str, _arguments: object) -> None:
        if self.steps_left < 0 or event not in STEPS:
            return
        self.steps_left -= 1
        if self.steps_left < 0:
            raise _Crash


@pytest.fixture(scope="module")
def bomb() -> _Bomb:
    return _Bomb()


def _deliver(root: Path, document: Document) -> None:
    async def once() -> None:
        sink = FolderSink(root)
        try:
            await sink.deliver(document)
        finally:
            await sink.close()

    asyncio.run(once())


def _is_complete(directory: Path) -> bool:
    whole = all((directory / name).read_bytes() == content for name, content in FILES.items())
    return whole and (directory / "dispatch.json").exists()


@settings(max_examples=60, deadline=None)
@given(crashes=st.lists(st.integers(min_value=0, max_value=28), max_size=4), seed=st.booleans())
def test_stopped_before_any_step_a_document_is_there_once_and_whole(
    bomb: _Bomb,
    crashes: list[int],
    seed: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    _crash_and_repeat(bomb, crashes, people_move_it=seed)


@pytest.mark.parametrize("step", range(28))
def test_stopped_before_each_step_a_document_is_there_once_and_whole(bomb: _Bomb, step: int) -> None:
    _crash_and_repeat(bomb, [step], people_move_it=True)


def _crash_and_repeat(bomb: _Bomb, crashes: list[int], *, people_move_it: bool) -> None:
    with tempfile.TemporaryDirectory() as base:
        root, taken_away = Path(base, "inbox"), Path(base, "desk")
        taken_away.mkdir()
        document = make_document(Path(base, "spool"))
        for number, step in enumerate([*crashes, None]):
            bomb.steps_left = -1 if step is None else step
            try:
                _deliver(root, document)
            except _Crash:
                pass
            finally:
                bomb.steps_left = -1
            for directory in visible(root / document.unit):
                assert _is_complete(directory)
                if people_move_it:
                    directory.rename(taken_away / f"{number} {directory.name}")
        found = visible(root / document.unit) + visible(taken_away)
        assert len(found) == 1
        assert list((root / document.unit).glob(".incoming-*")) == []


def test_killed_at_random_moments_every_document_is_there_once_and_whole(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    root, desk = tmp_path / "inbox", tmp_path / "desk"
    desk.mkdir()
    documents = [make_document(tmp_path / "spool") for _ in range(60)]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["support.folder_filler"])
    killed = 0
    for _ in range(12):
        child = processes.Process(target=fill, args=(root, documents))
        child.start()
        child.join(chance.uniform(0.05, 0.6))
        killed += child.is_alive()
        child.kill()
        child.join()
        for directory in visible(root / "LCA.02.05"):
            assert _is_complete(directory)
            if chance.random() < 0.3:
                directory.rename(desk / directory.name)
    fill(root, documents)
    names = sorted(path.name for path in visible(root / "LCA.02.05") + visible(desk))
    assert len(names) == 60
    assert {name[-36:] for name in names} == {document.delivery_id for document in documents}
    assert killed > 0
    print(f"\nkilled {killed} of 12 runs; {len(visible(desk))} documents had been moved away meanwhile")
