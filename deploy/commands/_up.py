"""Runs the all-in-one until it is told to stop, and says where everything is."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from functools import partial

from deploy.allinone import AllInOne, Running, Setup
from deploy.errors import ChildError
from router.process.ending import end_within
from router.settings import RouterSettings

STOPS_WITHIN = 150.0
"""Seconds for gateways, router and broker to stop one after the other, each of which may take 20 s and be killed."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def serve(settings: RouterSettings, wish: Setup, *, as_json: bool) -> None:
    """Start, show, and stop at SIGTERM or Ctrl-C.

    Raises:
        ChildError: nothing would start a process again that ends; everything is stopped.
    """
    with interruptible(on_stop=partial(end_within, STOPS_WITHIN)):
        made = AllInOne(settings, wish)
        async with made as running:
            print(json.dumps(summary(running)), flush=True) if as_json else show(running)
            try:
                await made.keep()
            except ChildError:
                end_within(STOPS_WITHIN)
                raise


@contextlib.contextmanager
def interruptible(*, on_stop: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Leave the block at the first SIGTERM or Ctrl-C, by a cancellation; further ones do not disturb the tidying up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one

    def interrupt() -> None:
        for number in _SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        on_stop()
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        task.uncancel()


def summary(running: Running) -> dict[str, object]:
    """Where everything is, without secrets: those stand in the files that are named."""
    return {
        "api_url": running.api_url,
        "console_url": running.console_url,
        "amqp_url": running.amqp_url,
        "management_url": running.management_url,
        "gateways": list(running.gateways),
        "inbox": str(running.inbox),
        "logs": str(running.logs),
        "config_file": str(running.config_file),
    }


def show(running: Running) -> None:
    """The same for people, with the next steps."""
    print("congvan is running; Ctrl-C stops it")
    print(f"  console     {running.console_url}")
    if running.login_url:
        print(f"    first login, once: {running.login_url}")
    print(f"  web API     {running.api_url}")
    print(f"  broker      {running.amqp_url}")
    print(f"  management  {running.management_url or 'not configured'}")
    print(f"  gateways    {', '.join(running.gateways) or 'none here'}")
    print(f"  inboxes     {running.inbox}")
    print(f"  logs        {running.logs}")
    if not running.tokens:
        print("There are no units yet: `congvan units import FILE`, then start it again for their gateways.")
    print("In another shell, for congvan units, send, track, log:")
    print(f"  export CONGVAN_CONFIG={running.config_file}", flush=True)
