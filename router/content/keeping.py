"""A file of a form on its way into the store, kept as its door says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from router.content.store import ContentStore
from router.content.writer import ContentWriter, Stored

Keep = Callable[[ContentWriter], Awaitable[Stored]]
"""Names a file that came whole, and remembers whose it is."""


@dataclass(frozen=True, slots=True)
class ContentSink:
    """The place of one file, see :class:`router.pages.brought.FileSink`."""

    writer: ContentWriter
    keep: Keep

    async def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            TooLargeError: more than a file may have.
            ContentFullError: no room is left.
        """
        await self.writer.write(chunk)

    async def finish(self) -> tuple[int, str]:
        """Keep it; its size and SHA-256."""
        stored = await self.keep(self.writer)
        return stored.size, stored.sha256

    async def abort(self) -> None:
        """Drop what came."""
        await self.writer.abort()


async def open_sink(content: ContentStore, *, max_bytes: int, keep: Keep = ContentWriter.commit) -> ContentSink:
    """Begin a file of at most so many bytes."""
    return ContentSink(await content.begin(max_bytes=max_bytes), keep)
