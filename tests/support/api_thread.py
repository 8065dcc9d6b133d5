"""The web API in a thread of its own, for tests that call it without an event loop."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from support.api_server import Api, running_api


@contextlib.contextmanager
def api_in_thread(directory: Path, **options: Any) -> Iterator[Api]:
    """:func:`support.api_server.running_api`, to be called from this thread by any client but its own."""
    begun: Future[Api] = Future()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        try:
            async with running_api(directory, **options) as api:
                begun.set_result(api)
                await over.wait()
        except BaseException as error:
            if not begun.done():
                begun.set_exception(error)
            raise

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()], name="api")
    thread.start()
    try:
        yield begun.result(60)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()
