"""``python -m support.dying_gateway POINT``: a gateway that is killed (SIGKILL) when it first comes to a point.

The settings come from the environment. An unknown point lets it live.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import consumers.fetching.part
import consumers.gateway
from consumers.fetching.part import Part
from consumers.settings import GatewaySettings
from consumers.sinks import GuardedSink
from consumers.spool import Writer, outbox, work
from consumers.taking.intake import Intake


def die(*_args: Any, **_kwargs: Any) -> NoReturn:
    """As if the power had gone, for this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def dies_after(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The function, and then death before its caller goes on."""

    async def fatal(*args: Any, **kwargs: Any) -> Any:
        await function(*args, **kwargs)
        die()

    return fatal


def dies_behind(name: str) -> None:
    """Die when a part's content has been through this function."""
    function = getattr(consumers.fetching.part, name)

    def fatal(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        die()

    setattr(consumers.fetching.part, name, fatal)


def dies_behind_commit_of(handler: Callable[..., Any]) -> None:
    """Die when a change of this handler has been committed."""
    run = Writer.run

    async def fatal(self: Writer, given: Callable[..., Any], item: Any) -> Any:
        answer = await run(self, given, item)
        if given is handler:
            die()
        return answer

    Writer.run = fatal  # type: ignore[assignment, method-assign]


def arrange(point: str) -> None:
    """Prepare the death."""
    if point == "taken, not acknowledged":
        Intake.handle = dies_after(Intake.handle)  # type: ignore[assignment, method-assign]
    elif point == "half a content on disk":
        write = Part.write
        Part.write = lambda self, data, at: (write(self, data, at), die())[0]  # type: ignore[method-assign]
    elif point == "content whole, not noted":
        finish = Part.finish
        Part.finish = lambda self, *given: (finish(self, *given), die())[0]  # type: ignore[method-assign]
    elif point == "form whole, not unpacked":
        Part.finish = die  # type: ignore[method-assign]
    elif point == "form unpacked, not named":
        dies_behind("decode")
    elif point == "content named, form not removed":
        dies_behind("sync_directory")
    elif point == "handed over, arrival not committed":
        GuardedSink.deliver = dies_after(GuardedSink.deliver)  # type: ignore[assignment, method-assign]
    elif point == "arrived, content not removed, receipt not sent":
        dies_behind_commit_of(work.arrive)
    elif point == "receipt confirmed, not noted":
        outbox.mark_sent = die


if __name__ == "__main__":
    arrange(sys.argv[1])
    asyncio.run(consumers.gateway.Gateway(GatewaySettings()).run())
