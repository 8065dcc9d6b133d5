"""Reads what a server answers, all of it and no more than is wanted."""

from aiohttp import StreamReader


async def read_within(stream: StreamReader, most: int) -> bytes | None:
    """The whole body, in however many pieces it comes; None: it is longer than ``most`` bytes.

    A single ``read(most)`` gives what has come by then: on a slow line a part of it.
    """
    body = bytearray()
    async for piece in stream.iter_any():
        body += piece
        if len(body) > most:
            return None
    return bytes(body)
