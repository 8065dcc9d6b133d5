"""A process of its own that hands documents to a folder sink, to be killed in the middle of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from consumers.sinks.base import Document
from consumers.sinks.folder import FolderSink


def fill(root: Path, documents: Sequence[Document]) -> None:
    """Hand over the documents, four at a time, each twice."""
    asyncio.run(_fill(root, documents))


async def _fill(root: Path, documents: Sequence[Document]) -> None:
    sink = FolderSink(root)
    for start in range(0, len(documents), 4):
        for _ in range(2):
            await asyncio.gather(*(sink.deliver(document) for document in documents[start : start + 4]))
    await sink.close()
