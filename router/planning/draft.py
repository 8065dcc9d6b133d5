"""Where the files of a trial dispatch lie: a store beside the real one, removed afterwards."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from router.content import ContentStore
from schemas.deadlines import is_over
from schemas.ids import new_id

DIRECTORY_NAME = "drafts"
"""Under the content store's root, so that what is stored already can be linked."""
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which a draft belongs to a process that died."""


@asynccontextmanager
async def draft_in(store: ContentStore) -> AsyncIterator[ContentStore]:
    """A store for one trial."""
    root = store.root / DIRECTORY_NAME / new_id()
    await asyncio.to_thread(_sweep, root.parent)
    try:
        yield await asyncio.to_thread(lambda: ContentStore(root, reserve_bytes=store.reserve_bytes))
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, root, ignore_errors=True))


def take_over(draft: ContentStore, store: ContentStore, names: Iterable[str]) -> None:
    """Put into a draft what was uploaded before; blocks."""
    for name in names:
        if draft.size(name) is None and store.size(name) is not None:
            place = draft.path(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                os.link(store.path(name), place)


def _sweep(drafts: Path) -> None:
    drafts.mkdir(exist_ok=True)
    for path in drafts.iterdir():
        with suppress(FileNotFoundError):
            ends = path.stat().st_mtime + _ABANDONED_AFTER
            if is_over(ends, now=time.time(), longest=2 * _ABANDONED_AFTER):
                shutil.rmtree(path, ignore_errors=True)
